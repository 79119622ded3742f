"""Looking cells up in a tidy table."""

import numpy as np
import pandas as pd

from lthbench.claims.schema import Cell


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

    def values(self, cell: Cell, metric: str, replicates: int) -> np.ndarray | None:
        """One value per replicate 0 .. n-1, draws averaged first; None when any is missing.

        `validation_curve_area` is the mean of the validation accuracies of a run over its evaluations.
        """
        rows = self.rows(cell, "validation_accuracy" if metric == "validation_curve_area" else metric)
        if rows is None:
            return None
        rows = rows[rows["replicate"] < replicates]
        means = rows.groupby(["replicate", "draw"])["value"].agg(lambda v: v.mean(skipna=False))
        means = means.groupby("replicate").agg(lambda v: v.mean(skipna=False))
        if list(means.index) != list(range(replicates)):
            return None
        return means.to_numpy(dtype=float)
