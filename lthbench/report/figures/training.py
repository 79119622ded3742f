"""Accuracy while tickets train, several densities together: Frankle & Carbin (1803.03635 v5), Figure 3."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lthbench.recipe.arms import Cell
from lthbench.report.figures.ends import End, label_ends
from lthbench.report.figures.learning import EARLY, curve_table, extent
from lthbench.report.figures.style import INK, Look, Picture, grid, look, new_figure, picture, shade, slug, styled
from lthbench.report.figures.summaries import density_of, learning_curve, of_experiment
from lthbench.report.numbers import fixed, percent, span

DENSER, SPARSER = (0.513, 0.211), (0.070, 0.036, 0.019)  # the densities of the paper's panels
NEAR = math.log(1.25)  # a level of another ladder may stand for one of them
FEWEST = 3  # densities of tickets, or it is no figure of densities
MOST_POINTS = 120  # of a curve that is drawn
BARS = 8  # smallest to largest replicate, at so many places of a curve


@dataclass(frozen=True)
class Panel:
    """The curves of one panel, dense first."""

    title: str
    cells: tuple[Cell, ...]


def training_plot(tidy: pd.DataFrame, experiment: str) -> Picture | None:
    """The figure of an experiment; None with tickets of fewer than three densities."""
    rows = of_experiment(tidy, experiment)
    densities = density_of(rows)
    panels = panels_of(densities)
    curves = {cell: learning_curve(rows, *cell) for panel in panels for cell in panel.cells}
    curves = {cell: curve for cell, curve in curves.items() if not curve.empty}
    tickets = {level for arm, level in densities if arm == "ticket"}
    if len(tickets) < FEWEST or not any(arm == "ticket" for arm, _ in curves):
        return None
    title = f"{experiment}: validation accuracy during training, by density"
    caption = (
        "As Figure 3 of Frankle & Carbin (2019), from our runs. Labels: percent of weights remaining. Lines: mean "
        f"over {span(n for curve in curves.values() for n in curve['n'])} replicates, draws averaged inside a "
        "replicate first; bars: smallest to largest replicate. Ours is validation accuracy at each evaluation, "
        f"theirs is test accuracy, which we look at only at the early stop and at the end.{EARLY} Levels are "
        "those run that lie nearest to the paper's densities."
    )
    return picture(
        draw(panels, curves, densities),
        f"{slug(experiment)}-training",
        title,
        describe(panels, curves, densities),
        caption,
        curve_table(curves),
    )


def panels_of(densities: dict[Cell, float]) -> list[Panel]:
    """Tickets at two higher and at three lower densities, and the higher ones beside their reinitialisation."""
    denser, sparser = (near(densities, "ticket", wanted) for wanted in (DENSER, SPARSER))
    fresh = [(arm, level) for level in denser for arm in ("ticket", "reinit") if (arm, level) in densities]
    if not any(arm == "reinit" for arm, _ in fresh):  # the levels it was run at, the nearest two
        own = {level: abs(math.log(p / DENSER[-1])) for (arm, level), p in densities.items() if arm == "reinit"}
        levels = sorted(sorted(own, key=lambda level: own[level])[:2])
        fresh = [(arm, level) for level in levels for arm in ("ticket", "reinit") if (arm, level) in densities]
    fresh = fresh if any(arm == "reinit" for arm, _ in fresh) else []
    panels = [
        Panel("tickets", tuple(("ticket", level) for level in denser)),
        Panel("sparser tickets", tuple(("ticket", level) for level in sparser)),
        Panel("reinitialised", tuple(fresh)),
    ]
    return [Panel(panel.title, (("dense", 0), *panel.cells)) for panel in panels if panel.cells]


def near(densities: dict[Cell, float], arm: str, wanted: tuple[float, ...]) -> list[int]:
    """The levels of an arm that lie nearest to these densities, each once and none far from it."""
    own = {level: density for (name, level), density in densities.items() if name == arm and level}
    levels = []
    for density in wanted:
        away = {level: abs(math.log(own[level] / density)) for level in own}
        best = min(away, key=lambda level: (away[level], level), default=None)
        if best is not None and away[best] <= NEAR:
            levels.append(best)
    return sorted(set(levels))


@styled
def draw(panels: list[Panel], curves: dict[Cell, pd.DataFrame], densities: dict[Cell, float]) -> Figure:
    """Panels side by side on one scale, each with its own legend below."""
    figure = new_figure(2.9)
    across = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(left=0.09, right=0.87, top=0.91, bottom=0.15, wspace=0.62)
    for axes, panel in zip(across, panels, strict=True):
        grid(axes)
        shown = [cell for cell in panel.cells if cell in curves]
        axes.set_ylim(*extent(list(curves.values())))
        for cell in shown:
            one_curve(axes, cell, curves[cell], style_of(cell, shown))
        axes.set_title(panel.title, fontsize=9.5)
        axes.set_xlabel("iteration")
        label_ends(axes, [end_of(cell, curves[cell], densities, style_of(cell, shown)) for cell in shown])
    across[0].set_ylabel("validation accuracy, %")
    return figure


def end_of(cell: Cell, curve: pd.DataFrame, densities: dict[Cell, float], style: Look) -> End:
    """The label of a curve: its density, and its arm where that is no ticket."""
    arm = "" if cell[0] == "ticket" else f" {cell[0]}"
    label = "dense" if cell[0] == "dense" else percent(densities[cell]) + arm
    return End(float(curve["iteration"].iloc[-1]), float(curve["mean"].iloc[-1]), label, style.colour)


def style_of(cell: Cell, shown: list[Cell]) -> Look:
    """An arm keeps its colour: its densities are shades of it, the sparsest the darkest."""
    arm, level = cell
    if arm == "dense":
        return Look(INK, "None", (0, (6, 2)))
    levels = sorted({other for name, other in shown if name == arm}, reverse=True)
    own = look(arm)
    return Look(shade(own.colour, levels.index(level), len(levels)), own.marker, own.dashes, own.filled)


def one_curve(axes: Axes, cell: Cell, curve: pd.DataFrame, style: Look) -> None:
    """A line with a few bars."""
    thin = curve.iloc[np.unique(np.linspace(0, len(curve) - 1, min(len(curve), MOST_POINTS)).astype(int))]
    few = thin.iloc[np.unique(np.linspace(0, len(thin) - 1, min(len(thin), BARS)).astype(int))]
    axes.plot(thin["iteration"], thin["mean"], color=style.colour, linestyle=style.dashes, linewidth=1.3)
    axes.errorbar(
        few["iteration"], few["mean"], [few["mean"] - few["min"], few["max"] - few["mean"]], linestyle="none",
        color=style.colour, marker=style.marker, markersize=4.5, markerfacecolor=style.face, elinewidth=0.9,
        capsize=1.5, gid=f"cell.{cell[0]}.{cell[1]}",
    )  # fmt: skip


def describe(panels: list[Panel], curves: dict[Cell, pd.DataFrame], densities: dict[Cell, float]) -> str:
    """The figure in words, from its numbers."""
    parts = []
    for cell in dict.fromkeys(cell for panel in panels for cell in panel.cells if cell in curves):
        middle, last = (curves[cell].iloc[i] for i in (len(curves[cell]) // 4, -1))
        at = f" at {percent(densities[cell])}" if cell[1] else ""
        parts.append(
            f"{cell[0]}{at}: {fixed(middle['mean'])} % at iteration {int(middle['iteration'])}, "
            f"{fixed(last['mean'])} % at {int(last['iteration'])} (n = {int(last['n'])})"
        )
    return "Mean validation accuracy during training. " + "; ".join(parts) + "."
