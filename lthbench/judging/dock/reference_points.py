"""Is an implementation's arm the reference's? Two-sided equivalence, by a margin from the reference's noise.

Every arm is compared replicate by replicate: the data are the same, whatever else was drawn anew. The margin is
the smallest by which a sound implementation, whose runs scatter as the reference's do, is confirmed with a power
of 90 %. It depends on the reference's runs and on the number of replicates, never on the numbers that are judged.
As for the hypotheses of a claim, all must pass, each at 5 %; one that fails is enough, so each fails at its share
of 5 %. Torch-free.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lthbench.claims.schema import Cell
from lthbench.judging.table import Table
from lthbench.stats.decision import Decision, Evidence, decide, weigh
from lthbench.stats.power import fail_power, power
from lthbench.stats.rule import Rule

ALPHA = 0.05
POWER = 0.9
ENDPOINTS = ("final_test_accuracy", "validation_curve_area")
PRECISE = 1e-4  # relative


@dataclass(frozen=True)
class Point:
    """One arm held against the reference's. `d` is theirs minus the reference's, one per replicate, in pp.

    `noticed` is the smallest true difference that would be called one with a power of 90 %.
    """

    cell: str
    endpoint: str
    theirs: float
    reference: float
    d: tuple[float, ...]
    sd: float
    delta: float
    noticed: float
    evidence: Evidence | None
    decision: Decision


def points(theirs: Table, reference: Table, cells: Sequence[Cell]) -> list[Point]:
    """All arms at all endpoints that both tables hold for two replicates or more."""
    pairs: list[tuple[Cell, str, np.ndarray, np.ndarray, np.ndarray]] = []
    for cell in cells:
        for endpoint in ENDPOINTS:
            a, b = theirs.measured(cell, endpoint), reference.measured(cell, endpoint)
            common = [label for label in b.runs if label in a.runs] if a is not None and b is not None else []
            if a is not None and b is not None and len(common) > 1:
                one, two = (np.array([of.runs[label] for label in common], dtype=float) for of in (a, b))
                pairs.append((cell, endpoint, one, two, np.array(list(b.runs.values()), dtype=float)))
    level = ALPHA / max(1, len(pairs))
    return [point(*pair, fail_level=level) for pair in pairs]


def point(
    cell: Cell, endpoint: str, theirs: np.ndarray, ours: np.ndarray, reference: np.ndarray, fail_level: float
) -> Point:
    """One arm; `reference` are all runs of the reference's, from which the noise is taken."""
    d = theirs - ours
    # Of a difference of two runs that share the data; what the data add is in the SD, so it is not too small.
    sd = float(np.sqrt(2) * np.std(reference[np.isfinite(reference)], ddof=1))
    delta = margin(sd, len(d), ALPHA)
    rule = Rule("equivalence", delta)
    noticed = smallest(lambda shift: fail_power(rule, shift, sd, len(d), fail_level) >= POWER, sd)
    whole = bool(np.isfinite(d).all())
    evidence = weigh(d, rule) if whole else None
    decision: Decision = "FAIL" if evidence is None else decide(evidence, ALPHA, fail_level)
    values = (float(np.mean(theirs)), float(np.mean(ours)))
    return Point(cell.label, endpoint, *values, tuple(map(float, d)), sd, delta, noticed, evidence, decision)


def margin(sd: float, n: int, level: float) -> float:
    """The smallest margin by which no difference at all is confirmed with POWER, at an SD of single differences.

    Infinite where so few replicates confirm nothing at this level, whatever the margin.
    """
    return smallest(lambda delta: power(Rule("equivalence", delta), 0.0, sd, n, level) >= POWER, sd)


def smallest(reached: Callable[[float], bool], sd: float) -> float:
    """The smallest value, from none to a thousand SDs, that reaches something; infinite where none does."""
    low, high = 0.0, 1000.0 * max(sd, 1e-9)
    if not reached(high):
        return float("inf")
    while high - low > PRECISE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
