"""All claims of a run in one picture: each deciding difference in units of its own margin.

The page draws the same rows in its table. Reads the verdicts, computes nothing but the division by the margin.
"""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lthbench.judging.verdict import ORIGINS, SYMBOLS, ClaimVerdict, Verdicts, verdict_word
from lthbench.report.figures.intervals import bounds
from lthbench.report.figures.sides import came_out, endpoint
from lthbench.report.figures.style import INK, PALE, VERDICTS, Picture, grid, new_figure, picture, styled
from lthbench.report.numbers import interval, short, there
from lthbench.stats.rule import Rule
from lthbench.words import plain

FAR = 6.0  # margins: what lies beyond is drawn at the edge, as an arrow
NEAR = 2.0  # the scale reaches at least so far to either side
ROW, FOOT = 0.34, 0.62  # inches
LEFT, RIGHT = 1.75, 2.2  # inches beside the scale


@dataclass(frozen=True)
class ForestRow:
    """A claim's deciding difference over its margin; `decides` names the hypothesis where there are several."""

    id: str
    verdict: str
    decides: str
    mean: float
    low: float
    high: float
    passes: tuple[float, float]  # where the mean has to lie for PASS, in margins
    bounds: tuple[float, ...]
    came_out: str
    endpoint: str
    interval: str  # in its unit
    margin: str


def forest_rows(verdicts: Verdicts) -> list[ForestRow]:
    """The claims that have numbers and a verdict on them, in their order."""
    return [row for claim in verdicts.claims if claim.verdict != "NOT RUN" and (row := forest_row(claim))]


def forest_row(claim: ClaimVerdict) -> ForestRow | None:
    """One claim; None where its deciding hypothesis has no number."""
    line = claim.deciding
    e = line.evidence or {}
    mean = e.get("mean")
    if mean is None or not there(mean):
        return None
    low, high = (e[name] if there(e.get(name)) else mean for name in ("low", "high"))
    return ForestRow(
        id=claim.id,
        verdict=claim.verdict,
        decides=f"{line.id} of {len(claim.hypotheses)}" if len(claim.hypotheses) > 1 else "",
        mean=mean / line.delta,
        low=low / line.delta,
        high=high / line.delta,
        passes=Rule(line.test, 1.0).range,
        bounds=tuple(bound / line.delta for bound in bounds(line)),
        came_out=came_out(line),
        endpoint=endpoint(line),
        interval=f"{interval(e)} {line.unit}",
        margin=f"{short(line.delta)} {line.unit}",
    )


def reach(rows: list[ForestRow]) -> tuple[float, float]:
    """From where to where the scale goes, in whole margins."""
    low = min([-NEAR, *(row.low for row in rows)])
    high = max([NEAR, *(row.high for row in rows)])
    return float(max(math.floor(low), -FAR)), float(min(math.ceil(high), FAR))


def strip_of(row: ForestRow, reach: tuple[float, float], width: float) -> dict[str, Any]:
    """Where things stand on a strip of so many pixels: what the page draws in its table."""

    def at(value: float) -> float:
        return round(width * (min(max(value, reach[0]), reach[1]) - reach[0]) / (reach[1] - reach[0]), 1)

    left, right = (at(edge) for edge in row.passes)
    beyond = "right" if row.mean > reach[1] else "left" if row.mean < reach[0] else ""
    return {
        "pass": (left, round(right - left, 1)), "zero": at(0.0),
        "bounds": [at(bound) for bound in row.bounds if bound],
        "low": at(row.low), "high": at(row.high), "mean": at(row.mean), "beyond": beyond,
    }  # fmt: skip


def scale_of(reach: tuple[float, float], width: float) -> list[tuple[float, str]]:
    """Whole margins on such a strip: where, and the label."""
    step = 1 if reach[1] - reach[0] <= 6 else 2
    whole = [value for value in range(int(reach[0]), int(reach[1]) + 1) if value % step == 0]
    return [(round(width * (v - reach[0]) / (reach[1] - reach[0]), 1), short(float(v))) for v in whole]


def forest_plot(verdicts: Verdicts) -> Picture | None:
    """The figure of a run; None where no claim has numbers."""
    rows = forest_rows(verdicts)
    if not rows:
        return None
    caption = (
        "Every claim with numbers: the hypothesis that its verdict hangs on, divided by its margin. Diamond and "
        "bar: mean and 95 % interval; an arrow: it lies beyond the scale. Shaded: where the mean has to lie for "
        f"{verdict_word('PASS', verdicts.exploratory)}. Dashed: margins. Right: the numbers in their own unit."
    )
    return picture(
        draw(rows, verdicts), "forest", f"{verdicts.title}: all claims in units of their margin",
        describe(rows, verdicts), caption, table(rows),
    )  # fmt: skip


@styled
def draw(rows: list[ForestRow], verdicts: Verdicts) -> Figure:
    """One line per claim."""
    height = ROW * len(rows) + FOOT
    figure = new_figure(height)
    width = figure.get_figwidth()
    axes = figure.add_axes(
        (LEFT / width, (FOOT - 0.06) / height, 1 - (LEFT + RIGHT) / width, ROW * len(rows) / height)
    )
    axes.set_xlim(*reach(rows))
    axes.set_ylim(-len(rows), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    grid(axes)
    axes.axvline(0, color=INK, linewidth=0.9)
    for place, row in enumerate(rows):
        line(axes, -place - 0.5, row)
        label(axes, -place - 0.5, row, verdicts)
    axes.set_xlabel("difference, in units of the margin")
    return figure


def line(axes: Axes, y: float, row: ForestRow) -> None:
    """The side where PASS lies, the bounds, the mean with its interval, and arrows where they leave the scale."""
    low, high = axes.get_xlim()
    left, right = (min(max(edge, low), high) for edge in row.passes)
    axes.add_patch(Rectangle((left, y - 0.36), right - left, 0.72, color=PALE, linewidth=0, zorder=0.5))
    for bound in row.bounds:
        axes.plot(
            [bound, bound], [y - 0.36, y + 0.36], color=INK, linewidth=0.9, linestyle=(0, (3, 2)), gid="bound"
        )
    inside = [min(max(value, low), high) for value in (row.low, row.mean, row.high)]
    colour = VERDICTS.get(row.verdict, INK)
    axes.plot([inside[0], inside[2]], [y, y], color=colour, linewidth=2.4, solid_capstyle="butt", gid="interval",
              clip_on=False)  # fmt: skip
    marker = "D" if low <= row.mean <= high else ">" if row.mean > high else "<"
    axes.plot([inside[1]], [y], marker, color=colour, markersize=6, clip_on=False, gid="mean")


def label(axes: Axes, y: float, row: ForestRow, verdicts: Verdicts) -> None:
    """Which claim and what became of it on the left, the numbers on the right."""
    word = verdict_word(row.verdict, verdicts.exploratory)
    colour = VERDICTS.get(row.verdict, INK)
    place: dict[str, Any] = {
        "xycoords": ("axes fraction", "data"),
        "textcoords": "offset points",
        "annotation_clip": False,
    }
    axes.annotate(plain(f"{row.id} {SYMBOLS[row.verdict]} {word}"), (0, y), (-LEFT * 72 + 5, 0), va="center",
                  fontsize=8.5, weight="bold", color=colour, **place)  # fmt: skip
    axes.annotate(plain(f"{row.interval}, {row.margin}"), (1, y), (9, 0), va="center", fontsize=8, **place)


def table(rows: list[ForestRow]) -> pd.DataFrame:
    """What is drawn."""
    return pd.DataFrame(
        [
            {"claim": row.id, "verdict": row.verdict, "hypothesis": row.decides, "endpoint": row.endpoint,
             "mean": row.mean, "low": row.low, "high": row.high, "margin": row.margin, "difference": row.interval}
            for row in rows
        ]
    )  # fmt: skip


def describe(rows: list[ForestRow], verdicts: Verdicts) -> str:
    """The figure in words, from its numbers."""
    whose = ORIGINS[verdicts.origin] or f"master seed {verdicts.master_seed}"
    parts = [
        f"{row.id} {verdict_word(row.verdict, verdicts.exploratory)}: {row.interval}, margin {row.margin}"
        for row in rows
    ]
    return f"All claims of suite {verdicts.suite} in units of their margin, {whose}. {'; '.join(parts)}."
