"""Endpoints from the columns that hold them: the same for our own tables and for a stranger's. Torch-free."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from lthbench.claims.schema import threshold

Label = int | str  # of a replicate: its number, or what a stranger calls it
Runs = dict[tuple[Label, int], float]  # by replicate and draw
RowsOf = Callable[[str], pd.DataFrame | None]
CURVE = "validation_accuracy"


def run_values(rows_of: RowsOf, endpoint: str) -> Runs:
    """The endpoint of every run of a cell, whose rows of a metric `rows_of` gives; empty where no column holds it.

    Where the endpoint itself is no column: `validation_curve_area` is the mean of a run's validation accuracies
    over its evaluations; `early_stop_iteration` that of its first smallest validation loss, and
    `early_stop_log_iteration` its logarithm, so that draws are averaged as logarithms; `log_iterations_to_95%` of
    its own curve (nan where it never gets there: a mean cannot hide that); `generalisation_gap` its training minus
    its test accuracy at the end.
    """
    rows = rows_of(endpoint)
    if rows is not None:
        return by_run(rows)
    percent = threshold(endpoint)
    if percent is not None:
        return logarithms(first_reached(rows_of(CURVE), percent))
    if endpoint == "validation_curve_area":
        return by_run(rows_of(CURVE))
    if endpoint == "early_stop_iteration":
        return smallest_at(rows_of("validation_loss"))
    if endpoint == "early_stop_log_iteration":
        return logarithms(run_values(rows_of, "early_stop_iteration"))
    if endpoint == "generalisation_gap":
        train, test = (by_run(rows_of(f"final_{fold}_accuracy")) for fold in ("train", "test"))
        return {run: train[run] - test[run] for run in train if run in test}
    return {}


def by_run(rows: pd.DataFrame | None, of: Callable[[list[float]], float] | None = None) -> Runs:
    """The mean (or what `of` makes) of each run's rows; nothing where they are summaries, which have no runs."""
    if rows is None or (rows["replicate"] == "").any():
        return {}
    values: dict[tuple[Label, int], list[float]] = {}
    for label, draw, value in zip(rows["replicate"], rows["draw"], rows["value"], strict=True):
        values.setdefault((label, int(draw)), []).append(float(value))
    return {run: (of or mean)(several) for run, several in values.items()}


def first_reached(curves: pd.DataFrame | None, percent: float) -> Runs:
    """Per run, the iteration of the first evaluation with at least so much validation accuracy; nan for never.

    Nothing where an evaluation does not say its iteration.
    """
    if curves is None or (curves["replicate"] == "").any() or curves["iteration"].isna().any():
        return {}
    iterations = curves["iteration"].astype(float).where(curves["value"] >= percent, np.inf)
    runs = by_run(curves.assign(value=iterations), min)
    return {run: first if np.isfinite(first) else np.nan for run, first in runs.items()}


def smallest_at(curves: pd.DataFrame | None) -> Runs:
    """Per run, the iteration of the first smallest value of its curve; nan where a value is missing.

    Nothing where an evaluation does not say its iteration.
    """
    if curves is None or (curves["replicate"] == "").any() or curves["iteration"].isna().any():
        return {}
    stops: Runs = {}
    for _, curve in curves.sort_values("iteration", kind="stable").groupby(["replicate", "draw"]):
        values, first = curve["value"].to_numpy(dtype=float), curve.iloc[0]
        at = float(curve["iteration"].iloc[int(values.argmin())]) if np.isfinite(values).all() else np.nan
        stops[first["replicate"], int(first["draw"])] = at
    return stops


def averaged(runs: Mapping[tuple[Label, int], float]) -> dict[Label, float]:
    """One value per replicate: draws are averaged inside it before any test."""
    draws: dict[Label, list[float]] = {}
    for (label, _), value in runs.items():
        draws.setdefault(label, []).append(value)
    return {label: mean(values) for label, values in draws.items()}


def mean(values: list[float]) -> float:
    """The mean, to the bit the same in whatever order the values come; nan where one is."""
    return float(np.mean(np.sort(values)))


def logarithms(runs: Runs) -> Runs:
    """The natural logarithm of each value."""
    with np.errstate(divide="ignore"):
        return {run: float(np.log(value)) for run, value in runs.items()}
