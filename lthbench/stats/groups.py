"""Two groups of runs that are not paired, from runs or from mean, SD and n alone: Welch's t test.

Welch's alone decides for released results (suite `published`); a table that hides its pairing is weighed by
`lthbench.stats.unpaired`.

Welch's t test lets the two groups have different SDs; the pooled (Student) t test assumes one. Both need nothing
but the sufficient statistics, so a paper's "mean +- SD of n runs" is judged like the runs themselves.
"""

import math
from dataclasses import dataclass

import numpy.typing as npt
from scipy import special

from lthbench.stats.decision import Evidence
from lthbench.stats.location import Side
from lthbench.stats.rule import Rule
from lthbench.stats.sample import as_sample, mean_and_sd


@dataclass(frozen=True)
class Group:
    """What is known of one group: mean and sample SD (n - 1) in the unit of the endpoint, and how many runs.

    ``sd`` and ``n`` are None where a source does not say. A threshold is `threshold(value)`: no spread, any n.
    """

    mean: float
    sd: float | None
    n: int | None
    fixed: bool = False

    @property
    def variance(self) -> float:
        """Variance of the mean: sd^2 / n."""
        return 0.0 if self.fixed or not self.n or self.sd is None else self.sd**2 / self.n


def threshold(value: float) -> Group:
    """A number that nobody measured, such as a registered bound."""
    return Group(value, 0.0, None, fixed=True)


def group_of(values: npt.ArrayLike) -> Group:
    """The group of the runs ``values`` (n,); its SD is None for fewer than two."""
    x = as_sample(values)
    mean, sd = mean_and_sd(x)
    return Group(mean, sd if x.size > 1 else None, x.size)


def lacking(group: Group) -> str | None:
    """Why a group allows no t test, or None when it does."""
    if group.fixed:
        return None
    if group.n is not None and group.n < 2:
        return "a single run, which shows no spread"
    if group.n is None:
        return "the number of runs is not stated" + ("" if group.sd is not None else ", nor their SD")
    return "no SD is stated" if group.sd is None else None


@dataclass(frozen=True)
class Difference:
    """Difference of two means with its standard error and degrees of freedom (of Welch or pooled)."""

    mean: float
    se: float
    df: float

    def p_value(self, bound: float, side: Side) -> float:
        """One-sided p for "the difference lies above (below) ``bound``"; 1 without any spread."""
        if self.se == 0:
            return 1.0
        sign = 1 if side == "above" else -1
        return float(special.stdtr(self.df, -sign * (self.mean - bound) / self.se))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided t interval of the difference, in its unit."""
        half = float(special.stdtrit(self.df, (1 + confidence) / 2)) * self.se if self.se else 0.0
        return self.mean - half, self.mean + half


def welch(a: Group, b: Group) -> Difference:
    """a - b with Welch's standard error and the Welch-Satterthwaite degrees of freedom."""
    total = a.variance + b.variance
    if total == 0:
        return Difference(a.mean - b.mean, 0.0, 1.0)
    # Each share of the variance is squared, not the variance itself: tiny ones must not underflow.
    denominator = sum((g.variance / total) ** 2 / (g.n - 1) for g in (a, b) if g.n and g.n > 1 and not g.fixed)
    return Difference(a.mean - b.mean, math.sqrt(total), 1 / denominator)


def pooled(a: Group, b: Group) -> Difference | None:
    """a - b with one common variance (Student); None against a threshold, where there is nothing to pool."""
    if a.fixed or b.fixed:
        return None
    n_a, n_b = a.n or 0, b.n or 0
    df = n_a + n_b - 2
    variance = ((n_a - 1) * (a.sd or 0) ** 2 + (n_b - 1) * (b.sd or 0) ** 2) / df
    return Difference(a.mean - b.mean, math.sqrt(variance * (1 / n_a + 1 / n_b)), float(df))


@dataclass(frozen=True)
class GroupEvidence(Evidence):
    """What two unpaired groups say about a rule. The interval is Welch's; so are the p values of `weigh_groups`.

    ``n`` is the smaller group's, ``sd`` that of the difference of one run of each group. ``pooled_p_pass`` and
    ``pooled_p_fail`` (None against a threshold) decide nothing, nor do Welch's where they stand beside others.
    """

    se: float = math.nan
    df: float = math.nan
    pooled_p_pass: float | None = None
    pooled_p_fail: float | None = None
    welch_p_pass: float | None = None
    welch_p_fail: float | None = None


def weigh_groups(a: Group, b: Group, rule: Rule) -> GroupEvidence:
    """Weigh a - b by ``rule``; both groups must allow a t test (`lacking`)."""
    for group in (a, b):
        if reason := lacking(group):
            raise ValueError(f"these groups allow no t test: {reason}")
    difference, common = welch(a, b), pooled(a, b)
    low, high = difference.interval()
    sd = math.hypot(a.sd or 0.0, b.sd or 0.0)
    return GroupEvidence(
        n=min(g.n for g in (a, b) if g.n is not None),
        mean=difference.mean,
        sd=sd,
        p_pass=p_pass(difference, rule),
        p_fail=p_fail(difference, rule),
        reaches_delta=rule.least is None or difference.mean - rule.least >= 0,
        low=low,
        high=high,
        dz=difference.mean / sd if sd else math.nan,
        p_reversed=None if rule.reverses is None else difference.p_value(*rule.reverses),
        se=difference.se,
        df=difference.df,
        pooled_p_pass=p_pass(common, rule) if common else None,
        pooled_p_fail=p_fail(common, rule) if common else None,
    )


def p_pass(difference: Difference, rule: Rule) -> float:
    """P of what PASS must show, as for paired replicates."""
    return max(difference.p_value(*bound) for bound in rule.passes)


def p_fail(difference: Difference, rule: Rule) -> float:
    """P of what FAIL must show, as for paired replicates."""
    return min(difference.p_value(*bound) for bound in rule.fails)
