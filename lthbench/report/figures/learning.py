"""Learning curves: validation accuracy over iterations, one panel per level that a claim decides on."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lthbench.recipe.arms import ARMS, Cell
from lthbench.report.figures.ends import End, label_ends
from lthbench.report.figures.style import Picture, grid, look, new_figure, picture, slug, styled
from lthbench.report.figures.summaries import density_of, learning_curve, of_experiment
from lthbench.report.numbers import fixed, percent, span

MOST_PANELS = 3
EARLY = " The vertical axis leaves out the first fifth of training where that lies lower."


def learning_plot(tidy: pd.DataFrame, experiment: str, cells: Sequence[Cell]) -> Picture | None:
    """The figure of an experiment: dense and the cells named, as far as they were run."""
    rows = of_experiment(tidy, experiment)
    curves = {cell: learning_curve(rows, *cell) for cell in dict.fromkeys([("dense", 0), *cells])}
    curves = {cell: curve for cell, curve in curves.items() if not curve.empty}
    if not curves:
        return None
    densities = density_of(rows)
    title = f"{experiment}: validation accuracy during training"
    caption = (
        "Validation accuracy over iterations. Lines: mean over "
        f"{span(n for curve in curves.values() for n in curve['n'])} replicates; bands: ± 1 SD over replicates "
        "(draws averaged inside a replicate first)."
    )
    if len({level for _, level in curves if level}) > 1:
        caption += " The dense network is repeated in every panel."
    caption += EARLY
    return picture(
        draw(curves, densities), f"{slug(experiment)}-learning", title, describe(curves), caption,
        curve_table(curves),
    )  # fmt: skip


def curve_table(curves: dict[Cell, pd.DataFrame]) -> pd.DataFrame:
    """All curves of a figure, one below the other."""
    return pd.concat([curve.assign(arm=arm, level=level) for (arm, level), curve in curves.items()])


def extent(curves: Sequence[pd.DataFrame], low: str = "min", high: str = "max") -> tuple[float, float]:
    """The vertical range: all that lies after the first fifth of training, with a little room."""
    late = [c[c["iteration"] >= 0.2 * c["iteration"].max()] for c in curves]
    bottom, top = min(float(c[low].min()) for c in late), max(float(c[high].max()) for c in late)
    room = 0.04 * max(top - bottom, 0.5)
    return bottom - room, top + room


@styled
def draw(curves: dict[Cell, pd.DataFrame], densities: dict[Cell, float]) -> Figure:
    """Panels side by side on one scale."""
    levels = sorted({level for _, level in curves if level})[-MOST_PANELS:] or [0]
    figure = new_figure(2.9)
    panels = figure.subplots(1, len(levels), sharey=True, squeeze=False)[0]
    for axes, level in zip(panels, levels, strict=True):
        shown = [cell for cell in in_order(curves) if cell[1] in (0, level)]
        panel(axes, {cell: curves[cell] for cell in shown})
        density = next((densities[cell] for cell in shown if cell[1] == level and cell in densities), None)
        if level:
            axes.set_title(
                f"level {level}" + (f": {percent(density)} of weights" if density else ""), fontsize=9.5
            )
        axes.set_xlabel("iteration")
    panels[0].set_ylabel("validation accuracy, %")
    figure.subplots_adjust(left=0.09, right=0.77, top=0.91, bottom=0.15, wspace=0.95)
    for axes, level in zip(panels, levels, strict=True):
        axes.set_ylim(*extent(list(curves.values())))
        ends = [
            End(float(curve["iteration"].iloc[-1]), float(curve["mean"].iloc[-1]), arm, look(arm).colour)
            for (arm, own), curve in curves.items()
            if own in (0, level)
        ]
        label_ends(axes, ends)
    return figure


def in_order(curves: dict[Cell, pd.DataFrame]) -> list[Cell]:
    """Cells in the order in which arms are declared."""
    order = list(ARMS)
    return sorted(curves, key=lambda cell: (order.index(cell[0]) if cell[0] in order else len(order), cell))


def panel(axes: Axes, curves: dict[Cell, pd.DataFrame]) -> None:
    """The curves of one level and of dense."""
    grid(axes)
    for (arm, _), curve in curves.items():
        style = look(arm)
        x, mean, sd = (curve[key].to_numpy(dtype=float) for key in ("iteration", "mean", "sd"))
        axes.fill_between(x, mean - sd, mean + sd, color=style.colour, alpha=0.15, linewidth=0)
        axes.plot(
            x, mean, label=arm, color=style.colour, linestyle=style.dashes, linewidth=1.4, marker=style.marker,
            markersize=4.5, markevery=max(1, len(x) // 6),
            markerfacecolor=style.face, gid=f"arm.{arm}",
        )  # fmt: skip


def describe(curves: dict[Cell, pd.DataFrame]) -> str:
    """The figure in words, from its numbers."""
    parts = []
    for arm, level in in_order(curves):
        curve = curves[arm, level]
        first, last = curve.iloc[0], curve.iloc[-1]
        parts.append(
            f"{arm}@{level} from {fixed(first['mean'])} % at iteration {int(first['iteration'])} to "
            f"{fixed(last['mean'])} % at {int(last['iteration'])} (n = {int(last['n'])})"
        )
    return "Mean validation accuracy over iterations: " + "; ".join(parts) + "."
