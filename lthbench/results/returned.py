"""What an implementation of the user's returns for one arm, checked, and the record it is kept in.

One record per arm, written in one step. Nothing pickled is loaded. Torch-free: tensors are read as arrays.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lthbench.errors import UserError
from lthbench.files import write_bytes
from lthbench.recipe.arms import ARMS
from lthbench.words import did_you_mean

Arrays = dict[str, np.ndarray]
Measured = dict[str, float]  # beside what was returned: measured by us
RESULT = "result.safetensors"
Cell = tuple[str, int, int]  # arm, level, draw


@dataclass(frozen=True)
class Arm:
    """What is to be trained: for example `dense` at level 0, `ticket` at level 3, draw 1 of `reinit` at level 3.

    `level` is the number of pruning rounds. Control arms with random numbers of their own come in several draws.
    """

    name: str
    level: int
    draw: int = 0

    @property
    def cell(self) -> Cell:
        """The key of its result in `problem.earlier`."""
        return (self.name, self.level, self.draw)

    @property
    def says(self) -> str:
        """The arm in one sentence."""
        return ARMS[self.name].says


@dataclass(frozen=True)
class Result:
    """What an implementation measured; a dict with these keys will do as well. Accuracies are percent, 0 to 100.

    `final_test_accuracy` after the last iteration; the others where they are known: at the early stop (the first
    smallest validation loss), and curves by iteration. `weights` is the state dict at the end, `start` the one
    that training began with (copies, buffers too), `mask` the mask by the names of the weights, True or 1 where a
    weight stays. `rates` are the learning rates of all iterations. What is not returned is not looked at.
    """

    final_test_accuracy: float
    early_stop_test_accuracy: float | None = None
    early_stop_iteration: int | None = None
    final_train_accuracy: float | None = None
    validation_accuracy: Mapping[int, float] | None = None
    validation_loss: Mapping[int, float] | None = None
    weights: Mapping[str, Any] | None = None
    start: Mapping[str, Any] | None = None
    mask: Mapping[str, Any] | None = None
    rates: Sequence[float] | None = None


NUMBERS = ("final_test_accuracy", "early_stop_test_accuracy", "early_stop_iteration", "final_train_accuracy")
CURVES = ("validation_accuracy", "validation_loss")
STATES = ("weights", "start", "mask")


@dataclass(frozen=True)
class Record:
    """What an implementation returned for one arm, and what we measured on the weights that it returned."""

    result: Result
    measured: Measured


def taken(answer: Any, said: str) -> Result:
    """An answer, checked, its arrays copied. Raises UserError, which begins with `said`, where it is of no use."""
    given = vars(answer) if isinstance(answer, Result) else answer
    if not isinstance(given, Mapping):
        raise UserError(f"{said} returned a {type(answer).__name__}; return a dict with final_test_accuracy")
    known = [field.name for field in fields(Result)]
    for name in given:
        if name not in known:
            raise UserError(
                f"{said} returned '{name}', which nothing reads; {did_you_mean(str(name), known)}".rstrip("; ")
            )
    if given.get("final_test_accuracy") is None:
        raise UserError(f"{said} returned no final_test_accuracy; give it in percent")
    values: dict[str, Any] = {name: number(given.get(name), f"{said}: {name}") for name in NUMBERS}
    values |= {name: curve(given.get(name), f"{said}: {name}") for name in CURVES}
    values |= {name: arrays(given.get(name), f"{said}: {name}") for name in STATES}
    rates = given.get("rates")
    values["rates"] = None if rates is None else [number(rate, f"{said}: rates") for rate in rates]
    return Result(**values)


def number(value: Any, said: str) -> float | None:
    """A number; nan is one (the run diverged)."""
    value = value.item() if hasattr(value, "item") and np.asarray(value).size == 1 else value
    if value is not None and (not isinstance(value, Real) or isinstance(value, bool)):
        raise UserError(f"{said} is a {type(value).__name__}; give a number")
    return None if value is None else float(value)


def curve(given: Any, said: str) -> dict[int, float] | None:
    """A curve as a dict by iteration."""
    if given is None:
        return None
    if not isinstance(given, Mapping) or not all(isinstance(at, int | np.integer) for at in given):
        raise UserError(f"{said} is a {type(given).__name__}; give a dict from iteration to value")
    values = {int(at): number(value, said) for at, value in given.items()}
    return {at: value for at, value in values.items() if value is not None}


def arrays(given: Any, said: str) -> Arrays | None:
    """Tensors or arrays by name, as arrays of their own."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise UserError(f"{said} is a {type(given).__name__}; give a dict by the names of weights")
    copied = {str(name): as_array(value) for name, value in given.items()}
    odd = next((name for name, array in copied.items() if array.dtype.kind not in "fiub"), None)
    if odd is not None:
        raise UserError(f"{said}: {odd} holds {copied[odd].dtype}, no numbers")
    return copied


def write(folder: Path, record: Record) -> None:
    """Store a record in one step; the arm's own files are no longer needed."""
    result = record.result
    tensors = {
        f"{kind}/{name}": np.ascontiguousarray(value)
        for kind in STATES
        for name, value in (getattr(result, kind) or {}).items()
    }
    said = {name: getattr(result, name) for name in (*NUMBERS, *CURVES, "rates")}
    said |= {"empty": [kind for kind in STATES if getattr(result, kind) == {}], "measured": record.measured}
    content = save(tensors, metadata={"result": json.dumps(said)})
    shutil.rmtree(folder, ignore_errors=True)
    write_bytes(folder / RESULT, content)


def stored(folder: Path) -> Record | None:
    """The record of an arm; None where there is none, or one that was damaged."""
    file = folder / RESULT
    if not file.is_file():
        return None
    try:
        content = file.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        said, tensors = json.loads(header["__metadata__"]["result"]), load(content)
    except (SafetensorError, ValueError, KeyError, TypeError):
        return None
    values: dict[str, Any] = {name: said[name] for name in (*NUMBERS, "rates")}
    for name in CURVES:
        values[name] = None if said[name] is None else {int(at): value for at, value in said[name].items()}
    for kind in STATES:
        own = {name[len(kind) + 1 :]: value for name, value in tensors.items() if name.startswith(f"{kind}/")}
        values[kind] = own or ({} if kind in said["empty"] else None)
    return Record(Result(**values), said["measured"])


def as_array(value: Any) -> np.ndarray:
    """A tensor or anything like an array, as an array of its own."""
    return np.array(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
