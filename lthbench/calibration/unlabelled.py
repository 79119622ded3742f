"""What a table loses that does not say which runs are pairs: the same runs, judged in four ways.

Runs of two arms have SD 1 and some correlation within pairs; the effect lies so many SDs of one run's d over the
margin (of uncorrelated runs). Non-inferiority stands for any test of one bound.
"""

import math
from collections.abc import Iterator
from zlib import crc32

import numpy as np
import numpy.typing as npt

from lthbench.calibration.reading import percent
from lthbench.stats.groups import group_of, welch
from lthbench.stats.location import shown_pvalue
from lthbench.stats.unpaired import t_bound, unpaired_pvalue

WAYS = ("paired", "unlabelled runs", "mean, SD and n alone", "Welch's t test alone")
LEVEL = 0.0125
SIZES = (5, 8, 12, 20)
EFFECTS = (1.5, 2.0, 3.0)
CORRELATIONS = (-0.5, 0.0, 0.5)
MOST_COUNTED = 12  # replicates; beyond, an exact count takes a second per pair of groups
FEW = 50  # samples where it does


def shown(n: int, effect: float, correlation: float, samples: int, seed: int = 0) -> dict[str, float]:
    """How often each way shows the effect at the level."""
    rng = np.random.default_rng([seed, n, crc32(f"{effect} {correlation}".encode())])
    z = rng.standard_normal((samples, 2, n))
    a = z[:, 0] + math.sqrt(2) * effect
    b = correlation * z[:, 0] + math.sqrt(1 - correlation**2) * z[:, 1]
    hits = np.array([one(x, y) for x, y in zip(a, b, strict=True)])
    return dict(zip(WAYS, hits.mean(axis=0).tolist(), strict=True))


def one(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> list[bool]:
    """Whether each way shows the mean of a above that of b; runs (n,) each, as they are paired."""
    first, second = group_of(a), group_of(b)
    by_welch = welch(first, second).p_value(0, "above") <= LEVEL
    # Both tests are part of the unlabelled one, and quick: it is counted only where they show something.
    spread = t_bound(float(a.mean() - b.mean()), math.sqrt(first.variance), math.sqrt(second.variance), len(a))
    possible = by_welch and spread <= LEVEL
    return [
        shown_pvalue(a - b, 0, "above") <= LEVEL,
        possible and unpaired_pvalue(first, second, (a, b), 0, "above") <= LEVEL,
        possible and unpaired_pvalue(first, second, None, 0, "above") <= LEVEL,
        by_welch,
    ]


def lines(samples: int = 2000, seed: int = 0) -> Iterator[str]:
    """The table: power by effect, and false PASS on the boundary by correlation."""
    power = [f"power, {effect:g} SD over" for effect in EFFECTS]
    false = [f"false PASS, r = {correlation:g}" for correlation in CORRELATIONS]
    yield f"| n | table | {' | '.join(power + false)} |"
    yield "|---|---|" + "---|" * len(power + false)
    for n in SIZES:
        drawn = samples if n <= MOST_COUNTED else min(samples, FEW)
        columns = [shown(n, effect, 0.0, drawn, seed) for effect in EFFECTS]
        columns += [shown(n, 0.0, correlation, samples, seed) for correlation in CORRELATIONS]
        for way in WAYS:
            yield f"| {n} | {way} | " + " | ".join(percent(column[way]) for column in columns) + " |"
