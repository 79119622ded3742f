"""Holm's step-down procedure over the primary claims of a suite."""

from collections.abc import Mapping


def holm_levels(p_values: Mapping[str, float | None], alpha: float = 0.05) -> dict[str, float]:
    """The level at which Holm judges each claim: ``p <= level`` reproduces its rejections exactly.

    A claim that was not run (None) keeps its place in the family with p = 1. The claim of rank r
    (0 = smallest p, ties in the order given) is judged at alpha / (m - r); from the first one that is
    not rejected on, all get that step's level.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
    p = {claim: 1.0 if value is None else value for claim, value in p_values.items()}
    for claim, value in p.items():
        if not 0 <= value <= 1:
            raise ValueError(f"p of {claim} must lie in [0, 1], got {value}")
    levels: dict[str, float] = {}
    rejected = 0
    for claim in sorted(p, key=p.__getitem__):
        levels[claim] = alpha / (len(p) - rejected)
        # The counter stays put from the first non-rejection on: every later p is at least as large.
        rejected += p[claim] <= levels[claim]
    return {claim: levels[claim] for claim in p_values}


def settled_level(m: int, alpha: float = 0.05) -> float:
    """alpha / m: a p at or below it is rejected whatever the other m - 1 claims turn out to be."""
    if m < 1:
        raise ValueError(f"a family has at least one claim, got {m}")
    return alpha / m
