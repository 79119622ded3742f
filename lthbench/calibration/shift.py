"""Where noise has to lie for a mean to be exactly on a boundary."""

import numpy as np
import numpy.typing as npt

from lthbench.stats.rule import Rule

STEPS = 36  # of a bisection: down to 1e-9 of where it starts


def shift_to(noise: npt.NDArray[np.float64], rule: Rule, bound: float) -> float:
    """What must be added to `noise`, any shape, for its mean, clipped as `rule` clips, to be `bound`.

    The mean is that of all simulated values: 160,000 and more, where the registered design is simulated in full.
    """
    if rule.clip is None:
        return bound - float(noise.mean())
    low, high = bound - float(noise.max()), bound - float(noise.min())  # all values below the bound; all above
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rule.clipped(noise + middle).mean() < bound else (low, middle)
    return (low + high) / 2
