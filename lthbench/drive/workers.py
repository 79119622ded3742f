"""Where a campaign's units are trained: in this process, or in several workers of one thread each.

A worker trains one unit at a time. All stop together: at the deadline, or when a signal brings it forward, each
saves its unit under way.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import c_bool
from functools import partial
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from threading import Thread
from typing import Any

from lthbench.errors import BLOCKED, TERMINATED, UserError
from lthbench.plan.run import Run
from lthbench.plan.unit import Unit

Start = Callable[[Sequence[Unit]], Future[None]]


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


@contextmanager
def workers(run: Run, cache: Path | None, deadline: Deadline, cores: int) -> Iterator[Start]:
    """What starts the training of the last of some units, whose parents come before it.

    With one core that is done at once, here. Raises UserError where a worker was killed.
    """
    if cores == 1:
        yield partial(at_once, run, cache, deadline)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(cores, context, initializer=begin, initargs=(float(deadline), deadline.flag))
    try:
        yield lambda units: pool.submit(in_worker, run, cache, units)
    except BrokenProcessPool:
        raise UserError(
            "a worker was killed from outside, perhaps because memory ran out; use fewer --cores\n"
            "finished units are kept, the same command goes on",
            BLOCKED,
        ) from None
    except BaseException:
        deadline.stop()  # nobody waits for what the workers do
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def at_once(run: Run, cache: Path | None, deadline: Deadline, units: Sequence[Unit]) -> Future[None]:
    """Train here; the future is there already."""
    done: Future[None] = Future()
    try:
        train(run, cache, deadline, units)
    except Exception as error:
        done.set_exception(error)
    else:
        done.set_result(None)
    return done


stop_at: Deadline  # of a worker, as is what follows
busy = False


def begin(at: float, flag: Any) -> None:
    """What a worker does first. Ctrl-C is its parent's to answer, whose end is its own."""
    from lthbench.drive.execute import die_with_parent

    global stop_at
    stop_at = Deadline(at, flag)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)


def leave(*_: object) -> None:
    """SIGTERM, to all processes of a job or from a pool that lost a worker: stop all, save, hand back, end."""

    def end_when_idle() -> None:
        while busy:
            time.sleep(0.05)
        time.sleep(0.5)
        os._exit(TERMINATED)

    stop_at.stop()
    Thread(target=end_when_idle, daemon=True).start()


def in_worker(run: Run, cache: Path | None, units: Sequence[Unit]) -> None:
    """Train in a worker, until the campaign's deadline."""
    global busy
    busy = True
    try:
        train(run, cache, stop_at, units)
    finally:
        busy = False


def train(run: Run, cache: Path | None, deadline: Deadline, units: Sequence[Unit]) -> None:
    """Train what is missing of some units. Raises OutOfTime at the deadline, after saving."""
    from lthbench.drive.execute import run_chunk

    run_chunk(units, run.results, cache, run.device, lambda unit, how: None, deadline)
