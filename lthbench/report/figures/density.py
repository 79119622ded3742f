"""Final test accuracy against density, as in Frankle & Carbin (2019), Figure 4."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from lthbench.recipe.arms import ARMS
from lthbench.report.figures.style import INK, Picture, grid, look, new_figure, picture, slug, styled
from lthbench.report.figures.summaries import by_density, final_accuracy, of_experiment
from lthbench.report.numbers import fixed, span

MOST_TICKS = 10
SHIFT = 0.013  # of the axis a marker moves sideways, so that arms at one density stay apart


def density_plot(tidy: pd.DataFrame, experiment: str) -> Picture | None:
    """The figure of an experiment; None when it has nothing but dense networks."""
    table = final_accuracy(of_experiment(tidy, experiment))
    pruned = table[[arm not in ARMS or ARMS[arm].mask != "ones" for arm in table["arm"]]]
    dense = table[table["arm"] == "dense"]
    if pruned.empty:
        return None
    title = f"{experiment}: final test accuracy against density"
    caption = (
        "Final test accuracy by percent of weights remaining (log scale, from dense on the left). Markers: mean "
        f"over {span(table['n'])} replicates, draws averaged inside a replicate first; bars: smallest to largest "
        "replicate; markers "
        "are moved a little sideways so that they do not hide one another. Dashed line and band: the dense "
        "network, likewise."
    )
    return picture(draw(dense, pruned), f"{slug(experiment)}-density", title, describe(dense, pruned), caption)


@styled
def draw(dense: pd.DataFrame, pruned: pd.DataFrame) -> Figure:
    """One line per arm."""
    figure = new_figure(3.7)
    axes = figure.add_axes((0.09, 0.31, 0.89, 0.66))
    grid(axes)
    arm_lines(axes, dense, pruned)
    label_densities(figure, axes, ticks(pruned))
    return figure


def arm_lines(axes: Axes, dense: pd.DataFrame, pruned: pd.DataFrame) -> None:
    """Dense as a line and band; one line per arm over a logarithmic axis of densities, dense end on the left."""
    for row in dense.to_dict("records"):
        axes.axhspan(row["min"], row["max"], color="#e6e6e6", linewidth=0, zorder=0.5)
        axes.axhline(row["mean"], color=INK, linestyle=look("dense").dashes, linewidth=1.4, label="dense")
    arms = [arm for arm in ARMS if arm in set(pruned["arm"])] + sorted(set(pruned["arm"]) - set(ARMS))
    lowest = 100 * float(pruned["density"].min())
    for index, arm in enumerate(arms):
        cells, style = pruned[pruned["arm"] == arm].sort_values("density", ascending=False), look(arm)
        x = 100 * cells["density"] * (100 / lowest) ** (SHIFT * ((len(arms) - 1) / 2 - index))
        reach = [cells["mean"] - cells["min"], cells["max"] - cells["mean"]]
        axes.errorbar(
            x, cells["mean"], reach, label=arm, color=style.colour, linestyle=style.dashes, linewidth=1.3,
            marker=style.marker, markersize=6, elinewidth=1, capsize=2,
            markerfacecolor=style.face, gid=f"arm.{arm}",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(100 * (100 / lowest) ** 0.03, lowest * (lowest / 100) ** 0.07)


def label_densities(figure: Figure, axes: Axes, at: list[float]) -> None:
    """Label the axes of accuracy against density, ticks at densities that were run; the legend goes below."""
    axes.xaxis.set_major_locator(FixedLocator(at))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.set_xlabel("weights remaining, %")
    axes.set_ylabel("final test accuracy, %")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, handlelength=3, columnspacing=1.5)


def ticks(pruned: pd.DataFrame) -> list[float]:
    """100 % and the densities that were run, as in the paper; every other one where they are many."""
    densities = sorted({round(100 * density, 6) for density in pruned["density"]}, reverse=True)
    return [100.0, *densities[-1 :: -(1 + len(densities) // MOST_TICKS)]]


def describe(dense: pd.DataFrame, pruned: pd.DataFrame) -> str:
    """The figure in words, from its numbers."""
    parts = [
        f"dense {fixed(row['mean'])} % (range {fixed(row['min'])} to {fixed(row['max'])}, n = {row['n']})"
        for row in dense.to_dict("records")
    ]
    for arm, cells in pruned.groupby("arm"):
        parts.append(f"{arm} {by_density(cells)} (n = {cells['n'].min()})")
    return "Mean final test accuracy in percent by percent of weights remaining: " + "; ".join(parts) + "."
