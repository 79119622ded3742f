"""When learning stops, and how accurate it is then, by density: Frankle & Carbin (1803.03635 v5), Figure 4."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lthbench.judging.verdict import ClaimVerdict
from lthbench.report.figures.density import PLOT, arm_lines, far_arms, label_densities, ticks
from lthbench.report.figures.sides import labels
from lthbench.report.figures.style import Picture, grid, new_figure, picture, slug, styled
from lthbench.report.figures.summaries import RUN, by_density, by_replicate, density_of, of_experiment, per_cell
from lthbench.report.numbers import fixed, short, span, whole

FEWEST = 3  # densities of tickets, or it is no curve over density


@dataclass(frozen=True)
class Speed:
    """When learning stops, per run (rows as in a tidy table), and what that means here."""

    rows: pd.DataFrame
    label: str
    says: str


def early_stop_plot(tidy: pd.DataFrame, experiment: str) -> Picture | None:
    """The figure of an experiment; None with tickets of fewer than three densities, or where none was measured."""
    rows = of_experiment(tidy, experiment)
    rows = rows[rows["arm"] != "dense-copy"]
    densities = density_of(rows)
    if len({level for arm, level in densities if arm == "ticket" and level}) < FEWEST:
        return None
    speed = speed_of(rows)
    accuracy = per_cell(rows[rows["metric"] == "early_stop_test_accuracy"], densities)
    if speed is None or accuracy.empty:
        return None
    iterations = per_cell(speed.rows, densities)
    far = far_arms(accuracy[accuracy["arm"] == "dense"], accuracy[accuracy["arm"] != "dense"])
    accuracy, iterations = (table[~table["arm"].isin(far)] for table in (accuracy, iterations))
    left_out = f" Left out, because they lie far below: {', '.join(far)}." * bool(far)
    title = f"{experiment}: early stop and accuracy against density"
    caption = (
        f"As Figure 4 of Frankle & Carbin (2019), from our runs. Top: {speed.says}. Bottom: test accuracy at the "
        "early stop (smallest validation loss). Horizontal axis: percent of weights remaining, log scale, from "
        f"dense on the left. Markers: mean over {span(accuracy['n'])} replicates, draws averaged inside a "
        "replicate first; bars: smallest to largest replicate; dashed line and band: the dense network, likewise. "
        f"Markers are moved a little sideways so that they do not hide one another.{left_out}"
    )
    return picture(
        draw(iterations, accuracy, speed.label),
        f"{slug(experiment)}-early-stop",
        title,
        describe(iterations, accuracy, speed.label),
        caption,
        pd.concat([iterations.assign(endpoint=speed.label), accuracy.assign(endpoint="accuracy there")]),
    )


def speed_of(rows: pd.DataFrame) -> Speed | None:
    """The early-stop iteration; the crossing of a threshold where the early stop of some run is censored."""
    stops = rows[rows["metric"] == "early_stop_iteration"]
    curves = rows[rows["metric"] == "validation_accuracy"]
    if stops.empty or curves.empty:
        return None
    last = int(curves["iteration"].max())
    censored = int((stops["value"] >= last).sum())
    if not censored:
        return Speed(stops, "early-stop iteration", "iteration of the smallest validation loss")
    return crossing(curves, censored, len(stops))


def crossing(curves: pd.DataFrame, censored: int, runs: int) -> Speed | None:
    """Iterations to an accuracy that every dense network reached. Decides nothing: it is not registered."""
    best = curves[curves["arm"] == "dense"].groupby(RUN)["value"].max()
    if best.empty or best.isna().any():
        return None
    threshold = math.floor(2 * float(best.min())) / 2
    reached = curves[curves["value"] >= threshold].groupby(RUN)["iteration"].min().astype(float)
    every = curves.groupby(RUN).size().index
    never = every.difference(reached.index)
    lost = {(arm, level) for arm, level, *_ in never}
    first = reached.rename("value").reset_index()
    first = first[[cell not in lost for cell in zip(first["arm"], first["level"], strict=True)]]
    if first["arm"].eq("dense").all():  # or nothing: no pruned network to draw
        return None
    says = (
        f"first evaluation at which validation accuracy reached {short(threshold)} % (the largest half percentage "
        f"point that every dense network reached), drawn in place of the early stop, because {censored} of {runs} "
        "runs had their smallest validation loss at the last evaluation"
    )
    if len(never):
        says += f"; {len(never)} of {len(every)} runs never reached it, and cells with such a run are left out"
    return Speed(first, f"iterations to {short(threshold)} %", says)


@styled
def draw(iterations: pd.DataFrame, accuracy: pd.DataFrame, label: str) -> Figure:
    """Two panels, one above the other, on the same densities."""
    figure = new_figure(5.2)
    tops = figure.add_axes((PLOT[0], 0.57, PLOT[1], 0.41))
    below = figure.add_axes((PLOT[0], 0.11, PLOT[1], 0.41))
    for axes, table in ((tops, iterations), (below, accuracy)):
        grid(axes)
        pruned = table[table["arm"] != "dense"]
        arm_lines(axes, table[table["arm"] == "dense"], pruned, 100 * float(accuracy["density"].min()))
    tops.set_xlim(below.get_xlim())
    label_densities(below, ticks(accuracy[accuracy["arm"] != "dense"]))
    below.set_ylabel("test accuracy there, %")
    tops.xaxis.set_major_locator(below.xaxis.get_major_locator())
    tops.xaxis.set_minor_locator(below.xaxis.get_minor_locator())
    tops.tick_params(axis="x", labelbottom=False)
    tops.set_ylabel(label)
    tops.yaxis.set_major_formatter(lambda value, _: whole(value))
    return figure


def describe(iterations: pd.DataFrame, accuracy: pd.DataFrame, label: str) -> str:
    """The figure in words, from its numbers."""
    parts = []
    for name, table, show in ((label, iterations, whole), ("test accuracy at the early stop, %", accuracy, fixed)):
        arms = [f"{arm} {by_density(cells, show)}" for arm, cells in table.groupby("arm")]
        parts.append(f"{name}: {'; '.join(arms)}")
    return f"Means by percent of weights remaining. {'. '.join(parts)}."


def early_stop_words(claim: ClaimVerdict, tidy: pd.DataFrame) -> str:
    """Where accuracy at the early stop says the opposite of the one at the end that was tested; else empty.

    Both are means over replicates; the difference at the early stop has to reach the margin. No test.
    """
    for line in claim.hypotheses:
        cells = [cell_of(side, claim.experiment) for side in line.contrast.split(" - ")]
        mean = (line.evidence or {}).get("mean")
        if line.endpoint != "final_test_accuracy" or mean is None or None in cells:
            continue
        first, second = (mean_of(tidy, "early_stop_test_accuracy", cell) for cell in cells)
        stop = first - second
        if stop * mean < 0 and abs(stop) >= line.delta:
            after, before = labels(line)
            return (
                f"At the early stop it is the other way round: {before if stop > 0 else after} better by "
                f"{fixed(abs(stop))} pp ({fixed(max(first, second))} against {fixed(min(first, second))} %; not "
                "tested)."
            )
    return ""


def cell_of(side: str, experiment: str) -> tuple[str, str, int] | None:
    """Experiment, arm and level of a side of a contrast; None where it is a number."""
    home, _, cell = side.rpartition(":")
    name, at, level = cell.partition("@")
    return (home or experiment, name, int(level)) if at and level.isdigit() else None


def mean_of(tidy: pd.DataFrame, metric: str, cell: Any) -> float:
    """The mean of a measurement over the replicates of a cell; NaN where there is none."""
    experiment, name, level = cell
    chosen = (tidy["experiment"] == experiment) & (tidy["arm"] == name) & (tidy["level"] == level)
    return float(by_replicate(tidy[chosen & (tidy["metric"] == metric)]).mean())
