"""The interval plot of a claim: every replicate, the mean and its interval, against what the rule asks.

One strip per line; lines of one unit share an axis. Reads the verdict, computes nothing.
"""

from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lthbench.claims.schema import threshold
from lthbench.judging.verdict import ClaimVerdict, LineResult, verdict_word
from lthbench.judging.words import sizes
from lthbench.report.figures.style import BLUE, GREY, INK, PALE, Picture, grid, new_figure, picture, slug, styled
from lthbench.report.numbers import interval, short, signed, there
from lthbench.report.sentences import required
from lthbench.stats.rule import ROWS, Rule, edge
from lthbench.words import plain

STRIP = 0.62  # inches
LONGEST = 50  # characters of a contrast above its strip
ENDPOINTS = {
    "final_test_accuracy": "final test accuracy",
    "final_train_accuracy": "final training accuracy",
    "generalisation_gap": "training minus test accuracy",
    "early_stop_test_accuracy": "accuracy at the early stop",
    "early_stop_iteration": "early-stop iteration",
    "validation_curve_area": "area under curve (valid.)",
    "barrier": "error barrier",
}


def drawable(claim: ClaimVerdict) -> list[LineResult]:
    """The lines that have numbers: the deciding ones first."""
    return [line for line in claim.hypotheses + claim.beside if line.evidence is not None]


def bounds(line: LineResult) -> list[float]:
    """Where the rule draws lines: the bounds of PASS, then those of FAIL."""
    rule = Rule(line.test, line.delta)
    return list(dict.fromkeys(bound for bound, _ in rule.passes + rule.fails))


def interval_plot(claim: ClaimVerdict, exploratory: bool = False) -> Picture | None:
    """The figure of a claim; None when nothing was measured."""
    lines = [replace(line, decision=verdict_word(line.decision, exploratory)) for line in drawable(claim)]
    if not lines:
        return None
    name, title = slug(claim.id), f"{claim.id}: differences per replicate, means and 95 % intervals"
    return picture(draw(claim, lines), name, title, describe(claim, lines, exploratory),
                   caption(claim, lines, exploratory))  # fmt: skip


@styled
def draw(claim: ClaimVerdict, lines: list[LineResult]) -> Figure:
    """One axes per unit, one strip per line."""
    deciding = {line.id for line in claim.hypotheses}
    units = list(dict.fromkeys(line.unit for line in lines))
    groups = [[line for line in lines if line.unit == unit] for unit in units]
    height = sum(STRIP * len(group) + 0.62 for group in groups)
    figure = new_figure(height)
    top = height
    for unit, group in zip(units, groups, strict=True):
        tall = STRIP * len(group)
        axes = figure.add_axes((0.01, (top - tall - 0.06) / height, 0.72, tall / height))
        strips(axes, group, deciding)
        axes.set_xlabel(f"d = minuend − subtrahend, {unit}")
        top -= tall + 0.62
    return figure


def strips(axes: Axes, lines: list[LineResult], deciding: set[str]) -> None:
    """The strips of one axes, first line on top."""
    low, high = limits(lines)
    axes.set_xlim(low, high)
    axes.set_ylim(-len(lines), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    grid(axes)
    for row, line in enumerate(lines):
        strip(axes, -row, line, line.id in deciding, (low, high))


def limits(lines: list[LineResult]) -> tuple[float, float]:
    """Room for every number, every bound and the bounds' labels."""
    values = [value for line in lines for value in line.d if there(value)]
    values += [bound for line in lines for bound in bounds(line)]
    values += [e[key] for line in lines if (e := line.evidence) for key in ("low", "high") if there(e[key])]
    low, high = min([0.0, *values]), max([0.0, *values])
    span = high - low
    labelled = low in [bound for line in lines for bound in bounds(line)]  # its label stands to its left
    return low - (0.22 if labelled and low < 0 else 0.08) * span, high + 0.08 * span


def strip(axes: Axes, top: float, line: LineResult, decides: bool, span: tuple[float, float]) -> None:
    """One line: its name, the side where PASS lies, the bounds, the replicates, the mean with its interval."""
    dots, mean, foot = top - 0.44, top - 0.64, top - 0.96
    evidence = line.evidence or {}
    ink = INK if decides else GREY
    left, right = (min(max(edge, span[0]), span[1]) for edge in Rule(line.test, line.delta).range)
    axes.fill_betweenx([foot, top - 0.3], left, right, color=PALE, linewidth=0, zorder=0.5)
    axes.axhline(top, color="#bbbbbb", linewidth=0.6)
    role = "decides" if decides else "beside"
    text = f"{plain(line.id)[:24]} {role}: {short_contrast(line.contrast)}"
    percent = threshold(line.endpoint)
    endpoint = f"ln iterations to {percent:g} %" if percent else ENDPOINTS.get(line.endpoint, line.endpoint)
    axes.text(span[0], top - 0.06, text, va="top", fontsize=9, weight="bold" if decides else "normal")
    beyond = span[1] + (span[1] - span[0]) * 0.02
    axes.text(beyond, top - 0.06, endpoint, va="top", fontsize=8.5, color=GREY)
    for bound in bounds(line):
        axes.plot(
            [bound, bound], [foot, top - 0.3], color=INK, linewidth=1, linestyle="-" if bound == 0 else (0, (4, 2))
        )
        right_of = bound > 0
        label = "0 " if bound == 0 else f"δ = {short(bound)} " if right_of else f"−δ = {short(bound)} "
        axes.text(bound, foot + 0.01, f" {label}" if right_of else label, fontsize=8.5, va="bottom",
                  ha="left" if right_of else "right")  # fmt: skip
    known = [value for value in line.d if there(value)]
    axes.plot(known, [dots] * len(known), "o", markersize=5, markerfacecolor="none", markeredgecolor=BLUE,
              markeredgewidth=0.9, gid="replicates")  # fmt: skip
    if there(evidence.get("low")) and there(evidence.get("high")):
        axes.plot([evidence["low"], evidence["high"]], [mean, mean], color=ink, linewidth=2.6, gid="interval",
                  solid_capstyle="butt")  # fmt: skip
    axes.plot([evidence["mean"]], [mean], "D", color=ink, markersize=6.5, gid="mean",
              markerfacecolor=ink if decides else "white")  # fmt: skip
    axes.text(beyond, top - 0.36, f"{interval(line.evidence)}", va="top", fontsize=8.5)
    axes.text(beyond, top - 0.64, line.decision, va="top", fontsize=8.5, weight="bold" if decides else "normal")


def short_contrast(contrast: str) -> str:
    """A contrast that fits its strip: without the experiments when it is long."""
    if len(contrast) > LONGEST:
        contrast = " - ".join(cell.rpartition(":")[2] for cell in contrast.split(" - "))
    contrast = contrast.replace(" - ", " − ")
    return contrast if len(contrast) <= LONGEST else contrast[: LONGEST - 1] + "…"


def describe(claim: ClaimVerdict, lines: list[LineResult], exploratory: bool = False) -> str:
    """The figure in words, from its numbers."""
    passes = verdict_word("PASS", exploratory)
    deciding = {line.id for line in claim.hypotheses}
    parts = []
    for line in lines:
        known = [value for value in line.d if there(value)]
        extent = (
            f"replicates from {signed(min(known))} to {signed(max(known))}" if known else "two unpaired groups,"
        )
        role = "deciding" if line.id in deciding else "beside"
        parts.append(
            f"{line.id} ({role}, {line.contrast}): {extent} {line.unit}, mean and 95 % interval "
            f"{interval(line.evidence)}, n = {sizes(line)}; {passes} asks for {required(line)}; {line.decision}."
        )
    return f"Interval plot of {claim.id}. " + " ".join(parts)


def caption(claim: ClaimVerdict, lines: list[LineResult], exploratory: bool = False) -> str:
    """What is drawn, for the eye."""
    paired = any(line.d for line in lines)
    text = (
        ("Circles: one replicate each. " if paired else "Two unpaired groups per line. ")
        + "Diamond and bar: mean and 95 % t interval (the table has the one at the level that decides); filled "
        "and black where the line decides, hollow and grey where it stands beside the verdict. Solid line: 0; "
        f"dashed: margin ±δ. Shaded: where the mean has to lie for {verdict_word('PASS', exploratory)}"
    )
    tests = dict.fromkeys(line.test for line in lines)
    besides = [test for test in tests if ROWS[test].least is not None]
    alone = [test for test in tests if ROWS[test].least is None]
    for test in besides:
        shown = " and ".join(f"{bound.side} {edge(bound, 'δ')}" for bound in ROWS[test].passes)
        text += f"; {test} asks besides that it is shown {shown}"
    if alone:
        text += f"; {' and '.join(alone)} ask{'s' * (len(alone) == 1)} that it is shown to lie there"
    blocked = " BLOCKED: these numbers are for diagnosis only." if claim.verdict == "BLOCKED" else ""
    return f"{text}.{blocked}"
