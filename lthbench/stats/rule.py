"""The tests, each one row: what PASS must show, what FAIL must show, and what the mean must reach besides.

p values, power, simulation, figures and sentences read the row (docs/decision.md, section 3). A new test is a row.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from lthbench.stats.location import Side


class Bound(NamedTuple):
    """The mean is to be shown on this side of `at` times delta."""

    side: Side
    at: Literal[-1, 0, 1]


@dataclass(frozen=True)
class Row:
    """One test. PASS must show all of `passes`, FAIL any of `fails`; for PASS the mean must reach `least` x delta.

    `passes` is one bound, or one above and one below it; `least` goes with a single bound above. `fails` is one
    bound, or two that exclude each other.
    """

    passes: tuple[Bound, ...]
    fails: tuple[Bound, ...]
    least: Literal[1] | None = None

    @property
    def reverses(self) -> Bound | None:
        """What shows the reverse of the sentence, where FAIL may also show less: a gain too small, or a loss."""
        return Bound("below", 0) if self.passes == (Bound("above", 0),) else None


ROWS: dict[str, Row] = {
    "superiority": Row(passes=(Bound("above", 0),), fails=(Bound("below", 1),), least=1),
    "non-inferiority": Row(passes=(Bound("above", -1),), fails=(Bound("below", -1),)),
    # Two one-sided tests. Either side fails, uncorrected: a true mean inside the margins can lie on one of them
    # only, and the other is then 2 delta away. That is many standard errors wherever PASS has power (the error
    # could near twice the level only if delta were well below one standard error).
    "equivalence": Row(
        passes=(Bound("above", -1), Bound("below", 1)), fails=(Bound("below", -1), Bound("above", 1))
    ),
}


@dataclass(frozen=True)
class Rule:
    """How a hypothesis is decided: its test and the margin ``delta`` > 0, in the unit of d.

    ``clip``, where one is registered, is how many deltas a single replicate may count on either side: a run that
    collapsed then no longer decides the mean (docs/decision.md, section 3).
    """

    test: str
    delta: float
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.test not in ROWS:
            raise ValueError(f"unknown test {self.test!r}; the tests are {', '.join(ROWS)}")
        if not 0 < self.delta < math.inf:
            raise ValueError(f"delta must be positive and finite, got {self.delta}")
        if self.clip is not None and not 1 < self.clip < math.inf:
            raise ValueError(f"clip must be above 1 (a mean has to be able to cross delta), got {self.clip}")

    def clipped(self, d: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The differences as they count, any shape: no farther from 0 than ``clip`` deltas."""
        x = np.asarray(d, dtype=np.float64)
        return x if self.clip is None else np.clip(x, -self.clip * self.delta, self.clip * self.delta)

    @property
    def passes(self) -> list[tuple[float, Side]]:
        """What PASS must show, all of it: bounds in the unit of d, with the side of the mean."""
        return [(bound.at * self.delta, bound.side) for bound in ROWS[self.test].passes]

    @property
    def fails(self) -> list[tuple[float, Side]]:
        """What FAIL must show, any of it."""
        return [(bound.at * self.delta, bound.side) for bound in ROWS[self.test].fails]

    @property
    def reverses(self) -> tuple[float, Side] | None:
        """What shows the reverse, where a FAIL need not."""
        bound = ROWS[self.test].reverses
        return None if bound is None else (bound.at * self.delta, bound.side)

    @property
    def least(self) -> float | None:
        """What the mean must reach for PASS, shown or not; None where the row asks for nothing."""
        least = ROWS[self.test].least
        return None if least is None else least * self.delta

    @property
    def range(self) -> tuple[float, float]:
        """Where the mean has to lie for PASS."""
        low = [bound for bound, side in self.passes if side == "above"]
        high = [bound for bound, side in self.passes if side == "below"]
        least = -math.inf if self.least is None else self.least
        return max([least, *low]), min(high, default=math.inf)

    def holds(self, mean: float) -> bool:
        """Whether a mean lies on the sides that PASS must show; no test."""
        return all(mean > bound if side == "above" else mean < bound for bound, side in self.passes)


# The row in words; `delta` is the margin as it is printed, with its unit or without.


def shown_words(test: str, delta: str) -> str:
    """What PASS must show, after "the mean is": `above 0`, `between −1 and 1`."""
    row = ROWS[test]
    edges = [edge(bound, delta) for bound in row.passes]
    return f"between {' and '.join(edges)}" if len(edges) > 1 else f"{row.passes[0].side} {edges[0]}"


def pass_words(test: str, delta: str) -> str:
    """All that PASS asks for: `above 0 and, untested, at least 2`. The tests show no more than the first part."""
    return shown_words(test, delta) + f" and, untested, at least {delta}" * (ROWS[test].least is not None)


def fail_words(test: str, delta: str) -> str:
    """What FAIL must show, any of it: `below −1 or above 1`."""
    return " or ".join(f"{bound.side} {edge(bound, delta)}" for bound in ROWS[test].fails)


def failing_bound(test: str, delta: float, mean: float) -> Bound:
    """Which bound of FAIL a mean lies beyond; the first where it lies beyond none."""
    fails = ROWS[test].fails
    beyond = (b for b in fails if (mean < b.at * delta if b.side == "below" else mean > b.at * delta))
    return next(beyond, fails[0])


def failure_words(test: str, bound: Bound) -> str:
    """What it means that a mean is shown beyond a bound of FAIL."""
    row = ROWS[test]
    if bound == row.reverses:
        return "reversed"
    if len(row.fails) > 1:
        return "different by more than the margin"
    return "smaller than required" if bound.at > 0 else "worse by more than the margin"


def edge(bound: Bound, delta: str) -> str:
    """A bound as printed."""
    return {-1: f"−{delta}", 0: "0", 1: delta}[bound.at]
