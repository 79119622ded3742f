"""The pages of the site as HTML. Each has a body that stands alone or inside the pages of the documentation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from lthbench.claims.load import Registry
from lthbench.claims.popular import Popular, Statement
from lthbench.judging.verdict import SYMBOLS, verdict_word
from lthbench.judging.words import level_interval
from lthbench.recipe.engine import __version__
from lthbench.report.figures.style import slug
from lthbench.report.numbers import count, short, signed
from lthbench.report.render import environment, html_text
from lthbench.report.site.answer import summary
from lthbench.report.site.columns import Column, SiteRun, columns
from lthbench.report.site.drawing import KEY, small
from lthbench.report.site.table import SCALES, Cell, Group, Row, groups

ARXIV = re.compile(r"arXiv (\d{4}\.\d{4,5}(?:v\d+)?)(?: (v\d+))?")
JUDGEMENTS = {"wrong": "Wrong", "imprecise": "Imprecise", "OK": "Right"}
KINDS = ("primary", "secondary", "counter", "popular")
TITLE = "Claims of the lottery ticket hypothesis"
EXPLORATORY = (
    "Of an exploratory suite not everything was registered (its report says what was): its words say what its "
    "replicates show, and decide no claim."
)


@dataclass(frozen=True)
class Page:
    """One page: its address from the site's root, its title, and what stands below it."""

    path: str
    title: str
    body: Markup
    scripted: bool = False

    @property
    def root(self) -> str:
        """From this page to the site's root: empty, or `../`."""
        return "../" * self.path.count("/")


def pages(registry: Registry, runs: Sequence[SiteRun]) -> list[Page]:
    """All pages, made from claim files and verdicts alone; the first is the overview."""
    shown = columns(registry, runs)
    asked = groups(registry, shown)
    made = [overview(registry, shown, asked), registered(asked)]
    made += [popular(registry.popular, asked)] if registry.popular else []
    return made + [claim_page(registry, group, row, asked) for group in asked for row in group.rows]


def address(claim: str) -> str:
    """Where a claim's page is."""
    return f"claims/{slug(claim)}.html"


def overview(registry: Registry, shown: Sequence[Column], asked: Sequence[Group]) -> Page:
    """The front page."""
    title = registry.questions.title if registry.questions else TITLE
    content = {
        "summary": summary(registry, shown, asked),
        "columns": shown,
        "groups": asked,
        "filters": filters(asked),
        "any_exploratory": any(run.verdicts.exploratory for column in shown for run in column.runs),
    }
    return Page("index.html", title, body("overview.j2", "", **content), scripted=True)


def filters(asked: Sequence[Group]) -> list[tuple[str, str, list[tuple[str, str, int]]]]:
    """What the table can be filtered by: name, heading, and value, words and number of cells or claims."""
    rows = [row for group in asked for row in group.rows]
    cells = [cell for row in rows for cell in row.there]
    verdicts = [(v, v, sum(v in cell.verdicts for cell in cells)) for v in SYMBOLS]
    kinds = [(k, k, sum(any(cell.kind == k for cell in row.there) for row in rows)) for k in KINDS]
    scales = [(s, words, sum(cell.scale == s for cell in cells)) for s, words in SCALES.items()]
    return [
        (name, heading, [choice for choice in choices if choice[2]])
        for name, heading, choices in (
            ("verdict", "Verdict", verdicts),
            ("kind", "Kind", kinds),
            ("scale", "Scale", scales),
        )
    ]


def registered(asked: Sequence[Group]) -> Page:
    """The list of all claims."""
    rows = [row for group in asked for row in group.rows]
    return Page("claims/index.html", "All claims", body("registry.j2", "../", groups=asked, rows=rows))


def popular(accounts: Popular, asked: Sequence[Group]) -> Page:
    """Sentences of popular accounts, the wrong ones first."""
    parts = [
        (word, f"{means} ({len(own)})", own)
        for word, means in JUDGEMENTS.items()
        if (own := [statement for statement in accounts.statements if statement.judgement == word])
    ]

    def whose(statement: Statement) -> str:
        kinds = dict.fromkeys(accounts.accounts[own.partition("-")[0]] for own in statement.ids)
        return " and ".join(kinds)

    said = (
        f"{count(len(accounts.accounts)).capitalize()} popular accounts of the lottery ticket hypothesis, "
        f"{len(accounts.statements)} sentences, held against the papers."
    )
    content = {
        "said": said,
        "parts": parts,
        "accounts": whose,
        "by_id": by_id(asked),
        "not_registered": accounts.not_registered,
    }
    return Page(
        "popular.html", "Is it true? Popular accounts against the papers", body("popular.j2", "", **content)
    )


def by_id(asked: Sequence[Group]) -> dict[str, Row]:
    """Every claim's row."""
    return {row.id: row for group in asked for row in group.rows}


def claim_page(registry: Registry, group: Group, row: Row, asked: Sequence[Group]) -> Page:
    """One claim: its sentence and sources, all scales, published values, what speaks against it."""
    known = by_id(asked)
    statements = registry.popular.statements if registry.popular else []
    content = {
        "row": row,
        "question": group.question.asks,
        "qualified_by": [o for o in known.values() if o.claim and row.id in o.claim.qualifies],
        "qualifies": [known[name] for name in (row.claim.qualifies if row.claim else [])],
        "statements": [statement for statement in statements if row.id in statement.claims],
    }
    return Page(address(row.id), f"{row.id}: {row.title}", body("claim.j2", "../", **content))


def paper(name: str) -> str:
    """The address of a paper on arXiv that a source names; empty for others."""
    found = ARXIV.search(name)
    return f"https://arxiv.org/abs/{found[1]}{found[2] or ''}" if found else ""


def passes(cell: Cell) -> str:
    """The word for PASS where the cell stands."""
    return verdict_word("PASS", cell.exploratory)


def decision(cell: Cell, word: str) -> str:
    """A hypothesis's decision as it is printed there."""
    return verdict_word(word, cell.exploratory)


def anchor(column: Column) -> str:
    """The id of a column's part of a page."""
    return f"in-{slug(column.name)}"


@cache
def templates() -> jinja2.Environment:
    """The report's templates, with what the site's ones call."""
    made = environment(True, html_text)
    made.globals.update(
        address=address,
        anchor=anchor,
        decision=decision,
        exploratory=EXPLORATORY,
        key=KEY,
        level_interval=level_interval,
        paper=paper,
        passes=passes,
        scales=SCALES,
        short=short,
        signed=signed,
        small=small,
    )
    return made


def body(template: str, root: str, **content: Any) -> Markup:
    """What a template says, for a page that lies `root` below the site's root."""
    return Markup(templates().get_template(f"site/{template}").render(root=root, **content))


def asset(name: str) -> str:
    """A style sheet or script of the site."""
    loader = templates().loader
    assert loader is not None
    return loader.get_source(templates(), f"site/{name}")[0]


def standing_alone(page: Page, popular: bool) -> str:
    """The page as a file that needs no other."""
    content = {"css": Markup(asset("site.css")), "script": Markup(asset("site.js")), "version": __version__}
    return templates().get_template("site/page.html.j2").render(page=page, popular=popular, **content)
