"""How many replicates: the probability of PASS and of FAIL under normal replicates.

The t test's part is exact: given the sample SD s, the mean is normal and independent of it, so one
quadrature over s remains. The exact sign-flip test's part enters as an upper bound (``_sign_flip_cap``),
so power is overstated near the floor 2^-n: around 0.9 by up to 0.1 one replicate above it, by up to 0.04
from two above it on (simulated). Effects, SDs and deltas share the unit of d; levels are error rates.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special

from lthbench.stats.location import Side
from lthbench.stats.rule import Rule

_NODES = 128


def power(rule: Rule, effect: float, sd: float, n: int, level: float) -> float:
    """Probability of PASS at ``level`` with n replicates of true mean ``effect`` and true SD ``sd``."""
    if len(rule.passes) > 1:
        return _p_shown_inside(*rule.range, effect, sd, n, level)
    return _p_shown(*rule.passes[0], effect, sd, n, level, rule.least)


def fail_power(rule: Rule, effect: float, sd: float, n: int, level: float) -> float:
    """Probability of FAIL at ``level`` with n replicates of true mean ``effect`` and true SD ``sd``."""
    return sum(_p_shown(*bound, effect, sd, n, level) for bound in rule.fails)  # two of them exclude each other


def floor_n(level: float) -> int:
    """Smallest n whose sign-flip test can reach ``level``: 2^-n <= level."""
    return math.ceil(-math.log2(level))


def smallest_n(
    rule: Rule, effect: float, sd: float, level: float, target: float = 0.9, n_max: int = 40
) -> int | None:
    """Smallest n <= n_max that passes with probability ``target``; None when there is none."""
    return _first_n(lambda n: power(rule, effect, sd, n, level) >= target, level, n_max)


def settling_n(
    rule: Rule, mean: float, sd: float, level: float, target: float = 0.9, n_max: int = 2000
) -> int | None:
    """Smallest n that would PASS or FAIL with probability ``target`` if the truth were the estimate.

    None when n_max replicates would not do: the mean lies too near what separates the decisions. An answer
    beyond 40 is beyond the exact sign-flip test: a size to report, not to register.
    """

    def settles(n: int) -> bool:
        passes, fails = (p(rule, mean, sd, n, level) for p in (power, fail_power))
        return max(passes, fails) >= target

    return _first_n(settles, level, n_max)


def _first_n(reached: Callable[[int], bool], level: float, n_max: int) -> int | None:
    """Smallest n from the sign-flip floor to n_max, by doubling and bisection (power grows with n)."""
    low = max(2, floor_n(level)) - 1  # never reached
    high = low + 1
    while high <= n_max and not reached(high):
        if high == n_max:
            return None
        low, high = high, min(2 * high, n_max)
    if high > n_max:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _p_shown(
    bound: float, side: Side, effect: float, sd: float, n: int, level: float, least: float | None = None
) -> float:
    """Probability that the mean is shown on one side of ``bound`` and, where asked, is at least ``least``."""
    if side == "below":  # "d below b" is "-d above -b"
        return _p_shown_above(-bound, -effect, sd, n, level)
    return _p_shown_above(bound, effect, sd, n, level, -math.inf if least is None else least)


def _p_shown_above(
    bound: float, effect: float, sd: float, n: int, level: float, least: float = -math.inf
) -> float:
    """Probability that the mean is shown above ``bound`` and is at least ``least``."""
    if n < max(2, floor_n(level)):
        return 0.0
    sd = _some_spread(sd, effect - bound)
    margin, weights = _t_margins(n, level)
    limit = np.maximum(bound + margin * sd, least)
    t_part = weights @ special.ndtr((effect - limit) * math.sqrt(n) / sd)
    return min(float(t_part), _sign_flip_cap((effect - bound) / sd, n, level))


def _p_shown_inside(low: float, high: float, effect: float, sd: float, n: int, level: float) -> float:
    """Probability that the mean is shown above ``low`` and below ``high``."""
    if n < max(2, floor_n(level)):
        return 0.0
    delta, effect = (high - low) / 2, effect - (high + low) / 2  # as seen from the middle
    sd = _some_spread(sd, delta)
    margin, weights = _t_margins(n, level)
    half_width = np.maximum(delta - margin * sd, 0)  # 0: too noisy a sample shows neither side
    above = special.ndtr((half_width - effect) * math.sqrt(n) / sd)
    below = special.ndtr((-half_width - effect) * math.sqrt(n) / sd)
    # Many below -delta leave fewer to lie above delta: the product bounds both happening together.
    cap = _sign_flip_cap((delta + effect) / sd, n, level) * _sign_flip_cap((delta - effect) / sd, n, level)
    return min(float(weights @ (above - below)), cap)


def _sign_flip_cap(standardised: float, n: int, level: float) -> float:
    """Upper bound on the sign-flip test's power when d - bound has mean / SD ``standardised``.

    With j values on the wrong side, flipping any subset of them raises the sum, so p >= 2^(j - n); at
    most n + log2(level) may lie there. With j = 0 this is the floor.
    """
    allowed = math.floor(n + math.log2(level))
    return float(special.bdtr(allowed, n, special.ndtr(-standardised)))


def _t_margins(n: int, level: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How far beyond a bound the mean must lie, in SDs, over the law of the sample SD; with weights."""
    u, weights = _unit_quadrature()
    df = n - 1
    s = np.sqrt(2 * special.gammaincinv(df / 2, u) / df)  # quantiles of s / sd
    return special.stdtrit(df, 1 - level) * s / math.sqrt(n), weights


@cache
def _unit_quadrature() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Gauss-Legendre nodes and weights on (0, 1)."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    return (x + 1) / 2, w / 2


def _some_spread(sd: float, scale: float) -> float:
    """``sd``, or a negligible one where all replicates agree, so that dividing by it is safe."""
    if not 0 <= sd < math.inf:
        raise ValueError(f"the SD of replicates must be finite and not negative, got {sd}")
    return max(sd, 1e-9 * abs(scale), 1e-300)
