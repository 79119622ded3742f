"""The Python API: what is stored, judged again or given comes as one kind of answer."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lthbench
from lthbench.drive.answer import Answer, Claim
from lthbench.judging.verdict import to_json
from lthbench.judging.words import signed

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reports/reference/quick/seed-0"
EXAMPLE = ROOT / "docs/example-results.csv"


@pytest.fixture(scope="module")
def answer():
    return lthbench.load(REFERENCE)


def test_a_stored_run_is_looked_up_by_claim(answer) -> None:
    assert [claim.id for claim in answer] == answer.ids
    assert len(answer) == 7
    assert answer["FC-1"].verdict == "PASS"
    assert answer["fc-1"] == answer["FC-1"]
    assert "FC-1" in answer
    assert "FC-99" not in answer
    assert "shown above −1.5 pp" in answer["FC-1"].why
    assert answer.exit_code == 0


def test_differences_are_those_of_the_verdicts_file(answer) -> None:
    stored = {claim["id"]: claim for claim in json.loads((REFERENCE / "verdicts.json").read_text())["claims"]}
    for claim in answer:
        assert isinstance(claim.differences, np.ndarray)
        deciding = claim.details.deciding.id
        line = next(h for h in stored[claim.id]["hypotheses"] if h["id"] == deciding)
        np.testing.assert_array_equal(claim.differences, line["d"])
        for line in stored[claim.id]["beside"]:
            np.testing.assert_array_equal(claim.differences_of(line["id"]), line["d"])


def test_numbers_are_those_of_the_hypothesis_that_decided(answer) -> None:
    claim = answer["ST-2"].details
    one, two, three = claim.hypotheses
    closest = replace(two, evidence=two.evidence | {"p_pass": 0.006})
    told = Claim(replace(claim, hypotheses=[one, closest, three]))
    np.testing.assert_array_equal(told.differences, two.d)
    assert f"H2: {signed(two.evidence['mean'])} [" in str(told)


def test_an_exploratory_answer_prints_words_of_its_own(answer) -> None:
    own = Answer(replace(answer.verdicts, exploratory=True), answer.material)
    assert "✓ SUPPORTED HERE" in str(own["FC-1"])
    assert own["FC-1"].verdict == "PASS"
    assert " PASS " not in str(own)


def test_a_table_has_a_row_per_hypothesis_and_line_beside(answer) -> None:
    table = answer.to_pandas()
    assert table.columns[:4].tolist() == ["claim", "kind", "verdict", "hypothesis"]
    first = table.query("claim == 'FC-1' and decides").iloc[0]
    assert first["mean"] == pytest.approx(answer["FC-1"].differences.mean())
    assert first["low"] < first["mean"] < first["high"]
    assert set(table["claim"]) == set(answer.ids)
    assert not table["decides"].all()


def test_judging_again_gives_the_stored_text_and_writes_nothing(tmp_path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(REFERENCE, folder, ignore=shutil.ignore_patterns("figures"))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    again = lthbench.judge(folder)
    assert to_json(again.verdicts) == (REFERENCE / "verdicts.json").read_text()
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_suite_of_released_results_is_judged_where_it_stands(tmp_path) -> None:
    again = lthbench.judge("published", out=tmp_path, claim="fc-8")
    assert again.ids == ["FC-8"]
    assert "on published data" in str(again)
    assert not list(tmp_path.rglob("verdicts.json"))


def test_a_file_and_a_pandas_table_are_judged_alike() -> None:
    from_file = lthbench.check(EXAMPLE, claims="fc-8")
    table = pd.read_csv(EXAMPLE)
    before = table.copy()
    from_table = lthbench.check(table, claims=["FC-8"])
    assert from_file["FC-8"] == from_table["FC-8"]
    assert from_table.notes == from_file.notes
    assert "FC-8: n = 9 given, 20 registered" in str(from_table)
    assert len(from_table["FC-8"].differences) == 8  # the first look's
    pd.testing.assert_frame_equal(table, before)


def test_gaps_and_fractions_of_a_pandas_table_are_read_as_from_a_file(tmp_path) -> None:
    table = pd.read_csv(EXAMPLE)
    table["value"] /= 100
    table.loc[len(table)] = ["mnist1d-mlp", "dense", 0, "seed-2", "final_test_accuracy", None]
    table.to_csv(tmp_path / "t.csv", index=False)
    from_file = lthbench.check(tmp_path / "t.csv", unit="fraction", claims=["FC-8"])
    from_table = lthbench.check(table, unit="fraction", claims=["FC-8"])
    assert from_table["FC-8"] == from_file["FC-8"]
    assert from_table.notes == from_file.notes
    assert "values missing: 1, the first in line 21" in from_table.notes[0]


def test_a_report_is_that_of_the_command_line(tmp_path) -> None:
    command = [sys.executable, "-m", "lthbench", "run", "published", "--claim", "FC-8", "--out", str(tmp_path)]
    subprocess.run([*command, "--no-snakemake"], capture_output=True, cwd=ROOT, timeout=300)
    for answer in (
        lthbench.load(tmp_path / "results/published/seed-0/scopes/FC-8"),
        lthbench.judge("published", out=tmp_path, claim="FC-8"),
    ):
        page = answer.report(tmp_path / "again")
        assert page.read_text() == (tmp_path / "reports/published/FC-8/index.html").read_text()


def test_reports_of_a_trained_run_and_of_a_pandas_table(answer, tmp_path) -> None:
    assert "FC-1" in answer.report(tmp_path / "own").read_text()
    assert len(list((tmp_path / "own/figures").glob("*.svg"))) >= len(answer)
    assert (tmp_path / "own/verdicts.json").read_bytes() == (REFERENCE / "verdicts.json").read_bytes()
    given = lthbench.check(pd.read_csv(EXAMPLE), claims=["FC-8"]).report(str(tmp_path / "given"))
    assert "on the results given" in given.read_text()


def test_a_notebook_shows_a_table_in_which_nothing_acts(tmp_path) -> None:
    content = json.loads((REFERENCE / "verdicts.json").read_text())
    content["title"] = "<script>alert(1)</script>"
    content["claims"][0]["registered_title"] = "a <b>bold</b>\u202e title"
    (tmp_path / "verdicts.json").write_text(json.dumps(content))
    answer = lthbench.load(tmp_path)
    shown = answer._repr_html_()
    assert shown.count("<tr>") == 8
    assert "<script>" not in shown
    assert "a &lt;b&gt;bold&lt;/b&gt; title" in shown
    assert "PASS" in answer["FC-1"]._repr_html_()
    assert "\u202e" not in repr(answer)
    assert repr(answer).splitlines()[1].startswith("claim")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: lthbench.load("nowhere"), "nowhere: no verdicts there"),
        (lambda: lthbench.load(ROOT / "README.md"), "not the verdicts of a run"),
        (lambda: lthbench.judge("quik"), "unknown suite 'quik'; did you mean 'quick'"),
        (lambda: lthbench.judge("quick", claim="FC-99"), "suite 'quick' has no claim 'FC-99'"),
        (lambda: lthbench.judge("quick", claims_dir="nowhere"), "nowhere"),
        (lambda: lthbench.judge(ROOT / "docs"), "tidy.csv: not there"),
        (lambda: lthbench.check("none.csv"), "none.csv: no such file"),
        (lambda: lthbench.check(pd.DataFrame({"accuracy": [1.0]})), "the table: missing columns"),
        (lambda: lthbench.check(EXAMPLE, claims="FC-88"), "no claim 'FC-88'; did you mean 'FC-8'"),
        (lambda: lthbench.load(REFERENCE)["FC-99"], "no claim 'FC-99'"),
        (lambda: lthbench.load(REFERENCE)["FC-1"].differences_of("H9"), "FC-1 has no hypothesis 'H9'"),
    ],
)
def test_errors_are_those_of_the_command_line(call, says, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lthbench.UserError) as caught:
        call()
    assert says in str(caught.value)


def test_no_report_without_a_table(tmp_path) -> None:
    shutil.copy(REFERENCE / "verdicts.json", tmp_path)
    with pytest.raises(lthbench.UserError, match=r"tidy\.csv: not there"):
        lthbench.load(tmp_path).report(tmp_path / "report")


def test_importing_the_package_imports_nothing_heavy() -> None:
    seen = "import sys, lthbench; print(*{'numpy', 'pandas', 'yaml', 'typer', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.strip() == "", done.stderr
