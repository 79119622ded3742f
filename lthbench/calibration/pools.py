"""How far P(all as registered) can be known from few measured replicates: other draws of them, simulated again."""

from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np

from lthbench.calibration.design import Truth, measured_truth
from lthbench.calibration.family import in_family
from lthbench.calibration.simulate import World, all_pass, as_true, deviations

POOLS, SUITES = 60, 1000


def ranges(world: World, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Per n, the 5th and 95th percentile of P(all primary claims pass) over replicates drawn anew from the
    measured ones, means, SDs and correlations included.
    """
    rng = np.random.default_rng([world.seed, crc32(b"pools")])
    truths = [drawn_anew(world.truth, rng) for _ in range(POOLS)]
    found = []
    for n in sizes:
        together = []
        for i, truth in enumerate(truths):
            one = replace(world, truth=truth, simulations=SUITES, seed=world.seed + 1 + i, n=n)
            verdicts = in_family(as_true(one, deviations(one)), one.design)
            together.append(np.mean(all_pass(verdicts, one.design.primaries)))
        low, high = np.quantile(together, (0.05, 0.95))
        found.append({"n": n, "low": round(float(low), 3), "high": round(float(high), 3)})
    return found


def drawn_anew(truth: Truth, rng: np.random.Generator) -> Truth:
    """The same number of measured replicates, drawn with replacement."""
    if truth.pool is None:
        raise ValueError("only measured replicates can be drawn anew")
    m = len(truth.pool)
    rows = truth.effects + truth.pool * truth.sds * np.sqrt((m - 1) / m)
    return measured_truth(rows[rng.integers(m, size=m)])
