"""How large is the mean: t intervals and standardised effect sizes of paired differences."""

import math

import numpy.typing as npt
from scipy import special

from lthbench.stats.location import Side
from lthbench.stats.sample import as_sample, mean_and_sd


def mean_interval(d: npt.ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided t interval of the mean of ``d`` (n,), in its unit; the whole line for n < 2."""
    tail = (1 - confidence) / 2
    return one_sided_bound(d, tail, "above"), one_sided_bound(d, tail, "below")


def one_sided_bound(d: npt.ArrayLike, level: float, side: Side) -> float:
    """The bound that the mean of ``d`` (n,) is just shown to lie above (below) at ``level``.

    ``level`` is the error rate, 0.05 for a 95 % bound: ``t_pvalue(d, bound, side) == level``.
    """
    x = as_sample(d)
    mean, sd = mean_and_sd(x)
    sign = 1 if side == "above" else -1
    if x.size < 2:
        return -sign * math.inf
    t_crit = float(special.stdtrit(x.size - 1, 1 - level))
    return mean - sign * t_crit * sd / math.sqrt(x.size)


def rate_interval(happened: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper-Pearson) two-sided interval of a rate of which ``happened`` of ``n`` are known."""
    tail = (1 - confidence) / 2
    return rate_bound(happened, n, tail, "above"), rate_bound(happened, n, tail, "below")


def rate_bound(happened: int, n: int, level: float, side: Side) -> float:
    """The rate that the true one is just shown to lie above (below) at ``level``."""
    if side == "above":
        return float(special.betaincinv(happened, n - happened + 1, level)) if happened else 0.0
    return float(special.betaincinv(happened + 1, n - happened, 1 - level)) if happened < n else 1.0


def cohens_dz(d: npt.ArrayLike) -> float:
    """Mean over SD of the differences ``d`` (n,); infinite without spread, nan for 0 / 0 and for n < 2."""
    mean, sd = mean_and_sd(as_sample(d))
    if sd == 0:
        return math.copysign(math.inf, mean) if mean else math.nan
    return mean / sd


def hedges_gz(d: npt.ArrayLike) -> float:
    """Cohen's d_z of ``d`` (n,) without its small-sample bias (exact gamma factor); nan for n < 3."""
    x = as_sample(d)
    if x.size < 3:  # with one degree of freedom d_z has no expectation to correct
        return math.nan
    df = x.size - 1
    log_factor = math.lgamma(df / 2) - math.lgamma((df - 1) / 2) - 0.5 * math.log(df / 2)
    return math.exp(log_factor) * cohens_dz(x)
