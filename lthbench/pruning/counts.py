"""How many weights remain after each round: integers that follow from the recipe alone.

Structural claims (the printed ladders of P_m) are about these numbers, so they are computed apart from any
training and the gates compare what a run really had with them.
"""

from collections.abc import Mapping

from lthbench.recipe import Pruning


def pruned_count(survivors: int, rate: float) -> int:
    """Weights removed from so many survivors: rate x survivors, halves rounded up."""
    return int(survivors * rate + 0.5)


def layer_rate(layer: str, pruning: Pruning) -> float:
    """The rate of one weight matrix: its own, the output layer's (half in the paper), or the common one."""
    if layer in pruning.layer_rates:
        return pruning.layer_rates[layer]
    if pruning.output_rate is not None and layer.startswith("out."):
        return pruning.output_rate
    return pruning.rate


def ladder(sizes: Mapping[str, int], pruning: Pruning, level: int) -> dict[str, int]:
    """Weights remaining after `level` rounds: per weight matrix, or under "all" for global pruning."""
    counts = dict(sizes) if pruning.scope == "layer-wise" else {"all": sum(sizes.values())}
    for _ in range(level):
        counts = {name: n - pruned_count(n, layer_rate(name, pruning)) for name, n in counts.items()}
    return counts


def density(sizes: Mapping[str, int], pruning: Pruning, level: int) -> float:
    """Fraction of the prunable weights remaining after `level` rounds (the literature's P_m)."""
    return sum(ladder(sizes, pruning, level).values()) / sum(sizes.values())


def rate_per_round(overall: float, rounds: int) -> float:
    """The rate per round that prunes the fraction `overall` in so many rounds: 1 - (1-p)^(1/n).

    (1803.03635 prints p^(1/n), which does not compose; see evidence on popular accounts P0-3.)
    """
    return 1 - (1 - overall) ** (1 / rounds)
