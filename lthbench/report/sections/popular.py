"""The section on popular accounts: what each sentence says, what the papers say, and the verdicts that test it."""

from dataclasses import dataclass

from lthbench.claims.load import Registry
from lthbench.claims.popular import Statement
from lthbench.judging.verdict import Verdicts
from lthbench.report.figures.style import slug
from lthbench.report.numbers import count
from lthbench.report.section import Material, Part

COSTS = {"search": "the cost of the search", "storage": "bytes on disk", "latency": "latency"}


@dataclass(frozen=True)
class Tested:
    """A claim that tests a sentence: its verdict here, or why there is none."""

    id: str
    verdict: str
    anchor: str | None
    otherwise: str


@dataclass(frozen=True)
class Row:
    """One sentence, as printed."""

    ids: str
    account: str
    says: str
    judgement: str
    paper: str
    tested: list[Tested]
    measured: str
    checked: bool
    otherwise: str


@dataclass(frozen=True)
class PopularPart(Part):
    """The whole section."""

    said: str
    rows: list[Row]


def popular_part(material: Material) -> PopularPart | None:
    """The section; None where the claim files hold none, or results of others were judged."""
    registry, verdicts = material.registry, material.verdicts
    if registry.popular is None or not material.own:
        return None
    every = [row_of(registry, verdicts, statement) for statement in registry.popular.statements]
    rows = [row for row in every if any(claim.verdict for claim in row.tested)]
    words = [row.judgement for row in every]
    judged = ", ".join(f"{words.count(word)} {word}" for word in ("OK", "imprecise", "wrong"))
    said = (
        f"{count(len(registry.popular.accounts)).capitalize()} popular accounts, {len(every)} sentences, held "
        f"against the papers: {judged} (claims/popular.yaml). A claim of this report tests {len(rows)} of them, "
        "or a part; a verdict speaks about the claim, which is the papers' sentence and not the account's."
    )
    return PopularPart(said, rows)


def ids(statement: Statement) -> str:
    """The ids of a sentence, as printed."""
    return ", ".join(statement.ids)


def row_of(registry: Registry, verdicts: Verdicts, statement: Statement) -> Row:
    """One sentence with what became of it."""
    assert registry.popular is not None
    accounts = dict.fromkeys(registry.popular.accounts[own.partition("-")[0]] for own in statement.ids)
    return Row(
        ids=ids(statement),
        account=" and ".join(accounts),
        says=statement.says,
        judgement=statement.judgement,
        paper=statement.paper,
        tested=[tested(registry, verdicts, claim) for claim in statement.claims],
        measured=", ".join(COSTS[kind] for kind in statement.accounting),
        checked=statement.checked_by is not None,
        otherwise=statement.not_tested or statement.checked_by or "",
    )


def tested(registry: Registry, verdicts: Verdicts, claim: str) -> Tested:
    """A claim's verdict in this report; else where it would be judged; else why it is no file."""
    here = {verdict.id: verdict.verdict for verdict in verdicts.claims}
    if claim in here:
        return Tested(claim, here[claim], slug(claim), "")
    if claim in registry.claims:
        suites = list(registry.claims[claim].suites)
        return Tested(claim, "", None, f"not in this report; suites: {', '.join(suites)}")
    assert registry.popular is not None
    return Tested(claim, "", None, f"not registered: {registry.popular.not_registered[claim]}")
