"""`lthbench check`: do somebody's results support a claim? Results in, verdicts out, no training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lthbench.claims.load import Registry
from lthbench.claims.schema import Registration
from lthbench.errors import UserError
from lthbench.judging.given import GivenClaim, judge_given, weigh_suite
from lthbench.judging.verdict import Verdicts
from lthbench.results.format import Results, read_results
from lthbench.results.given import GivenTable
from lthbench.words import choices, did_you_mean, shown

MOST_NAMED = 8


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
    table = GivenTable(results.table)
    weighed = {suite: weigh_suite(registry, suite, table) for suite in suites(registry, question)}
    suite = the_suite(weighed, question, results)
    asked = [w for w in weighed[suite] if not question.claims or w.claim.id in question.claims]
    judged = [w.claim.id for w in asked if question.claims or not w.missing]
    verdicts = judge_given(registry, suite, table, judged)
    verdicts = replace(verdicts, title=f"{question.path.name}, judged by the claims of suite {suite}")
    return Answer(verdicts, [*results.notes, *coverage(suite, asked), *how_judged(asked)], results)


def suites(registry: Registry, question: Question) -> list[str]:
    """The suites whose claims are looked at."""
    known = list(registry.every_suite)
    if question.suite is not None and question.suite not in known:
        raise UserError(f"unknown suite '{question.suite}'; there are: {', '.join(known)}")
    chosen = [question.suite] if question.suite else known
    possible = [claim for suite in chosen for claim in registry.every_suite[suite].claims]
    for claim in question.claims:
        if claim not in possible:
            raise UserError(f"no claim '{claim}'; {choices(claim, possible)}")
    return chosen


def renamed(registry: Registry, results: Results, question: Question) -> Results:
    """The table with its one experiment read as a registered one; unknown experiments alone are refused."""
    known = [*registry.experiments, *(e for s in registry.given_suites.values() for e in s.experiments)]
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


def the_suite(weighed: dict[str, list[GivenClaim]], question: Question, results: Results) -> str:
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
    nearest = min((w for claims in asked.values() for w in claims), key=lambda w: len(w.missing))
    raise UserError(
        f"{question.path}: no claim has all its cells; nearest is {nearest.claim.id}, which lacks "
        f"{named(nearest.missing)}{why_missing(nearest, results)}"
    )


def named(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """A few names, and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def why_missing(claim: GivenClaim, results: Results) -> str:
    """The usual reason for missing cells: the table addresses them by the other column."""
    places = [p for h in claim.hypotheses for p in h.line.contrast.places(claim.registration.experiment)]
    pruned = results.table[results.table["level"].ne(0).fillna(True)]
    by_level = any(place.level for place in places)
    if by_level and pruned["level"].isna().all():
        return "\nthis claim addresses cells by level (pruning rounds done); add the column level"
    if not by_level and pruned["density"].isna().all():
        return "\nthis claim addresses cells by density (fraction remaining); add the column density"
    return ""


def coverage(suite: str, asked: Sequence[GivenClaim]) -> list[str]:
    """Which claims the table has the cells for, and what the others lack."""
    ready = [w.claim.id for w in asked if not w.missing]
    found = [f"suite {suite}: the table has all cells for {', '.join(ready)}"]
    found += [f"  {w.claim.id} lacks {named(w.missing, 3)}" for w in asked if w.missing]
    return found


def how_judged(asked: Sequence[GivenClaim]) -> list[str]:
    """Where the judging differs from a run of our own: unpaired, other n."""
    found = []
    for w in asked:
        if w.missing:
            continue
        ways: dict[str, list[str]] = {}
        for h in w.hypotheses:
            if h.evidence is not None and h.groups:
                ways.setdefault(h.how, []).append(h.line.id)
        found += [f"  {w.claim.id} {', '.join(lines)}: {how}" for how, lines in ways.items()]
        counts = {e.n for e in w.deciding}
        if isinstance(w.registration, Registration) and counts and counts != {w.registration.replicates}:
            given = "/".join(map(str, sorted(counts)))
            found.append(f"  {w.claim.id}: n = {given} given, {w.registration.replicates} registered")
    return found


def write(registry: Registry, found: Answer, path: Path, out: Path) -> Path:
    """Write the report to reports/check and return its page."""
    from lthbench.report.write import write_report

    folder = out / "reports" / "check"
    source = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    write_report(folder, registry, found.verdicts, found.results.table, [source])
    return folder / "index.html"
