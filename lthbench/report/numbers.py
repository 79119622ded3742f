"""Numbers as the report prints them. Minus signs are real minus signs; what is not there is a dash."""

import math
from collections.abc import Iterable
from typing import Any, TypeGuard

from lthbench.judging.verdict import ClaimVerdict

NOTHING = "–"
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def there(value: Any) -> TypeGuard[float]:
    """Is this a number one can print?"""
    return value is not None and math.isfinite(value)


def signed(value: float | None) -> str:
    """`+1.29` or `−0.36`: a difference."""
    return f"{value:+.2f}".replace("-", "−") if value is not None and there(value) else NOTHING


def fixed(value: float | None) -> str:
    """Two decimals: an SD, a standardised effect."""
    return f"{value:.2f}".replace("-", "−") if value is not None and there(value) else NOTHING


def short(value: float) -> str:
    """As few digits as it takes: a margin, a level, an iteration."""
    return f"{value:.6g}".replace("-", "−")


def p_value(p: float | None) -> str:
    """A p value as one writes it."""
    if p is None or not there(p):
        return NOTHING
    return f"{p:.2g}" if p >= 1e-4 or p == 0 else f"{p:.0e}".replace("-", "−")


def level(value: float) -> str:
    """The level a p value is held against."""
    return f"{value:.3g}"


def percent(fraction: float) -> str:
    """`14.0 %` of a fraction; small densities keep two digits that count."""
    value = 100 * fraction
    return f"{value:.0f} %" if value >= 99.95 else f"{value:.1f} %" if value >= 1 else f"{value:.2g} %"


def rate(fraction: float) -> str:
    """`5 %`: a level or a rate that someone chose."""
    return f"{100 * fraction:.4g} %"


def whole(value: float) -> str:
    """Thousands apart: 1,234,567."""
    return f"{value:,.0f}"


def count(number: int) -> str:
    """Small numbers in words."""
    return WORDS[number] if number < len(WORDS) else str(number)


def span(counts: Iterable[Any]) -> str:
    """`12`, or `8 to 12` where they differ."""
    known = sorted({int(number) for number in counts})
    return str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"


def deciding(claim: ClaimVerdict | None, unit: bool = False) -> str:
    """Mean and 95 % interval of the hypothesis that decided, which is named where the claim has several."""
    if claim is None:
        return NOTHING
    line = claim.deciding
    name = f"{line.id}: " if len(claim.hypotheses) > 1 and line.evidence else ""
    return f"{name}{interval(line.evidence)}" + f" {line.unit}" * (unit and line.evidence is not None)


def interval(evidence: dict[str, Any] | None) -> str:
    """Mean and 95 % interval: `+1.29 [+1.02, +1.56]`."""
    if evidence is None:
        return NOTHING
    return f"{signed(evidence['mean'])} [{signed(evidence['low'])}, {signed(evidence['high'])}]"
