"""Is the mean above (or below) a bound? The two tests that must agree before lthbench says "shown"."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from lthbench.stats.sample import as_sample, mean_and_sd

Side = Literal["above", "below"]

SIGN_FLIP_MAX_N = 40
"""Largest n of the exact sign-flip test: 2^20 sums in each half. Beyond, its normal limit stands in."""

_TIE_TOLERANCE = 1e-12  # of sum |d - bound|; far above the rounding of 40 additions


def t_pvalue(d: npt.ArrayLike, bound: float, side: Side) -> float:
    """One-sided one-sample t test's p for "the mean of ``d`` lies above (below) ``bound``".

    ``d`` has shape (n,), ``bound`` its unit. Fewer than two replicates show nothing: 1.0. Without any
    spread t is infinite: 0.0 strictly on the claimed side, else 1.0 (the sign-flip test, which cannot
    go below 2^-n, then decides alone).
    """
    x = _towards_claim(d, bound, side)
    if x.size < 2:
        return 1.0
    mean, sd = mean_and_sd(x)
    if sd == 0:
        return 0.0 if mean > 0 else 1.0
    return float(special.stdtr(x.size - 1, -mean * math.sqrt(x.size) / sd))


def sign_flip_pvalue(d: npt.ArrayLike, bound: float, side: Side) -> float:
    """One-sided sign-flip test's p for "``d`` is centred above (below) ``bound``", exact up to n = 40.

    ``d`` has shape (n,), ``bound`` its unit. p is the fraction of the 2^n sign assignments of d - bound whose sum
    is at least the observed one; the identity is one of them, so p >= 2^-n. Ties, up to rounding, count against
    the claim. Beyond 40 the sum of the flipped values is taken as normal, with their sum of squares as variance.
    """
    x = _towards_claim(d, bound, side)
    if x.size > SIGN_FLIP_MAX_N:
        squares = math.sqrt(float((x**2).sum()))
        return max(2.0**-x.size, float(special.ndtr(-x.sum() / squares)) if squares else 1.0)
    # Flipping a subset changes the sum by minus twice the subset's sum, so the flipped sum reaches the
    # observed one exactly where the subset's sum is <= 0. Count those by meeting in the middle.
    tie = _TIE_TOLERANCE * float(np.abs(x).sum())
    half = x.size // 2
    first, second = _subset_sums(x[:half]), _subset_sums(x[half:])
    count = np.searchsorted(second, tie - first, side="right").sum(dtype=np.int64)
    return float(count) / 2.0**x.size


def shown_pvalue(d: npt.ArrayLike, bound: float, side: Side) -> float:
    """The larger of the t test's and the sign-flip test's p: small only where both agree."""
    return max(t_pvalue(d, bound, side), sign_flip_pvalue(d, bound, side))


def _towards_claim(d: npt.ArrayLike, bound: float, side: Side) -> npt.NDArray[np.float64]:
    """Distances from the bound, positive on the claimed side."""
    x = as_sample(d) - bound
    return x if side == "above" else -x


def _subset_sums(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sums of all 2^n subsets of ``x`` (n,), ascending."""
    sums = np.zeros(1)
    for value in x:
        sums = np.concatenate([sums, sums + value])
    return np.sort(sums)
