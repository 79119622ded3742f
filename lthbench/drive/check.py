"""`lthbench check`: do somebody's results support a claim? Results in, verdicts out, no training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from lthbench.claims.load import Registry, cells
from lthbench.errors import UserError
from lthbench.judging.judge import Weighed, judge, weigh_suite
from lthbench.judging.lines import PAIRED
from lthbench.judging.looks import looks
from lthbench.judging.suspicious import suspicions
from lthbench.judging.table import Table
from lthbench.judging.unread import unread
from lthbench.judging.verdict import Verdicts
from lthbench.results.format import Results, read_results
from lthbench.words import choices, did_you_mean, shown

MOST_NAMED = 8
MOST_STRANGE = 4  # of unknown names in one message
ORIGIN: Final = "given"
OTHER_N = (
    "  an error rate holds for a number of replicates fixed beforehand: a table to which runs are added until it "
    "passes errs more often"
)


@dataclass(frozen=True)
class Question:
    """What a user asks: which file, which claims (none: all) of which suite, read how."""

    path: Path
    claims: tuple[str, ...] = ()
    suite: str | None = None
    as_experiment: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Answer:
    """The verdicts with what to say before them; `table` is the checked results table."""

    verdicts: Verdicts
    lines: list[str]
    results: Results


def answer(registry: Registry, question: Question, given: Results | None = None) -> Answer:
    """Read the results, unless they are given, find the suite whose claims they can speak about, judge."""
    if question.unit not in (None, "percent", "fraction"):
        raise UserError(f"unknown unit '{question.unit}'; use percent (0..100) or fraction (0..1)")
    results = renamed(registry, given or read_results(question.path, question.unit), question)
    table = Table(results.table)
    weighed = {suite: weigh(registry, suite, table) for suite in suites(registry, question)}
    suite = the_suite(registry, weighed, question, results)
    asked = [w for w in weighed[suite] if not question.claims or w.claim.id in question.claims]
    judged = [w.claim.id for w in asked if question.claims or not w.missing]
    odd = [*suspicions(registry, table), *unread(registry, suite, table)]
    verdicts = judge(registry, suite, 0, results.table, judged, origin=ORIGIN)
    verdicts = replace(verdicts, title=f"{question.path.name}, judged by the claims of suite {suite}")
    how = how_judged(registry, suite, asked)
    notes = [*results.notes, *odd]
    return Answer(verdicts, [*notes, *coverage(suite, asked), *how], Results(results.table, notes))


def weigh(registry: Registry, suite: str, table: Table) -> list[Weighed]:
    """All claims of a suite on a stranger's table, as its last look judges them."""
    return weigh_suite(registry, suite, table, looks(registry.suites[suite], ORIGIN)[-1], ORIGIN)


def suites(registry: Registry, question: Question) -> list[str]:
    """The suites whose claims are looked at."""
    known = list(registry.suites)
    if question.suite is not None and question.suite not in known:
        raise UserError(f"unknown suite '{question.suite}'; there are: {', '.join(known)}")
    chosen = [question.suite] if question.suite else known
    possible = [claim for suite in chosen for claim in registry.suites[suite].claims]
    for claim in question.claims:
        if claim not in possible:
            raise UserError(f"no claim '{claim}'; {choices(claim, possible)}")
    return chosen


def renamed(registry: Registry, results: Results, question: Question) -> Results:
    """The table with its one experiment read as a registered one; unknown experiments alone are refused."""
    known = [*registry.experiments, *(name for suite in registry.suites.values() for name in suite.experiments)]
    there = list(results.table["experiment"].unique())
    name = question.as_experiment
    if name is None:
        if not set(there) & set(known):
            near = did_you_mean(there[0], known)
            raise UserError(
                f"{question.path}: no claim speaks of experiment '{shown(there[0], 60)}'; {near}known are "
                f"{named(known)}\nto have your experiment judged by the margins of one of them: --as NAME"
            )
        return results
    if name not in known:
        raise UserError(f"--as {name}: no such experiment; known are {named(known)}")
    if len(there) > 1:
        raise UserError(
            f"{question.path}: --as renames one experiment, the table has {len(there)} "
            f"({', '.join(map(shown, there[:4]))}); "
            "rename them in the column experiment"
        )
    note = f"experiment '{shown(there[0], 60)}' is judged as '{name}': its margins were registered for that one"
    return Results(results.table.assign(experiment=name), [*results.notes, note])


def the_suite(registry: Registry, weighed: dict[str, list[Weighed]], question: Question, results: Results) -> str:
    """The one suite with a claim that the table has all cells for."""
    asked = {
        suite: [w for w in claims if not question.claims or w.claim.id in question.claims]
        for suite, claims in weighed.items()
    }
    complete = [suite for suite, claims in asked.items() if any(not w.missing for w in claims)]
    if len(complete) == 1:
        return complete[0]
    if complete:
        raise UserError(
            f"{question.path}: has the cells for claims of suites {', '.join(complete)}; choose one with --suite"
        )
    there = set(results.table["experiment"])
    every = [(suite, w) for suite, claims in asked.items() for w in claims]
    own = [(suite, w) for suite, w in every if there & {cell.experiment for cell in cells(w.registration)}]
    suite, nearest = min(own or every, key=lambda entry: len(entry[1].lacking))
    strange = unread(registry, suite, Table(results.table))
    raise UserError(
        f"{question.path}: no claim has all its cells; nearest is {nearest.claim.id} of suite {suite}, which "
        f"lacks {named(nearest.lacking)}"
        + ("\n" + "; ".join(strange[:MOST_STRANGE]) if strange else why_missing(nearest, results))
    )


def named(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """A few names, and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def why_missing(claim: Weighed, results: Results) -> str:
    """The usual reason for missing cells: the table addresses them by the other column."""
    cells = [cell for h in claim.hypotheses for cell in h.line.contrast.cells(claim.registration.experiment)]
    pruned = results.table[results.table["level"].ne(0).fillna(True)]
    by_level = any(cell.level > 0 for cell in cells)
    if by_level and pruned["level"].isna().all():
        return "\nthis claim addresses cells by level (pruning rounds done); add the column level"
    if not by_level and pruned["density"].isna().all():
        return "\nthis claim addresses cells by density (fraction remaining); add the column density"
    return ""


def coverage(suite: str, asked: Sequence[Weighed]) -> list[str]:
    """Which claims the table has the cells for, and what the others lack."""
    ready = [w.claim.id for w in asked if not w.missing]
    lacking = [f"  {w.claim.id} lacks {named(w.lacking, 3)}" for w in asked if w.missing]
    return [f"suite {suite}: the table has all cells for {', '.join(ready)}", *lacking]


def how_judged(registry: Registry, suite: str, asked: Sequence[Weighed]) -> list[str]:
    """Where the judging differs from a run of our own: unpaired, other n."""
    said, other_n = [], False
    for w in asked:
        if w.missing:
            continue
        ways: dict[str, list[str]] = {}
        for h in w.hypotheses:
            if h.evidence is not None and h.how != PAIRED:
                ways.setdefault(h.how, []).append(h.line.id)
        said += [f"  {w.claim.id} {', '.join(lines)}: {how}" for how, lines in ways.items()]
        counts, registered = {e.n for e in w.deciding}, registry.claims[w.claim.id].suites[suite].replicates
        due = {min(look.most or registered, registered) for look in looks(registry.suites[suite])}
        if registered and counts - due:
            given = "/".join(map(str, sorted(counts)))
            said.append(f"  {w.claim.id}: n = {given} given, {registered} registered")
            other_n = True
    return [*said, OTHER_N] if other_n else said


def write(registry: Registry, given: Answer, path: Path, out: Path) -> Path:
    """Write the report to reports/check and return its page."""
    from lthbench.report.write import write_report

    folder = out / "reports" / "check"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = {"file": path.name, "sha256": digest, "notes": given.results.notes}
    write_report(folder, registry, given.verdicts, given.results.table, [source])
    return folder / "index.html"
