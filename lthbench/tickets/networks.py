"""Mask and starting weights of every network of a unit: the only place where the arms differ."""

from collections.abc import Mapping

import numpy as np

from lthbench.models.mlp import Arrays, Mlp, initial_state, weights
from lthbench.plan import Unit
from lthbench.pruning import masks
from lthbench.pruning.counts import ladder
from lthbench.pruning.masks import Mask
from lthbench.streams import stream
from lthbench.tickets.arms import ARMS, Cell

Tensors = Mapping[str, np.ndarray]


def part(tensors: Tensors, prefix: str, index: int) -> Arrays:
    """One replicate's arrays out of stored tensors named `prefix/<name>`."""
    return {n.removeprefix(f"{prefix}/"): t[index] for n, t in tensors.items() if n.startswith(f"{prefix}/")}


def mask_for(unit: Unit, model: Mlp, above: Mapping[Cell, Tensors], index: int, draw: int) -> Mask:
    """The mask of one network (replicate number `index` of the block)."""
    arm, dense = ARMS[unit.arm], masks.ones(model.prunable)
    sizes = masks.counts(dense)
    remaining = ladder(sizes, unit.experiment.pruning, unit.level)
    if arm.mask == "ones":
        return dense
    if arm.mask == "one-shot":
        return masks.prune(part(above["dense", 0], "final", index), dense, remaining)
    if arm.mask == "iterative":
        previous = above[(unit.arm, unit.level - 1) if unit.level > 1 else ("dense", 0)]
        worn = part(previous, "mask", index) or dense
        return masks.prune(part(previous, "final", index), worn, remaining)
    ticket = part(above["ticket", unit.level], "mask", index)
    if arm.mask == "ticket":
        return ticket
    return masks.random_like(ticket, named(unit, index, f"mask/{draw}"))


def state_for(unit: Unit, model: Mlp, mask: Mask, above: Mapping[Cell, Tensors], index: int, draw: int) -> Arrays:
    """The weights and buffers one network starts from, pruned weights zero."""
    kind = ARMS[unit.arm].weights
    if kind == "rewind-point":
        return masks.apply(mask, part(above["dense", 0], "rewind", index))
    state = initial_state(model, named(unit, index, "init"))
    if kind in ("fresh", "fresh-rescaled"):
        state |= weights(model, named(unit, index, f"reinit/{draw}"))
    if kind == "fresh-rescaled":
        state |= {name: state[name] / np.sqrt(kept.mean(dtype=np.float32)) for name, kept in mask.items()}
    if kind == "shuffled":
        generator = named(unit, index, f"shuffle/{draw}")
        for name in sorted(mask):
            state[name][mask[name]] = generator.permutation(state[name][mask[name]])
    return masks.apply(mask, state)


def named(unit: Unit, index: int, name: str) -> np.random.Generator:
    """The named stream of one replicate of a unit."""
    return stream(unit.master, unit.experiment.id, unit.replicates[index], name)
