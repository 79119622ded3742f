"""Looking cells up in a tidy table."""

from typing import Any

import numpy as np
import pandas as pd

from lthbench.claims.schema import Cell, threshold

MADE_FROM = {
    "validation_curve_area": "validation_accuracy",
    "early_stop_log_iteration": "early_stop_iteration",
}


class Table:
    """Read access to a tidy table by cell; indexing it once makes many look-ups cheap."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._groups: dict[Any, pd.DataFrame] = dict(
            iter(table.groupby(["experiment", "arm", "level", "metric"], sort=False))
        )
        self._metrics: dict[Cell, list[str]] = {}
        for experiment, arm, level, metric in sorted(self._groups):
            self._metrics.setdefault(Cell(experiment, arm, level), []).append(metric)
        self.runs: dict[tuple[Cell, str, int, int | None], np.ndarray] = {}  # what `per_run` found before

    def rows(self, cell: Cell, metric: str) -> pd.DataFrame | None:
        """All rows of one metric of one cell."""
        return self._groups.get((*cell, metric))

    def metrics(self, cell: Cell) -> list[str]:
        """Names of everything measured on a cell."""
        return self._metrics.get(cell, [])

    def replicates(self, cell: Cell, metric: str, replicates: int) -> list[int]:
        """Which of the replicates 0 .. n-1 have the metric."""
        rows = self.rows(cell, metric)
        return [] if rows is None else sorted({int(r) for r in rows["replicate"] if r < replicates})

    def by_replicate(self, cell: Cell, metric: str) -> pd.Series:
        """One value per replicate that is there, draws averaged first.

        `validation_curve_area` is the mean of the validation accuracies of a run over its evaluations;
        `early_stop_log_iteration` is made of each run's own early stop, so that draws are averaged as logarithms;
        `log_iterations_to_95%` of its own curve (nan where it never gets there: a mean cannot hide that);
        `generalisation_gap` is training minus test accuracy at the end.
        """
        if metric == "generalisation_gap":
            return self.by_replicate(cell, "final_train_accuracy") - self.by_replicate(cell, "final_test_accuracy")
        percent = threshold(metric)
        rows = self.rows(cell, "validation_accuracy" if percent else MADE_FROM.get(metric, metric))
        if rows is None:
            return pd.Series(dtype=float)
        if percent:
            rows = first_reached(rows, percent)
            rows = rows.assign(value=np.log(rows["value"]))
        if metric == "early_stop_log_iteration":
            rows = rows.assign(value=np.log(rows["value"].astype(float)))
        means = rows.groupby(["replicate", "draw"])["value"].agg(lambda v: v.mean(skipna=False))
        return means.groupby("replicate").agg(lambda v: v.mean(skipna=False))

    def values(self, cell: Cell, metric: str, replicates: int) -> np.ndarray | None:
        """One value per replicate 0 .. n-1, draws averaged first (`by_replicate`); None when any is missing."""
        means = self.by_replicate(cell, metric)
        means = means[means.index < replicates]
        if list(means.index) != list(range(replicates)):
            return None
        return means.to_numpy(dtype=float)


def label(cell: Cell) -> str:
    """A cell's name inside its experiment."""
    return f"{cell.arm}@{cell.level}"


def per_run(table: Table, cell: Cell, metric: str, n: int, iteration: int | None = None) -> np.ndarray:
    """One value per run (replicates x draws, in this order), not averaged: nothing hides in a mean.

    Of a curve at one `iteration`, where one is given.
    """
    key = (cell, metric, n, iteration)
    if key not in table.runs:
        table.runs[key] = runs_of(table.rows(cell, metric), n, iteration)
    return table.runs[key]


def runs_of(rows: pd.DataFrame | None, n: int, iteration: int | None) -> np.ndarray:
    """The values of some rows in the order of replicates and draws."""
    if rows is None:
        return np.array([])
    rows = rows[rows["replicate"] < n].sort_values(["replicate", "draw"], kind="stable")
    if iteration is not None:
        rows = rows[rows["iteration"].eq(iteration).fillna(False)]
    return rows["value"].to_numpy(dtype=float)


def first_reached(curves: pd.DataFrame, percent: float) -> pd.DataFrame:
    """Per run, the iteration of the first evaluation with at least so much validation accuracy; nan for never."""
    iterations = curves["iteration"].astype(float).where(curves["value"] >= percent)
    runs = iterations.groupby([curves["replicate"], curves["draw"]]).min()
    return runs.rename("value").reset_index()
