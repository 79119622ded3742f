"""Tasks in their order, on so many cores: one loop for a run without Snakemake, for tuning, and for campaigns."""

import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from lthbench.drive.execute import SAID
from lthbench.drive.pool import Deadline, Place, Task, Tick, pool
from lthbench.drive.stacks import made_from, stacks
from lthbench.errors import OutOfTime
from lthbench.plan.unit import Unit

POLL_SECONDS = 0.25


@dataclass
class Outcome:
    """What came of some tasks: how many of their units are left, and by experiment why it is left out."""

    left: int
    failures: dict[str, str] = field(default_factory=dict)
    signals: list[int] = field(default_factory=list)


def tasks(units: Sequence[Unit], queue: Sequence[Unit], device: str) -> list[Task]:
    """A task for each unit of the queue, or for those that share a stack on that device.

    Among `units` are those that they are made from.
    """
    by_key = {unit.key: unit for unit in units}
    return [Task(stack, tuple(by_key[key] for key in made_from(stack))) for stack in stacks(queue, device)]


def train(
    run: Place,
    tasks: Sequence[Task],
    cores: int,
    deadline: Deadline,
    cache: Path | None,
    begins: Callable[[Task], None] = lambda task: None,
    fails: Callable[[str, str], None] = lambda experiment, why: None,
    ends: Callable[[Task], None] = lambda task: None,
    tick: Tick = lambda: None,
) -> Outcome:
    """Train tasks in their order, each when what it is made from is there, as long as there is time.

    Where one fails its experiment is left out and the others go on. `begins`, `fails` and `ends` are told of each,
    `tick` is called now and then. Ctrl-C and SIGTERM save what is under way, as the deadline does.
    """
    waiting, failed, outcome = list(tasks), list[Task](), Outcome(sum(len(task.units) for task in tasks))
    working: dict[Future[None], Task] = {}
    with stopping(deadline, outcome.signals), pool(run, cache, deadline, cores, tick) as start:
        while True:
            while len(working) < cores and not deadline.passed():
                task = first_ready(waiting, [*working.values(), *failed], outcome.failures)
                if task is None:
                    break
                waiting.remove(task)
                begins(task)
                working[start(task)] = task
            if not working:
                return outcome
            for future in wait(working, POLL_SECONDS, FIRST_COMPLETED).done:
                task = working.pop(future)
                try:
                    future.result()
                except OutOfTime:  # saved under way
                    continue
                except SAID as error:
                    failed.append(task)  # what is made from it, in other experiments too, does not try it again
                    if task.experiment not in outcome.failures:
                        outcome.failures[task.experiment] = str(error)
                        fails(task.experiment, str(error))
                    continue
                outcome.left -= len(task.units)
                ends(task)
            tick()


def first_ready(waiting: Sequence[Task], begun: Collection[Task], left_out: Collection[str]) -> Task | None:
    """The first task that waits for no other one, nor for one that was begun and is under way or failed."""
    to_come = {unit.key for task in [*waiting, *begun] for unit in task.units}
    for task in waiting:
        if task.experiment not in left_out and to_come.isdisjoint(unit.key for unit in task.above):
            return task
    return None


@contextmanager
def stopping(deadline: Deadline, signals: list[int]) -> Iterator[None]:
    """SIGTERM and Ctrl-C stop as the deadline does, and are noted; a second one interrupts as usual."""

    def handler(number: int, frame: FrameType | None) -> None:
        deadline.stop()
        signals.append(number)
        for name, old in before.items():
            signal.signal(name, old)

    before = {name: signal.signal(name, handler) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for name, old in before.items():
            signal.signal(name, old)
