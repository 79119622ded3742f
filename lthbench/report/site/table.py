"""Claims by question, with a cell per column: what was decided there, or that it is registered and was not run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lthbench.claims.load import Registry
from lthbench.claims.questions import Question
from lthbench.claims.schema import Claim, Registration
from lthbench.judging.diff import registration as asked
from lthbench.judging.verdict import ClaimVerdict, Verdicts, verdict_word
from lthbench.report.figures.style import slug
from lthbench.report.site.columns import Column, SiteRun

SCALES = {
    "reduced": "reduced scale",
    "paper": "the papers' scale",
    "released": "others' released data",
    "given": "results given",
}
OTHERS = Question(id="others", asks="Other claims", claims=["-"])  # of runs with claims of their own


@dataclass(frozen=True)
class Cell:
    """One claim in one column. `result` is None where the suite was not run."""

    claim: str
    kind: str
    column: Column
    scale: str
    verdict: str
    title: str  # as registered there
    result: ClaimVerdict | None
    registration: Registration | None
    seeds: tuple[tuple[str, tuple[int, ...]], ...] = ()  # verdict and master seeds of runs that asked the same
    earlier: int = 0  # runs of the column that asked something else: an earlier registration

    @property
    def exploratory(self) -> bool:
        """Whether nothing was registered: verdicts have words of their own."""
        return bool(self.column.run and self.column.run.verdicts.exploratory)

    @property
    def word(self) -> str:
        """The verdict as it is printed."""
        return verdict_word(self.verdict, self.exploratory)

    @property
    def verdicts(self) -> list[str]:
        """The verdict, and those of other master seeds: what a filter looks at."""
        return list(dict.fromkeys([self.verdict, *(verdict for verdict, _ in self.seeds)]))

    @property
    def numbers(self) -> bool:
        """Whether numbers may stand beside the verdict: not where runs are missing or a gate failed."""
        there = self.result is not None and self.result.deciding.evidence is not None
        return there and self.verdict not in ("NOT RUN", "BLOCKED")

    @property
    def report(self) -> str:
        """Address of the claim in the suite's report, of the report where it was not run; empty: no report."""
        run = self.column.run
        if not (run and run.report and self.result):
            return ""
        return run.report if self.verdict == "NOT RUN" else f"{run.report}#{slug(self.claim)}"

    @property
    def tally(self) -> str:
        """How the runs with other master seeds came out, where there are any."""
        if sum(len(seeds) for _, seeds in self.seeds) < 2:
            return ""
        counts = [f"{len(seeds)} {verdict_word(verdict, self.exploratory)}" for verdict, seeds in self.seeds]
        return f"{sum(len(seeds) for _, seeds in self.seeds)} master seeds: {', '.join(counts)}"


@dataclass(frozen=True)
class Row:
    """One claim: its words, and its cells by the column's place."""

    id: str
    title: str
    sentence: str
    kind: str
    claim: Claim | None  # None: a run judged a claim that the claim files do not hold
    cells: tuple[Cell | None, ...]

    @property
    def there(self) -> list[Cell]:
        """The cells that say something."""
        return [cell for cell in self.cells if cell is not None]


@dataclass(frozen=True)
class Group:
    """One question with its claims."""

    question: Question
    rows: tuple[Row, ...]


def groups(registry: Registry, columns: Sequence[Column]) -> list[Group]:
    """All claims by question; a claim without one comes last, so that nothing is left out."""
    names = list(dict.fromkeys([*registry.claims, *(v.id for column in columns for v in judged(column))]))
    questions = list(registry.questions.questions) if registry.questions else []
    sorted_in = {name for question in questions for name in question.claims}
    rest = [name for name in names if name not in sorted_in]
    questions += [OTHERS.model_copy(update={"claims": rest})] if rest else []
    return [
        Group(question, tuple(row(registry, name, columns) for name in question.claims)) for question in questions
    ]


def judged(column: Column) -> list[ClaimVerdict]:
    """What the column's shown run judged."""
    return column.run.verdicts.claims if column.run else []


def row(registry: Registry, name: str, columns: Sequence[Column]) -> Row:
    """One claim in all columns."""
    claim = registry.claims.get(name)
    cells = tuple(cell(registry, name, column) for column in columns)
    first = next((c.result for c in cells if c and c.result), None)
    if claim is not None:
        return Row(name, claim.title, claim.sentence, claim.kind, claim, cells)
    assert first is not None  # a name comes from a claim file or from a run
    return Row(name, first.title, first.sentence, first.kind, None, cells)


def cell(registry: Registry, name: str, column: Column) -> Cell | None:
    """One claim in one column; None where the suite does not speak of it."""
    claim = registry.claims.get(name)
    rule = claim.suites.get(column.suite) if claim else None
    if column.run is None:
        return unrun(claim, rule, column) if claim and rule else None
    result = verdict_in(column.run, name)
    if result is None:
        return None
    made = Cell(name, result.kind, column, scale(column.run.verdicts, result), result.verdict,
                result.registered_title, result, rule)  # fmt: skip
    results = [(run.verdicts.master_seed, verdict_in(run, name)) for run in column.runs]
    alike = [(seed, other) for seed, other in results if other and asked(other) == asked(result)]
    return replace(made, seeds=tuple(by_verdict(alike)), earlier=len(results) - len(alike))


def unrun(claim: Claim, rule: Registration, column: Column) -> Cell:
    """A claim of a suite that was not run."""
    size = "released" if not rule.trains else "reduced" if rule.reduced_scale else "paper"
    return Cell(claim.id, rule.kind or claim.kind, column, size, "NOT RUN", rule.title, None, rule)


def verdict_in(run: SiteRun, name: str) -> ClaimVerdict | None:
    """A claim's verdict in a run."""
    return next((claim for claim in run.verdicts.claims if claim.id == name), None)


def by_verdict(results: Sequence[tuple[int, ClaimVerdict]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Master seeds by the verdict they gave, the most frequent first."""
    found = {
        claim.verdict: tuple(s for s, other in results if other.verdict == claim.verdict) for _, claim in results
    }
    yield from sorted(found.items(), key=lambda entry: -len(entry[1]))


def scale(verdicts: Verdicts, result: ClaimVerdict) -> str:
    """At which scale a verdict was reached."""
    if verdicts.origin != "own":
        return "released" if verdicts.origin == "published" else "given"
    return "reduced" if result.reduced_scale else "paper"
