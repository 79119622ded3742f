"""The site: its words follow the verdicts, nothing is left out, links lead somewhere, nothing acts as markup."""

from dataclasses import replace
from pathlib import Path

import pytest
from links import Read, broken, outside
from report_sample import HOSTILE, VERDICTS, claim, line

from lthbench.claims.load import Registry
from lthbench.claims.questions import Question, Questions
from lthbench.judging.verdict import Verdicts
from lthbench.report.site.answer import summary, word
from lthbench.report.site.columns import SiteRun, columns
from lthbench.report.site.drawing import HEIGHT, WIDTH, small, x
from lthbench.report.site.pages import Page, pages, paper, standing_alone
from lthbench.report.site.table import groups

ASKED = Questions(
    id="questions",
    title="Is it true?",
    hypothesis=["A-1"],
    questions=[
        Question(id="first", asks="Is there one?", claims=["A-1", "A-2", "A-3"]),
        Question(id="second", asks="Where does it break?", claims=["A-4", "A-5"]),
    ],
)


@pytest.fixture
def asking(registry: Registry) -> Registry:
    return replace(registry, questions=ASKED)


def with_verdict(verdicts: Verdicts, **words: str) -> Verdicts:
    """The same run with other verdicts: `A_1="FAIL"`."""
    claims = [replace(c, verdict=words.get(c.id.replace("-", "_"), c.verdict)) for c in verdicts.claims]
    return replace(verdicts, claims=claims)


def front(registry: Registry, *runs: SiteRun) -> str:
    return pages(registry, runs)[0].body


def lead(page: str) -> str:
    return page.partition('class="lead"')[2].partition("</strong>")[0]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["PASS", "PASS"], "yes"),
        (["PASS", "NOT RUN"], "yes"),
        (["FAIL"], "no"),
        (["PASS", "FAIL"], "it depends"),
        (["PASS", "INCONCLUSIVE"], "not decided"),
        (["PASS", "FAIL", "INCONCLUSIVE"], "not decided"),
        (["BLOCKED"], "not decided"),
        (["NOT DECIDABLE", "PASS"], "not decided"),
        (["NOT RUN", "NOT RUN"], "not known yet"),
    ],
)
def test_the_word_for_several_verdicts(verdicts: list[str], said: str) -> None:
    assert word(verdicts) == said


@pytest.mark.parametrize(("verdict", "said"), [("PASS", "yes"), ("FAIL", "no"), ("INCONCLUSIVE", "not decided")])
def test_the_answer_follows_the_verdict_of_the_hypothesis(asking, verdicts, verdict: str, said: str) -> None:
    page = front(asking, SiteRun(with_verdict(verdicts, A_1=verdict)))
    assert lead(page).endswith(f"At reduced scale: {said}.")


def test_other_claims_do_not_change_the_answer(asking, verdicts) -> None:
    pages_ = [front(asking, SiteRun(with_verdict(verdicts, A_2=word))) for word in ("PASS", "FAIL")]
    assert lead(pages_[0]) == lead(pages_[1])
    assert pages_[0] != pages_[1]


def test_what_did_not_pass_is_listed_fail_first(asking, verdicts) -> None:
    shown = columns(asking, [SiteRun(verdicts)])
    opened = summary(asking, shown, groups(asking, shown)).opened
    assert [cell.verdict for _, cell in opened] == ["FAIL", "BLOCKED", "INCONCLUSIVE"]


def test_a_verdict_leads_to_its_claim_in_the_report_and_one_not_run_to_the_report(asking, verdicts) -> None:
    shown = columns(asking, [SiteRun(verdicts, report="r.html")])
    cells = {row.id: row.there[0] for group in groups(asking, shown) for row in group.rows}
    assert (cells["A-2"].report, cells["A-5"].report) == ("r.html#A-2", "r.html")


def test_a_blocked_claim_and_one_that_was_not_run_show_no_numbers(asking, verdicts) -> None:
    shown = columns(asking, [SiteRun(with_verdict(verdicts, A_2="NOT RUN"))])
    cells = {row.id: row.there[0] for group in groups(asking, shown) for row in group.rows}
    assert {name for name, cell in cells.items() if cell.numbers} == {"A-1", "A-3"}


def test_every_claim_and_suite_is_there_without_a_single_run(asking) -> None:
    page = front(asking)
    assert "At reduced scale: not known yet." in page
    for name in VERDICTS:
        assert f">{name}</a>" in page
    assert "mini</strong>, nothing of it was run" in page


def test_a_claim_without_a_question_comes_last(registry, verdicts) -> None:
    fewer = ASKED.model_copy(update={"questions": ASKED.questions[:1]})
    shown = columns(registry, [SiteRun(verdicts)])
    asked = groups(replace(registry, questions=fewer), shown)
    assert [(group.question.asks, len(group.rows)) for group in asked] == [
        ("Is there one?", 3),
        ("Other claims", 2),
    ]


def test_a_run_of_a_suite_that_no_file_registers_is_shown_with_its_own_words(asking, verdicts) -> None:
    own = replace(
        verdicts,
        suite="own",
        title="My network",
        exploratory=True,
        claims=[replace(verdicts.claims[0], id="Z-1", title="Mine")],
    )
    page = front(asking, SiteRun(verdicts), SiteRun(own, label="mine"))
    assert "own: mine" in page
    assert "SUPPORTED HERE" in page
    assert "Other claims" in page


def test_own_runs_stand_beside_the_committed_ones_and_answer_for_themselves(asking, verdicts) -> None:
    page = front(asking, SiteRun(verdicts), SiteRun(with_verdict(verdicts, A_1="FAIL"), label="mine"))
    assert "At reduced scale: yes." in page
    assert "In mini: mine: no." in page


def test_other_master_seeds_are_counted_and_one_that_differs_is_named(asking, verdicts) -> None:
    other = replace(with_verdict(verdicts, A_1="INCONCLUSIVE"), master_seed=7)
    page = front(asking, SiteRun(other), SiteRun(verdicts))
    assert lead(page).endswith("yes."), "the lowest master seed is the one shown"
    assert "2 master seeds: 1 PASS, 1 INCONCLUSIVE" in page
    assert "INCONCLUSIVE with seed 7" in page
    assert 'data-verdict="PASS|INCONCLUSIVE"' in page, "the filter finds it"


def test_a_run_of_another_registration_is_not_counted_with_it(asking, verdicts) -> None:
    first, *rest = verdicts.claims
    moved = replace(first, hypotheses=[replace(first.hypotheses[0], delta=9.0)], verdict="FAIL")
    shown = columns(asking, [SiteRun(verdicts), SiteRun(replace(verdicts, master_seed=1, claims=[moved, *rest]))])
    cell = groups(asking, shown)[0].rows[0].there[0]
    assert (cell.seeds, cell.earlier) == ((("PASS", (0,)),), 1)


def test_a_claims_page_has_its_sentence_sources_values_and_what_speaks_against_it(asking, verdicts) -> None:
    page = next(
        p for p in pages(asking, [SiteRun(verdicts, report="r/index.html")]) if p.path == "claims/A-2.html"
    )
    for words in (
        "The sentence of A-2 is tested.",
        "quoted for A-2",
        "+0.30 pp",
        "others disagree",
        "small networks",
    ):
        assert words in page.body
    assert 'href="../r/index.html#A-2"' in page.body


@pytest.mark.parametrize(
    ("name", "address"),
    [
        (
            "Frankle & Carbin, The Lottery Ticket Hypothesis, arXiv 1803.03635 v5",
            "https://arxiv.org/abs/1803.03635v5",
        ),
        ("Zhou et al., arXiv 1905.01067", "https://arxiv.org/abs/1905.01067"),
        ("a blog post of 2019-12-30", ""),
    ],
)
def test_papers_are_linked(name: str, address: str) -> None:
    assert paper(name) == address


@pytest.mark.parametrize(("margins", "place"), [(0, 60), (3, 114), (-3, 6), (1, 78), (99, 114), (-99, 6)])
def test_the_scale_of_the_drawing_is_in_margins(margins: float, place: float) -> None:
    assert x(margins) == pytest.approx(place)
    assert 0 < x(margins) < WIDTH


def test_a_mean_beyond_the_scale_is_an_arrow() -> None:
    inside, beyond = (small(line("H1", "a - b", "superiority", shift, "PASS", True)) for shift in (1.0, 50.0))
    assert "<circle" in inside
    assert "<circle" not in beyond
    assert f"L{WIDTH - 1} {HEIGHT / 2}" in beyond


def test_no_number_no_drawing() -> None:
    there = line("H1", "a - b", "superiority", 1.0, "PASS", True)
    assert small(replace(there, evidence=None)) == ""
    assert small(replace(there, evidence=there.evidence | {"mean": None})) == ""


def written(made: list[Page], folder: Path) -> Path:
    for page in made:
        (folder / page.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / page.path).write_text(standing_alone(page, popular=False))
    return folder


def test_every_link_leads_somewhere_and_nothing_is_loaded(asking, verdicts, tmp_path) -> None:
    site = written(pages(asking, [SiteRun(verdicts)]), tmp_path)
    assert not list(broken(site))
    for page in site.rglob("*.html"):
        read = Read(page.read_text())
        assert not read.loads, page
        assert len(set(read.ids)) == len(read.ids), page
        assert read.headings[0] == 1
        assert all(after <= before + 1 for before, after in zip(read.headings, read.headings[1:], strict=False)), (
            page
        )


def test_a_broken_link_is_found(tmp_path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="x">a</h1><a href="b.html">b</a><a href="#y">y</a><a href="#x">x</a><img src="../c">'
    )
    assert list(broken(tmp_path)) == ["a.html: b.html", "a.html: #y", "a.html: ../c"]
    assert outside("https://fonts.example/a.woff")
    assert outside("//cdn.example/a.js")
    assert not outside("a.js")


def test_somebodys_text_is_text(asking, verdicts) -> None:
    hostile = [replace(c, registered_title=HOSTILE, title=HOSTILE, sentence=HOSTILE) for c in verdicts.claims]
    for page in pages(
        asking, [SiteRun(replace(verdicts, claims=hostile, suite="own", title=HOSTILE), label=HOSTILE)]
    ):
        text = standing_alone(page, popular=False)
        assert "<script>alert" not in text
        assert "\x07" not in text


def test_the_same_verdicts_are_the_same_bytes(asking, verdicts) -> None:
    assert [p.body for p in pages(asking, [SiteRun(verdicts)])] == [
        p.body for p in pages(asking, [SiteRun(verdicts)])
    ]


def test_a_claim_that_is_limited_says_by_which(asking, verdicts) -> None:
    limiting = claim("A-2", "superiority").model_copy(update={"qualifies": ["A-1"]})
    registry = replace(asking, claims=asking.claims | {"A-2": limiting})
    front_page, *_ = pages(registry, [SiteRun(verdicts)])
    assert "Claims that qualify it:\n“Title of A-2”" in front_page.body
    page = next(p for p in pages(registry, [SiteRun(verdicts)]) if p.path == "claims/A-1.html")
    assert "Qualified by" in page.body


def test_the_interval_at_the_level_that_decides_is_drawn_beneath_the_other() -> None:
    there = line("H1", "a - b", "superiority", 1.0, "PASS", True)
    stricter = replace(there, pass_level=0.001)
    wide, narrow = (place(small(drawn), "level") for drawn in (stricter, there))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert place(small(there), "bar") == place(small(stricter), "bar")


def place(drawing: str, name: str) -> tuple[float, float]:
    """Where a bar begins and ends."""
    start, _, end = drawing.partition(f'class="{name}" d="M')[2].partition('"')[0].partition(" 11.0H")
    return float(start), float(end)
