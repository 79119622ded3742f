"""Looking cells up in a table of given results: runs with labels, or a summary. Torch-free."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lthbench.claims.schema import Place
from lthbench.errors import UserError
from lthbench.stats.groups import Group, group_of

DENSITY_TOLERANCE = 0.05  # percentage points: half of the last digit that papers print


@dataclass(frozen=True)
class Measured:
    """One endpoint of one cell: `runs` by replicate label (draws averaged; nan: diverged), or a `summary`."""

    runs: dict[str, float] | None
    summary: Group | None

    @property
    def group(self) -> Group:
        """Mean, SD and n, whichever way they came."""
        return self.summary if self.summary is not None else group_of(list((self.runs or {}).values()))

    @property
    def finite(self) -> bool:
        """Whether every number is there."""
        values = list(self.runs.values()) if self.runs is not None else [self.group.mean]
        return bool(np.isfinite(values).all())


class GivenTable:
    """Read access by place and endpoint to a table that `lthbench.results.format` has checked."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self._found: dict[tuple[Place, str], Measured | None] = {}
        self._groups = dict(iter(table.groupby(["experiment", "arm", "metric"], sort=False)))

    def rows(self, place: Place, metric: str) -> pd.DataFrame:
        """The rows of one metric at one place (empty when there are none)."""
        rows = self._groups.get((place.experiment, place.arm, metric), self.table.iloc[:0])
        if place.level is not None:
            return rows[rows["level"].eq(place.level).fillna(False)]
        assert place.percent is not None
        near = rows[(100 * rows["density"] - place.percent).abs() <= DENSITY_TOLERANCE]
        if near["density"].nunique() > 1:
            found = " and ".join(f"{100 * d:g} %" for d in sorted(near["density"].unique()))
            raise UserError(f"{place}: densities {found} both lie within {DENSITY_TOLERANCE} pp; keep one of them")
        return near

    def measured(self, place: Place, endpoint: str) -> Measured | None:
        """An endpoint at a place; None when the table does not hold it.

        `validation_curve_area` is computed from the rows of validation_accuracy where it is not there itself.
        """
        if (place, endpoint) not in self._found:
            self._found[place, endpoint] = self._measure(place, endpoint)
        return self._found[place, endpoint]

    def _measure(self, place: Place, endpoint: str) -> Measured | None:
        """The same, not remembered."""
        rows = self.rows(place, endpoint)
        if rows.empty and endpoint == "validation_curve_area":
            rows = self.rows(place, "validation_accuracy")
        if rows.empty:
            return None
        if endpoint != "validation_curve_area" and rows.duplicated(["replicate", "draw"]).any():
            raise UserError(
                f"{place}: several rows of {endpoint} per run; keep the one at the registered iteration"
            )
        if (rows["replicate"] == "").any():
            if len(rows) > 1:
                return None  # the area under a curve of means has no SD
            row = rows.iloc[0]
            sd = None if pd.isna(row["sd"]) else float(row["sd"])
            return Measured(None, Group(float(row["value"]), sd, None if pd.isna(row["n"]) else int(row["n"])))
        draws: dict[tuple[str, int], list[float]] = {}
        for label, draw, value in zip(rows["replicate"], rows["draw"], rows["value"], strict=True):
            draws.setdefault((str(label), int(draw)), []).append(float(value))
        replicates: dict[str, list[float]] = {}
        for (label, _), values in draws.items():
            replicates.setdefault(label, []).append(float(np.mean(np.sort(values))))
        return Measured({label: float(np.mean(np.sort(means))) for label, means in replicates.items()}, None)
