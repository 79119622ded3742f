"""The page on popular accounts: what each sentence says, what the papers say, and the verdicts that test it."""

from dataclasses import dataclass

from lthbench.claims.load import Registry
from lthbench.claims.popular import Statement
from lthbench.judging.verdict import Verdicts
from lthbench.report.numbers import count
from lthbench.report.style import slug

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
class PopularPart:
    """The whole page."""

    said: str
    rows: list[Row]


def popular_part(registry: Registry, verdicts: Verdicts) -> PopularPart | None:
    """The page; None where the claim files hold none, or results of others were judged."""
    if registry.popular is None or verdicts.origin != "own":
        return None
    rows = [row(registry, verdicts, statement) for statement in registry.popular.statements]
    with_verdict = sum(any(tested.verdict for tested in one.tested) for one in rows)
    words = [one.judgement for one in rows]
    judged = ", ".join(f"{words.count(word)} {word}" for word in ("OK", "imprecise", "wrong"))
    said = (
        f"{count(len(registry.popular.accounts)).capitalize()} popular accounts, {len(rows)} sentences, held "
        f"against the papers: {judged}. A claim of this report tests {with_verdict} of them, or a part; a verdict "
        "speaks about the claim, which is the papers' sentence and not the account's."
    )
    return PopularPart(said, rows)


def ids(statement: Statement) -> str:
    """The ids of a sentence, as printed."""
    return ", ".join(statement.ids)


def row(registry: Registry, verdicts: Verdicts, statement: Statement) -> Row:
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
