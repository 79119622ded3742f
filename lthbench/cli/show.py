"""What commands print: lines, the table of verdicts, the table of changes."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lthbench.drive.progress import COLOURS
from lthbench.judging.diagnosis import of as diagnose
from lthbench.judging.diff import Diff
from lthbench.judging.verdict import ORIGINS, SYMBOLS, ClaimVerdict, Verdicts
from lthbench.judging.words import sizes
from lthbench.plan.run import Run
from lthbench.report.numbers import interval
from lthbench.words import plain

# Text of files is never markup: a title may hold brackets. What is coloured is built as Text.
console = Console(soft_wrap=True, markup=False, emoji=False)
READABLE = 120  # columns of a table in a file or pipe, at least


def lines(*said: str) -> None:
    """Lines as they are."""
    for line in said:
        console.print(line, highlight=False)


def wide(table: Table) -> None:
    """Print a table; into a file or pipe, wide enough to be read."""
    width = max(console.width, READABLE) if not console.is_terminal else None
    Console(width=width, markup=False, emoji=False).print(table)


def table(title: str, *headings: str) -> Table:
    """An empty table."""
    made = Table(title=title, title_justify="left")
    for heading in headings:
        made.add_column(heading)
    return made


def report_of(run: Run, beside: str = "") -> None:
    """Where the report is."""
    lines(f"Report: {(run.report / 'index.html').resolve()}{beside}")


def verdicts(judged: Verdicts) -> None:
    """The table at the end, and why what did not pass did not."""
    origin = ORIGINS[judged.origin]
    of = f"verdicts {origin}, no replication of ours" if origin else f"master seed {judged.master_seed}"
    headings = ("claim", "kind", "verdict", "mean [95 % interval]", "n", "what it says at this scale")
    shown = table(plain(f"{judged.title} ({of})"), *headings)
    for claim in judged.claims:
        shown.add_row(*verdict_row(claim, origin))
    wide(shown)
    for claim in judged.claims:
        if claim.verdict != "PASS":
            word = f"{claim.verdict} {origin}".strip()
            lines(plain(f"{claim.id} {word}: {claim.why} {claim.settle or ''}"))
    diagnosis = diagnose(judged)
    if diagnosis:
        lines(plain(diagnosis))


def verdict_row(claim: ClaimVerdict, origin: str) -> tuple[str | Text, ...]:
    """A claim in the table of verdicts; `origin` says whose results they are, where they are not ours."""
    first = claim.hypotheses[0]
    key = first.evidence
    numbers = f"{key['mean']:+.2f} [{key['low']:+.2f}, {key['high']:+.2f}]" if key else "-"
    symbol = Text(f"{SYMBOLS[claim.verdict]} {claim.verdict}", style=COLOURS[claim.verdict])
    symbol.append(f"\n{origin}" if origin else "", style="default")
    count = sizes(first) if origin else str(claim.replicates)
    return claim.id, claim.kind, symbol, numbers, count, plain(claim.registered_title)


def diff(compared: Diff) -> None:
    """What changed, claim by claim, and what else differs between the runs."""
    wide(diff_table(compared))
    lines(*map(plain, compared.circumstances))


def diff_table(compared: Diff) -> Table:
    """A row per claim; the verdicts are whole at 80 columns, the other cells wrap."""
    shown = table(f"verdicts of suite {compared.after.suite}, before and now")
    for heading in ("claim", "before", "now"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("kind", "mean before [95 % interval]", "mean now", "also differs"):
        shown.add_column(heading, overflow="fold")
    for change in compared.changes:
        means = map(interval, change.evidence)
        row = (change.claim.id, *change.words, change.claim.kind, *means, change.differs)
        shown.add_row(*map(plain, row), style="bold" if change.changed else None)
    return shown
