"""A method, given as a Python object, in the dock: the answer to a call, not a command."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from lthbench.drive import dock, method_cost, stages, ticket
from lthbench.drive.answer import Answer
from lthbench.drive.answers import material_beside
from lthbench.drive.here import train_here
from lthbench.drive.lock import exclusive
from lthbench.drive.mendable import mendable
from lthbench.drive.preflight.run import before
from lthbench.drive.progress import Watch, shown
from lthbench.errors import UserError
from lthbench.plan.own_code import found
from lthbench.plan.run import Run
from lthbench.recipe import given
from lthbench.recipe.experiment import FUNCTION, Network
from lthbench.tickets.plain import as_array
from lthbench.words import listed

FIELDS = ("x_train", "y_train", "x_test", "y_test")


def tested(
    method: str | Callable[..., Any] | None,
    network: str | Network | Callable[..., Any] | None,
    data: str | Path | Sequence[Any] | None,
    claims: str | Sequence[str],
    out: Path | None,
    seed: int,
    cores: int,
    quiet: bool,
    **more: Any,
) -> Answer:
    """The verdicts on a method, or on a ticket; without `out` nothing stays on disk.

    `more` is a `dock.Question`'s, the ticket's file among it.
    """
    names = listed(claims)
    with mendable(), place(out) as folder, threads_as_before():
        question = dock.Question(
            named(method or ""),
            tuple(names),
            network=network_of(network),
            data=data_in(folder, data),
            **more,
        )
        door = ticket if question.ticket else dock
        with exclusive(folder):
            run = door.prepared(question, seed, folder)
            remarks = before(run)
            here = any(given.__name__ in name for unit in run.units() for name in unit.code)
            train(run, 1 if here else cores, quiet)
        verdicts = stages.judged(run)
        material = material_beside(run.scope_folder, verdicts, run.registry)
        notes = (*door.says(run, question), *remarks, *method_cost.lines(run))
    return Answer(verdicts, lambda: material, notes)


def train(run: Run, cores: int, quiet: bool) -> None:
    """Train and judge; how far it is goes to the standard output."""
    with shown(Watch(run, Console(soft_wrap=True, markup=False, emoji=False, quiet=quiet), cores)) as tick:
        train_here(run, cores, tick)
        stages.tidy(run)
        stages.judge(run)


def named(function: str | Callable[..., Any]) -> str:
    """The name by which recipes call a function: its own where it can be imported, else one that it is given."""
    if isinstance(function, str):
        return function
    if not callable(function):
        raise UserError(f"method: a {type(function).__name__} cannot be called; give a function of a problem")
    module, name = getattr(function, "__module__", None) or "", getattr(function, "__qualname__", "")
    known = getattr(sys.modules.get(module), name, None) is function and FUNCTION.match(f"{module}:{name}")
    return f"{module}:{name}" if known and module != "__main__" and found(module) else given.give(function)


def network_of(network: str | Network | Callable[..., Any] | None) -> Network | None:
    """A network by its kind, its declaration, or the function of (shape, classes) that makes it."""
    if network is None or isinstance(network, Network):
        return network
    if isinstance(network, torch.nn.Module):
        raise UserError("network: a module is there once; give a function (shape, classes) that makes a new one")
    try:
        return Network(named(network))
    except ValueError as error:
        raise UserError(f"network: {error}") from None


def data_in(folder: Path, data: str | Path | Sequence[Any] | None) -> str | None:
    """A data set by its name or file; arrays or tensors (x, y, x of the test set, y of it) become a file."""
    if data is None or isinstance(data, str | Path):
        return None if data is None else str(data)
    if len(data) != len(FIELDS):
        raise UserError("data: give four arrays, x_train, y_train, x_test, y_test, or a file or name")
    file = folder / "data.npz"
    arrays: dict[str, Any] = dict(zip(FIELDS, map(as_array, data), strict=True))
    np.savez(file, **arrays)
    return str(file)


@contextmanager
def place(out: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or one that goes when all is done."""
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="lthbench-") as folder:
        yield Path(folder)


@contextmanager
def threads_as_before() -> Iterator[None]:
    """Training takes one thread, and matrix products of its own; the caller's settings come back."""
    threads, products = torch.get_num_threads(), torch.get_float32_matmul_precision()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(products)
