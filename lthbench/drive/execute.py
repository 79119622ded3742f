"""Run a chunk of units in this process, one after the other. Finished units are reused, never recomputed.

Snakemake's rule calls this, and so does `lthbench run --no-snakemake`. One thread per process: sums then do
not depend on how many threads there are, and for networks of this size two processes of one thread do more
than one process of two.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lthbench.errors import OutOfMemory
from lthbench.plan.unit import Unit
from lthbench.results import store

Report = Callable[[Unit, str], None]
NO_MEMORY = ("OutOfMemoryError", "allocate memory", "ALLOC_FAILED")  # words of PyTorch, CUDA and cuBLAS


PARENT = "LTHBENCH_PARENT"  # in the environment of a job: the process that started it


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
    """The same for a job, whose environment names its parent."""
    parent = os.environ.get(PARENT, "")
    die_with_parent(int(parent) if parent.isdigit() else None)


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
    unit under way is saved and `lthbench.training.checkpoint.OutOfTime` raised.
    """
    pending = missing(units, root)
    names = {unit.key: unit for unit in units}
    for unit in units:
        if unit not in pending:
            report(unit, "reused")
    if not pending:
        return

    from lthbench.tickets import folds as block_data  # here: planning and judging never pay for torch
    from lthbench.tickets.unit import run_unit
    from lthbench.training.device import prepare

    folds, of = None, ""
    for unit in pending:
        with enough_memory(f"{unit.name} ({unit.networks} networks)"):
            if folds is None or unit.experiment.id != of:
                folds = None  # free the old ones first
                folds = block_data.load(unit.experiment, unit.master, unit.replicates, cache, prepare(device))
                of = unit.experiment.id
            above = {cell: store.tensors_of(root, names[key]) for cell, key in unit.parents.items()}
            run_unit(unit, root, folds, above, deadline)
        report(unit, "trained")


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Give memory that ran out a name. Raises OutOfMemory; PyTorch raises RuntimeErrors of several kinds."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = f"{type(error).__name__} {error}"
        if not isinstance(error, MemoryError) and not any(sign in said for sign in NO_MEMORY):
            raise
        raise OutOfMemory(
            f"{what}: out of memory; use fewer --cores, a smaller `block` in the suite's file, or a larger machine"
        ) from None
