"""How far P(all as registered) can be known from few measured replicates: other draws of them, simulated again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

import numpy as np

from lthbench.calibration.design import Look, Truth, measured_truth
from lthbench.calibration.simulate import World, all_pass, as_true, deviations, verdicts

POOLS, SUITES = 60, 1000


def ranges(world: World, designs: Sequence[tuple[Look, ...]]) -> list[dict[str, Any]]:
    """Per design, the 5th and 95th percentile of P(all primary claims pass) over replicates drawn anew from the
    measured ones, means, SDs and correlations included.
    """
    rng = np.random.default_rng([world.seed, crc32(b"pools")])
    truths = [drawn_anew(world.truth, rng) for _ in range(POOLS)]
    rows = []
    for looks in designs:
        together = []
        for i, truth in enumerate(truths):
            redrawn = replace(world, truth=truth, simulations=SUITES, seed=world.seed + 1 + i, other_looks=looks)
            found = verdicts(redrawn, as_true(redrawn, deviations(redrawn)))
            together.append(np.mean(all_pass(found, redrawn.design.primaries)))
        low, high = np.quantile(together, (0.05, 0.95))
        sizes = [max(look.sizes) for look in looks]
        rows.append({"n": sizes[-1], "looks": sizes, "low": round(float(low), 3), "high": round(float(high), 3)})
    return rows


def drawn_anew(truth: Truth, rng: np.random.Generator) -> Truth:
    """The same number of measured replicates, drawn with replacement."""
    if truth.pool is None:
        raise ValueError("only measured replicates can be drawn anew")
    m = len(truth.pool)
    rows = truth.effects + truth.pool * truth.sds * np.sqrt((m - 1) / m)
    return measured_truth(rows[rng.integers(m, size=m)])
