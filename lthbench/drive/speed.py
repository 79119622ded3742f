"""How fast this machine trains: milliseconds per network and iteration by kind of network. Torch-free.

What a run saw on this machine is kept in `speeds.yaml` in the cache folder, by processor and number of processes,
for the next one's promise. What is not there is measured before a long run, in processes of their own, as many at
once as will train: they change no bits and no results. A cache never stops a run.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from time import gmtime, strftime, time

from lthbench.drive.cost import Rate, read_rates, remember
from lthbench.drive.devices import on_gpu, visible
from lthbench.drive.pool import ONE_THREAD
from lthbench.drive.workers import end_all, workers
from lthbench.errors import UserError
from lthbench.plan.unit import Unit
from lthbench.recipe.declaration import content
from lthbench.recipe.engine import engine
from lthbench.recipe.experiment import Experiment, digest
from lthbench.recipe.variants import variant_of
from lthbench.results.processor import processor

FILE = "speeds.yaml"
START = "start"  # a process until it trains: Python, PyTorch
USUAL_START = 2000.0  # ms, where it was not measured
WORTH_MEASURING = 50_000  # iterations: shorter runs are over before a measurement would pay
SHARE = 1e-5  # seconds of measuring per iteration to come: some 2 % where two processes take 1 ms for each
MOST = 60.0  # seconds of it
PATIENCE = 20.0  # seconds beyond that until the processes are there and the last kind is done
FASTEST, SLOWEST = 1e-4, 1e7  # ms per iteration that a file may say


def kind(experiment: Experiment) -> str:
    """A name for all experiments of one cost: network, data, optimizer, batch, and how often it is evaluated."""
    training = experiment.training
    schedule = (training.batch, training.iterations, training.evaluate_every, training.flip, training.pad_crop)
    what = [engine(), content(experiment.network), content(experiment.data), training.optimizer, *schedule]
    what += filter(None, [variant_of(training)])
    return f"{experiment.network.kind}-{digest(what, 8)}"


def machine(processes: int, device: str) -> str:
    """This machine as speeds know it."""
    if on_gpu(device):
        return f"GPU, {processes} processes"
    return f"{processor()}, {processes} of {os.cpu_count()} cores"


def processes(asked: int | None, device: str) -> int:
    """How many processes train at a time: as many as were asked for, else one per core, or one per GPU.

    One keeps a GPU busy; several share its memory and take turns.
    """
    return asked or (max(1, len(visible())) if on_gpu(device) else os.cpu_count() or 1)


@dataclass
class Speeds:
    """Milliseconds per network and iteration by kind: as seen in this run, before that as expected.

    Where a kind was not seen yet, what others took against what was expected of them corrects its expectation.
    """

    expected: dict[str, float] = field(default_factory=dict)
    start: float = USUAL_START
    seconds: dict[str, float] = field(default_factory=dict)
    iterations: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)  # by experiment: they are asked for again and again

    def kind(self, unit: Unit) -> str:
        """The kind of a unit's experiment."""
        name = unit.experiment.id
        if name not in self.kinds:
            self.kinds[name] = kind(unit.experiment)
        return self.kinds[name]

    def saw(self, unit: Unit, seconds: float) -> None:
        """A unit was trained in so many seconds."""
        if unit.iterations and seconds > 0:
            name = self.kind(unit)
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.iterations[name] = self.iterations.get(name, 0) + unit.iterations

    def of(self, unit: Unit) -> float | None:
        """Seconds that a unit takes; None as long as nothing was measured or seen."""
        ms = self.ms(self.kind(unit))
        return None if ms is None else unit.iterations * ms / 1000

    def ms(self, name: str) -> float | None:
        """Of one kind; a kind of which nothing is known is taken for the mean of those that were seen."""
        if name in self.seconds:
            return self.seen(name)
        if name in self.expected:
            return self.expected[name] * self.slower()
        whole = sum(self.iterations.values())
        return 1000 * sum(self.seconds.values()) / whole if whole else None

    def seen(self, name: str) -> float:
        """What this run measured."""
        return 1000 * self.seconds[name] / self.iterations[name]

    def slower(self) -> float:
        """How many times as long as expected what was seen took."""
        both = [name for name in self.seconds if name in self.expected]
        expected = sum(self.iterations[name] * self.expected[name] for name in both)
        return 1000 * sum(self.seconds[name] for name in both) / expected if both else 1.0


def known(units: Iterable[Unit], processes: int, device: str, folder: Path) -> Speeds:
    """What is known of this machine from earlier runs and measurements."""
    here = machine(processes, device)
    try:
        rates = [rate for rate in read_rates(folder / FILE) if rate.device == here and usable(rate.ms)]
    except (UserError, OSError):
        rates = []
    wanted = {kind(unit.experiment) for unit in units}
    return Speeds({rate.experiment: float(rate.ms) for rate in rates if rate.experiment in wanted})


def usable(ms: object) -> bool:
    """Whether a file's number can be a speed."""
    return isinstance(ms, int | float) and FASTEST < ms < SLOWEST


def keep(speeds: Speeds, processes: int, device: str, folder: Path) -> None:
    """Remember what this run saw, for the next one; where that fails, the next run measures again."""
    here, day = machine(processes, device), strftime("%Y-%m-%d", gmtime())
    seen = {name: speeds.seen(name) for name in speeds.seconds}
    rates = [
        Rate(name, here, float(f"{ms:.3g}"), 0, f"{day}, units of a run")
        for name, ms in seen.items()
        if usable(ms)
    ]
    try:
        if rates:
            remember(rates, folder / FILE)
    except (UserError, OSError):
        pass


def measured(units: Sequence[Unit], processes: int, device: str, folder: Path) -> Speeds:
    """What is known of this machine; measured now where something is missing and the units are worth it.

    A measurement is good for this run alone: one second of a machine that happens to be busy must not be believed
    for ever.
    """
    speeds = known(units, processes, device, folder)
    experiments = {unit.experiment.id: unit for unit in units if unit.iterations}.values()
    missing = {kind(unit.experiment): unit for unit in experiments}
    missing = {name: unit for name, unit in missing.items() if name not in speeds.expected}
    if missing and not on_gpu(device) and sum(unit.iterations for unit in units) >= WORTH_MEASURING:
        longest = min(MOST, SHARE * sum(unit.iterations for unit in units))
        at_once = min(processes, len({(unit.experiment.id, unit.block) for unit in units}))
        times = measure(missing, at_once, device, longest)
        speeds.start = times.pop(START, speeds.start)
        speeds.expected |= times
    return speeds


def measure(units: Mapping[str, Unit], processes: int, device: str, longest: float) -> dict[str, float]:
    """Milliseconds by kind, of the experiments of these units, and what a process takes to start.

    So many processes do it at once, because they slow each other down as those that train will.
    """
    from lthbench.drive.probe import begin, probe

    asked: list[Future[tuple[float, dict[str, float]]]] = []
    # Where no more processes can be started, or one was killed, nothing is known.
    with one_thread(), suppress(OSError, BrokenProcessPool), workers(processes, begin) as executor:
        try:
            asked += [executor.submit(probe, units, device, time(), longest) for _ in range(processes)]
            wait(asked, longest + PATIENCE)
        finally:
            end_all(executor)  # nothing they could say now is wanted
    done = [future for future in asked if future.done() and not future.cancelled()]
    answers = [future.result() for future in done if future.exception() is None]
    each = [{START: ready, **speeds} for ready, speeds in answers]
    names = {name for speeds in each for name in speeds}
    return {name: fmean(speeds[name] for speeds in each if name in speeds) for name in names}


@contextmanager
def one_thread() -> Iterator[None]:
    """Processes started meanwhile have one thread each."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
