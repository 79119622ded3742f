"""How long it will still take: what each chunk has left at the speeds seen so far, shared out to processes.

A chunk is trained by one process, so the end is when the last process ends, not work over processes. A unit under
way counts by the time since it began; units that were there before count nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lthbench.drive.speed import Speeds
from lthbench.plan.run import Run
from lthbench.plan.suite import Chunk, second_chunks
from lthbench.plan.unit import Unit

# Starting, in times of what a Python process takes to import PyTorch. Evidence (EPYC, Zen 4, two busy cores, 1.5 s
# of processor time for such a start): a suite that trains for 2 s took 16 s of processor time in all.
BEFORE = 1.5  # Snakemake, before its first job
JOB = 1.5  # of one chunk: a process, its data, its end
AFTER = 3.0  # table, verdicts, report: processes without PyTorch, but with pandas and figures
UNDER_WAY = 0.95  # of a unit's seconds, at most, may count as spent while it is not finished


def last_end(working: Sequence[float], waiting: Sequence[float], processes: int) -> float:
    """When the last task ends: whoever is free first takes the next that waits."""
    free = sorted([*working, *[0.0] * (processes - len(working))])
    for seconds in waiting:
        free = sorted([free[0] + seconds, *free[1:]])
    return free[-1] if free else 0.0


@dataclass
class Forecast:
    """The time left of a run, from what finishes when. Times are seconds on one clock, `now` among them."""

    processes: int
    speeds: Speeds
    pending: dict[str, list[Unit]] = field(default_factory=dict)  # by chunk, in the order of training
    began: dict[str, float] = field(default_factory=dict)  # when the unit under way of a working chunk began
    certain: set[str] = field(default_factory=set)  # chunks that finished a unit; others are taken to work
    last: float = 0.0  # when something last finished

    @property
    def start(self) -> float:
        """Seconds that a process takes to start."""
        return self.speeds.start / 1000

    def add(self, chunks: Sequence[Chunk], finished: Sequence[Unit], now: float, before: float = BEFORE) -> None:
        """Chunks to be trained from now on, the longest first as they are trained, but for what is finished."""
        keys, self.last = {unit.key for unit in finished}, now
        for chunk in sorted(chunks, key=lambda chunk: -chunk.iterations):
            units = [unit for unit in chunk.units if unit.key not in keys]
            if units:
                self.pending[chunk.id] = units
        self.occupy(now + before * self.start)

    def occupy(self, now: float) -> None:
        """Processes that are free take the chunks that wait."""
        for name in self.pending:
            if len(self.began) >= self.processes:
                return
            self.began.setdefault(name, now + JOB * self.start)

    def finished(self, seconds: Mapping[str, float], now: float) -> None:
        """Units, by key, were trained in so many seconds each."""
        for name, units in list(self.pending.items()):
            done = [unit for unit in units if unit.key in seconds]
            if not done:
                continue
            self.last = now
            for unit in done:
                self.speeds.saw(unit, seconds[unit.key])
            self.pending[name] = [unit for unit in units if unit.key not in seconds]
            self.works(name, now)
        self.occupy(now)

    def works(self, name: str, now: float) -> None:
        """A chunk has just finished a unit: it ended, or its next one begins; who seemed to work may not."""
        self.began.pop(name, None)
        if not self.pending[name]:
            del self.pending[name]
            return
        if len(self.began) >= self.processes:  # another order than ours: a guess was wrong
            self.began.pop(min(self.began, key=lambda other: other in self.certain))
        self.began[name] = now
        self.certain.add(name)

    def left(self, now: float) -> float | None:
        """Seconds to the end of the run; None as long as nothing is known of its speed."""
        after = AFTER * self.start
        if not self.pending:
            return max(0.0, self.last + after - now)
        seconds = {name: self.chunk(units) for name, units in self.pending.items()}
        if any(value is None for value in seconds.values()):
            return None
        waiting = [value + JOB * self.start for name, value in seconds.items() if name not in self.began]  # type: ignore[operator]
        working = [value - self.spent(name, now) for name, value in seconds.items() if name in self.began]  # type: ignore[operator]
        return last_end(working, waiting, self.processes) + after

    def chunk(self, units: Sequence[Unit]) -> float | None:
        """Seconds of the units of a chunk."""
        each = [self.speeds.of(unit) for unit in units]
        known = [value for value in each if value is not None]
        return sum(known) if len(known) == len(each) else None

    def spent(self, name: str, now: float) -> float:
        """Seconds that the unit under way has had; below zero as long as its process starts."""
        first = self.speeds.of(self.pending[name][0]) or 0.0
        return min(now - self.began[name], UNDER_WAY * first)


def alone(chunks: Sequence[Chunk], finished: Sequence[Unit], processes: int, speeds: Speeds) -> float | None:
    """Seconds that a run of these chunks takes from its start to its end; 0 where nothing is to be trained."""
    forecast = Forecast(processes, speeds)
    forecast.add(chunks, finished, 0.0)
    return forecast.left(0.0) if forecast.pending else 0.0


def promise(run: Run, finished: Sequence[Unit], processes: int, speeds: Speeds) -> str:
    """How long a run will take on this machine, in a line; empty where that is not known or nothing is to do."""
    seconds = alone(run.chunks(), finished, processes, speeds)
    if not seconds:
        return ""
    said = f"about {roughly(seconds)} on this machine"
    if not run.looks_twice or run.left_open() is not None:
        return said
    claims = run.claims or run.registry.suites[run.suite].claims
    more = alone(second_chunks(run.registry, run.suite, run.seed, claims), finished, processes, speeds)
    return f"{said}; a second look, where one is needed, at most {roughly(more)} more" if more else said


def roughly(seconds: float) -> str:
    """`40 seconds`, `3 minutes`, `3 hours`, `4 days`: as exact as a forecast is."""
    if seconds < 95:
        return f"{max(10, round(seconds, -1)):.0f} seconds"
    if seconds < 95 * 60:
        return f"{seconds / 60:.0f} minutes"
    hours = seconds / 3600
    return f"{hours:.0f} hours" if hours < 60 else f"{hours / 24:.0f} days"
