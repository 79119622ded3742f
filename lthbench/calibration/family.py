"""From p values of many simulated suites to verdicts, by the rules of `lthbench.stats`; equal to them by test.

p values have shape (simulations, k), one column per hypothesis; a hypothesis whose mean does not reach
delta has p_pass 1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lthbench.calibration.design import Design

Array = npt.NDArray[np.float64]
Verdicts = dict[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]
"""Per claim, whether it passes and whether it fails, shape (simulations,) each; neither is INCONCLUSIVE."""


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

    def after(self, verdicts: Verdicts, design: Design) -> "PValues":
        """The same where an earlier look has settled claims: rejected in the family of their verdict alone."""
        passing, failing = self.passing.copy(), self.failing.copy()
        for claim, (passed, failed) in verdicts.items():
            for place in design.of(claim):
                passing[:, place] = np.select([passed, failed], [0.0, 1.0], passing[:, place])
                failing[:, place] = np.select([failed, passed], [0.0, 1.0], failing[:, place])
        return PValues(passing, failing)


def settle(
    looks: Sequence[PValues], spent: Sequence[float], design: Design, decide: Callable[[PValues, float], Verdicts]
) -> Verdicts:
    """The verdicts of the first look that settles each claim; `decide` judges one look at its alpha."""
    final = decide(looks[0], spent[0])
    for p, alpha in zip(looks[1:], spent[1:], strict=True):
        later = decide(p.after(final, design), alpha)
        for claim, (passed, failed) in final.items():
            still_open = ~(passed | failed)
            final[claim] = (passed | still_open & later[claim][0], failed | still_open & later[claim][1])
    return final


def verdict_of(
    p: PValues, places: list[int], pass_level: Array | float, fail_level: Array | float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """PASS and FAIL of one claim at given levels: any hypothesis that fails fails it, else all must pass."""
    # Written as decide() and combine() do it: each hypothesis at its share, FAIL first.
    share = np.asarray(fail_level) / len(places)
    fails = np.any(p.failing[:, places] <= np.expand_dims(share, -1), axis=1)
    passes = np.all(p.passing[:, places] <= np.expand_dims(np.asarray(pass_level), -1), axis=1)
    return np.asarray(passes & ~fails), np.asarray(fails)


def alone(p: PValues, design: Design, level: float) -> Verdicts:
    """Every claim at the same level, as if it were judged by itself."""
    return {claim: verdict_of(p, design.of(claim), level, level) for claim in design.kinds}


def in_family(p: PValues, design: Design, alpha: float | None = None) -> Verdicts:
    """Primary claims in their Holm families (one for PASS, one for FAIL), the others at alpha each."""
    level = design.alpha if alpha is None else alpha
    primaries = design.primaries
    pass_p = np.stack([p.passing[:, design.of(c)].max(axis=1) for c in primaries], axis=1) if primaries else None
    fail_p = np.stack([claim_p_fail(p, design.of(c)) for c in primaries], axis=1) if primaries else None
    verdicts = alone(p, design, level)
    if pass_p is None or fail_p is None:
        return verdicts
    pass_levels, fail_levels = holm(pass_p, level), holm(fail_p, level)
    for i, claim in enumerate(primaries):
        verdicts[claim] = verdict_of(p, design.of(claim), pass_levels[:, i], fail_levels[:, i])
    return verdicts


def claim_p_fail(p: PValues, places: list[int]) -> Array:
    """Bonferroni over a claim's hypotheses."""
    return np.minimum(1.0, len(places) * p.failing[:, places].min(axis=1))


def holm(p: Array, alpha: float) -> Array:
    """`holm_levels` for every row of p (simulations, m): the same steps, on all rows at a time."""
    order = np.argsort(p, axis=1, kind="stable")
    levels, rejected = np.empty_like(p), np.zeros(len(p))
    rows = np.arange(len(p))
    for place in order.T:
        level = alpha / (p.shape[1] - rejected)
        levels[rows, place] = level
        rejected += p[rows, place] <= level
    return levels
