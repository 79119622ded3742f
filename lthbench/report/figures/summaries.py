"""What the figures show of a tidy table: mean, spread and range over replicates. Describes, tests nothing.

Draws of a control arm are averaged inside their replicate first, as everywhere.
"""

from collections.abc import Callable

import pandas as pd

from lthbench.report.numbers import fixed, percent

RUN = ["arm", "level", "replicate", "draw"]


def of_experiment(tidy: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """The rows of one experiment."""
    return tidy[tidy["experiment"] == experiment]


def by_replicate(rows: pd.DataFrame, *keys: str) -> pd.Series:
    """One value per (*keys, replicate): the mean over draws. Diverged runs (no value) are left out."""
    known = rows.dropna(subset=["value"])
    return known.groupby([*keys, "replicate"])["value"].mean()


def over_replicates(rows: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Columns mean, sd, min, max and n over replicates, for each combination of the keys."""
    groups = by_replicate(rows, *keys).groupby(list(keys))
    return groups.agg(["mean", "std", "min", "max", "count"]).rename(columns={"std": "sd", "count": "n"})


def density_of(rows: pd.DataFrame) -> dict[tuple[str, int], float]:
    """Fraction of weights remaining per (arm, level) of one experiment."""
    means = rows.dropna(subset=["density"]).groupby(["arm", "level"])["density"].mean().reset_index()
    cells = zip(means["arm"], means["level"], means["density"], strict=True)
    return {(str(arm), int(level)): float(density) for arm, level, density in cells}


def per_cell(rows: pd.DataFrame, densities: dict[tuple[str, int], float]) -> pd.DataFrame:
    """As `over_replicates` per (arm, level), with the density as a column; cells that lack either are left out."""
    table = over_replicates(rows, "arm", "level").reset_index()
    cells = zip(table["arm"], table["level"], strict=True)
    table = table.assign(density=[densities.get(cell, float("nan")) for cell in cells])
    return table.dropna(subset=["density", "mean"])


def final_accuracy(rows: pd.DataFrame) -> pd.DataFrame:
    """Final test accuracy per (arm, level) of one experiment, with the density as a column."""
    return per_cell(rows[rows["metric"] == "final_test_accuracy"], density_of(rows))


def by_density(cells: pd.DataFrame, show: Callable[[float], str] = fixed) -> str:
    """`81.20 at 80.0 %, 79.95 at 64.0 %`: the means of one arm in words, densest first."""
    falling = cells.sort_values("density", ascending=False).to_dict("records")
    return ", ".join(f"{show(row['mean'])} at {percent(row['density'])}" for row in falling)


def learning_curve(rows: pd.DataFrame, arm: str, level: int) -> pd.DataFrame:
    """Validation accuracy over iterations of one cell of one experiment."""
    curve = rows[(rows["arm"] == arm) & (rows["level"] == level) & (rows["metric"] == "validation_accuracy")]
    return over_replicates(curve, "iteration").reset_index()


def line_errors(rows: pd.DataFrame) -> pd.DataFrame:
    """Test error on the line between two copies: one row per replicate, one column per alpha."""
    errors = rows[rows["metric"].str.startswith("line_error:")]
    errors = errors.assign(alpha=errors["metric"].str.removeprefix("line_error:").astype(float))
    return by_replicate(errors, "alpha").unstack("alpha")
