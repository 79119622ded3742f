"""Looking cells up in a tidy table."""

import numpy as np
import pandas as pd

from lthbench.claims.schema import Cell

MADE_FROM = {
    "validation_curve_area": "validation_accuracy",
    "early_stop_log_iteration": "early_stop_iteration",
}


class Table:
    """Read access to a tidy table by cell; indexing it once makes many look-ups cheap."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._groups = dict(iter(table.groupby(["experiment", "arm", "level", "metric"], sort=False)))

    def rows(self, cell: Cell, metric: str) -> pd.DataFrame | None:
        """All rows of one metric of one cell."""
        return self._groups.get((*cell, metric))

    def metrics(self, cell: Cell) -> list[str]:
        """Names of everything measured on a cell."""
        return sorted(str(metric) for *address, metric in self._groups if tuple(address) == tuple(cell))

    def replicates(self, cell: Cell, metric: str, replicates: int) -> list[int]:
        """Which of the replicates 0 .. n-1 have the metric."""
        rows = self.rows(cell, metric)
        return [] if rows is None else sorted({int(r) for r in rows["replicate"] if r < replicates})

    def by_replicate(self, cell: Cell, metric: str) -> pd.Series:
        """One value per replicate that is there, draws averaged first.

        `validation_curve_area` is the mean of the validation accuracies of a run over its evaluations;
        `early_stop_log_iteration` is made of each run's own early stop, so that draws are averaged as logarithms.
        """
        rows = self.rows(cell, MADE_FROM.get(metric, metric))
        if rows is None:
            return pd.Series(dtype=float)
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
