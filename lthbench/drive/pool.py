"""Where tasks are trained: in this process, or in several workers of one thread each.

A worker trains one task at a time. All stop together: at the deadline, or when a signal brings it forward, each
saves its unit under way. What workers print goes to a log, so that a progress bar stays whole.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import c_bool
from dataclasses import dataclass
from functools import partial
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from lthbench.drive.devices import take_one
from lthbench.drive.execute import die_with_parent, forget_folds, run_units
from lthbench.drive.workers import workers
from lthbench.errors import BLOCKED, TERMINATED, UserError
from lthbench.plan.unit import Unit

LOG = "workers.log"  # in the scope's folder
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
Tick = Callable[[], None]


class Place(Protocol):
    """Where records go, on which device they are trained, and where workers log: a run, or a slice of a plan."""

    @property
    def results(self) -> Path:
        """Folder of the unit records."""

    @property
    def scope_folder(self) -> Path:
        """Folder of the log."""

    @property
    def device(self) -> str:
        """auto, cpu or cuda."""


@dataclass(frozen=True)
class Folder:
    """A place that is a folder of records, with the workers' log beside them."""

    results: Path
    device: str

    @property
    def scope_folder(self) -> Path:
        """Folder of the log."""
        return self.results


class Deadline(float):
    """A `time.monotonic()` value that a signal can bring forward, in this process and in its workers.

    It is a float, so that whoever asks `now >= deadline` needs to know nothing about signals; Python asks the
    subclass first. The flag is shared memory without a lock, which a signal handler could not wait for.
    """

    flag: Any

    def __new__(cls, at: float, flag: Any = None) -> "Deadline":
        """The flag is another process's, where that may bring it forward."""
        self = super().__new__(cls, at)
        self.flag = RawValue(c_bool, False) if flag is None else flag
        return self

    def __le__(self, now: float) -> bool:
        return self.flag.value or float.__le__(self, now)

    def stop(self, *_: object) -> None:
        """From now on the deadline has passed."""
        self.flag.value = True

    def passed(self) -> bool:
        """Whether it is time to stop."""
        return self <= time.monotonic()


@dataclass(frozen=True)
class Task:
    """Units that one process trains, one after the other, parents first, whatever is there already.

    `above` are finished units, or units of other tasks, that they are made from. What is to be trained is decided
    once, over all units, because a unit without tensors is trained again only where a child needs them.
    """

    units: tuple[Unit, ...]
    above: tuple[Unit, ...] = ()

    @property
    def experiment(self) -> str:
        """The experiment that is left out when the task fails."""
        return self.units[-1].experiment.id

    @property
    def name(self) -> str:
        """Its unit, and how many more it has."""
        more = f" and {len(self.units) - 1} more" if len(self.units) > 1 else ""
        return f"{self.units[0].name}{more}"

    @property
    def networks(self) -> int:
        """How many networks it trains."""
        return sum(unit.networks for unit in self.units)


Start = Callable[[Task], Future[None]]


@contextmanager
def pool(run: Place, cache: Path | None, deadline: Deadline, cores: int, tick: Tick) -> Iterator[Start]:
    """What starts a task whose `above` is finished.

    With one core it is trained at once, here, and `tick` is called after each unit. Raises UserError where a
    worker was killed.
    """
    if cores == 1:
        try:
            yield partial(at_once, run, cache, deadline, tick)
        finally:
            forget_folds()
        return
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # for the workers, which start anew
    log = run.scope_folder / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    begun = (float(deadline), deadline.flag, str(log))
    try:
        with workers(cores, begin, begun) as executor:
            try:
                yield lambda task: executor.submit(in_worker, run, cache, task)
            except BaseException:
                deadline.stop()  # nobody waits for what the workers do
                raise
    except BrokenProcessPool:
        raise UserError(
            "a worker was killed from outside, perhaps because memory ran out; use fewer --cores\n"
            "finished units are kept, the same command goes on",
            BLOCKED,
        ) from None


def at_once(run: Place, cache: Path | None, deadline: Deadline, tick: Tick, task: Task) -> Future[None]:
    """Train here; the future is there already."""
    done: Future[None] = Future()
    try:
        train(run, cache, deadline, task, tick)
    except Exception as error:
        done.set_exception(error)
    else:
        done.set_result(None)
    return done


stop_at: Deadline  # of a worker, as is what follows
busy = False


def begin(at: float, flag: Any, log: str) -> None:
    """What a worker does first. Ctrl-C is its parent's to answer, whose end is its own."""
    global stop_at
    stop_at = Deadline(at, flag)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)
    with open(log, "ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)


def leave(*_: object) -> None:
    """SIGTERM, to all processes of a job or from a pool that lost a worker: stop all, save, hand back, end."""

    def end_when_idle() -> None:
        while busy:
            time.sleep(0.05)
        time.sleep(0.5)
        os._exit(TERMINATED)

    stop_at.stop()
    Thread(target=end_when_idle, daemon=True).start()


def in_worker(run: Place, cache: Path | None, task: Task) -> None:
    """Train in a worker, until the deadline."""
    global busy
    busy = True
    take_one(run.device)
    try:
        train(run, cache, stop_at, task)
    finally:
        busy = False


def train(run: Place, cache: Path | None, deadline: Deadline, task: Task, tick: Tick = lambda: None) -> None:
    """Train a task. Raises OutOfTime at the deadline, after saving."""
    among = [*task.above, *task.units]
    run_units(task.units, among, run.results, cache, run.device, lambda unit, how: tick(), deadline)
