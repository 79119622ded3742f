"""`lthbench diff`, `run --against` and `explain`: verdicts against a stored baseline, and the reasons for them."""

import io
import json
import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import typed
from rich.console import Console
from tiny_suite import PLAIN

from lthbench.cli.show import diff_table
from lthbench.judging import diff
from lthbench.report import compare

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reports/reference/quick"


@pytest.fixture
def call(environment, tmp_path):
    def done(*arguments: object) -> subprocess.CompletedProcess[str]:
        return typed(arguments, environment, tmp_path)

    return done


def edited(folder: Path, edit) -> Path:
    """The reference run of seed 0 with an edit, in a folder of its own."""
    content = json.loads((REFERENCE / "seed-0/verdicts.json").read_text())
    edit({claim["id"]: claim for claim in content["claims"]}, content)
    folder.mkdir(exist_ok=True)
    (folder / "verdicts.json").write_text(json.dumps(content))
    return folder


def test_two_seeds_agree_on_every_verdict(call) -> None:
    done = call("diff", REFERENCE / "seed-0", REFERENCE / "seed-1/verdicts.json")
    assert done.returncode == 0, done.stderr
    assert "master seed 0 before, 1 now" in done.stdout
    assert "changed: none. Exit code 0." in done.stdout


@pytest.mark.parametrize(("before", "after"), [("PASS", "FAIL"), ("INCONCLUSIVE", "PASS"), ("PASS", "BLOCKED")])
def test_a_change_of_a_primary_claim_counts_in_either_direction(call, tmp_path, before, after) -> None:
    old = edited(tmp_path / "old", lambda claims, _: claims["FC-8"].update(verdict=before))
    new = edited(tmp_path / "new", lambda claims, _: claims["FC-8"].update(verdict=after))
    done = call("diff", old, new, "--junit", "diff.xml")
    assert done.returncode == 1
    assert f"FC-8: {before} before, {after} now" in done.stdout
    suite = ET.parse(tmp_path / "diff.xml").getroot()
    failing = [case.attrib["name"] for case in suite.iter("testcase") if case.find("failure") is not None]
    assert suite.attrib["failures"] == "1"
    assert [name[:5] for name in failing] == ["FC-8:"]


def test_an_exploratory_change_is_said_in_words_of_its_own(call, tmp_path) -> None:
    def turned(claims, content):
        content["exploratory"] = True
        claims["FC-8"].update(verdict="FAIL")

    old = edited(tmp_path / "old", lambda _, content: content.update(exploratory=True))
    done = call("diff", old, edited(tmp_path / "new", turned))
    assert done.returncode == 1
    assert "FC-8: SUPPORTED HERE before, NOT SUPPORTED HERE now" in done.stdout


def test_the_page_that_compares_two_runs(call, tmp_path) -> None:
    def turned(claims, _):
        claims["FC-8"].update(verdict="FAIL")
        claims["FC-8"]["hypotheses"][0].update(decision="FAIL", delta=9.0, says="<b>a script</b>")

    new = edited(tmp_path / "new", turned)
    done = call("diff", REFERENCE / "seed-0", new, "--html", "diff.html")
    assert done.returncode == 1, done.stderr
    page = (tmp_path / "diff.html").read_text()
    first, *others = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert 'id="FC-8" class="changed"' in first  # what changed comes first
    assert not any('class="changed"' in article for article in others)
    assert "H1, margin: 0.75 before, 9 now." in first
    assert "H1: PASS before, FAIL now." in first
    assert {"square": first.count('<rect class="before"'), "circle": first.count('<circle class="now"')} == {
        "square": 1,
        "circle": 1,
    }
    assert "<b>" not in page
    assert not re.search(r"(src|href)=|url[(]|https?:", page)  # it needs no other file
    assert str(new / "verdicts.json") in page  # both runs are named
    assert str(REFERENCE / "seed-0/verdicts.json") in page
    assert "AMD EPYC" in page


@pytest.mark.parametrize(
    ("low", "high", "delta"), [(-0.4, 0.2, 1.0), (-30.0, 40.0, 0.5), (2.0, 2.0, 1.5), (None, None, 2.0)]
)
def test_what_a_dumbbell_shows_lies_in_its_drawing(low, high, delta) -> None:
    claim = diff.load(str(REFERENCE / "seed-0"), Path(".")).claims[0]
    line = replace(claim.deciding, delta=delta, evidence=claim.deciding.evidence | {"low": low, "high": high})
    drawing = compare.drawing(compare.Pair(line, line))
    places = [float(x) for x in re.findall(r' (?:cx|x)="([-.0-9]+)"|', drawing) if x]
    assert len(places) == 2 + 1 + 1  # 0 and the margin, a square, a circle
    assert 0 <= min(places) <= max(places) <= compare.WIDTH


def test_json_of_a_comparison(call, tmp_path) -> None:
    new = edited(tmp_path / "new", lambda claims, _: claims["FC-8"].update(verdict="FAIL"))
    done = call("diff", REFERENCE / "seed-0", new, "--json")
    content = json.loads(done.stdout)
    assert (done.returncode, content["exit_code"]) == (1, 1)
    assert [change["id"] for change in content["changes"] if change["counts"]] == ["FC-8"]
    assert "Exit code 1" in done.stderr


@pytest.mark.parametrize("verdict", ["INCONCLUSIVE", "NOT DECIDABLE"])
def test_a_narrow_terminal_shows_whole_verdicts(tmp_path, verdict) -> None:
    new = edited(tmp_path / "new", lambda claims, _: claims["FC-8"].update(verdict=verdict))
    page = io.StringIO()
    compared = diff.compare(diff.load(str(new), tmp_path), diff.load(str(REFERENCE / "seed-0"), tmp_path))
    Console(width=80, file=page).print(diff_table(compared))
    (row,) = [line for line in page.getvalue().splitlines() if "FC-8" in line]
    assert verdict in row
    assert "PASS" in row
    assert max(map(len, page.getvalue().splitlines())) <= 80


def test_a_secondary_claim_is_shown_and_does_not_count(call, tmp_path) -> None:
    new = edited(tmp_path / "new", lambda claims, _: claims["ST-1"].update(verdict="FAIL"))
    done = call("diff", REFERENCE / "seed-0", new)
    assert done.returncode == 0
    assert "1 of other claims did" in done.stdout


def test_a_primary_claim_that_is_gone_counts_and_a_new_one_does_not(call, tmp_path) -> None:
    less = edited(tmp_path / "less", lambda _, whole: whole.update(claims=whole["claims"][1:]))
    assert call("diff", REFERENCE / "seed-0", less).returncode == 1
    done = call("diff", less, REFERENCE / "seed-0")
    assert done.returncode == 0
    assert "new" in done.stdout


def test_another_margin_is_said(call, tmp_path) -> None:
    new = edited(tmp_path / "new", lambda claims, _: claims["FC-1"]["hypotheses"][0].update(delta=9.0))
    assert "registration" in call("diff", REFERENCE / "seed-0", new).stdout


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("nowhere", "no verdicts there (looked for results/nowhere/seed-0/scopes/all/verdicts.json)"),
        ("../nowhere", "no verdicts there"),
        (ROOT / "README.md", "not the verdicts of a run"),
        (ROOT / "docs", "no verdicts there"),
    ],
)
def test_what_is_no_baseline(call, before, says) -> None:
    done = call("diff", before, REFERENCE / "seed-0")
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert call("run", "quick", "--against", before).returncode == 2


def test_another_suite_is_another_question(call, tmp_path) -> None:
    done = call("run", "published", "--against", REFERENCE / "seed-0")
    assert done.returncode == 2
    assert "verdicts of suite 'quick'" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_run_against_itself_and_against_a_baseline_that_differs(call, tmp_path) -> None:
    first = call("run", "published")
    done = call("run", "published", "--against", "published")
    assert (first.returncode, done.returncode) == (3, 0), done.stderr
    assert (tmp_path / "reports/published/diff.xml").exists()
    assert (tmp_path / "reports/published/diff.html").exists()
    file = tmp_path / "reports/published/verdicts.json"
    content = json.loads(file.read_text())
    content["claims"][0]["verdict"] = "PASS" if content["claims"][0]["verdict"] != "PASS" else "FAIL"
    (tmp_path / "old.json").write_text(json.dumps(content))
    first_claim = content["claims"][0]["id"]
    assert call("run", "published", "--claim", first_claim, "--against", "old.json").returncode == 1
    others = next(c["id"] for c in content["claims"] if c["id"] != first_claim and c["kind"] == "primary")
    assert call("run", "published", "--claim", others, "--against", "old.json").returncode == 0
    told = call("explain", "FC-8", "--out", tmp_path)
    assert "HOW SUITE published DECIDES IT" in told.stdout
    assert "VERDICT PASS on published data" in told.stdout


def test_a_trained_run_is_compared_with_what_it_replaces(lthbench, plain_run) -> None:
    done = lthbench("run", "tiny", *PLAIN, "--out", plain_run, "--against", "tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed: none. Exit code 0." in done.stdout
    assert ET.parse(plain_run / "reports/tiny/diff.xml").getroot().attrib["failures"] == "0"


def test_explain_says_rule_and_numbers(call) -> None:
    done = call("explain", "FC-1", "--run", REFERENCE / "seed-0")
    assert done.returncode == 0, done.stderr
    for words in (
        "FC-1 (primary)",
        "We consistently find winning tickets",
        "first look at 8, where that is inconclusive 20 paired replicates",
        "d = ticket@9 - dense@0",
        "non-inferiority",
        "- level: at 0.8 % with 8 replicates and, if inconclusive there, at 0.45 % with all of its own",
        "VERDICT PASS (master seed 0)",
        "FAIL if this had been shown: H1 below -1.5 pp",
        "Also decided by suite full-core",
    ):
        assert words in done.stdout, words
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("suite", ["quick", "full-core", "published"])
def test_explain_works_without_a_run(call, suite) -> None:
    done = call("explain", "FC-8", "--suite", suite)
    assert done.returncode == 0, done.stderr
    assert f"HOW SUITE {suite} DECIDES IT" in done.stdout
    assert "VERDICT: none stored" in done.stdout


def test_explain_of_a_trained_and_an_exploratory_suite(lthbench, plain_run, claims_dir) -> None:
    done = lthbench("explain", "FC-6", "--out", plain_run)
    assert done.returncode == 0, done.stderr
    assert "HOW SUITE tiny DECIDES IT" in done.stdout
    assert "VERDICT " in done.stdout
    suite = claims_dir / "suites/tiny.yaml"
    suite.write_text(suite.read_text() + "exploratory: true\n")
    assert "registered band" not in lthbench("explain", "FC-6").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["FC-99"], "no claim 'FC-99'"),
        (["FC-1", "--suite", "published"], "does not decide FC-1; it is decided by"),
        (["FC-1", "--run", "nowhere"], "no verdicts there"),
        (["GA-1", "--run", str(REFERENCE / "seed-0")], "suite 'quick' does not decide GA-1"),
    ],
)
def test_explain_refuses(call, arguments, says) -> None:
    done = call("explain", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
