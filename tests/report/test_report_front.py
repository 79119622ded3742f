"""The first screen and the cards: what came out in words, in few of them."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from report_page import Page
from report_sample import N

from lthbench.judging.verdict import from_json
from lthbench.report import cards, front
from lthbench.report.content import gather
from lthbench.report.figures.early_stop import early_stop_words
from lthbench.report.figures.forest import forest_plot, forest_row, forest_rows, reach, strip_of
from lthbench.report.figures.sides import came_out
from lthbench.report.render import html, markdown
from lthbench.report.section import Material

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reports/reference"
FIXED_WORDS, PER_CLAIM, LONGEST_CARD, PER_ABSENT = 600, 180, 240, 30  # seen before anything is opened


@pytest.fixture(scope="module")
def content(registry, verdicts, tidy, provenance):
    return gather(Material(registry, verdicts, tidy, provenance))


def test_the_answer_names_every_kind_of_verdict(verdicts) -> None:
    assert front.answer(verdicts) == (
        "Of three primary claims, one fails (A-2), one is not decided (A-3) and one passes (A-1). Of two other "
        "claims, one is blocked by a failed check (A-4) and one was not run in full."
    )
    passing = [replace(claim, verdict="PASS") for claim in verdicts.claims]
    said = front.answer(replace(verdicts, claims=passing))
    assert said == "All three primary claims pass. Both other claims pass."
    failing = [replace(verdicts.claims[0], verdict="FAIL")]
    assert front.answer(replace(verdicts, claims=failing)) == "The primary claim fails."
    assert front.answer(replace(verdicts, claims=verdicts.claims[4:])) == "The claim was not run in full."
    assert front.answer(replace(verdicts, claims=[])) == "No claim was judged."
    own = front.answer(replace(verdicts, exploratory=True))
    assert own.startswith(
        "Of three primary claims, one is not supported here (A-2), one is not decided (A-3) and one is supported"
    )


def test_a_title_never_stands_without_what_became_of_it(content, verdicts) -> None:
    page = Page(html(content)).text
    text = markdown(content)
    stands = {"A-1": "Shown", "A-2": "Refuted", "A-3": "Not decided", "A-4": "Blocked"}
    for claim in verdicts.claims[:-1]:
        assert f"{stands[claim.id]}: {claim.registered_title}" in page
        assert f"{stands[claim.id]}: {claim.registered_title}" in text
    assert [(open_.verdict.id, open_.stands) for open_ in content.front.open] == [
        ("A-2", "Refuted"), ("A-4", "Blocked"), ("A-3", "Not decided"),
    ]  # fmt: skip
    assert content.front.not_run == ("A-5",)


def test_what_is_open_comes_with_its_number_and_what_passes_with_its_name(content, verdicts) -> None:
    failed = content.front.open[0]
    evidence = verdicts.claims[1].deciding.evidence
    assert failed.number.startswith(f"{evidence['mean']:+.2f}".replace("-", "−"))
    assert failed.number.endswith(f"pp, margin {verdicts.claims[1].deciding.delta:g}")
    assert failed.number in Page(html(content)).text
    many = [replace(verdicts.claims[0], id=f"P-{n}") for n in range(front.NAMED + 1)]
    some = replace(verdicts, claims=[verdicts.claims[1], *many])
    assert front.answer(some) == "Of seven primary claims, one fails (A-2) and six pass."
    few = replace(verdicts, claims=[verdicts.claims[1], *many[:2]])
    assert front.answer(few) == "Of three primary claims, one fails (A-2) and two pass (P-0, P-1)."


def test_the_scale_is_two_sentences_of_the_suite_and_the_rest_is_below(registry, verdicts, content) -> None:
    suite = registry.suites["mini"].model_copy(update={"says": "One, of 0.5 %. Two (e.g. this)! Three. Four."})
    whole = replace(verdicts, claims=[replace(claim, reduced_scale=False) for claim in verdicts.claims])
    assert front.scale(suite, whole) == "One, of 0.5 %. Two (e.g. this)!"
    assert (
        "The suite: One, of 0.5 %. Two (e.g. this)! Three. Four." in Page(html(replace(content, suite=suite))).text
    )


def test_a_caveat_of_many_claims_is_said_once(content) -> None:
    same = [replace(card, caveat="Said of all of them.") for card in content.claims]
    page = Page(html(replace(content, claims=same))).text
    assert page.count("Said of all of them.") == 1
    assert "Said of all of them. (A-1, A-2, A-3, A-4)" in page
    assert page.count("Its caveat, which others share") == 4
    two = [replace(card, caveat="Said of two.") if i < 2 else card for i, card in enumerate(content.claims)]
    assert Page(html(replace(content, claims=two))).text.count("Said of two.") == 2


def test_a_claim_that_is_open_shows_the_hypothesis_that_is_open(verdicts) -> None:
    claim = verdicts.claims[2]
    settled = replace(claim.hypotheses[0], id="H1", decision="PASS")
    open_ = replace(claim.hypotheses[0], id="H2", decision="INCONCLUSIVE")
    several = replace(claim, hypotheses=[settled, open_])
    row = forest_row(several)
    assert (row.id, row.decides) == ("A-3", "H2 of 2")
    said = cards.said(several, exploratory=False)
    assert [words[:17] for words in said] == ["H2 ? INCONCLUSIVE", "H1 ✓ PASS. Final "]
    stored = from_json((REFERENCE / "cpu/seed-0/verdicts.json").read_text())
    for judged in stored.claims:
        line = judged.deciding
        assert line.decision == judged.verdict or judged.verdict in ("NOT RUN", "BLOCKED")


def test_of_many_hypotheses_a_card_says_some_and_counts_the_rest(verdicts) -> None:
    claim = verdicts.claims[0]
    lines = [replace(claim.hypotheses[0], id=f"H{i}") for i in range(1, 7)]
    said = cards.said(replace(claim, hypotheses=lines), exploratory=False)
    assert len(said) == 4
    assert said[-1] == "Three more hypotheses: 3 PASS."


@pytest.mark.parametrize(
    ("contrast", "endpoint", "mean", "words"),
    [
        ("ticket@9 - dense@0", "final_test_accuracy", 1.0, "ticket better than dense by 1.00 pp"),
        ("ticket@9 - dense@0", "final_test_accuracy", -1.0, "dense better than ticket by 1.00 pp"),
        ("reinit@7 - ticket@7", "log_iterations_to_96%", 1.0, "ticket sooner than reinit by 1.00 pp"),
        ("dense@0 - ticket@9", "generalisation_gap", -1.0, "dense with a smaller gap than ticket by 1.00 pp"),
        ("0 - dense-copy@0", "barrier", -1.0, "dense-copy lies 1.00 pp above 0"),
        ("untrained@7 - 10", "final_test_accuracy", 1.0, "untrained lies 1.00 pp above 10"),
        ("nonsense", "final_test_accuracy", -1.0, "a difference of 1.00 pp (95 % interval 0.50 to 1.50) against"),
    ],
)  # fmt: skip
def test_how_a_difference_came_out_in_words(verdicts, contrast, endpoint, mean, words) -> None:
    known = verdicts.claims[0].hypotheses[0].evidence
    evidence = known | {"mean": mean, "low": mean - 0.5, "high": mean + 0.5}
    line = replace(verdicts.claims[1].hypotheses[0], contrast=contrast, endpoint=endpoint, evidence=evidence)
    assert came_out(line).startswith(words)
    assert "(95 % interval 0.50 to 1.50)" in came_out(line)


def test_a_difference_of_logarithms_is_a_factor_too(verdicts) -> None:
    evidence = verdicts.claims[0].hypotheses[0].evidence | {"mean": 0.6931, "low": 0.5, "high": 0.9}
    line = replace(verdicts.claims[0].hypotheses[0], unit="ln units", evidence=evidence)
    assert "0.69 ln units, a factor of 2 (" in came_out(line)


def test_an_early_stop_that_says_the_opposite_is_the_caveat(registry, verdicts, tidy) -> None:
    claim = verdicts.claims[1]  # ticket@2 - reinit@2, mean -0.65, margin 1.5
    rows = [
        ("tiny", arm, 2, 0.64, replicate, 0, 50, "early_stop_test_accuracy", value + replicate)
        for arm, value in (("ticket", 62.0), ("reinit", 60.0))
        for replicate in range(N)
    ]
    table = pd.concat([tidy, pd.DataFrame(rows, columns=tidy.columns)])
    said = early_stop_words(claim, table)
    assert said == (
        "At the early stop it is the other way round: ticket better by 2.00 pp (65.50 against 63.50 %; not "
        "tested)."
    )
    assert cards.caveat(Material(registry, verdicts, table, []), registry.claims["A-2"], claim, None) == said
    wide = replace(claim, hypotheses=[replace(claim.hypotheses[0], delta=2.5)])
    assert early_stop_words(wide, table) == ""  # smaller than the margin
    assert early_stop_words(verdicts.claims[2], table) == ""  # the same way round
    assert early_stop_words(claim, tidy) == ""  # not measured


def test_the_committed_run_that_turns_at_the_early_stop_says_so() -> None:
    folder = REFERENCE / "cpu-long/seed-0"
    claims = {claim.id: claim for claim in from_json((folder / "verdicts.json").read_text()).claims}
    table = pd.read_csv(folder / "tidy.csv.gz")
    said = early_stop_words(claims["FC-5"], table)
    assert said.startswith("At the early stop it is the other way round: ticket better by ")


def test_sources_lead_to_their_papers(registry) -> None:
    source = registry.claims["A-1"].sources[0]
    for paper, href in (
        ("Frankle & Carbin, arXiv 1803.03635 v5", "https://arxiv.org/abs/1803.03635v5"),
        ("Zhou et al., arXiv:1905.01067", "https://arxiv.org/abs/1905.01067"),
        ("a blog post", ""),
        ("arXiv 1803.03635/../evil", "https://arxiv.org/abs/1803.03635"),
    ):
        assert cards.quoted(source.model_copy(update={"paper": paper})).href == href


def test_a_line_between_two_recipes_says_that_it_is_one(verdicts) -> None:
    line = replace(verdicts.claims[0].beside[0], contrast="tiny-calm:dense@0 - dense@0")
    assert cards.line_row(line).note == (
        "one arm, dense, in two experiments: it says how they differ, and nothing about the claim by itself"
    )
    assert cards.line_row(verdicts.claims[0].beside[0]).note == ""


def test_the_forest_is_each_difference_over_its_margin(verdicts) -> None:
    rows = forest_rows(verdicts)
    assert [row.id for row in rows] == ["A-1", "A-2", "A-3", "A-4"]
    for row, claim in zip(rows, verdicts.claims, strict=False):
        line = claim.deciding
        assert row.mean == pytest.approx(line.evidence["mean"] / line.delta)
        assert row.high == pytest.approx(line.evidence["high"] / line.delta)
    assert rows[0].bounds == (-1.0,)
    assert rows[3].passes == (-1.0, 1.0)
    at = strip_of(replace(rows[0], mean=9.0, low=8.0, high=10.0), (-2.0, 6.0), 80)
    assert (at["zero"], at["mean"], at["beyond"], at["bounds"]) == (20.0, 80.0, "right", [10.0])
    assert reach([replace(rows[0], low=-3.2, high=40.0)]) == (-4.0, 6.0)
    picture = forest_plot(verdicts)
    assert "A-2 FAIL: −0.65 [−0.85, −0.45] pp, margin 1.5 pp" in picture.alt
    assert forest_plot(replace(verdicts, claims=verdicts.claims[4:])) is None


@pytest.mark.parametrize(
    ("commits", "words"),
    [
        (["a1"], "commit a1"),
        (["a1", "b2", "a1"], "commit a1, b2"),
        (["a1", "b2", "c3"], "3 commits (provenance.json)"),
        ([], ""),
    ],
)
def test_commits_are_counted_where_they_are_many(commits, words) -> None:
    assert front.commits([{"commit": commit} for commit in commits]) == words


def test_how_to_cite_is_that_of_the_citation_file(content) -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["title"] == front.TITLE
    assert cited["authors"][0]["name"] == front.AUTHOR
    assert content.front.cite.startswith(f"{front.AUTHOR}: {front.TITLE}, version 0.1.0")
    assert content.front.cite in Page(html(content)).text


@pytest.mark.parametrize("suite", ["quick", "cpu-long"])
def test_few_words_are_seen_before_anything_is_opened(suite: str) -> None:
    import lthbench

    material = lthbench.load(REFERENCE / suite / "seed-0").material()
    told = gather(material)
    page = html(told)
    budget = FIXED_WORDS + PER_CLAIM * len(told.run) + PER_ABSENT * len(told.not_run)
    assert Page(page, folded=False).words <= (2500 if suite == "quick" else budget)
    articles = [part.partition("</article>")[0] for part in page.split('<article class="card ')[1:]]
    words = [Page(f'<article class="{article}', folded=False).words for article in articles]
    assert len(words) == len(told.run)
    assert max(words) <= LONGEST_CARD
    assert sum(words) <= PER_CLAIM * len(words)
