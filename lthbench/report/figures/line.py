"""Test error on the straight line between two copies of the dense network (Linear Mode Connectivity)."""

import pandas as pd
from matplotlib.figure import Figure

from lthbench.report.figures.style import GREY, INK, Picture, grid, new_figure, picture, slug, styled
from lthbench.report.figures.summaries import line_errors, of_experiment
from lthbench.report.numbers import fixed


def line_plot(tidy: pd.DataFrame, experiment: str) -> Picture | None:
    """The figure of an experiment; None when no line was measured."""
    errors = line_errors(of_experiment(tidy, experiment))
    if errors.empty:
        return None
    title = f"{experiment}: test error on the line between two copies"
    caption = (
        "Test error of (1 − α) × the dense network + α × its copy (same start, another batch order). Thin: "
        f"{len(errors)} replicates; bold: their mean. A bump above both ends is an error barrier."
    )
    return picture(
        draw(errors), f"{slug(experiment)}-line", title, describe(errors), caption, errors.reset_index()
    )


@styled
def draw(errors: pd.DataFrame) -> Figure:
    """Thin lines per replicate, a bold mean."""
    figure = new_figure(3.1)
    axes = figure.add_axes((0.09, 0.17, 0.89, 0.8))
    grid(axes)
    for _, values in errors.iterrows():
        axes.plot(errors.columns, values, color=GREY, linewidth=0.7, alpha=0.7, gid="replicate")
    axes.plot(errors.columns, errors.mean(), color=INK, linewidth=2.2, marker="s", markersize=5, gid="mean")
    # At least 6 percentage points high: a small wobble should not look like a barrier.
    low, high = float(errors.min().min()), float(errors.max().max())
    middle, half = (low + high) / 2, max((high - low) * 0.56, 3.0)
    axes.set_ylim(middle - half, middle + half)
    axes.set_xlim(0, 1)
    axes.set_xlabel("α (0: the dense network, 1: its copy)")
    axes.set_ylabel("test error, %")
    return figure


def describe(errors: pd.DataFrame) -> str:
    """The figure in words, from its numbers."""
    mean = errors.mean()
    return (
        f"Mean test error of {len(errors)} replicates: {fixed(mean.iloc[0])} % and {fixed(mean.iloc[-1])} % at "
        f"the ends, at most {fixed(mean.max())} % (at alpha = {mean.idxmax():g}), at least {fixed(mean.min())} %."
    )
