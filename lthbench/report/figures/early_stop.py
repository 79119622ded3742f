"""When learning stops, and how accurate it is then, by density: Frankle & Carbin (1803.03635 v5), Figure 4."""

import math
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from lthbench.report.figures.density import arm_lines, label_densities, ticks
from lthbench.report.figures.style import Picture, grid, new_figure, picture, slug, styled
from lthbench.report.figures.summaries import RUN, by_density, density_of, of_experiment, per_cell
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
    title = f"{experiment}: early stop and accuracy against density"
    caption = (
        f"As Figure 4 of Frankle & Carbin (2019), from our runs. Top: {speed.says}. Bottom: test accuracy at the "
        "early stop (smallest validation loss). Horizontal axis: percent of weights remaining, log scale, from "
        f"dense on the left. Markers: mean over {span(accuracy['n'])} replicates, draws averaged inside a "
        "replicate first; bars: smallest to largest replicate; dashed line and band: the dense network, likewise. "
        "Markers are moved a little sideways so that they do not hide one another."
    )
    return picture(
        draw(iterations, accuracy, speed.label),
        f"{slug(experiment)}-early-stop",
        title,
        describe(iterations, accuracy, speed.label),
        caption,
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
    figure = new_figure(5.6)
    tops = figure.add_axes((0.11, 0.61, 0.87, 0.37))
    below = figure.add_axes((0.11, 0.2, 0.87, 0.37))
    for axes, table in ((tops, iterations), (below, accuracy)):
        grid(axes)
        arm_lines(axes, table[table["arm"] == "dense"], table[table["arm"] != "dense"])
    pruned = accuracy[accuracy["arm"] != "dense"]
    tops.set_xlim(below.get_xlim())
    label_densities(figure, below, ticks(pruned))
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
