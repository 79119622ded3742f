"""The gate "collapses as registered": how often it blocks an arm, exactly (docs/calibration.md)."""

from collections.abc import Iterator

from scipy import special

from lthbench.calibration.reading import percent
from lthbench.judging.gates.checks import collapses_as_registered

RATES = (0.01, 0.03, 0.05, 0.1, 0.2, 0.5)
AT_MOST = (0.05, 0.1)
SIZES = (8, 12, 20)


def fewest_that_block(n: int, at_most: float) -> int | None:
    """How many of n runs of an arm must collapse for the gate to block; None where not even all of them do."""
    runs = {k: {"arm": [0.0] * k + [100.0] * (n - k)} for k in range(n + 1)}
    return next((k for k in runs if not collapses_as_registered(runs[k], 50, at_most).passed), None)


def blocks(rate: float, n: int, at_most: float) -> float:
    """How often the gate blocks an arm of n runs that collapse at a true rate."""
    fewest = fewest_that_block(n, at_most)
    return 0.0 if fewest is None else float(special.bdtrc(fewest - 1, n, rate))


def lines() -> Iterator[str]:
    """The table."""
    yield "| at_most | n | blocks from | " + " | ".join(f"true rate {100 * rate:g} %" for rate in RATES) + " |"
    yield "|---|---|---|" + "---|" * len(RATES)
    for at_most in AT_MOST:
        for n in SIZES:
            often = " | ".join(percent(blocks(rate, n, at_most)) for rate in RATES)
            yield f"| {100 * at_most:g} % | {n} | {fewest_that_block(n, at_most)} collapses | {often} |"
