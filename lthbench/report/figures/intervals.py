"""The figure of a claim: on the left every replicate from one arm to the other, on the right its difference.

One row per line of the verdict. A replicate looks like the arm that was better in it. Reads the verdict, computes
nothing.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lthbench.judging.verdict import SYMBOLS, ClaimVerdict, LineResult, verdict_word
from lthbench.judging.words import sizes
from lthbench.report.figures.sides import Side, endpoint, labels, sides
from lthbench.report.figures.style import (
    INK,
    PALE,
    Picture,
    grid,
    legible,
    new_figure,
    picture,
    slug,
    styled,
)
from lthbench.report.numbers import interval, short, signed, there
from lthbench.report.sentences import required
from lthbench.stats.rule import ROWS, Rule, edge
from lthbench.words import plain

HEAD, BODY, FOOT = 0.27, 0.72, 0.52  # inches of a row: its words, its axes, scale and directions
PAIRS, STRIP = (0.58, 1.95), (2.5, 6.45)  # inches: from where to where
NONE: Mapping[str, Sequence[float]] = {}
LONGEST = 80  # characters above a row
THIN = tuple("1234+x|_")  # markers without an inside, drawn larger
SHORT = 14  # characters of an arm on one line


def drawable(claim: ClaimVerdict) -> list[LineResult]:
    """The lines that have numbers: the deciding ones first."""
    return [line for line in claim.hypotheses + claim.beside if line.evidence is not None]


def bounds(line: LineResult) -> list[float]:
    """Where the rule draws lines: the bounds of PASS, then those of FAIL."""
    rule = Rule(line.test, line.delta)
    return list(dict.fromkeys(bound for bound, _ in rule.passes + rule.fails))


Values = Mapping[str, Sequence[float]]  # by line: what was published of it, verified, in the line's unit


def interval_plot(claim: ClaimVerdict, exploratory: bool = False, published: Values = NONE) -> Picture | None:
    """The figure of the hypotheses that decide a claim; None when nothing was measured."""
    return lines_plot(claim, claim.hypotheses, slug(claim.id), exploratory, published)


def beside_plot(claim: ClaimVerdict, exploratory: bool = False, published: Values = NONE) -> Picture | None:
    """The figure of the lines beside the verdict; None where there is none."""
    return lines_plot(claim, claim.beside, f"{slug(claim.id)}-beside", exploratory, published)


def lines_plot(
    claim: ClaimVerdict, lines: Sequence[LineResult], name: str, exploratory: bool, published: Values
) -> Picture | None:
    """The figure of some lines of a claim."""
    shown = [line for line in lines if line.evidence is not None]
    if not shown:
        return None
    deciding = shown[0] in claim.hypotheses
    title = f"{claim.id}: " + ("the hypotheses that decide" if deciding else "lines beside the verdict")
    return picture(
        draw(claim, shown, exploratory, published), name, title, describe(claim, shown, exploratory, published),
        caption(claim, shown, exploratory), table(shown),
    )  # fmt: skip


@styled
def draw(
    claim: ClaimVerdict, lines: list[LineResult], exploratory: bool = False, published: Values = NONE
) -> Figure:
    """A row per line: words, replicates, differences."""
    row = HEAD + BODY + FOOT
    height = row * len(lines)
    figure = new_figure(height)
    width = figure.get_figwidth()
    for place, line in enumerate(lines):
        decides = line in claim.hypotheses
        foot = height - row * (place + 1) + FOOT
        left, right = (
            figure.add_axes((a / width, foot / height, (b - a) / width, BODY / height)) for a, b in (PAIRS, STRIP)
        )
        pairs(left, line)
        strip(right, line, decides, published.get(line.id, ()))
        directions(right, line)
        words = head(line, decides, exploratory)
        figure.text(
            0.01, (foot + BODY + 0.1) / height, words[0], fontsize=9, weight="bold" if decides else "normal"
        )
        figure.text(0.985, (foot + BODY + 0.1) / height, words[1], fontsize=9, ha="right",
                    weight="bold" if decides else "normal")  # fmt: skip
    return figure


def head(line: LineResult, decides: bool, exploratory: bool) -> tuple[str, str]:
    """What a row is of, and how it came out."""
    decision = verdict_word(line.decision, exploratory) if decides else "beside"
    symbol = SYMBOLS.get(line.decision, "") if decides else ""
    said = f"{interval(line.evidence)} {line.unit}, margin {short(line.delta)}   {symbol} {decision}"
    what = plain(f"{line.id}: {endpoint(line)}")
    room = LONGEST - len(said)
    return what if len(what) <= room else what[: room - 1] + "…", said


def pairs(axes: Axes, line: LineResult) -> None:
    """Every replicate as a line from the subtrahend to the minuend; two unpaired groups as mean and SD."""
    axes.set_xlim(-0.2, 1.2)
    at = [1, 0] if labels(line)[1] == "dense" else [0, 1]  # dense stands on the left
    names = [broken(name) for name in labels(line)]
    axes.set_xticks(at, names, fontsize=7.5)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(axis="y", labelsize=7.5)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    against, favour = sides(line)
    if line.groups:
        first, second = line.groups
        values = [second.mean, first.mean]
        axes.errorbar(at, values, [second.sd or 0, first.sd or 0], color=INK, marker="D", markersize=4,
                      linewidth=1, elinewidth=1, capsize=3, gid="groups")  # fmt: skip
        return
    ends = list(zip(line.subtrahend, line.minuend, strict=True))
    for side, worse in ((against, True), (favour, False)):
        lines = [(s, m) for s, m in ends if there(s) and there(m) and (m < s) == worse]
        x = [place for _ in lines for place in (*at, math.nan)]  # one artist: a gap ends each replicate
        y = [value for pair in lines for value in (*pair, math.nan)]
        axes.plot(x, y, color=side.look.colour, linewidth=1, alpha=0.8, marker=".", markersize=4, gid="pairs")


def broken(name: str) -> str:
    """A long name on two lines."""
    head, hyphen, tail = name.rpartition("-")
    return name if len(name) <= SHORT or not hyphen else f"{head}-\n{tail}"


def strip(axes: Axes, line: LineResult, decides: bool, published: Sequence[float] = ()) -> None:
    """The side where PASS lies, no difference and the bounds, the replicates, the mean with its interval."""
    low, high = limits([line], published)
    axes.set_xlim(low, high)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.spines["left"].set_visible(False)
    grid(axes)
    evidence = line.evidence or {}
    left, right = (min(max(edge, low), high) for edge in Rule(line.test, line.delta).range)
    axes.axvspan(left, right, color=PALE, linewidth=0, zorder=0.5, gid="pass")
    for bound in dict.fromkeys([0.0, *bounds(line)]):
        axes.axvline(bound, color=INK, linewidth=0.9, linestyle=(0, (3, 2)) if bound else "-")
    against, favour = sides(line)
    for side, worse in ((against, True), (favour, False)):
        dots = [(d, y) for d, y in heights(line.d) if (d < 0) == worse]
        marker = "o" if side.look.marker == "None" else side.look.marker
        thin = marker in THIN
        axes.plot([d for d, _ in dots], [y for _, y in dots], linestyle="none", color=side.look.colour,
                  markersize=7 if thin else 4, marker=marker, markeredgewidth=1.6 if thin else 1,
                  markerfacecolor=side.look.face, gid="replicates")  # fmt: skip
    if there(evidence.get("low")) and there(evidence.get("high")):
        axes.plot([evidence["low"], evidence["high"]], [0.2, 0.2], color=INK, linewidth=2.6, gid="interval",
                  solid_capstyle="butt")  # fmt: skip
    axes.plot([evidence["mean"]], [0.2], "D", color=INK, markersize=6, gid="mean",
              markerfacecolor=INK if decides else "white")  # fmt: skip
    for value in published:
        axes.plot([value], [0.03], "^", color=INK, markersize=6, clip_on=False, gid="published")
        axes.annotate("paper", (value, 0.03), (5, 0), textcoords="offset points", fontsize=7.5, va="bottom")


def heights(d: Sequence[float | None]) -> list[tuple[float, float]]:
    """Each replicate's difference and how high it stands, the first on top."""
    step = 0.5 / max(len(d) - 1, 1)
    return [(value, 0.92 - i * step) for i, value in enumerate(d) if value is not None and there(value)]


def limits(lines: list[LineResult], published: Sequence[float] = ()) -> tuple[float, float]:
    """Room for every number and every bound."""
    values = [0.0, *published, *(bound for line in lines for bound in bounds(line))]
    values += [value for line in lines for value in line.d if there(value)]
    values += [
        e[key] for line in lines if (e := line.evidence) for key in ("low", "high", "mean") if there(e[key])
    ]
    room = 0.06 * (max(values) - min(values))
    return min(values) - room, max(values) + room


def directions(axes: Axes, line: LineResult) -> None:
    """Below the scale: what lies left and right of no difference."""
    against, favour = sides(line)
    ends: tuple[tuple[Side, float, str, str], ...] = (
        (against, 0.0, "left", f"← {against.says}"),
        (favour, 1.0, "right", f"{favour.says} →"),
    )
    size = min(8.5, 420 / (len(against.says) + len(favour.says)))
    for side, x, align, text in ends:
        axes.annotate(text, (x, 0), (0, -26), xycoords="axes fraction", textcoords="offset points", fontsize=size,
                      weight="bold", ha=align, va="center", color=legible(side.look.colour))  # fmt: skip


def table(lines: Sequence[LineResult]) -> pd.DataFrame:
    """What is drawn: a row per replicate, and one per line with its mean and interval."""
    rows = []
    for line in lines:
        head = {"line": line.id, "contrast": line.contrast, "endpoint": line.endpoint, "unit": line.unit}
        for replicate, (m, s, d) in enumerate(zip_longest(line.minuend, line.subtrahend, line.d)):
            rows.append({**head, "replicate": replicate, "minuend": m, "subtrahend": s, "difference": d})
        e = line.evidence or {}
        rows.append({**head, "replicate": "mean", "difference": e.get("mean"), "low": e.get("low"),
                     "high": e.get("high"), "margin": line.delta, "decision": line.decision})  # fmt: skip
    return pd.DataFrame(rows)


def describe(
    claim: ClaimVerdict, lines: list[LineResult], exploratory: bool = False, published: Values = NONE
) -> str:
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
        against, favour = sides(line)
        parts.append(
            f"{line.id} ({role}, {line.contrast}; below 0: {against.says}, above 0: {favour.says}): {extent} "
            f"{line.unit}, mean and 95 % interval {interval(line.evidence)}, n = {sizes(line)}; {passes} asks for "
            f"{required(line)}; {verdict_word(line.decision, exploratory)}."
            + "".join(f" Published: {signed(value)} {line.unit}." for value in published.get(line.id, ()))
        )
    return f"Differences of {claim.id}. " + " ".join(parts)


def caption(claim: ClaimVerdict, lines: list[LineResult], exploratory: bool = False) -> str:
    """What is drawn, for the eye."""
    paired = any(line.d for line in lines)
    drawn = (
        "Left: each replicate, from one arm to the other. Right: its difference, in the colour of the better arm; "
        if paired
        else "Left: mean and SD of two unpaired groups. Right: their difference; "
    )
    tests = dict.fromkeys(line.test for line in lines)
    besides = [
        f"{test} asks besides that it is shown "
        + " and ".join(f"{bound.side} {edge(bound, 'δ')}" for bound in ROWS[test].passes)
        for test in tests
        if ROWS[test].least is not None
    ]
    blocked = " BLOCKED: these numbers are for diagnosis only." * (claim.verdict == "BLOCKED")
    return (
        f"{drawn}diamond and bar: mean and 95 % interval. Solid line: no difference; dashed: the margin δ. "
        f"Shaded: where the mean has to lie for {verdict_word('PASS', exploratory)}"
        f"{'; ' * bool(besides)}{'; '.join(besides)}.{blocked}"
    )
