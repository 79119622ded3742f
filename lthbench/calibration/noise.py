"""Shapes of noise between replicates. Each takes correlated normal numbers z and keeps the mean at 0.

z has shape (simulations, n, k), SD 1 in each of the k hypotheses; so has what comes back, with SD 1 but for
`outliers`, which come on top.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Shape = Callable[[Array, np.random.Generator], Array]

LOG_SD = 0.5514  # of a lognormal of skewness 2, that of an exponential
OUTLIERS, TIMES = 0.05, 5.0
BANDWIDTH = 0.3  # of the smoothed bootstrap, in SDs


def normal(z: Array, rng: np.random.Generator) -> Array:
    """As it is."""
    return z


def heavy_tailed(z: Array, rng: np.random.Generator) -> Array:
    """Student's t with 3 degrees of freedom; a wild replicate is wild in every hypothesis."""
    # z / sqrt(c / 3) has variance 3.
    return z / np.sqrt(rng.chisquare(3, (*z.shape[:2], 1)))


def skewed_up(z: Array, rng: np.random.Generator) -> Array:
    """Lognormal, skewness 2: a few replicates are far above the others."""
    variance = np.expm1(LOG_SD**2)
    return (np.exp(LOG_SD * z - LOG_SD**2 / 2) - 1) / np.sqrt(variance)


def skewed_down(z: Array, rng: np.random.Generator) -> Array:
    """The mirror image: a few replicates end far below the others."""
    return -skewed_up(-z, rng)


def outliers(z: Array, rng: np.random.Generator) -> Array:
    """One replicate in twenty is five times as noisy, in every hypothesis; all others are normal."""
    return np.where(rng.random((*z.shape[:2], 1)) < OUTLIERS, TIMES, 1.0) * z


def uneven_pairs(z: Array, rng: np.random.Generator) -> Array:
    """Every other pair is three times as noisy as the rest; root mean square 1."""
    factors = np.where(np.arange(z.shape[1]) % 2, 3.0, 1.0)[:, None] / np.sqrt(5)
    return factors * z


SHAPES: dict[str, Shape] = {
    "normal": normal,
    "heavy-tailed": heavy_tailed,
    "skewed down": skewed_down,
    "skewed up": skewed_up,
    "outlier seeds": outliers,
    "uneven pairs": uneven_pairs,
}
RESAMPLED = "resampled"


def resampled(z: Array, rng: np.random.Generator, pool: Array) -> Array:
    """Whole measured replicates, drawn with replacement and smoothed. `pool` (m, k): mean 0, SD 1 (over m)."""
    chosen = pool[rng.integers(len(pool), size=z.shape[:2])]
    return (chosen + BANDWIDTH * z) / np.sqrt(1 + BANDWIDTH**2)


FAR = 40.0  # SDs of d between a pair whose one run collapsed and the others
COLLAPSES: dict[str, tuple[float, int]] = {
    "none collapses": (0.0, 0),
    "1 % of minuends collapse": (0.01, -1),
    "3 % of minuends collapse": (0.03, -1),
    "1 % of subtrahends collapse": (0.01, 1),
    "3 % of subtrahends collapse": (0.03, 1),
}
"""How many runs of which arm collapse, and to which side d then goes."""


def collapsing(rate: float, side: int) -> Shape:
    """Normal noise in which a replicate collapses at some rate, in every hypothesis; its mean is no longer 0."""

    def shape(z: Array, rng: np.random.Generator) -> Array:
        return z + side * FAR * (rng.random((*z.shape[:2], 1)) < rate)

    return shape


COLLAPSED: dict[str, Shape] = {name: collapsing(*how) for name, how in COLLAPSES.items() if how[0]}
