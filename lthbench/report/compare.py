"""The page of `lthbench diff --html`: two runs of a suite beside one another, claim by claim. One file, no script.

Nothing is decided here. A drawing has one row per run; its unit is the margin of the later registration.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup, escape

from lthbench.judging.diff import Change, Diff
from lthbench.judging.verdict import SYMBOLS, ClaimVerdict, LineResult, verdict_word
from lthbench.report import numbers, sentences
from lthbench.report.figures.style import LOOKS
from lthbench.stats.rule import ROWS
from lthbench.words import plain

WIDTH, EDGE = 340.0, 14.0  # of a drawing, in its own units
ROW, TOP, BOTTOM = 20.0, 12.0, 22.0
BEFORE, NOW = LOOKS["rewound"].colour, LOOKS["ticket"].colour  # as in the figures: two that differ in grey too


@dataclass(frozen=True)
class Side:
    """A run: where its verdicts lie, and what it was made with, by the words for it."""

    place: str
    made_with: dict[str, str]


@dataclass(frozen=True)
class Pair:
    """A hypothesis that decided in one of the runs, on both sides where both have it."""

    before: LineResult | None
    now: LineResult | None

    @property
    def line(self) -> LineResult:
        """The later one, which names it."""
        line = self.now or self.before
        assert line is not None
        return line

    @property
    def shown(self) -> list[tuple[str, LineResult]]:
        """The sides that have numbers."""
        sides = (("before", self.before), ("now", self.now))
        return [(side, line) for side, line in sides if line is not None and line.evidence is not None]


def page(compared: Diff, sides: Sequence[Side]) -> str:
    """The whole page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lthbench.report"),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else plain(value),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        symbols=SYMBOLS, word=verdict_word, pairs=pairs, drawing=drawing, reasons=reasons,
        interval=numbers.interval, required=sentences.required, colours={"before": BEFORE, "now": NOW},
    )  # fmt: skip
    changes = sorted(compared.changes, key=lambda change: (not change.counts, not change.changed))
    others = circumstances(compared, sides)
    return environment.get_template("compare.html.j2").render(
        diff=compared, changes=changes, sides=sides, circumstances=others
    )


def circumstances(compared: Diff, sides: Sequence[Side]) -> list[str]:
    """What differs between the runs as wholes: seed, engine, level, origin, processor, versions."""
    before, now = (side.made_with for side in sides)
    others = [
        f"{name} {before[name]} before, {now[name]} now"
        for name in before
        if name in now and before[name] != now[name] and name != "Finished"
    ]
    return [*compared.circumstances, *others]


def pairs(change: Change) -> list[Pair]:
    """The hypotheses on which the verdicts hang, each side's."""
    sides = [claim for claim in (change.before, change.after) if claim]
    names = dict.fromkeys(claim.deciding.id for claim in sides)
    return [Pair(line_of(change.before, name), line_of(change.after, name)) for name in names]


def line_of(claim: ClaimVerdict | None, name: str) -> LineResult | None:
    """A hypothesis of a claim by its id."""
    return next((line for line in claim.hypotheses if line.id == name), None) if claim else None


def reasons(change: Change) -> Iterator[str]:
    """Why the two verdicts of a claim differ, or may: what was asked, how much was seen, what was decided."""
    before, now = change.before, change.after
    if before is None or now is None:
        yield "The claim is new." if before is None else "The claim is not there any more."
        return
    for pair in pairs(change):
        if pair.before is None or pair.now is None:
            yield f"{pair.line.id} is registered in one of the runs only."
            continue
        yield from asked(pair.before, pair.now)
        if pair.before.decision != pair.now.decision:
            yield f"{pair.line.id}: {pair.before.decision} before, {pair.now.decision} now."
    if before.experiment != now.experiment:
        yield f"Another experiment: {before.experiment} before, {now.experiment} now."
    if before.replicates != now.replicates:
        yield f"n: {before.replicates} before, {now.replicates} now."
    if before.kind != now.kind:
        yield f"Kind: {before.kind} before, {now.kind} now."
    failed = {gate.name for gate in before.gates if not gate.passed} ^ {g.name for g in now.gates if not g.passed}
    if failed:
        yield f"Gates that failed in one of the runs only: {', '.join(sorted(failed))}."
    if before.verdict != now.verdict:
        yield f"Now: {now.why}"


def asked(before: LineResult, now: LineResult) -> Iterator[str]:
    """What was registered or held against another level."""
    names = {"margin": "delta", "test": "test", "contrast": "contrast", "endpoint": "endpoint"}
    levels = {"level for PASS": "pass_level", "level for FAIL": "fail_level", "clip": "clip"}
    for words, name in (names | levels).items():
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            yield f"{now.id}, {words}: {value(old)} before, {value(new)} now."


def value(of: Any) -> str:
    """A registered value in words."""
    return "none" if of is None else numbers.short(of) if isinstance(of, float | int) else str(of)


def drawing(pair: Pair) -> Markup:
    """A dumbbell: both means with their 95 % intervals, 0 and the margins that decide; colours are the page's."""
    shown = pair.shown
    if not shown:
        return Markup("")
    bounds = sorted({bound.at for bound in (*ROWS[pair.line.test].passes, *ROWS[pair.line.test].fails)} | {0})
    marks = [(at * pair.line.delta, {-1: "−δ", 0: "0", 1: "δ"}[at]) for at in bounds]
    scale = Scale.over([*(at for at, _ in marks), *(number for _, line in shown for number in ends(line))])
    bottom = TOP + ROW * 2
    parts = [f'<path class="m" d="M{scale(at):.1f} {TOP - 8:g}V{bottom:g}"/>' for at, _ in marks]
    parts += [f'<text x="{scale(at):.1f}" y="{bottom + 14:g}">{escape(words)}</text>' for at, words in marks]
    heights = {"before": TOP + ROW / 2, "now": TOP + ROW * 1.5}
    points = [(scale(mean(line)), heights[side]) for side, line in shown]
    if len(points) == 2:
        (x, y), (x2, y2) = points
        parts.append(f'<path class="l" d="M{x:.1f} {y:g}L{x2:.1f} {y2:g}"/>')
    for (side, line), (x, y) in zip(shown, points, strict=True):
        low, _, high = (scale(number) for number in ends(line))
        parts.append(f'<path class="{side}" d="M{low:.1f} {y:g}H{high:.1f}"/>')
        shape = f'<circle class="{side}" cx="{x:.1f}" cy="{y:g}" r="5"/>'
        square = f'<rect class="{side}" x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9"/>'
        parts.append(square if side == "before" else shape)
    said = "; ".join(f"{side}: {numbers.interval(line.evidence)} {line.unit}" for side, line in shown)
    label = escape(plain(f"{said}; margin δ = {numbers.short(pair.line.delta)} {pair.line.unit}"))
    height = bottom + BOTTOM
    return Markup(
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH:g} {height:g}">{"".join(parts)}</svg>'
    )


def mean(line: LineResult) -> float:
    """The mean of a line that has evidence."""
    return ends(line)[1]


def ends(line: LineResult) -> tuple[float, float, float]:
    """Low, mean and high; where there is no interval, the mean thrice, and 0 where there is no mean."""
    e = line.evidence or {}
    middle = e["mean"] if numbers.there(e.get("mean")) else 0.0
    low, high = (e[name] if numbers.there(e.get(name)) else middle for name in ("low", "high"))
    return low, middle, high


@dataclass(frozen=True)
class Scale:
    """From the unit of d to places in a drawing."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> "Scale":
        """A scale on which all of these lie."""
        return cls(min(values), max(values))

    def __call__(self, number: float) -> float:
        """The place of a number from the left; 0 and a margin are among the values, so there is a width."""
        return EDGE + (number - self.low) / (self.high - self.low) * (WIDTH - 2 * EDGE)
