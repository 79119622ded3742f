"""The columns of the overview: a suite with its committed runs, somebody's own run, a suite not run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lthbench.claims.load import Registry, cells
from lthbench.judging.verdict import Verdicts

UNKNOWN = 10**9  # a suite without trained experiments comes last


@dataclass(frozen=True)
class SiteRun:
    """One run that the site shows. Addresses are relative to the site's root; empty: there is no such file."""

    verdicts: Verdicts
    label: str = ""  # what its owner calls it; empty: a committed reference
    report: str = ""
    data: str = ""


@dataclass(frozen=True)
class Column:
    """One column: the runs of a suite, the lowest master seed first; none where the suite was not run."""

    suite: str
    title: str
    says: str
    runs: tuple[SiteRun, ...] = ()
    label: str = ""  # of a run of somebody's own

    @property
    def name(self) -> str:
        """Its heading."""
        return f"{self.suite}: {self.label}" if self.label else self.suite

    @property
    def run(self) -> SiteRun | None:
        """The run whose numbers stand in the cells."""
        return self.runs[0] if self.runs else None

    @property
    def facts(self) -> str:
        """Whose results they are, or which master seeds and engines."""
        if not self.runs:
            return "not run yet"
        if self.runs[0].verdicts.origin != "own":
            return {"published": "others' released data", "given": "results given"}[self.runs[0].verdicts.origin]
        seeds = [run.verdicts.master_seed for run in self.runs]
        first = f"master seed {seeds[0]}"
        more = f", {len(seeds) - 1} more beside" if len(seeds) > 1 else ""
        return f"{first}{more}; engine {self.runs[0].verdicts.engine.partition('+')[0]}"


def columns(registry: Registry, runs: Sequence[SiteRun]) -> list[Column]:
    """All columns, suites with short training first, others' data last; own runs stand beside the suite's."""
    reference = [run for run in runs if not run.label]
    made = [of_suite(registry, suite, reference) for suite in named(registry, reference)]
    made += [of_suite(registry, run.verdicts.suite, [run], run.label) for run in runs if run.label]
    order = {suite: place for place, suite in enumerate(by_length(registry, (column.suite for column in made)))}
    return sorted(made, key=lambda column: order[column.suite])  # stable: the reference stays before own runs


def named(registry: Registry, runs: Iterable[SiteRun]) -> list[str]:
    """Suites that are registered, and those that runs belong to."""
    return list(dict.fromkeys([*registry.suites, *(run.verdicts.suite for run in runs)]))


def of_suite(registry: Registry, suite: str, runs: Sequence[SiteRun], label: str = "") -> Column:
    """The column of a suite; its words come from the suite's file, else from the run."""
    own = tuple(sorted((r for r in runs if r.verdicts.suite == suite), key=lambda r: r.verdicts.master_seed))
    registered = registry.suites.get(suite)
    if registered is not None:
        return Column(suite, registered.title, registered.says, own, label)
    return Column(suite, own[0].verdicts.title, "", own, label)


def by_length(registry: Registry, suites: Iterable[str]) -> list[str]:
    """Suites by their longest training, in iterations."""
    return sorted(dict.fromkeys(suites), key=lambda suite: longest(registry, suite))


def longest(registry: Registry, suite: str) -> int:
    """Iterations of the longest training that a suite asks for."""
    if suite not in registry.suites or not registry.suites[suite].trains:
        return UNKNOWN
    wanted = (cell.experiment for _, rule in registry.registrations(suite) for cell in cells(rule))
    return max(registry.experiments[name].training.iterations for name in wanted)
