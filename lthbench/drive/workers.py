"""Worker processes, and their end when one of them is killed."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

SPAWN = multiprocessing.get_context("spawn")  # nothing of this process leaks into theirs


@contextmanager
def workers(
    most: int, first: Callable[..., None] | None = None, given: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """So many processes at most, each of which calls `first` with what is given; their end is waited for.

    Raises BrokenProcessPool where one was killed. Python 3.11 then ends the others, but not one that is being
    started at that moment, and waits for it for ever: it is ended here.
    """
    executor = ProcessPoolExecutor(most, SPAWN, first, given)
    try:
        yield executor
    except BrokenProcessPool:
        end_all(executor)
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def end_all(executor: ProcessPoolExecutor) -> None:
    """SIGTERM to every worker there is. Python has no public way to it before 3.14."""
    for process in list((getattr(executor, "_processes", None) or {}).values()):
        process.terminate()
