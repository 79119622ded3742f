"""The small drawing in a cell: mean and 95 % interval in units of the margin, beside what PASS asks of the mean.

One scale for all cells, three margins to either side: drawings can be compared. What lies beyond ends in an arrow.
"""

from markupsafe import Markup

from lthbench.judging.verdict import LineResult
from lthbench.judging.words import interval_at_level
from lthbench.report.numbers import there
from lthbench.stats.rule import Rule

MARGINS = 3.0  # to either side of no difference
WIDTH, HEIGHT = 120, 22
KEY = (
    "Dot and bar: mean and 95 % interval; thin line: the interval at the level that decides. Solid line: no "
    "difference. Dashed: the registered margin. Shaded: where the mean has to lie for PASS. One unit is the "
    "claim's own margin; an arrow points to what lies beyond three."
)


def small(line: LineResult) -> Markup:
    """The drawing; nothing where there is no number. The same numbers stand beside it in words."""
    evidence = line.evidence or {}
    mean, low, high = (evidence.get(name) for name in ("mean", "low", "high"))
    if mean is None or not there(mean):
        return Markup("")
    at_level = interval_at_level(line)
    rule = Rule(line.test, line.delta)
    left, right = (x(edge / line.delta) for edge in rule.range)
    margins = dict.fromkeys(edge for edge, _ in rule.passes + rule.fails if edge)
    parts = [
        f'<rect class="asks" x="{left:.1f}" y="1" width="{max(right - left, 0):.1f}" height="{HEIGHT - 2}"/>',
        f'<path class="zero" d="M{x(0):.1f} 1V{HEIGHT - 1}"/>',
        *(f'<path class="margin" d="M{x(edge / line.delta):.1f} 1V{HEIGHT - 1}"/>' for edge in margins),
        *(bar("level", at_level[1], at_level[2], line.delta) if at_level else ()),
        *bar("bar", low, high, line.delta),
        *dot(mean / line.delta),
    ]
    head = (
        f'<svg class="small" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
    )
    return Markup(f"{head}{''.join(parts)}</svg>")


def x(margins: float) -> float:
    """A place on the scale, inside it."""
    inside = min(max(margins, -MARGINS), MARGINS)
    return WIDTH / 2 + inside / MARGINS * (WIDTH / 2 - 6)


def bar(name: str, low: float | None, high: float | None, delta: float) -> list[str]:
    """An interval, as far as it lies on the scale."""
    if low is None or high is None or not (there(low) and there(high)):
        return []
    return [f'<path class="{name}" d="M{x(low / delta):.1f} {HEIGHT / 2}H{x(high / delta):.1f}"/>']


def dot(margins: float) -> list[str]:
    """The mean, or an arrow at the end of the scale beyond which it lies."""
    middle = HEIGHT / 2
    if abs(margins) <= MARGINS:
        return [f'<circle class="mean" cx="{x(margins):.1f}" cy="{middle}" r="3.6"/>']
    tip, foot = (WIDTH - 1, WIDTH - 8) if margins > 0 else (1, 8)
    return [f'<path class="mean" d="M{foot} {middle - 5}L{tip} {middle}L{foot} {middle + 5}Z"/>']
