"""Two groups of which no pairing is known: what is shown whatever the pairing was.

Runs of two arms that share seeds are pairs. A table that does not say which belong together must not show more
than one that does. So p is never smaller than the paired tests would give for the least favourable pairing of the
runs; of a mean, an SD and n, for the least favourable runs that have them. It is never smaller than Welch's or the
exact permutation test's either. (docs/decision.md, section 3.)
"""

import math
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from lthbench.stats.decision import Evidence
from lthbench.stats.groups import Group, GroupEvidence, threshold, weigh_groups, welch
from lthbench.stats.location import Side
from lthbench.stats.rule import Rule
from lthbench.stats.sample import as_sample

Array = npt.NDArray[np.float64]
MOST_RUNS = 40  # of both groups together, for exact counts: 2^20 sums in each half
_TIE_TOLERANCE = 1e-12


def weigh_unpaired(
    a: Group, b: Group, rule: Rule, runs: tuple[npt.ArrayLike, npt.ArrayLike] | None = None
) -> GroupEvidence:
    """Weigh a - b by ``rule``; ``runs``, (n,) and (m,), are those of the two groups where they are known.

    Mean and interval are Welch's. Nothing is clipped: which run a collapsed one belongs to is not known.
    """
    evidence = weigh_groups(a, b, rule)
    values = None if runs is None else (as_sample(runs[0]), as_sample(runs[1]))

    def p(bound: tuple[float, Side]) -> float:
        return unpaired_pvalue(a, b, values, *bound)

    return replace(
        evidence,
        p_pass=max(map(p, rule.passes)),
        p_fail=min(map(p, rule.fails)),
        p_reversed=None if rule.reverses is None else p(rule.reverses),
        welch_p_pass=evidence.p_pass,
        welch_p_fail=evidence.p_fail,
    )


def weigh_differences(differences: Group, rule: Rule) -> Evidence:
    """Weigh paired differences of which only mean, SD and n are known; they must allow a t test (`lacking`).

    The t test of pairs needs no more, and assumes normal differences. The sign-flip test needs each of them: its p
    is that of the least favourable ones with this mean and SD (`flip_bound`): exactly 2^-n beyond n - 1 standard
    errors, an upper bound elsewhere. The larger p decides, as for pairs. Nothing is clipped.
    """
    evidence = weigh_unpaired(differences, threshold(0.0), rule)
    return Evidence(**{field.name: getattr(evidence, field.name) for field in fields(Evidence)})


def unpaired_pvalue(a: Group, b: Group, runs: tuple[Array, Array] | None, bound: float, side: Side) -> float:
    """P for "the mean of a - b lies above (below) ``bound``", whatever the pairing was."""
    difference = welch(a, b)
    mean = difference.mean - bound if side == "above" else bound - difference.mean
    n = min(group.n for group in (a, b) if group.n is not None)
    errors = math.sqrt(a.variance), math.sqrt(b.variance)
    flips, shown = flip_bound(mean, *errors, n), [difference.p_value(bound, side), t_bound(mean, *errors, n)]
    if runs is not None and len(runs[0]) + len(runs[1]) <= MOST_RUNS:
        upper, lower = (runs[0] - bound, runs[1]) if side == "above" else (runs[1] + bound, runs[0])
        shown.append(permutation_pvalue(upper, lower))
        flips = min(flips, flip_count_bound(upper, lower))
    return max(*shown, flips)


def t_bound(mean: float, se_a: float, se_b: float, n: int) -> float:
    """Largest p of the paired t test for a mean difference above 0, over all pairings of n runs each.

    The SD of differences is largest where the groups run against each other: the SDs add, and so do the standard
    errors. (Welch's adds their squares, with more degrees of freedom: its p is smaller.)
    """
    if n < 2:
        return 1.0
    if se_a + se_b == 0:
        return 0.0 if mean > 0 else 1.0
    return float(special.stdtr(n - 1, -mean / (se_a + se_b)))


def flip_bound(mean: float, se_a: float, se_b: float, n: int) -> float:
    """Upper bound on the sign-flip test's p for a mean difference above 0, over all runs with these SDs.

    A mean of more than (n - 1) standard errors leaves no difference below 0, and p is 2^-n. Otherwise Hoeffding's
    inequality for a sum of flipped values: exp(-z^2 / 2), z the sum over the root of the sum of squares.
    """
    if mean <= 0:
        return 1.0
    se = se_a + se_b
    if mean > (n - 1) * se * (1 + _TIE_TOLERANCE * n):  # at equality one difference is 0, and flips to itself
        return 2.0**-n
    t = mean / se
    return max(2.0**-n, math.exp(-n * t**2 / (2 * (n - 1 + t**2))))


def flip_count_bound(a: Array, b: Array) -> float:
    """Upper bound on the sign-flip test's p for "a above b", over all pairings; a (n,), b (m,), n + m <= 40.

    Flipping the pairs in a set S exchanges the sums of S in a and of its partners in b. That reaches the observed
    sum where a's part is no larger, and no partners have a larger sum than the |S| largest of b.
    """
    top = np.concatenate([[0.0], np.cumsum(np.sort(b)[::-1])])
    limits = {size: top[size] for size in range(min(len(a), len(b)) + 1)}
    return max(2.0 ** -min(len(a), len(b)), _subsets_below(a, limits, _tie(a, b)) / 2.0 ** len(a))


def permutation_pvalue(a: Array, b: Array) -> float:
    """Exact permutation test's p for "a above b": the share of splits with at least this difference."""
    x = np.concatenate([a, b])
    # A split's first group has at least the observed sum where the rest, of len(b) runs, has at most b's.
    count = _subsets_below(x, {len(b): float(b.sum())}, _tie(a, b))
    return count / math.comb(len(x), len(b))


def _tie(a: Array, b: Array) -> float:
    """Sums that differ by no more are equal but for rounding; ties count against the claim."""
    return _TIE_TOLERANCE * float(np.abs(a).sum() + np.abs(b).sum())


def _subsets_below(x: Array, limits: dict[int, float], tie: float) -> int:
    """How many subsets of x have a sum of at most their size's limit; sizes without one do not count."""
    half = len(x) // 2
    first, second = _sums_by_size(x[:half]), _sums_by_size(x[half:])
    count = 0
    for i, some in first.items():
        for j, others in second.items():
            if i + j in limits:
                count += int(np.searchsorted(others, limits[i + j] + tie - some, side="right").sum())
    return count


def _sums_by_size(x: Array) -> dict[int, Array]:
    """The sums of all subsets of x, by the size of the subset, ascending."""
    sums, sizes = np.zeros(1), np.zeros(1, dtype=np.int64)
    for value in x:
        sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
    return {size: np.sort(sums[sizes == size]) for size in range(len(x) + 1)}
