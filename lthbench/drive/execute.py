"""Run a chunk of units in this process, one after the other. Finished units are reused, never recomputed.

Snakemake's rule calls this, and so do the workers of the pool. One thread per process: sums then do
not depend on how many threads there are, and for networks of this size two processes of one thread do more
than one process of two.
"""

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from lthbench.data.errors import DataError
from lthbench.drive.stacks import first_ready, stacks
from lthbench.errors import BLOCKED, OutOfMemory, OutOfTime, UserError, own_frames, place_of
from lthbench.models.errors import ModelError
from lthbench.plan.own_code import own_code
from lthbench.plan.unit import Unit
from lthbench.pruning.errors import CriterionError
from lthbench.results import store
from lthbench.results.store import RecordError

log = logging.getLogger("lthbench")
Report = Callable[[Unit, str], None]
SAID = (DataError, ModelError, CriterionError, RecordError, OutOfMemory, UserError)  # a line that says what to do
NO_MEMORY = ("OutOfMemoryError", "allocate memory", "ALLOC_FAILED")  # words of PyTorch, CUDA and cuBLAS


PARENT = "LTHBENCH_PARENT"  # in the environment of a job of this machine: the process that started it


def die_with_parent(parent: int | None = None) -> None:
    """Ask Linux to end this process when its parent does: a killed run leaves no orphan writing on.

    Where the `parent` is known and gone already, end at once.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if parent is not None and os.getppid() != parent:
            os._exit(1)


def job_of_parent() -> None:
    """The same for a job of this machine, whose environment names its parent.

    On a cluster the engine ends its jobs. They name no parent, because they outlive whoever submitted them.
    """
    parent = os.environ.get(PARENT, "")
    if parent.isdigit():
        die_with_parent(int(parent))


def missing(units: Sequence[Unit], root: Path) -> list[Unit]:
    """The units to train, parents before children.

    A unit whose record came without tensors (a committed slice) counts as measured; it is trained again only where
    a unit to be trained is made from it.
    """
    by_key = {unit.key: unit for unit in units}
    wanted = {unit.key for unit in units if not store.measured(root, unit)}
    for unit in reversed(units):  # children come after what they are made from
        if unit.key in wanted:
            wanted.update(key for key in unit.parents.values() if not store.finished(root, by_key[key]))
    return [unit for unit in units if unit.key in wanted]


def run_chunk(
    units: Sequence[Unit],
    root: Path,
    cache: Path | None,
    device: str,
    report: Report,
    deadline: float | None = None,
) -> None:
    """Run the units of one block (parents first) whose records are not there yet; `report` is told of each.

    They may belong to several experiments: those whose masks one of them wears.
    The second argument of `report` is "reused" or "trained". At the `deadline`, a `time.monotonic()` value, the
    unit under way is saved and OutOfTime raised.
    """
    pending = missing(units, root)
    for unit in units:
        if unit not in pending:
            report(unit, "reused")
    run_units(pending, units, root, cache, device, report, deadline)


def run_units(
    pending: Sequence[Unit],
    among: Sequence[Unit],
    root: Path,
    cache: Path | None,
    device: str,
    report: Report,
    deadline: float | None = None,
) -> None:
    """Train these units, parents first, whatever is there already; `among` holds what they are made from."""
    by_key = {unit.key: unit for unit in among}

    def run(units: Sequence[Unit]) -> None:
        train_stack(units, by_key, root, cache, device, deadline)

    waiting = stacks(pending, device)
    while waiting:
        stack = first_ready(waiting)
        waiting.remove(stack)
        if len(stack) == 1:
            run(stack)
        else:
            run_stack(stack, root, run)
        for unit in stack:
            report(unit, "trained")


def run_stack(stack: Sequence[Unit], root: Path, run: Callable[[Sequence[Unit]], None]) -> None:
    """Units in one stack; where that fails one by one, so that none takes another's record along.

    What one of them raises is raised when the others are there.
    """
    try:
        run(stack)
        return
    except OutOfTime:
        raise
    except SAID as error:
        log.warning("%d units in one stack: %s; now one by one", len(stack), str(error).splitlines()[0])
    failed: list[Exception] = []
    for unit in stack:
        try:
            if not store.finished(root, unit):
                run([unit])
        except SAID as error:
            failed.append(error)
    if failed:
        raise failed[0]


def train_stack(
    units: Sequence[Unit],
    by_key: Mapping[str, Unit],
    root: Path,
    cache: Path | None,
    device: str,
    deadline: float | None,
) -> None:
    """Train units of one block in one stack."""
    from lthbench.tickets.unit import run_together  # here: planning and judging never pay for torch

    for unit in units:
        check_code(unit)
    networks = sum(unit.networks for unit in units)
    with told_in_a_line(), enough_memory(f"{units[0].name} ({networks} networks)"):
        folds = folds_of(units[0], cache, device)
        above = [
            {cell: store.tensors_of(root, by_key[key]) for cell, key in unit.parents.items()} for unit in units
        ]
        run_together(units, root, folds, above, deadline)


def check_code(unit: Unit) -> None:
    """Raise UserError where the user's code is not what the unit was planned, and is named, by."""
    if unit.code and own_code(unit.experiment, unit.arm) != unit.code:
        raise UserError(
            f"{' and '.join(unit.code)}: edited since the run was planned; the same command starts again"
        )


@cache
def kept() -> Any:
    """The data that this process keeps on the device for the next unit."""
    from lthbench.tickets.folds import Kept

    return Kept()


def folds_of(unit: Unit, cache: Path | None, device: str) -> Any:
    """The data of a unit's block, on its device."""
    from lthbench.training.device import prepare

    return kept().folds_of(unit.experiment, unit.master, unit.replicates, cache, prepare(device))


def forget_folds() -> None:
    """The next unit reads its data anew: files may have changed. What was kept for it is freed."""
    from lthbench.tickets.unit import forget_draws

    kept().forget()
    forget_draws()


@contextmanager
def told_in_a_line() -> Iterator[None]:
    """What code that is not ours raises becomes a UserError with the place: a traceback cannot leave a worker."""
    try:
        yield
    except (OutOfTime, *SAID):
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and not own_frames(error):
            raise  # the disk is full, say
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(f"{said} ({place_of(error)})", BLOCKED) from error


@contextmanager
def enough_memory(name: str) -> Iterator[None]:
    """Give memory that ran out a name. Raises OutOfMemory; PyTorch raises RuntimeErrors of several kinds."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = f"{type(error).__name__} {error}"
        if not isinstance(error, MemoryError) and not any(sign in said for sign in NO_MEMORY):
            raise
        raise OutOfMemory(
            f"{name}: out of memory; use fewer --cores, a smaller `block` in the suite's file, or a larger machine"
        ) from None
