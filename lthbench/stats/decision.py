"""From differences to PASS, FAIL or INCONCLUSIVE: the table of docs/decision.md, section 3."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy.typing as npt

from lthbench.stats.intervals import cohens_dz, mean_interval
from lthbench.stats.location import shown_pvalue
from lthbench.stats.rule import Rule
from lthbench.stats.sample import as_sample, mean_and_sd

Decision = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True)
class Evidence:
    """What n replicates say about one rule; mean, sd, low and high in the unit of d.

    ``p_pass`` and ``p_fail`` are the p values of what PASS and FAIL must show; ``low`` and ``high`` the
    95 % t interval of the mean; ``reaches_delta`` is required for PASS beside ``p_pass``. Where FAIL may show a
    gain too small, ``p_reversed`` is the p of a loss; it decides nothing. Where the rule clips some d,
    ``clipped_mean`` is the mean as it counts: what ``p_pass``, ``p_fail`` and ``reaches_delta`` speak of.
    """

    n: int
    mean: float
    sd: float
    p_pass: float
    p_fail: float
    reaches_delta: bool
    low: float
    high: float
    dz: float
    p_reversed: float | None = None
    clipped_mean: float | None = None


def weigh(d: npt.ArrayLike, rule: Rule) -> Evidence:
    """Weigh the differences ``d`` (n,), one per replicate and positive in the claim's favour, by ``rule``.

    The tests are of d as the rule clips it, where it does; mean, sd and interval are of d as measured.
    """
    measured = as_sample(d)
    x = rule.clipped(measured)
    mean, sd = mean_and_sd(measured)
    low, high = mean_interval(measured)
    return Evidence(
        n=x.size,
        mean=mean,
        sd=sd,
        p_pass=max(shown_pvalue(x, *bound) for bound in rule.passes),
        p_fail=min(shown_pvalue(x, *bound) for bound in rule.fails),
        # Asked of d - delta, as the tests do, so that rounding cannot split this from p_fail.
        reaches_delta=rule.least is None or mean_and_sd(x - rule.least)[0] >= 0,
        low=low,
        high=high,
        dz=cohens_dz(measured),
        p_reversed=None if rule.reverses is None else shown_pvalue(x, *rule.reverses),
        clipped_mean=mean_and_sd(x)[0] if (x != measured).any() else None,
    )


def decide(evidence: Evidence, pass_level: float, fail_level: float) -> Decision:
    """Decide one hypothesis; FAIL is looked at before PASS."""
    # "At the level" counts as below it: the sign-flip p is discrete, and its floor 2^-n may be the level.
    if evidence.p_fail <= fail_level:
        return "FAIL"
    if evidence.p_pass <= pass_level and evidence.reaches_delta:
        return "PASS"
    return "INCONCLUSIVE"


def combine(decisions: Sequence[Decision]) -> Decision:
    """Decide a claim from its primary hypotheses: all must pass, any that fails fails it."""
    if not decisions:
        raise ValueError("a claim has at least one primary hypothesis")
    if "FAIL" in decisions:
        return "FAIL"
    return "PASS" if all(decision == "PASS" for decision in decisions) else "INCONCLUSIVE"


def claim_p_pass(evidences: Sequence[Evidence]) -> float:
    """P of a claim for PASS: the largest of its primaries (intersection-union, no correction inside).

    A hypothesis whose mean does not reach what its test asks of it cannot pass and contributes 1.
    """
    return max(evidence.p_pass if evidence.reaches_delta else 1.0 for evidence in evidences)


def claim_p_fail(evidences: Sequence[Evidence]) -> float:
    """P of a claim for FAIL: Bonferroni over its k primaries, because any one that fails fails the claim.

    Judging each primary's ``p_fail`` at level / k is the same thing.
    """
    return min(1.0, len(evidences) * min(evidence.p_fail for evidence in evidences))
