"""How many weights remain after each round: integers that follow from the recipe alone.

Structural claims (the printed ladders of P_m) are about these numbers, so they are computed apart from any
training and the gates compare what a run really had with them.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from lthbench.recipe.experiment import Pruning


def pruned_count(survivors: int, rate: float) -> int:
    """Weights removed from so many survivors: rate x survivors, halves rounded up."""
    return int(survivors * rate + 0.5)


def kept(layer: str, pruning: Pruning) -> bool:
    """Whether a weight is counted but never pruned."""
    return any(fnmatchcase(layer, pattern) for pattern in pruning.keep)


def layer_rate(layer: str, pruning: Pruning) -> float:
    """The rate of one weight: none, its own, the output layer's (half in the paper), or the common one."""
    if kept(layer, pruning):
        return 0
    for pattern, rate in pruning.layer_rates.items():
        if fnmatchcase(layer, pattern):
            return rate
    if pruning.output_rate is not None and layer.startswith("out."):
        return pruning.output_rate
    return pruning.rate


def ladder(
    sizes: Mapping[str, int], pruning: Pruning, level: int, filters: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Weights remaining after `level` rounds: per weight, or under "all" for global pruning.

    `filters` (output channels per weight) is needed where whole filters are pruned: those are counted then.
    """
    if pruning.scope == "global":
        fixed = sum(n for name, n in sizes.items() if kept(name, pruning))
        free = sum(sizes.values()) - fixed
        for _ in range(level):
            free -= pruned_count(free, pruning.rate)
        return {"all": fixed + free}
    units = sizes if pruning.unit == "weight" else filters
    if units is None:
        raise ValueError("filters: needed to count what remains when whole filters are pruned")
    left = dict(units)
    for _ in range(level):
        left = {name: n - pruned_count(n, layer_rate(name, pruning)) for name, n in left.items()}
    each = {name: sizes[name] // max(1, n) for name, n in units.items()}
    return {name: each[name] * left[name] if name in left else size for name, size in sizes.items()}


def steps(start: Mapping[str, int], end: Mapping[str, int], rounds: int) -> list[dict[str, int]]:
    """Weights remaining after each of so many rounds from `start` to `end`, every round the same fraction."""
    return [
        {name: round(n * (end[name] / n) ** (k / rounds)) if n else 0 for name, n in start.items()}
        for k in range(1, rounds)
    ] + [dict(end)]


def density(
    sizes: Mapping[str, int], pruning: Pruning, level: int, filters: Mapping[str, int] | None = None
) -> float:
    """Fraction of the prunable weights remaining after `level` rounds (the literature's P_m)."""
    return sum(ladder(sizes, pruning, level, filters).values()) / sum(sizes.values())


def rate_per_round(overall: float, rounds: int) -> float:
    """The rate per round that prunes the fraction `overall` in so many rounds: 1 - (1-p)^(1/n).

    (1803.03635 prints p^(1/n), which does not compose; see evidence on popular accounts P0-3.)
    """
    return 1 - (1 - overall) ** (1 / rounds)
