"""The sample every test starts from: one number per replicate."""

import numpy as np
import numpy.typing as npt


def as_sample(d: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ``d`` as a float array of shape (n,); ValueError when it is not one-dimensional and finite."""
    x = np.asarray(d, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"expected one number per replicate, got an array of shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(x))} of {x.size} replicates are not finite")
    return x


def mean_and_sd(x: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean and sample SD (n - 1) of ``x`` (n,), in its unit; the SD of fewer than two numbers is nan."""
    if x.size == 0:
        raise ValueError("no replicates")
    if x.size == 1:
        return float(x[0]), float("nan")
    if np.ptp(x) == 0:  # summing n copies of 0.1 does not give n * 0.1: keep "no spread" exact
        return float(x[0]), 0.0
    return float(x.mean()), float(x.std(ddof=1))
