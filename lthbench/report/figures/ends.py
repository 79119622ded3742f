"""Labels at the ends of lines, instead of a legend: each beside its line, none on another."""

from dataclasses import dataclass

from matplotlib.axes import Axes

from lthbench.report.figures.style import legible
from lthbench.words import plain

SIZE = 8.0  # points
GAP = 10.5  # points between two labels


@dataclass(frozen=True)
class End:
    """Where a line ends, what it is, and its colour."""

    x: float
    y: float
    text: str
    colour: str


def label_ends(axes: Axes, ends: list[End]) -> None:
    """Write every label to the right of the axes, as high as its line ends. The scale of y must be set."""
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    tall = 72 * axes.get_position().height * figure.get_figheight()
    falling = sorted(ends, key=lambda end: -end.y)
    to_axes = axes.transScale + axes.transLimits
    wanted = [min(max(float(to_axes.transform((end.x, end.y))[1]), 0.0), 1.0) for end in falling]
    for end, place in zip(falling, spread(wanted, GAP / tall), strict=True):
        axes.annotate(
            plain(end.text), (end.x, min(max(end.y, low), high)), (1.025, place), textcoords="axes fraction",
            va="center", fontsize=SIZE, color=legible(end.colour), annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": end.colour, "linewidth": 0.6, "shrinkA": 1, "shrinkB": 2},
        )  # fmt: skip


def spread(places: list[float], gap: float) -> list[float]:
    """Falling places moved apart as little as it takes, around where they were."""
    groups = [[place] for place in places]
    while True:
        for i in range(len(groups) - 1):
            above, below = centred(groups[i], gap), centred(groups[i + 1], gap)
            if above[-1] - below[0] < gap - 1e-9:
                groups[i : i + 2] = [groups[i] + groups[i + 1]]
                break
        else:
            return [place for group in groups for place in centred(group, gap)]


def centred(group: list[float], gap: float) -> list[float]:
    """A group's places, one gap apart, around its middle."""
    middle = sum(group) / len(group)
    return [middle + gap * ((len(group) - 1) / 2 - i) for i in range(len(group))]
