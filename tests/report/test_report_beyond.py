"""The sections beside the claims: published numbers, differences, popular accounts, cost, known bugs, figures."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_sample import N

from lthbench.claims.load import Registry, load
from lthbench.claims.popular import Popular
from lthbench.claims.schema import Published
from lthbench.cli.judge import come_out
from lthbench.drive.rejudge import rejudged_folder
from lthbench.errors import UserError
from lthbench.judging.diagnosis import diagnose
from lthbench.judging.judge import judge
from lthbench.judging.verdict import from_json, to_json
from lthbench.report.figures import early_stop, training
from lthbench.report.section import Material
from lthbench.report.sections.differences import differences_part
from lthbench.report.sections.popular import popular_part, row_of
from lthbench.report.sections.published import published_part
from lthbench.report.sections.ticket_cost import search, ticket_cost
from lthbench.report.write import write_report
from lthbench.results.foreign import foreign_kinds, read_foreign
from tools.mutants import table as mutants

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reports/reference/quick/seed-0"


def material(registry, verdicts, tidy=None) -> Material:
    return Material(registry, verdicts, pd.DataFrame() if tidy is None else tidy, [])


def effect(value: float, **other) -> Published:
    fields = {
        "quantity": f"a gain of {value}",
        "value": value,
        "unit": "pp",
        "where": "table 1",
        "verified": "paper",
    }
    return Published(**{**fields, "hypothesis": "H1", **other})


def with_published(registry: Registry, claim: str, *effects: Published) -> Registry:
    changed = registry.claims[claim].model_copy(update={"published": list(effects)})
    return replace(registry, claims=registry.claims | {claim: changed})


# A-2 of the sample: mean -0.65, interval -0.85 to -0.45; A-3: 1.35, 1.15 to 1.55.


@pytest.mark.parametrize(
    ("claim", "value", "ratio", "inside", "sign"),
    [
        ("A-3", 1.5, "0.9", "yes", "same"),
        ("A-3", 0.3, "4.5", "no, ours is larger", "same"),
        ("A-3", 2.7, "0.5", "no, ours is smaller", "same"),
        ("A-2", 0.65, "−1", "no, ours is smaller", "opposite"),
        ("A-2", 0.0, "–", "no, ours is smaller", "opposite"),
    ],
)
def test_a_published_number_beside_ours(registry, verdicts, claim, value, ratio, inside, sign) -> None:
    part = published_part(material(with_published(registry, claim, effect(value)), verdicts))
    (pair,) = part.pairs
    assert (pair.ratio, pair.inside, pair.sign) == (ratio, inside, sign)
    assert part.reduced_scale


def test_a_sign_is_not_resolved_when_our_interval_holds_zero(registry, verdicts) -> None:
    one = verdicts.claims[2]
    line = replace(
        one.hypotheses[0], evidence=one.hypotheses[0].evidence | {"mean": -0.1, "low": -0.5, "high": 0.3}
    )
    changed = replace(verdicts, claims=[replace(one, hypotheses=[line], verdict="PASS")])
    judged = material(with_published(registry, "A-3", effect(0.2)), changed)
    (pair,) = published_part(judged).pairs
    assert (pair.sign, pair.contained) == ("not resolved", True)
    assert not differences_part(judged).differing


def test_numbers_without_a_partner_say_why(registry, verdicts) -> None:
    effects = [
        effect(1.0, verified="memory"),
        effect(2.0, hypothesis=None),
        effect(3.0, hypothesis="H9"),
        effect(4.0, suites=["another"]),
        effect(5.0, unit="iterations"),
    ]
    part = published_part(material(with_published(registry, "A-3", *effects), verdicts))
    assert not part.pairs
    why = {row.published: row.reason for row in part.alone if row.claim == "A-3"}
    assert "memory" in why["+1.00 pp"]
    assert why["+2.00 pp"] == "no hypothesis measures it"
    assert why["+3.00 pp"] == "suite mini has no H9"
    assert why["+4.00 pp"] == "only what suite another measures corresponds to it"
    assert why["+5.00 iterations"] == "ours is in pp"


def test_claims_of_other_suites_are_listed_too(registry, verdicts) -> None:
    fewer = replace(verdicts, claims=verdicts.claims[:1])
    alone = published_part(material(registry, fewer)).alone
    assert {row.claim for row in alone} == set(registry.claims)
    assert "A-5 is not in this report" in next(row.reason for row in alone if row.claim == "A-5")


def test_differences_are_those_of_the_data(registry, verdicts) -> None:
    part = differences_part(material(with_published(registry, "A-1", effect(-2.6)), verdicts))
    by_claim = {one.verdict.id: one for one in part.standings}
    assert not by_claim["A-1"].differences  # passes, and the published value lies in our interval
    assert [one.verdict.id for one in part.differing] == ["A-2", "A-3", "A-4", "A-5"]
    failed = " ".join(by_claim["A-2"].differences)
    assert "The verdict is FAIL" in failed
    assert "−0.65 [−0.85, −0.45] pp" in failed
    assert "against the sentence" in failed
    assert "Condition: small networks" in by_claim["A-2"].possible
    assert "Contradiction: others disagree" in by_claim["A-2"].possible
    assert "A gate failed: tiny: dense accuracy in its band." in by_claim["A-4"].possible
    assert "Verdicts of the five claims here: 1 PASS, 1 FAIL, 1 INCONCLUSIVE, 1 BLOCKED, 1 NOT RUN." in part.said


def test_results_of_others_have_no_such_section(registry, verdicts) -> None:
    given = registry.suites[verdicts.suite].model_copy(update={"given": "published"})
    released = replace(registry, suites={"released": given})
    others = material(released, replace(verdicts, suite="released", origin="published"))
    assert published_part(others) is None
    assert differences_part(others) is None


# Popular accounts

POPULAR = {
    "id": "popular",
    "accounts": {"P0": "a guide"},
    "not_registered": {"ZZ-1": "nobody wrote it"},
    "statements": [
        {"ids": ["P0-1"], "says": "S1", "judgement": "OK", "paper": "P1", "claims": ["A-2", "ZZ-1"]},
        {"ids": ["P0-2"], "says": "S2", "judgement": "wrong", "paper": "P2", "accounting": ["search"]},
        {
            "ids": ["P0-3"],
            "says": "S3",
            "judgement": "imprecise",
            "paper": "P3",
            "not_tested": "a matter of words",
        },
    ],
}


def test_sentences_show_the_verdicts_of_this_run(registry, verdicts, tidy) -> None:
    known = replace(registry, popular=Popular.model_validate(POPULAR))
    part = popular_part(material(known, verdicts))
    (first,) = part.rows  # the sentences that a claim of this run tests; the others are in the claim files
    assert [(one.id, one.verdict) for one in first.tested] == [("A-2", "FAIL"), ("ZZ-1", "")]
    assert first.tested[1].otherwise == "not registered: nobody wrote it"
    assert "3 sentences, held against the papers: 1 OK, 1 imprecise, 1 wrong" in part.said
    second, third = (row_of(known, verdicts, statement) for statement in known.popular.statements[1:])
    assert (second.measured, third.otherwise) == ("the cost of the search", "a matter of words")
    heard = ticket_cost(material(known, verdicts, tidy)).sentences
    assert heard == {"search": ["P0-2: S2 (wrong: P2)"]}


# What a ticket costs


def test_the_search_is_counted_from_the_recipe(registry, verdicts, tidy) -> None:
    (row,) = ticket_cost(material(registry, verdicts, tidy)).search
    # ticket@2 of 100 iterations: dense and ticket@1 are trained before it.
    assert (row.to_find, row.own, row.trainings, row.with_own) == ("200", "100", "2", "3")
    assert row.density == "64.0 %"


def test_a_methods_search_is_what_it_took(registry, tidy) -> None:
    """Not what the recipe would take: the mean of what its replicates counted."""
    experiment = next(iter(registry.experiments.values()))
    rows = [(experiment.id, "found", 2, r, 0, None, "search_iterations", 70.0 + 20 * r) for r in (0, 1)]
    keys = ["experiment", "arm", "level", "replicate", "draw", "iteration", "metric", "value"]
    counted = pd.concat([tidy, pd.DataFrame(rows, columns=keys)], ignore_index=True)
    row = search(experiment, "found", 2, counted[counted["experiment"] == experiment.id])
    assert (row.to_find, row.own, row.trainings, row.with_own) == ("80", "100", "0.8", "1.8")


# Known bugs


def test_the_table_of_mutants_is_that_of_the_docs() -> None:
    results = mutants.stored()
    docs = (ROOT / "docs/mutants.md").read_text()
    assert mutants.markdown(results) in docs
    for score in mutants.scores(results).values():
        assert f"**{score}**" in docs
    assert mutants.to_json(results) == mutants.TARGET.read_text()


def test_a_diagnosis_stands_beside_a_claim_that_failed(tmp_path) -> None:
    found = from_json((REFERENCE / "verdicts.json").read_text())
    claims = [replace(c, verdict="FAIL") if c.id == "ST-2" else c for c in found.claims]
    provenance = json.loads((REFERENCE / "provenance.json").read_text())
    write_report(
        tmp_path, load(), replace(found, claims=claims), read_foreign(REFERENCE / "tidy.csv.gz"), provenance
    )
    means = {f"{c.id} {line.id}": line.evidence["mean"] for c in found.claims for line in c.hypotheses}
    text = (tmp_path / "report.md").read_text()
    assert text.count(f"A hint where to look, not evidence: {diagnose(means)}") == 1
    section = next(s for s in re.split(r"^### ", text, flags=re.MULTILINE) if s.startswith("ST-2\n"))
    assert diagnose(means) in section
    assert (tmp_path / "index.html").stat().st_size < 2_000_000
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"mnist1d-mlp-training.svg", "mnist1d-mlp-early-stop.svg"} <= names


# The paper's figures


def ladder(arms=("ticket",), densities=(0.8, 0.5, 0.2, 0.07), stop: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = []
    cells = [("dense", 0, 1.0), *((arm, i + 1, p) for arm in arms for i, p in enumerate(densities))]
    for arm, level, density in cells:
        for replicate in range(N):
            head = ("tiny", arm, level, density, replicate, 0)
            rows += [
                (*head, it, "validation_accuracy", 60 + it / 5 + 0.1 * replicate - (arm == "reinit") * 8)
                for it in range(20, 101, 20)
            ]
            rows.append((*head, stop, "early_stop_iteration", float(stop)))
            rows.append((*head, stop, "early_stop_test_accuracy", 70 + rng.normal()))
    columns = ["experiment", "arm", "level", "density", "replicate", "draw", "iteration", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_few_levels_make_no_figure(tidy) -> None:
    assert training.training_plot(tidy, "tiny") is None
    assert early_stop.early_stop_plot(tidy, "tiny") is None


def test_training_panels_are_the_densities_of_the_paper() -> None:
    densities = {("dense", 0): 1.0} | {(arm, i): 0.8**i for arm in ("ticket", "reinit") for i in range(1, 20)}
    panels = training.panels_of(densities)
    assert [panel.title for panel in panels] == ["tickets", "sparser tickets", "reinitialised"]
    assert panels[0].cells == (("dense", 0), ("ticket", 3), ("ticket", 7))
    assert panels[1].cells == (("dense", 0), ("ticket", 12), ("ticket", 15), ("ticket", 18))
    assert panels[2].cells[1:] == (("ticket", 3), ("reinit", 3), ("ticket", 7), ("reinit", 7))
    without = training.panels_of({cell: p for cell, p in densities.items() if cell[0] != "reinit"})
    assert [panel.title for panel in without] == ["tickets", "sparser tickets"]


def test_training_plot_draws_mean_and_range() -> None:
    table = ladder(("ticket", "reinit"))
    found = training.training_plot(table, "tiny")
    assert found.name == "tiny-training"
    assert "Ours is validation accuracy" in found.caption
    assert "dense: 68.35 % at iteration 40, 80.35 % at 100 (n = 8)" in found.alt
    assert "reinit at 50.0 %: 60.35 % at iteration 40" in found.alt


def test_early_stop_plot_takes_the_early_stop_where_it_is_not_censored() -> None:
    found = early_stop.early_stop_plot(ladder(), "tiny")
    assert "Top: iteration of the smallest validation loss." in found.caption
    assert "early-stop iteration: dense 60 at 100 %; ticket 60 at 80.0 %" in found.alt


def test_early_stop_plot_takes_a_threshold_where_it_is_censored() -> None:
    table = ladder(("ticket", "reinit"), stop=100)
    found = early_stop.early_stop_plot(table, "tiny")
    # The weakest dense network ends at 80.0; reinitialised ones end at 72.0 to 72.7 and never get there.
    assert "reached 80 %" in found.caption
    assert "32 of 72 runs never reached it" in found.caption
    assert "72 of 72 runs had their smallest validation loss at the last evaluation" in found.caption
    assert re.search(r"iterations to 80 %: dense 100 at 100 %; ticket 100 at 80.0 %", found.alt)
    assert "reinit" not in found.alt.split("test accuracy")[0]


# Judged again


@pytest.fixture(scope="module")
def judged() -> str:
    """The verdicts that today's registration gives on the committed table."""
    old = from_json((REFERENCE / "verdicts.json").read_text())
    kinds = foreign_kinds(REFERENCE / "provenance.json")
    table = read_foreign(REFERENCE / "tidy.csv.gz")
    return to_json(judge(load(), old.suite, old.master_seed, table, trained_with=old.engine, devices=kinds))


def copied(tmp_path: Path, verdicts: str) -> Path:
    for name in ("tidy.csv.gz", "provenance.json"):
        (tmp_path / name).write_bytes((REFERENCE / name).read_bytes())
    (tmp_path / "verdicts.json").write_text(verdicts)
    return tmp_path


def test_check_says_whether_verdicts_come_out_again(tmp_path, judged, capsys) -> None:
    folder = copied(tmp_path, judged)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert come_out(rejudged_folder(folder, load()), check=True) == 0
    assert "byte for byte" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_check_names_the_claim_that_differs(tmp_path, judged, capsys) -> None:
    content = json.loads(judged)
    next(c for c in content["claims"] if c["id"] == "FC-8")["replicates"] = 13
    changed = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    assert come_out(rejudged_folder(copied(tmp_path, changed), load()), check=True) == 1
    assert "DIFFERENT (FC-8)" in capsys.readouterr().out


def test_check_without_a_table_is_told_what_is_missing(tmp_path) -> None:
    (tmp_path / "tidy.csv.gz").write_bytes(gzip.compress(b"experiment\n"))
    with pytest.raises(UserError, match=r"verdicts\.json: not there"):
        rejudged_folder(tmp_path, load())
