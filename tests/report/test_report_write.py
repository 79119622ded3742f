import gzip
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_page import Page
from report_sample import HOSTILE, VERDICTS

from lthbench.claims.load import Registry
from lthbench.claims.schema import NO_RULE
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.verdict import Collapses, from_json, to_json
from lthbench.report import front, render
from lthbench.report.content import SECTIONS
from lthbench.report.sentences import exploratory_words
from lthbench.report.write import write_report
from lthbench.results.tidy import to_csv

SCRIPT = Path(render.__file__).parent / "templates/script.js"


def files(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def report(tmp_path_factory, registry, verdicts, tidy, provenance):
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, registry, verdicts, tidy, provenance)
    return folder


@pytest.fixture(scope="module")
def page(report) -> Page:
    return Page((report / "index.html").read_text())


def test_all_files_are_there(report) -> None:
    figures = [i + part for i, word in VERDICTS.items() if word != "NOT RUN" for part in ("", "-beside")]
    figures += ["tiny-density", "tiny-learning", "tiny-line", "forest", "headlines"]
    expected = {"index.html", "report.md", "verdicts.json", "junit.xml", "tidy.csv.gz", "provenance.json"}
    expected |= {f"figures/{name}.{kind}" for name in figures for kind in ("svg", "csv")}
    assert set(files(report)) == expected


def test_same_inputs_same_bytes(report, tmp_path, registry, verdicts, tidy, provenance) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.svg").write_text("left by an earlier report")
    write_report(tmp_path, registry, verdicts, tidy, provenance)
    assert files(tmp_path) == files(report)


def test_of_who_measured_when_a_page_holds_the_day_alone(tmp_path, registry, verdicts, tidy, provenance) -> None:
    early, late = tmp_path / "early", tmp_path / "late"
    for folder, hour in ((early, "01"), (late, "23")):
        when = {"finished": f"2026-03-01T{hour}:00:00Z", "pid": int(hour)}
        write_report(folder, registry, verdicts, tidy, [entry | when for entry in provenance])
    assert {k: v for k, v in files(early).items() if files(late)[k] != v}.keys() == {"provenance.json"}
    page = Page((early / "index.html").read_text())
    assert "Trained: 2026-03-01, CPU X, lthbench 0.1.0, engine 1+abc; exit code 1." in page.text
    assert "trained 2026-03-01" in page.text  # to cite
    days = [{"finished": f"2026-03-0{day}T01:00:00Z"} for day in (3, 1, 2)]
    assert front.days(days) == "2026-03-01 to 2026-03-03"
    assert front.days([{"finished": "now"}, {}]) == ""


def test_units_trained_again_with_other_bits_are_named(tmp_path, registry, verdicts, tidy, provenance) -> None:
    again = {"again": {"device": "another processor", "tensors": "0" * 64}}
    write_report(tmp_path, registry, verdicts, tidy, [provenance[0] | again, *provenance[1:]])
    name = provenance[0]["unit"].rpartition("-")[0]
    for file in ("report.md", "index.html"):
        text = (tmp_path / file).read_text()
        assert f"{name}: their tensors were gone" in text
        assert "CPU X; another processor" in text


def test_a_table_that_is_there_keeps_its_bytes(tmp_path, registry, verdicts, tidy, provenance) -> None:
    kept = gzip.compress(to_csv(tidy).encode(), compresslevel=1, mtime=9)
    for before, after in ((kept, kept), (b"damaged", None), (gzip.compress(b"another table"), None)):
        (tmp_path / "tidy.csv.gz").write_bytes(before)
        write_report(tmp_path, registry, verdicts, tidy, provenance)
        content = (tmp_path / "tidy.csv.gz").read_bytes()
        assert content == (after or content)
        assert gzip.decompress(content) == to_csv(tidy).encode()


def test_verdicts_are_written_as_they_came(report, verdicts) -> None:
    assert (report / "verdicts.json").read_text() == to_json(verdicts)
    assert from_json((report / "verdicts.json").read_text()) == verdicts


def test_page_needs_no_other_file(report, page) -> None:
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}]  # inline
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("href", "xlink:href"):
            target = attributes.get(name, "#")
            # A reader may follow a link; nothing is fetched to show the page.
            assert target.startswith("#") or (tag == "a" and leads_somewhere(report, target))
    assert "url(" not in re.sub(r"url\(#[^)]+\)", "", (report / "index.html").read_text())


def leads_somewhere(report, target: str) -> bool:
    """A file beside the page, or a paper."""
    return (report / target).is_file() or re.fullmatch(r"https://arxiv.org/abs/[\d.]+(v\d+)?", target) is not None


def test_sections_stand_in_the_order_of_the_list(report, page) -> None:
    ids = [attributes.get("id") for tag, attributes in page.tags if tag == "section"]
    there = [section.anchor for section in SECTIONS if section.anchor in ids]
    assert [name for name in ids if name in there] == there
    assert {"curves", "published", "differences", "calibration", "ticket-cost", "provenance"} <= set(there)
    text = (report / "index.html").read_text()
    named = [
        f'<li><a href="#{section.anchor}">{section.name.capitalize()}</a></li>'
        for section in SECTIONS
        if section.anchor in there
    ]
    assert "\n".join(named) in text


def test_every_claim_keeps_its_id_whether_it_was_run_or_not(page, verdicts) -> None:
    ids = {attributes.get("id"): tag for tag, attributes in page.tags}
    for claim in verdicts.claims:
        assert ids[claim.id] == ("tr" if claim.verdict == "NOT RUN" else "article")
    permalinks = [a["href"] for _, a in page.tags if a.get("class") == "permalink"]
    assert permalinks == [f"#{claim.id}" for claim in verdicts.claims if claim.verdict != "NOT RUN"]


def test_links_and_ids_of_the_page(page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name in ("href", "xlink:href"):
            if attributes.get(name, "").startswith("#"):
                assert attributes[name][1:] in ids
        for name in attributes.get("aria-labelledby", "").split():
            assert name in ids
        for name in re.findall(r"url\(#([^)]+)\)", " ".join(str(value) for value in attributes.values())):
            assert name in ids


def test_every_figure_has_a_text_alternative(report, page) -> None:
    svgs = [attributes for tag, attributes in page.tags if tag == "svg"]
    strips = [a for a in svgs if a.get("class") == "strip"]
    assert len(strips) == 1 + 4  # the scale, and the claims with a number, whose numbers stand beside them
    assert all(a["aria-hidden"] == "true" for a in strips)
    figures = [a for a in svgs if a not in strips]
    assert len(figures) == 4 + 4 + 3
    assert all(a["role"] == "img" and a["aria-labelledby"] for a in figures)
    for path in (report / "figures").glob("*.svg"):
        root = ET.parse(path).getroot()
        title, described = root[0], root[1]
        assert title.tag.endswith("title")
        assert title.text
        assert described.tag.endswith("desc")
        assert re.search(r"\d", described.text or "")
    images = re.findall(
        r"^!\[((?:[^\[\]\\]|\\.)*)\]\((figures/[^)]+)\)$", (report / "report.md").read_text(), re.MULTILINE
    )
    assert len(images) == 1 + 4 + 4 + 3  # all claims, claims, lines beside them, curves
    assert all(alt for alt, _ in images)
    assert all((report / target).is_file() for _, target in images)


def test_every_verdict_is_a_word_and_failed_gates_are_open(page, report) -> None:
    for word in VERDICTS.values():
        assert word in page.text
    html = (report / "index.html").read_text()
    assert "<details open" not in html
    visible = Page(html, folded=False).text
    assert "The reason of A-4." in visible  # what blocked a claim is not folded
    assert "1 of 2 structural gates failed" in re.sub(r"<a [^>]*>|</a>", "", html)
    assert html.count("✗ FAILED</strong> tiny: dense accuracy in its band: The mean is 50 %.") == 2  # claim, gates


def test_markdown_stands_alone(report, registry, verdicts) -> None:
    text = (report / "report.md").read_text()
    sections = re.split(r"^#{2,3} ", text, flags=re.MULTILINE)
    (absent,) = [claim for claim in verdicts.claims if claim.verdict == "NOT RUN"]
    line = f"| {absent.id} | secondary | – NOT RUN | {absent.registered_title} | {absent.why} |"
    assert line in next(s for s in sections if s.startswith("Not run"))
    for claim in verdicts.claims[:-1]:
        section = next(s for s in sections if s.startswith(f"{claim.id}\n"))
        assert claim.registered_title in section
        assert claim.sentence in section
        assert registry.claims[claim.id].sources[0].quote in section
        assert f" {claim.verdict}**" in section
        assert claim.why in section
        assert "n = 8" in section
        assert claim.not_tested[0] in section
        assert "level 2 = 64.0 % of the weights" in section
        evidence = claim.hypotheses[0].evidence
        if evidence:
            assert f"| 8 | {evidence['mean']:+.2f}".replace("-", "−") in section
            assert f"{evidence['low']:+.2f} to {evidence['high']:+.2f}".replace("-", "−") in section
    table = next(s for s in sections if s.startswith("The answer"))
    rows = [line for line in table.splitlines() if line.startswith("| A-")]
    assert len(rows) == 4
    assert len(rows) + 1 == len(verdicts.claims)


def test_markdown_tables_are_rectangular(report) -> None:
    for block in (report / "report.md").read_text().split("\n\n"):
        lines = block.splitlines()
        if lines and lines[0].startswith("|"):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
            assert len(widths) == 1, block


def test_junit_counts_failures_and_errors(report) -> None:
    suite = ET.parse(report / "junit.xml").getroot()
    assert (suite.tag, suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == (
        "testsuite", "5", "2", "2",
    )  # fmt: skip
    found = {case.attrib["name"].split(":")[0]: case for case in suite.iter("testcase")}
    assert found["A-1"].find("failure") is None
    assert found["A-1"].find("error") is None
    kinds = [("A-2", "failure"), ("A-3", "failure"), ("A-4", "error"), ("A-5", "error")]
    for claim_id, kind in kinds:
        assert found[claim_id].find(kind).attrib["type"] == VERDICTS[claim_id]
    assert all(
        case.attrib["classname"] == "lthbench.mini" and "time" not in case.attrib for case in found.values()
    )


def test_tables_show_the_hypothesis_that_decided(tmp_path, registry, verdicts, tidy, provenance) -> None:
    claim = verdicts.claims[0]
    other = replace(
        claim.hypotheses[0], id="H2", evidence=claim.hypotheses[0].evidence | {"p_pass": 0.01, "mean": 1}
    )
    changed = replace(verdicts, claims=[replace(claim, hypotheses=[*claim.hypotheses, other])])
    write_report(tmp_path, registry, changed, tidy, provenance)
    assert "| H2: +1.00 [−2.85, −2.45] pp |" in (tmp_path / "report.md").read_text()
    assert "<small>H2 of 2; margin" in (tmp_path / "index.html").read_text()


def test_every_interval_says_its_level_and_collapses_are_a_line(
    tmp_path, registry, verdicts, tidy, provenance
) -> None:
    claim = replace(verdicts.claims[0], collapses=[Collapses("tiny:ticket@2", 1, 8, 15.0, 0.003, 0.527)])
    write_report(tmp_path, registry, replace(verdicts, claims=[claim]), tidy, provenance)
    for name in ("index.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert "collapsed (at or below 15 %): ticket@2 1 of 8, 95 % interval 0.3 to 52.7 %" in text
        assert "90 %: −2.81 to −2.49" in text  # 5 % on either side, mean -2.65, SD 0.24


@pytest.mark.parametrize("registered", ["", "Margins are those of suite quick."])
def test_an_exploratory_report_neither_passes_nor_fails(
    tmp_path, registry, verdicts, tidy, provenance, registered
) -> None:
    own = registry.suites["mini"].model_copy(update={"exploratory": True, "registered": registered})
    known = replace(registry, suites={"mini": own})
    judged = replace(verdicts, exploratory=True, registered=registered)
    write_report(tmp_path, known, judged, tidy, provenance)
    assert from_json((tmp_path / "verdicts.json").read_text()).registered == registered
    for name in ("index.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert text.count(exploratory_words(registered)) == 1
        assert ("othing was tuned" in text) == (not registered)
        assert "✗ NOT SUPPORTED HERE" in text or "</span> NOT SUPPORTED HERE" in text
        assert re.search(r"\b(PASS|FAIL)\b", text) is None
        assert "pre-registered" not in text
        assert "Registered: n" not in text
    names = [case.attrib["name"] for case in ET.parse(tmp_path / "junit.xml").getroot().iter("testcase")]
    assert all(name.endswith(" (exploratory)") for name in names)
    assert ET.parse(tmp_path / "junit.xml").getroot().find(".//failure").attrib["type"] == "NOT SUPPORTED HERE"
    assert '"verdict": "FAIL"' in (tmp_path / "verdicts.json").read_text()


def test_hostile_text_stays_text(tmp_path, registry, verdicts, tidy, provenance) -> None:
    first = verdicts.claims[0]
    bad_line = replace(first.hypotheses[0], id=HOSTILE, says=HOSTILE, margin_from=HOSTILE)
    bad = replace(
        first, title=HOSTILE, registered_title=HOSTILE, sentence=HOSTILE, why=HOSTILE, hypotheses=[bad_line],
        magnitude=[HOSTILE], verdict="FAIL", gates=[GateResult(HOSTILE, False, HOSTILE)],
    )  # fmt: skip
    claim = registry.claims[first.id]
    source = claim.sources[0].model_copy(update={"quote": HOSTILE, "paper": HOSTILE})
    claims = registry.claims | {first.id: claim.model_copy(update={"sources": [source], "conditions": [HOSTILE]})}
    experiments = {"tiny": replace(registry.experiments["tiny"], title=HOSTILE)}
    hostile = Registry(claims, registry.suites, experiments)
    write_report(
        tmp_path,
        hostile,
        replace(verdicts, title=HOSTILE, claims=[bad]),
        tidy,
        [provenance[0] | {"device": HOSTILE}],
    )
    page = Page((tmp_path / "index.html").read_text())
    assert "x" not in {tag for tag, _ in page.tags}
    (script,) = page.scripts
    assert script.strip() == SCRIPT.read_text().strip()  # ours alone
    assert page.text.count("<script>alert(1)</script> | ]]> & *x*") > 10
    markdown = (tmp_path / "report.md").read_text()
    assert "<script" not in markdown
    assert re.search(r"(?<!\\)\]\(http", markdown) is None
    assert re.search(r"(?<!\\)\*x", markdown) is None
    test_markdown_tables_are_rectangular(tmp_path)
    case = ET.parse(tmp_path / "junit.xml").getroot().find("testcase")
    assert "<script>alert(1)</script> | ]]> &" in case.attrib["name"]
    for path in (tmp_path / "figures").glob("*.svg"):
        assert not [e for e in ET.parse(path).getroot().iter() if e.tag.endswith("script")]


def test_nothing_measured_at_all(tmp_path, registry, verdicts, tidy) -> None:
    nothing = replace(verdicts, claims=[replace(verdicts.claims[-1], experiment="tiny")], exit_code=4)
    write_report(tmp_path, registry, nothing, tidy.iloc[:0], [])
    assert "NOT RUN" in (tmp_path / "report.md").read_text()
    assert "No primary claim is in this report (exit code 4)." in (tmp_path / "index.html").read_text()


def test_a_diverged_run_is_shown_as_such(tmp_path, registry, verdicts, tidy, provenance) -> None:
    blocked = verdicts.claims[3]
    line = replace(blocked.hypotheses[0], d=[None, 1.0], evidence=None, decision="NOT DECIDED")
    table = tidy.copy()
    table.loc[(table["arm"] == "ticket") & (table["replicate"] == 0), "value"] = float("nan")
    write_report(
        tmp_path, registry, replace(verdicts, claims=[replace(blocked, hypotheses=[line])]), table, provenance
    )
    assert "NOT DECIDED" in (tmp_path / "index.html").read_text()


def test_tuning_seeds_and_stale_results_say_so(tmp_path, registry, verdicts, tidy, provenance) -> None:
    old = [entry | {"engine": "0+old"} for entry in provenance]
    write_report(tmp_path, registry, replace(verdicts, master_seed=1000), tidy, old)
    for name in ("index.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert "Tuning seeds." in text
        assert "these results are stale" in text


def test_missing_values_are_valid_json(report) -> None:
    json.loads((report / "verdicts.json").read_text())


def test_cost_is_counted_from_the_table(page, tidy: pd.DataFrame) -> None:
    # 8 dense, 8 copies, 16 tickets, 16 reinits of 100 iterations, 8 rewound of 90.
    assert "56" in page.text
    assert f"{48 * 100 + 8 * 90:,}" in page.text


def test_our_words_stand_without_quotation_marks(tmp_path, registry, verdicts, tidy, provenance) -> None:
    claim = registry.claims["A-1"]
    source = claim.sources[0].model_copy(update={"quote": "", "says": "tickets do well"})
    claims = registry.claims | {"A-1": claim.model_copy(update={"sources": [source]})}
    write_report(tmp_path, Registry(claims, registry.suites, registry.experiments), verdicts, tidy, provenance)
    markdown = (tmp_path / "report.md").read_text()
    assert "\nIn our words: tickets do well (A & B 2019, section 2; verified: paper)" in markdown
    assert "In our words: tickets do well" in Page((tmp_path / "index.html").read_text()).text
    for text in (markdown, (tmp_path / "index.html").read_text()):
        assert "“tickets do well" not in text
        assert "“”" not in text


def test_a_margin_that_follows_no_rule_says_so(tmp_path, report, registry, verdicts, tidy, provenance) -> None:
    claim = registry.claims["A-1"]
    mini = claim.suites["mini"]
    line = mini.hypotheses[0].model_copy(update={"margin_rule": "none"})
    suites = {"mini": mini.model_copy(update={"hypotheses": [line]})}
    claims = registry.claims | {"A-1": claim.model_copy(update={"suites": suites})}
    write_report(tmp_path, Registry(claims, registry.suites, registry.experiments), verdicts, tidy, provenance)
    for name in ("report.md", "index.html"):
        assert NO_RULE not in (report / name).read_text()
        assert (tmp_path / name).read_text().count(f"; {NO_RULE}") == 1
