"""Final test accuracy against density, as in Frankle & Carbin (2019), Figure 4."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from lthbench.recipe.arms import ARMS
from lthbench.report.figures.ends import End, label_ends
from lthbench.report.figures.style import INK, Picture, grid, look, new_figure, picture, slug, styled
from lthbench.report.figures.summaries import by_density, final_accuracy, of_experiment
from lthbench.report.numbers import fixed, span

MOST_TICKS = 10
FEWEST = 2  # densities, or there is nothing to see against density
FAR = 5.0  # percentage points below everything of dense and ticket: an arm that would squash their curves
PLOT = (0.1, 0.66)  # of the figure's width: where the axes begin, and how wide they are; labels stand beside them
NEAR_TALL, FAR_TALL = 2.6, 1.0  # inches of the panels
SHIFT = 0.013  # of the axis a marker moves sideways, so that arms at one density stay apart


def density_plot(tidy: pd.DataFrame, experiment: str) -> Picture | None:
    """The figure of an experiment; None when it has nothing but dense networks."""
    table = final_accuracy(of_experiment(tidy, experiment))
    pruned = table[[arm not in ARMS or ARMS[arm].mask != "ones" for arm in table["arm"]]]
    dense = table[table["arm"] == "dense"]
    if pruned["density"].nunique() < FEWEST:
        return None
    title = f"{experiment}: final test accuracy against density"
    far = " Lower panel: arms that lie far below, on a scale of their own." * bool(far_arms(dense, pruned))
    caption = (
        "Final test accuracy by percent of weights remaining (log scale, from dense on the left). Markers: mean "
        f"over {span(table['n'])} replicates, draws averaged inside a replicate first; bars: smallest to largest "
        "replicate; markers "
        "are moved a little sideways so that they do not hide one another. Dashed line and band: the dense "
        f"network, likewise.{far}"
    )
    return picture(
        draw(dense, pruned), f"{slug(experiment)}-density", title, describe(dense, pruned), caption,
        pd.concat([dense, pruned]),
    )  # fmt: skip


@styled
def draw(dense: pd.DataFrame, pruned: pd.DataFrame) -> Figure:
    """One line per arm; arms that lie far below in a panel of their own."""
    far = pruned["arm"].isin(far_arms(dense, pruned))
    tables = [(dense, pruned[~far])] + [(dense[:0], pruned[far])] * bool(far.any())
    tall = [NEAR_TALL, FAR_TALL][: len(tables)]
    foot, between = 0.55, 0.14
    height = foot + sum(tall) + between * (len(tall) - 1) + 0.1
    figure = new_figure(height)
    top = height - 0.1
    for (band, lines), inches in zip(tables, tall, strict=True):
        axes = figure.add_axes((PLOT[0], (top - inches) / height, PLOT[1], inches / height))
        grid(axes)
        arm_lines(axes, band, lines, lowest=100 * float(pruned["density"].min()))
        axes.tick_params(axis="x", labelbottom=False)
        top -= inches + between
    label_densities(axes, ticks(pruned))
    for other in figure.axes[:-1]:
        other.xaxis.set_major_locator(axes.xaxis.get_major_locator())
        other.xaxis.set_minor_locator(axes.xaxis.get_minor_locator())
    figure.axes[0].set_ylabel("final test accuracy, %")
    return figure


def far_arms(dense: pd.DataFrame, pruned: pd.DataFrame) -> list[str]:
    """Arms whose best mean lies far below all means of the dense network and the ticket."""
    middle = [*dense["mean"], *pruned[pruned["arm"] == "ticket"]["mean"]]
    best = pruned.groupby("arm")["mean"].max()
    floor = min(middle) - FAR if middle else float("-inf")
    away = [str(arm) for arm in best[best < floor].index]
    return away if len(away) < len(best) else []


def arm_lines(axes: Axes, dense: pd.DataFrame, pruned: pd.DataFrame, lowest: float = 0.0) -> None:
    """Dense as a line and band; one line per arm over a logarithmic axis of densities, dense end on the left.

    `lowest` is the smallest percentage of weights on the axis, where that is not the lines' own.
    """
    for row in dense.to_dict("records"):
        axes.axhspan(row["min"], row["max"], color="#e6e6e6", linewidth=0, zorder=0.5)
        axes.axhline(row["mean"], color=INK, linestyle=look("dense").dashes, linewidth=1.4, label="dense")
    arms = [arm for arm in ARMS if arm in set(pruned["arm"])] + sorted(set(pruned["arm"]) - set(ARMS))
    lowest = lowest or 100 * float(pruned["density"].min())
    right = lowest * (lowest / 100) ** 0.04
    ends = [End(right, row["mean"], "dense", look("dense").colour) for row in dense.to_dict("records")]
    for index, arm in enumerate(arms):
        cells, style = pruned[pruned["arm"] == arm].sort_values("density", ascending=False), look(arm)
        x = 100 * cells["density"] * (100 / lowest) ** (SHIFT * ((len(arms) - 1) / 2 - index))
        reach = [cells["mean"] - cells["min"], cells["max"] - cells["mean"]]
        axes.errorbar(
            x, cells["mean"], reach, label=arm, color=style.colour, linestyle=style.dashes, linewidth=1.3,
            marker=style.marker, markersize=6, elinewidth=1, capsize=2,
            markerfacecolor=style.face, gid=f"arm.{arm}",
        )  # fmt: skip
        ends.append(End(float(x.iloc[-1]), float(cells["mean"].iloc[-1]), arm, style.colour))
    axes.set_xscale("log")
    axes.set_xlim(100 * (100 / lowest) ** 0.03, right)
    label_ends(axes, ends)


def label_densities(axes: Axes, at: list[float]) -> None:
    """Label the axis of densities, ticks at densities that were run."""
    axes.xaxis.set_major_locator(FixedLocator(at))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.tick_params(axis="x", labelbottom=True)
    axes.set_xlabel("weights remaining, %")


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
