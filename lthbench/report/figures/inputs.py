"""Which inputs a mask looks at: the weights of the first layer that remain, per pixel or place of a signal."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lthbench.recipe.arms import Cell
from lthbench.report.figures.ends import End, label_ends
from lthbench.report.figures.style import INK, Picture, grid, look, new_figure, picture, slug, styled
from lthbench.report.numbers import percent, span

MAP = "cividis"  # dark: few; told apart in grey, and by eyes that do not see red and green
EDGE = 0.25  # of an image's width and height: the border that the words compare with its middle
Shares = dict[Cell, np.ndarray]  # of each input's weights, the fraction that remains


def inputs_plot(counts: pd.DataFrame | None, experiment: str, shape: tuple[int, int] | None) -> Picture | None:
    """The figure of an experiment; None where no masks were counted, or not of as many inputs as `shape` has."""
    rows = counts[counts["experiment"] == experiment] if counts is not None else pd.DataFrame()
    if rows.empty or shape is None:
        return None
    shares = shares_of(rows)
    if not all(len(share) == shape[0] * shape[1] for share in shares.values()):
        return None
    image = shape[0] > 1
    title = f"{experiment}: weights that remain of each {'pixel' if image else 'place of the signal'}"
    n = span(rows["networks"])
    caption = f"First layer, mean over {n} masks. Beside an arm: how dense its first layer is. " + (
        "Colour: how many of a pixel's weights remain, in multiples of the map's mean. A mask that ignores the "
        "input would be 1 everywhere."
        if image
        else "A mask that ignores the input would be a flat line."
    )
    drawn = draw_maps(shares, shape) if image else draw_lines(shares)
    return picture(drawn, f"{slug(experiment)}-inputs", title, describe(shares, shape), caption, wide(shares))


def shares_of(rows: pd.DataFrame) -> Shares:
    """The fraction that remains per input, ticket first, then by arm and level."""
    cells: list[tuple[tuple[str, int], pd.DataFrame]] = list(
        rows.sort_values("input").groupby(["arm", "level"])  # type: ignore[arg-type]
    )
    shares = {(str(arm), int(level)): (c["survivors"] / c["outputs"]).to_numpy() for (arm, level), c in cells}
    return dict(sorted(shares.items(), key=lambda item: (item[0][0] != "ticket", item[0])))


def wide(shares: Shares) -> pd.DataFrame:
    """A row per input, a column per cell."""
    return pd.DataFrame({f"{arm}@{level}": share for (arm, level), share in shares.items()}).reset_index(
        names="input"
    )


@styled
def draw_maps(shares: Shares, shape: tuple[int, int]) -> Figure:
    """A map per cell, as multiples of its mean: an arm a row, a level a column, all in one scale of colours."""
    arms, levels = list(dict.fromkeys(arm for arm, _ in shares)), sorted({level for _, level in shares})
    figure = new_figure(0.35 + 1.62 * len(arms))
    axes = figure.subplots(len(arms), len(levels), squeeze=False)
    figure.subplots_adjust(left=0.02, right=0.86, top=1 - 0.3 / figure.get_figheight(), bottom=0.02, hspace=0.22)
    most = max(float(share.max() / share.mean()) for share in shares.values())
    for i, arm in enumerate(arms):
        for j, level in enumerate(levels):
            if (arm, level) not in shares:
                axes[i, j].set_axis_off()
                continue
            share = shares[arm, level]
            drawn = one_map(axes[i, j], share.reshape(shape) / share.mean(), most)
            axes[i, j].set_title(f"{arm}, {percent(float(share.mean()))}", fontsize=8.5, pad=3)
    bar = figure.colorbar(drawn, cax=figure.add_axes((0.885, 0.1, 0.022, 0.75)))
    bar.set_label("times the mean")
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def one_map(axes: Axes, share: np.ndarray, most: float):  # type: ignore[no-untyped-def]  # an AxesImage
    """One mask, pixel by pixel."""
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    return axes.imshow(share, cmap=MAP, vmin=0, vmax=most, interpolation="nearest")


@styled
def draw_lines(shares: Shares) -> Figure:
    """A line per arm along the signal, a panel per level."""
    levels = sorted({level for _, level in shares})
    figure = new_figure(2.7)
    across = figure.subplots(1, len(levels), squeeze=False)[0]
    figure.subplots_adjust(left=0.075, right=0.79, top=0.9, bottom=0.17, wspace=0.8)
    for axes, level in zip(across, levels, strict=True):
        grid(axes)
        here = {arm: 100 * share for (arm, other), share in shares.items() if other == level}
        ends = []
        for arm, share in here.items():
            style = look(arm)
            axes.plot(range(len(share)), share, color=style.colour, linestyle=style.dashes, linewidth=1.3,
                      drawstyle="steps-mid", gid=f"cell.{arm}.{level}")  # fmt: skip
            ends.append(
                End(len(share) - 1, float(share[-1]), f"{arm} {percent(share.mean() / 100)}", style.colour)
            )
        axes.set_ylim(0, 1.08 * max(float(share.max()) for share in here.values()))
        axes.set_title(f"level {level}", fontsize=9.5)
        axes.set_xlabel("place in the signal")
        label_ends(axes, ends)
    across[0].set_ylabel("weights that remain, %")
    across[0].yaxis.label.set_color(INK)
    return figure


def describe(shares: Shares, shape: tuple[int, int]) -> str:
    """The figure in words, from its numbers."""
    return "First layer, percent of each input's weights that remain. " + " ".join(
        f"{arm} at level {level}: mean {percent(float(share.mean()))}, {spread(share, shape)}."
        for (arm, level), share in shares.items()
    )


def spread(share: np.ndarray, shape: tuple[int, int]) -> str:
    """Of an image its border beside its middle; of a signal its emptiest and its fullest place."""
    if shape[0] == 1:
        low, high = int(share.argmin()), int(share.argmax())
        return f"from {percent(float(share[low]))} at place {low} to {percent(float(share[high]))} at {high}"
    rows, columns = (round(EDGE * side) for side in shape)
    image = share.reshape(shape)
    middle = image[rows:-rows, columns:-columns]
    border = (image.sum() - middle.sum()) / (image.size - middle.size)
    return f"border {percent(float(border))}, middle {percent(float(middle.mean()))}"
