"""What a person sees while a suite runs: how much is done, how long it will take, verdicts as they fall."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from lthbench.drive import forecast, stages
from lthbench.drive.budget import clock
from lthbench.drive.forecast import Forecast
from lthbench.drive.speed import Speeds
from lthbench.judging.verdict import SYMBOLS, verdict_word
from lthbench.plan.run import Run
from lthbench.plan.unit import Unit
from lthbench.results import store
from lthbench.words import plain

COLOURS = {
    "PASS": "green",
    "FAIL": "red",
    "INCONCLUSIVE": "yellow",
    "NOT DECIDABLE": "cyan",
    "BLOCKED": "magenta",
    "NOT RUN": "dim",
}
SECONDS_BETWEEN_LINES = 10.0


class Watch:
    """Counts finished units and announces verdicts that can no longer change."""

    def __init__(self, run: Run, console: Console, processes: int = 1) -> None:
        self.run, self.console, self.processes = run, console, processes
        self.chunks = run.chunks()
        self.looked = not run.looks_twice or run.left_open() is not None
        self.total = sum(chunk.iterations for chunk in self.chunks)
        self.pending = [unit for chunk in self.chunks for unit in chunk.units]
        self.announced: set[str] = set()
        self.complete: set[str] = set()
        self.started = time.monotonic()
        self.reused = stages.finished(self.run, self.pending)
        self.done = sum(unit.iterations for unit in self.reused)
        self.pending = without(self.pending, self.reused)
        self.expect(Speeds())

    def expect(self, speeds: Speeds) -> str:
        """From now on training is expected to be so fast; a line on how long it will take."""
        self.forecast = Forecast(self.processes, speeds)
        self.forecast.add(self.chunks, self.reused, time.monotonic())
        return forecast.promise(self.run, self.reused, self.processes, speeds)

    def update(self) -> None:
        """Look at the disk."""
        done = stages.finished(self.run, self.pending)
        self.done += sum(unit.iterations for unit in done)
        self.pending = without(self.pending, done)
        self.forecast.finished({unit.key: self.seconds(unit) for unit in done}, time.monotonic())
        if not self.pending and not self.looked and self.run.left_open() is not None:
            self.go_on()

    def go_on(self) -> None:
        """The first look is complete: what it leaves open is trained further."""
        self.looked = True
        more = self.run.second_chunks()
        self.chunks += more
        self.total += sum(chunk.iterations for chunk in more)
        self.pending = [unit for chunk in more for unit in chunk.units]
        self.forecast.add(more, [], time.monotonic())
        if more:
            self.console.print(
                f"second look: {len(self.pending)} more units, because the first left a claim inconclusive",
                highlight=False,
            )

    def seconds(self, unit: Unit) -> float:
        """What a finished unit took; 0 where its record does not say."""
        try:
            return float(store.read(store.path_of(self.run.results, unit)).provenance["seconds"])
        except (store.RecordError, OSError, KeyError, TypeError, ValueError):
            return 0.0

    def text(self) -> str:
        """One line of progress."""
        left = self.forecast.left(time.monotonic())
        eta = "estimating the time left" if left is None else f"about {clock(left)} left"
        share = 100 * self.done / max(1, self.total)
        return f"{share:3.0f} % trained, {len(self.pending)} units to go, {eta}"

    def announce(self) -> None:
        """Print the verdicts that the chunks finished so far decide for good."""
        waiting = {unit.experiment.id for unit in self.pending}
        complete = {name for chunk in self.chunks for name in chunk.experiments} - waiting
        if complete == self.complete or not complete or self.run.replicates:
            return  # tuning runs announce nothing: they decide nothing
        from lthbench.judging.judge import judge
        from lthbench.results.store import RecordError
        from lthbench.results.tidy import collect, device_kinds

        try:
            table, provenance = collect(self.run.results, self.run.units())
        except RecordError:
            return  # a damaged record is about to be made again
        self.complete = complete
        kinds = device_kinds(provenance)
        verdicts = judge(self.run.registry, self.run.suite, self.run.seed, table, self.run.claims, devices=kinds)
        for claim in verdicts.claims:
            if claim.verdict != "NOT RUN" and claim.id not in self.announced:
                self.announced.add(claim.id)
                word = (verdict_word(claim.verdict, verdicts.exploratory), f"bold {COLOURS[claim.verdict]}")
                said = f" {claim.id}  {plain(claim.registered_title)}"
                self.console.print(Text.assemble(f"  {SYMBOLS[claim.verdict]} ", word, said))


def without(units: Sequence[Unit], others: Sequence[Unit]) -> list[Unit]:
    """The units that are not among others; by key, since there may be thousands of both."""
    keys = {unit.key for unit in others}
    return [unit for unit in units if unit.key not in keys]


@contextmanager
def shown(watch: Watch) -> Iterator:
    """Yield the function to call now and then: a bar on a terminal, a line every ten seconds elsewhere."""
    if watch.console.is_terminal:
        columns = [BarColumn(bar_width=30), TextColumn("{task.description}")]
        with Progress(*columns, console=watch.console, transient=True) as progress:
            task = progress.add_task("starting", total=watch.total)

            def tick() -> None:
                watch.update()
                progress.update(task, completed=watch.done, description=watch.text())
                watch.announce()

            yield tick
        return

    last = [0.0]

    def tick_line() -> None:
        watch.update()
        now = time.monotonic()
        if watch.total and now - last[0] >= SECONDS_BETWEEN_LINES:
            last[0] = now
            watch.console.print(f"[{clock(now - watch.started)}] {watch.text()}", highlight=False, markup=False)
            sys.stdout.flush()
        watch.announce()

    yield tick_line
