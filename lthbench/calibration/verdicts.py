"""From p values of many simulated suites to verdicts, by the rules of `lthbench.stats`; equal to them by test.

p values have shape (simulations, k), one column per hypothesis; a hypothesis whose mean does not reach
delta has p_pass 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lthbench.calibration.design import Design

Array = npt.NDArray[np.float64]
Verdict = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
"""Whether a claim passes and whether it fails, shape (simulations,) each; neither is INCONCLUSIVE."""


@dataclass(frozen=True)
class PValues:
    """What every hypothesis of every simulated suite shows."""

    passing: Array
    failing: Array

    def replaced(self, columns: Mapping[int, "tuple[Array, Array]"]) -> "PValues":
        """The same with other hypotheses' p values in some columns."""
        passing, failing = self.passing.copy(), self.failing.copy()
        for place, (p_pass, p_fail) in columns.items():
            passing[:, place], failing[:, place] = p_pass, p_fail
        return PValues(passing, failing)


def settle(looks: Sequence[PValues], spent: Sequence[float], design: Design) -> dict[str, Verdict]:
    """The verdict of every claim, from looks that spend so much alpha each."""
    return {claim: settled(looks, spent, design, claim) for claim in design.kinds}


def settled(looks: Sequence[PValues], spent: Sequence[float], design: Design, claim: str) -> Verdict:
    """The verdict of one claim: that of the first look that decides it. No other claim moves it."""
    passed = failed = np.zeros(len(looks[0].passing), dtype=np.bool_)
    for p, alpha in zip(looks, spent, strict=True):
        passes, fails = at_level(p, design.of(claim), design.level(claim, alpha))
        still_open = ~(passed | failed)
        passed, failed = passed | still_open & passes, failed | still_open & fails
    return passed, failed


def at_level(p: PValues, places: list[int], level: float) -> Verdict:
    """One claim at one look: any hypothesis that fails fails it, else all must pass."""
    # Written as decide() and combine() do it: each hypothesis fails at its share, FAIL first.
    fails = np.any(p.failing[:, places] <= level / len(places), axis=1)
    passes = np.all(p.passing[:, places] <= level, axis=1)
    return np.asarray(passes & ~fails), np.asarray(fails)
