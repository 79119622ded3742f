"""How many weights of each input survive in the first layer: counted from masks, kept beside the tidy table.

Masks lie in tensors beside the unit records and are not in the table. Their counts are, for networks whose first
layer sees every pixel or every place of a signal by itself, so that a report can be drawn again without tensors.

Columns: experiment, arm, level, networks (how many masks), outputs (weights each input began with), input (its
number, row by row), survivors (how many of them remain, mean over the networks).
"""

import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lthbench.errors import UserError
from lthbench.files import read_bytes
from lthbench.plan.unit import Unit
from lthbench.recipe.arms import ARMS, Cell
from lthbench.recipe.experiment import Experiment
from lthbench.results import store
from lthbench.words import shown

log = logging.getLogger("lthbench")
FILE = "inputs.csv"
COLUMNS = ["experiment", "arm", "level", "networks", "outputs", "input", "survivors"]
SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "digits": (8, 8), "mnist1d": (1, 40)}  # rows, columns
WORN = ("ones", "ticket")  # all weights, or another arm's mask
LARGEST_FILE = 100_000_000  # bytes, unpacked
LEVELS = 3  # at most so many are added to, by the first and the last of the ticket's


def shape_of(experiment: Experiment) -> tuple[int, int] | None:
    """Rows and columns of what the first layer sees; None where its weights belong to no single input."""
    return SHAPES.get(experiment.data.name) if experiment.network.kind == "mlp" else None


def count(root: Path, units: Sequence[Unit]) -> pd.DataFrame:
    """The survivors of every input, at a few levels of each experiment; units without tensors are left out."""
    parts = [pd.DataFrame(columns=COLUMNS)]
    once = {unit.name: unit for unit in units}.values()  # two looks may ask for the same one
    for experiment in {unit.experiment.id: unit.experiment for unit in units}.values():
        shape = shape_of(experiment)
        there = [u for u in once if u.experiment.id == experiment.id and looked_at(root, u)] if shape else []
        levels = levels_shown({(unit.arm, unit.level) for unit in there})
        cells: dict[Cell, list[np.ndarray]] = {}
        for unit in there:
            if unit.level in levels and (masks := first_mask(root, unit)) is not None:
                cells.setdefault((unit.arm, unit.level), []).append(masks)
        parts += [table_of(experiment.id, cell, np.concatenate(masks)) for cell, masks in sorted(cells.items())]
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def looked_at(root: Path, unit: Unit) -> bool:
    """Whether the unit has a mask of its own, and it is there."""
    tensors = store.path_of(root, unit).with_suffix(".safetensors")
    return ARMS[unit.arm].mask not in WORN and tensors.exists() and tensors.with_suffix(".json").exists()


def levels_shown(cells: set[Cell]) -> set[int]:
    """As few levels of the ticket as show every other arm that has one; then its first and its last."""
    own = sorted(level for arm, level in cells if arm == "ticket")
    at = {level: {arm for arm, other in cells if other == level and arm != "ticket"} for level in own}
    missing = set().union(*at.values())
    levels: set[int] = set()
    while missing:
        best = max(own, key=lambda level: (len(at[level] & missing), level))
        levels.add(best)
        missing -= at[best]
    for level in (*own[-1:], *own[:1]):
        levels |= {level} if len(levels) < LEVELS else set()
    return levels


def first_mask(root: Path, unit: Unit) -> np.ndarray | None:
    """The masks of the first layer: (networks, inputs, outputs), of numbers 0 and 1; None from a damaged file.

    No verdict needs them: who trains or exports from that unit meets the damage, and makes it again.
    """
    layer = "fc1" if unit.experiment.network.hidden else "out"
    try:
        return store.tensors_of(root, unit).get(f"mask/{layer}.weight")
    except store.RecordError as error:
        log.warning("%s; left out of %s", error, FILE)
        return None


def table_of(experiment: str, cell: Cell, masks: np.ndarray) -> pd.DataFrame:
    """The rows of one cell."""
    networks, inputs, outputs = masks.shape
    survivors = np.count_nonzero(masks, axis=2).mean(axis=0)
    head = {"experiment": experiment, "arm": cell[0], "level": cell[1], "networks": networks, "outputs": outputs}
    return pd.DataFrame(head | {"input": np.arange(inputs), "survivors": survivors}, columns=COLUMNS)


def to_csv(table: pd.DataFrame) -> str:
    """The table as text, the same bytes for the same numbers."""
    return table.to_csv(index=False, float_format="%.10g", lineterminator="\n")


def read(folder: Path) -> pd.DataFrame | None:
    """The counts of a folder, packed or not; None where there are none. Raises UserError for another table."""
    path = next((folder / name for name in (f"{FILE}.gz", FILE) if (folder / name).exists()), None)
    if path is None:
        return None
    way_out = "remove it, and the report has no maps of masks"
    kinds: dict[str, type] = dict.fromkeys(COLUMNS, int) | {"experiment": str, "arm": str, "survivors": float}
    try:
        table = pd.read_csv(io.BytesIO(read_bytes(path, LARGEST_FILE, UserError, way_out)), dtype=kinds)
        lacking = missing_columns(table.columns)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: not the counts of masks ({shown(error, 80)}); {way_out}") from None
    if lacking:
        raise UserError(f"{path}: no column {', '.join(lacking)}; {way_out}")
    return table


def missing_columns(columns: Iterable[str]) -> list[str]:
    """The columns that a table of counts must have and this one has not."""
    return [column for column in COLUMNS if column not in set(columns)]
