"""Looking cells up in a table of results: our own runs, a stranger's, or summaries of several runs. Torch-free."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lthbench.claims.schema import BY_DENSITY, Cell, parse_cell
from lthbench.errors import UserError
from lthbench.judging.endpoints import Label, averaged, run_values
from lthbench.stats.groups import Group, group_of

DENSITY_TOLERANCE = 0.05  # percentage points: half of the last digit that papers print
WHOLE_NUMBER = "0|[1-9][0-9]{0,8}"  # a label that is a replicate's number


@dataclass(frozen=True)
class Measured:
    """One endpoint of one cell: a value per replicate (draws averaged; nan: diverged), or a `summary` of runs."""

    runs: dict[Label, float]
    summary: Group | None = None

    @property
    def group(self) -> Group:
        """Mean, SD and n, whichever way they came."""
        return self.summary if self.summary is not None else group_of(list(self.runs.values()))

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """The values of the runs, or the mean of a summary."""
        return np.array([self.summary.mean] if self.summary else list(self.runs.values()), dtype=float)


class Table:
    """Read access to a table of results by cell; indexing it once makes many look-ups cheap.

    The rows are those of `lthbench.results.tidy` (replicates 0, 1, 2, ...), or of `lthbench.results.format`
    (replicates have labels; rows without one are summaries, with sd and n; with `minus`, of paired differences).
    """

    def __init__(self, table: pd.DataFrame, differences: pd.DataFrame | None = None) -> None:
        measured, stated = parted(table)
        self.table = numbered(measured)
        self.differences = stated if differences is None else differences
        self._groups: dict[Any, pd.DataFrame] = dict(
            iter(self.table.groupby(["experiment", "arm", "level", "metric"], sort=False))
        )
        self._metrics: dict[Cell, list[str]] = {}
        for experiment, arm, level, metric in sorted(self._groups):
            self._metrics.setdefault(Cell(experiment, arm, level), []).append(metric)
        self._measured: dict[tuple[Cell, str], Measured | None] = {}
        self.runs: dict[tuple[Cell, str, int, int | None], np.ndarray] = {}  # what `per_run` gave before

    def rows(self, cell: Cell, metric: str) -> pd.DataFrame | None:
        """All rows of one metric of one cell."""
        if cell.percent is None:
            return self._groups.get((cell.experiment, cell.arm, cell.level, metric))
        rows = self._levels.get((cell.experiment, cell.arm, metric))
        if rows is None:
            return None
        near = rows[(100 * rows["density"] - cell.percent).abs() <= DENSITY_TOLERANCE]
        if near["density"].nunique() > 1:
            several = " and ".join(f"{100 * d:g} %" for d in sorted(near["density"].unique()))
            raise UserError(
                f"{cell}: densities {several} both lie within {DENSITY_TOLERANCE} pp; keep one of them"
            )
        return None if near.empty else near

    @cached_property
    def _levels(self) -> dict[Any, pd.DataFrame]:
        """All rows of one metric of one arm: where a cell is looked up by its density."""
        return dict(iter(self.table.groupby(["experiment", "arm", "metric"], sort=False)))

    def metrics(self, cell: Cell) -> list[str]:
        """Names of everything measured on a cell."""
        return self._metrics.get(cell, [])

    def replicates(self, cell: Cell, metric: str, n: int) -> list[int]:
        """Which of the replicates 0 .. n-1 have the metric."""
        rows = self.rows(cell, metric)
        return [] if rows is None else sorted({int(r) for r in rows["replicate"] if r < n})

    def measured(self, cell: Cell, endpoint: str, n: int = 0) -> Measured | None:
        """An endpoint of a cell, of all its runs or of replicates 0 .. n-1; None when any of it is not there."""
        key = cell, endpoint
        if key not in self._measured:
            self._measured[key] = self._measure(cell, endpoint)
        whole = self._measured[key]
        if whole is None or not n:
            return whole
        numbers = range(n)
        return Measured({i: whole.runs[i] for i in numbers}) if set(numbers) <= set(whole.runs) else None

    def difference(self, minuend: Cell, subtrahend: Cell, endpoint: str) -> Group | None:
        """Mean, SD and n of the paired differences of two cells, where the table states them, either way round."""
        groups = []
        for row in self.differences.to_dict("records") if len(self.differences) else ():
            if row["metric"] != endpoint:
                continue
            first, second = cell_of(row), parse_cell(row["minus"], row["experiment"])
            sd, n = (None if pd.isna(row[key]) else row[key] for key in ("sd", "n"))
            for sign, way in ((1, (minuend, subtrahend)), (-1, (subtrahend, minuend))):
                if addresses(way[0], first) and addresses(way[1], second):
                    groups.append(Group(sign * float(row["value"]), sd, None if n is None else int(n)))
        if len(groups) > 1:
            raise UserError(f"{minuend} minus {subtrahend}: two rows state their {endpoint}; keep one")
        return groups[0] if groups else None

    def _measure(self, cell: Cell, endpoint: str) -> Measured | None:
        """The same of all runs, not remembered."""
        rows = self.rows(cell, endpoint)
        if rows is not None and rows.duplicated(["replicate", "draw"]).any():
            raise UserError(
                f"{cell}: several rows of {endpoint} per run; keep the one at the registered iteration"
            )
        if rows is not None and rows["replicate"].iloc[0] == "":
            (row,) = rows.to_dict("records")
            sd, n = (None if pd.isna(row[key]) else row[key] for key in ("sd", "n"))
            return Measured({}, Group(float(row["value"]), sd, None if n is None else int(n)))
        values = run_values(lambda metric: self.rows(cell, metric), endpoint)
        return Measured(averaged(values)) if values else None

    def values(self, cell: Cell, endpoint: str, n: int) -> npt.NDArray[np.float64] | None:
        """One value per replicate 0 .. n-1, draws averaged first; None when any is missing."""
        measured = self.measured(cell, endpoint, n)
        return None if measured is None else measured.values


def parted(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of cells, and those of paired differences between two cells."""
    if "minus" not in table:
        return table, table.iloc[:0]
    stated = table["minus"].fillna("") != ""
    return table[~stated], table[stated]


def cell_of(row: Mapping[Hashable, Any]) -> Cell:
    """The cell of a row, by its level where it has one."""
    if pd.isna(row["level"]):
        return Cell(row["experiment"], row["arm"], BY_DENSITY, 100 * float(row["density"]))
    return Cell(row["experiment"], row["arm"], int(row["level"]))


def addresses(asked: Cell, stated: Cell) -> bool:
    """Whether two cells are one: by level, or by density; nothing pruned is level 0 and 100 %."""
    if asked[:2] != stated[:2]:
        return False
    one, other = (100.0 if cell.level == 0 else cell.percent for cell in (asked, stated))
    if one is not None and other is not None:
        return abs(one - other) <= DENSITY_TOLERANCE
    return asked.level == stated.level != BY_DENSITY


def numbered(table: pd.DataFrame) -> pd.DataFrame:
    """The table with replicates as numbers in every experiment whose labels are all numbers."""
    labels = table["replicate"]
    if pd.api.types.is_integer_dtype(labels) or any(isinstance(label, int) for label in labels):
        return table  # numbered before
    whole = labels.str.fullmatch(WHOLE_NUMBER).astype(bool).groupby(table["experiment"]).transform("all")
    numbers = [int(label) if is_number else label for label, is_number in zip(labels, whole, strict=True)]
    return table.assign(replicate=pd.Series(numbers, index=table.index, dtype=object))


def per_run(table: Table, cell: Cell, metric: str, n: int, iteration: int | None = None) -> np.ndarray:
    """One value per run (replicates x draws, in this order), not averaged: nothing hides in a mean.

    Of a curve at one `iteration`, where one is given; of all replicates with n = 0.
    """
    key = (cell, metric, n, iteration)
    if key not in table.runs:
        table.runs[key] = runs_of(table.rows(cell, metric), n, iteration)
    return table.runs[key]


def runs_of(rows: pd.DataFrame | None, n: int, iteration: int | None) -> np.ndarray:
    """The values of some rows in the order of replicates and draws."""
    if rows is None:
        return np.array([])
    rows = (rows[rows["replicate"] < n] if n else rows).sort_values(["replicate", "draw"], kind="stable")
    if iteration is not None:
        rows = rows[rows["iteration"].eq(iteration).fillna(False)]
    return rows["value"].to_numpy(dtype=float)
