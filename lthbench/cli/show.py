"""What commands print: lines, the table of verdicts, the table of changes."""

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lthbench.drive.progress import COLOURS
from lthbench.judging.diagnosis import of as diagnose
from lthbench.judging.diff import Diff
from lthbench.judging.verdict import ORIGINS, SYMBOLS, ClaimVerdict, Verdicts, to_json, verdict_word
from lthbench.judging.words import collapse_words, sizes
from lthbench.plan.run import Run
from lthbench.report.numbers import deciding
from lthbench.report.sentences import exploratory_words, reasons
from lthbench.words import MINUS, plain, typed

# Text of files is never markup: a title may hold brackets. What is coloured is built as Text.
console = Console(soft_wrap=True, markup=False, emoji=False)
WHOLE = ("claim", "kind", "verdict", "n")  # short columns, never broken
READABLE = 120  # columns of a table in a file or pipe, at least


def lines(*said: str) -> None:
    """Lines as they are."""
    for line in said:
        console.print(line.replace(MINUS, "-"), highlight=False)


def aside(*said: str) -> None:
    """Lines beside an answer that is data."""
    for line in said:
        print(typed(line), file=sys.stderr)


def wide(table: Table) -> None:
    """Print a table; into a file or pipe, wide enough to be read."""
    width = max(console.width, READABLE) if not console.is_terminal else None
    Console(width=width, markup=False, emoji=False).print(table)


def table(title: str, *headings: str) -> Table:
    """An empty table. Nothing is cut: what is too wide goes on in the next line."""
    made = Table(title=title, title_justify="left")
    for heading in headings:
        made.add_column(heading, overflow="fold", no_wrap=heading in WHOLE)
    return made


def report_of(run: Run, beside: str = "") -> None:
    """Where the report is."""
    lines(f"Report: {(run.report / 'index.html').resolve()}{beside}")


def verdicts(judged: Verdicts, json: bool = False) -> None:
    """The table at the end, and why what did not pass did not; or all of it as data."""
    if json:
        print(to_json(judged), end="")
        return
    origin, exploratory = ORIGINS[judged.origin], judged.exploratory
    of = f"verdicts {origin}, no replication of ours" if origin else f"master seed {judged.master_seed}"
    headings = ("claim", "kind", "verdict", "mean [95 % interval]", "n", "what it says at this scale")
    shown = table(plain(f"{judged.title} ({of})"), *headings)
    for claim in judged.claims:
        shown.add_row(*verdict_row(claim, origin, exploratory))
    wide(shown)
    if exploratory:
        lines(plain(exploratory_words(judged.registered)))
    for claim in judged.claims:
        if claim.verdict != "PASS":
            word = f"{verdict_word(claim.verdict, exploratory)} {origin}".strip()
            lines(plain(f"{claim.id} {word}: {claim.why} {claim.settle or ''}").strip())
        elif claim.freeze and (said := reasons(claim)[-1]).startswith("Registration "):
            lines(plain(f"{claim.id}: {said}"))
        if claim.verdict != "PASS" or any(count.collapsed for count in claim.collapses):
            lines(*[plain(f"{claim.id} {words}") for words in collapse_words(claim.collapses, claim.experiment)])
    diagnosis = diagnose(judged)
    if diagnosis:
        lines(plain(diagnosis))


def verdict_row(claim: ClaimVerdict, origin: str, exploratory: bool = False) -> tuple[str | Text, ...]:
    """A claim in the table of verdicts; `origin` says whose results they are, where they are not ours."""
    word = verdict_word(claim.verdict, exploratory)
    symbol = Text(f"{SYMBOLS[claim.verdict]} {word}", style=COLOURS[claim.verdict])
    symbol.append(f"\n{origin}" if origin else "", style="default")
    count = sizes(claim.deciding) if origin else str(claim.replicates)
    return claim.id, claim.kind, symbol, typed(deciding(claim)), count, typed(claim.registered_title)


def diff(compared: Diff) -> None:
    """What changed, claim by claim, and what else differs between the runs."""
    wide(diff_table(compared))
    lines(*map(typed, compared.circumstances))


def diff_table(compared: Diff) -> Table:
    """A row per claim; the verdicts are whole at 80 columns, the other cells wrap."""
    shown = table(f"verdicts of suite {compared.after.suite}, before and now")
    for heading in ("claim", "before", "now"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("kind", "mean before [95 % interval]", "mean now", "also differs"):
        shown.add_column(heading, overflow="fold")
    for change in compared.changes:
        means = map(deciding, (change.before, change.after))
        row = (change.claim.id, *change.words, change.claim.kind, *means, change.differs)
        shown.add_row(*map(typed, row), style="bold" if change.changed else None)
    return shown
