"""The p values of `lthbench.stats.location` for many simulated samples at once; equal to them by test.

Samples are rows: d has shape (simulations, n). A p above `alpha` decides nothing, whatever it is exactly. So
the sign-flip test is computed only where the t test's p is at most alpha; what comes back above alpha is a lower
bound, itself above alpha.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special

from lthbench.stats.location import _TIE_TOLERANCE, Side
from lthbench.stats.rule import Rule

Array = npt.NDArray[np.float64]
LARGEST_PRODUCT = (
    11  # values whose 2^m subset sums are one matrix product; beyond, meeting in the middle is faster
)
SUMS_AT_A_TIME = 2**20
ROWS_IN_A_SEARCH = 64


def shown(d: Array, bound: float, side: Side, alpha: float) -> Array:
    """The larger of the t test's and the exact sign-flip test's p, per row; see the module for p > alpha."""
    x = d - bound if side == "above" else bound - d
    p = t_pvalues(x)
    deciding = p <= alpha
    p[deciding] = np.maximum(p[deciding], sign_flip_pvalues(x[deciding]))
    return p


def t_pvalues(x: Array) -> Array:
    """One-sided p of the t test for a mean above 0, per row."""
    n = x.shape[1]
    mean, sd = x.mean(axis=1), x.std(axis=1, ddof=1)
    same = np.ptp(x, axis=1) == 0
    p = special.stdtr(n - 1, -mean * np.sqrt(n) / np.where(same, 1.0, sd))
    return np.where(same, np.where(x[:, 0] > 0, 0.0, 1.0), p)


def sign_flip_pvalues(x: Array) -> Array:
    """Exact one-sided p of the sign-flip test for a centre above 0, per row.

    As in `sign_flip_pvalue`, the subsets with a sum <= 0 are counted. A value larger than all negative ones
    together is in none of them, so that only the m smallest values have to be combined; often there is none.
    """
    n = x.shape[1]
    x = np.sort(x, axis=1)
    tie = _TIE_TOLERANCE * np.abs(x).sum(axis=1)
    reach = tie - np.minimum(x, 0).sum(axis=1)
    sizes = (x <= reach[:, None]).sum(axis=1)
    counts = np.ones(len(x))  # the empty subset
    for m in np.unique(sizes[sizes > 0]):
        rows = np.flatnonzero(sizes == m)
        for part in np.array_split(rows, max(1, len(rows) * 2 ** min(m, LARGEST_PRODUCT) // SUMS_AT_A_TIME)):
            small = x[part, :m]
            counts[part] = by_product(small, tie[part]) if m <= LARGEST_PRODUCT else by_halves(small, tie[part])
    return counts / 2.0**n


def by_product(x: Array, tie: Array) -> Array:
    """How many of the 2^m subsets of each row have a sum of at most `tie`: all sums, as a matrix product."""
    return np.count_nonzero(x @ subsets(x.shape[1]) <= tie[:, None], axis=1)


def by_halves(x: Array, tie: Array) -> Array:
    """The same by meeting in the middle, as `sign_flip_pvalue` does, for many rows in one search."""
    counts = np.empty(len(x))
    half = x.shape[1] // 2
    for part in np.array_split(np.arange(len(x)), max(1, len(x) // ROWS_IN_A_SEARCH)):
        # Sums of a row lie in [-1, 1] and rows 4 apart, so that one sorted array holds them all. The rounding this
        # costs is far below the tolerance of ties.
        scale = np.abs(x[part]).sum(axis=1, keepdims=True)
        row = 4.0 * np.arange(len(part))[:, None]
        first = np.sort(-(x[part, :half] @ subsets(half)) / scale, axis=1)
        second = np.sort(x[part, half:] @ subsets(x.shape[1] - half) / scale, axis=1) + row
        positions = np.searchsorted(second.ravel(), (tie[part, None] / scale + first + row).ravel(), side="right")
        before = second.shape[1] * np.arange(len(part))[:, None]
        counts[part] = (positions.reshape(first.shape) - before).sum(axis=1)
    return counts


@cache
def subsets(m: int) -> Array:
    """All subsets of m values as columns of zeros and ones, shape (m, 2^m)."""
    return ((np.arange(2**m) >> np.arange(m)[:, None]) & 1).astype(np.float64)


def p_pass(d: Array, rule: Rule, alpha: float) -> Array:
    """P of what PASS must show, per row of d as clipped; 1 where the mean does not reach what is asked of it."""
    d = rule.clipped(d)
    p = np.maximum.reduce([shown(d, *bound, alpha) for bound in rule.passes])
    return p if rule.least is None else np.where((d - rule.least).mean(axis=1) >= 0, p, 1.0)


def p_fail(d: Array, rule: Rule, alpha: float) -> Array:
    """P of what FAIL must show, per row of d as it is clipped."""
    return np.minimum.reduce([shown(rule.clipped(d), *bound, alpha) for bound in rule.fails])
