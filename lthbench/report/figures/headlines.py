"""The primary claims in one picture: each deciding difference, its replicates, its interval and its margin.

A dot looks like the arm that was better in that replicate. Reads the verdicts, computes nothing.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lthbench.judging.verdict import ORIGINS, SYMBOLS, ClaimVerdict, LineResult, Verdicts
from lthbench.report.figures.intervals import bounds, table
from lthbench.report.figures.sides import arm, endpoint, sides
from lthbench.report.figures.style import GREY, INK, PALE, Look, Picture, new_figure, picture, styled
from lthbench.report.numbers import interval, short, there
from lthbench.stats.rule import Rule
from lthbench.words import plain

Row = ClaimVerdict | LineResult
HEAD, STRIP, AXIS, FOOT = 0.3, 0.47, 0.46, 0.36  # inches: a claim's title, a difference, the scale, the key
LEFT, RIGHT = 1.7, 1.72  # inches beside the dots
LONGEST = 88  # characters of a verdict with its title
KEY = (
    "Dot: one replicate, in the colour of the arm that was better in it. Diamond, bar: mean, 95 % interval.\n"
    "Shaded: where the mean has to lie for PASS. Solid line: no difference. Dashed: the margin."
)


def headlines_plot(verdicts: Verdicts) -> Picture | None:
    """The figure of a run; None where no primary claim has numbers."""
    claims = [claim for claim in verdicts.claims if claim.kind == "primary" and measured(claim)]
    if not claims:
        return None
    title = f"{verdicts.title}: the primary claims"
    caption = KEY.replace("\n", " ")
    lines = [line for claim in claims for line in measured(claim)]
    return picture(draw(claims, verdicts), "headlines", title, describe(claims, verdicts), caption, table(lines))


def measured(claim: ClaimVerdict) -> list[LineResult]:
    """The hypotheses that have numbers."""
    return [line for line in claim.hypotheses if line.evidence is not None]


@styled
def draw(claims: list[ClaimVerdict], verdicts: Verdicts) -> Figure:
    """One axes per unit; in it a title per claim and a strip per difference."""
    units = list(dict.fromkeys(line.unit for claim in claims for line in measured(claim)))
    groups = [rows_in(claims, unit) for unit in units]
    height = sum(tall(rows) + AXIS for rows in groups) + FOOT
    figure = new_figure(height)
    width, top = figure.get_figwidth(), height
    for unit, rows in zip(units, groups, strict=True):
        place = (LEFT / width, (top - tall(rows)) / height, 1 - (LEFT + RIGHT) / width, tall(rows) / height)
        fill(figure.add_axes(place), rows, ORIGINS[verdicts.origin])
        figure.axes[-1].set_xlabel(f"difference, {unit}")
        top -= tall(rows) + AXIS
    figure.text(0.01, 0.05 / height, KEY, fontsize=8, color=GREY, va="bottom", linespacing=1.3)
    return figure


def rows_in(claims: list[ClaimVerdict], unit: str) -> list[Row]:
    """Each claim that has differences in this unit, followed by them."""
    rows: list[Row] = []
    for claim in claims:
        lines = [line for line in measured(claim) if line.unit == unit]
        rows += [claim, *lines] if lines else []
    return rows


def tall(rows: list[Row]) -> float:
    """Inches of the rows together."""
    return sum(HEAD if isinstance(row, ClaimVerdict) else STRIP for row in rows)


def fill(axes: Axes, rows: list[Row], origin: str) -> None:
    """Draw the rows from the top; y is inches."""
    low, high = limits([row for row in rows if isinstance(row, LineResult)])
    axes.set_xlim(low, high)
    axes.set_ylim(0, tall(rows))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    top = tall(rows)
    for row in rows:
        if isinstance(row, ClaimVerdict):
            head(axes, top, row, origin)
            top -= HEAD
        else:
            strip(axes, top, row)
            top -= STRIP


def limits(lines: list[LineResult]) -> tuple[float, float]:
    """Room for every number and every bound."""
    values = [0.0, *(bound for line in lines for bound in bounds(line))]
    values += [value for line in lines for value in line.d if there(value)]
    values += [e[key] for line in lines if (e := line.evidence) for key in ("low", "high") if there(e[key])]
    room = 0.04 * (max(values) - min(values))
    return min(values) - room, max(values) + room


def head(axes: Axes, top: float, claim: ClaimVerdict, origin: str) -> None:
    """The verdict, the claim and, where it was reduced or is others', that it was."""
    said = plain(f"{claim.id} {SYMBOLS[claim.verdict]} {claim.verdict}: {claim.title}")
    said = said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
    beside(axes, top - 0.19, said, -LEFT + 0.05, weight="bold", fontsize=min(8.5, 650 / len(said)))
    note = ", ".join(filter(None, [origin, "reduced scale" * claim.reduced_scale]))
    beside(axes, top - 0.19, note, RIGHT - 0.05, right=True, color=GREY, fontsize=8, ha="right")


def strip(axes: Axes, top: float, line: LineResult) -> None:
    """One difference: PASS shaded, zero and the bounds, the replicates, the mean with its interval, the words."""
    foot, mean = top - STRIP + 0.05, top - STRIP + 0.12
    low, high = axes.get_xlim()
    left, right = (min(max(edge, low), high) for edge in Rule(line.test, line.delta).range)
    axes.add_patch(Rectangle((left, foot), right - left, top - foot, color=PALE, linewidth=0, clip_on=False))
    for bound in dict.fromkeys([0.0, *bounds(line)]):
        axes.plot([bound, bound], [foot, top], color=INK, linewidth=0.9, clip_on=False,
                  linestyle=(0, (3, 2)) if bound else "-", gid="margin" if bound else "zero")  # fmt: skip
    against, favour = sides(line)
    replicates(axes, line, (top - 0.04, mean + 0.09), against.look, favour.look)
    evidence = line.evidence or {}
    if there(evidence.get("low")) and there(evidence.get("high")):
        axes.plot([evidence["low"], evidence["high"]], [mean, mean], color=INK, linewidth=2.4, gid="interval",
                  solid_capstyle="butt", clip_on=False)  # fmt: skip
    axes.plot([evidence["mean"]], [mean], "D", color=INK, markersize=5, clip_on=False, gid="mean")
    owner(axes, top - 0.15, f"{against.says} ←", against.look)
    beside(axes, top - 0.28, endpoint(line), -0.08, ha="right", fontsize=8, color=GREY)
    beside(axes, top - 0.40, f"margin {short(line.delta)}", -0.08, ha="right", fontsize=8, color=GREY)
    owner(axes, top - 0.15, f"→ {favour.says}", favour.look, right=True)
    beside(axes, top - 0.30, interval(line.evidence), 0.08, right=True)


def replicates(axes: Axes, line: LineResult, span: tuple[float, float], against: Look, favour: Look) -> None:
    """A dot per replicate, the first on top; each looks like the arm that it speaks for."""
    step = (span[1] - span[0]) / max(len(line.d) - 1, 1)
    dots = [(d, span[0] + i * step) for i, d in enumerate(line.d) if there(d)]
    below, above = [dot for dot in dots if dot[0] < 0], [dot for dot in dots if dot[0] >= 0]
    for places, style in ((below, against), (above, favour)):
        axes.plot([d for d, _ in places], [y for _, y in places], linestyle="none", color=style.colour,
                  marker="o" if style.marker == "None" else style.marker, markersize=4, markeredgewidth=1,
                  markerfacecolor=style.face, clip_on=False, gid="replicates")  # fmt: skip


def owner(axes: Axes, y: float, text: str, style: Look, right: bool = False) -> None:
    """Whose side it is, in its colour, as large as the room allows."""
    size = min(9.0, 210 / len(text))
    beside(axes, y, text, 0.08 if right else -0.08, right, color=style.colour, fontsize=size,
           ha="left" if right else "right")  # fmt: skip


def beside(axes: Axes, y: float, text: str, inches: float, right: bool = False, **how: Any) -> None:
    """Text outside the scale: so many inches from its left or its right end."""
    axes.annotate(text, (float(right), y), (72 * inches, 0), xycoords=("axes fraction", "data"),
                  textcoords="offset points", annotation_clip=False, **{"fontsize": 9, **how})  # fmt: skip


def describe(claims: list[ClaimVerdict], verdicts: Verdicts) -> str:
    """The figure in words, from its numbers."""
    whose = ORIGINS[verdicts.origin] or f"master seed {verdicts.master_seed}"
    parts = [f"{claim.id} {claim.verdict}: {'; '.join(map(sizes, measured(claim)))}" for claim in claims]
    return f"Means with 95 % intervals, suite {verdicts.suite}, {whose}. {'. '.join(parts)}."


def sizes(line: LineResult) -> str:
    """One difference in words."""
    contrast = " − ".join(arm(side) or side for side in line.contrast.split(" - "))
    return f"{contrast} {interval(line.evidence)} {line.unit}, margin {short(line.delta)}"
