"""The smaller network that is left when whole filters are pruned, and what a network costs."""

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn

from lthbench.models.channels import check_alone, follow
from lthbench.models.errors import ModelError
from lthbench.models.mlp import Mlp, MlpModule

CONVOLUTIONS = nn.modules.conv._ConvNd


def output_axis(network: Any) -> int:
    """The axis of a weight's mask that counts filters: perceptrons are (in, out), modules (out, in, ...)."""
    return 1 if isinstance(network, (Mlp, MlpModule)) else 0


def by_filter(values: np.ndarray, axis: int) -> np.ndarray:
    """Values of one weight as (filters, weights of a filter)."""
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def remaining(name: str, mask: np.ndarray, axis: int) -> np.ndarray:
    """Which filters remain, (filters,); ModelError where single weights are masked."""
    rows = by_filter(mask, axis)
    if not np.array_equal(rows.any(1), rows.all(1)):
        raise ModelError(f"{name}: single weights are masked, not whole filters; such a network cannot shrink")
    return np.asarray(rows.any(1))


def shrink(module: nn.Module, mask: Mapping[str, np.ndarray], example_input: torch.Tensor) -> nn.Module:
    """A copy without the pruned filters: fewer channels in every layer that wrote, normalised or read them.

    `mask` holds boolean masks of weights, as training wears them, of which whole filters are False; those of
    biases and norms follow from these and are not looked at. `example_input` is a batch, (batch, ...). In
    evaluation mode the copy computes what the module does with those filters, their biases and batch norm's
    parameters at zero.
    """
    small = deepcopy(module).requires_grad_(True)  # channels are followed along gradients
    alive = {name: remaining(name, m, output_axis(module)) for name, m in mask.items() if m.ndim > 1}
    pruned = [name for name, left in alive.items() if not left.all()]
    parts = follow(small, example_input)
    check_alone(parts, pruned)
    empty = [name for name in pruned if not alive[name].any()]
    if empty:
        raise ModelError(f"{', '.join(empty)}: no filter remains, so nothing is left of the network to shrink")
    gone: dict[tuple[nn.Module, Any], set[int]] = defaultdict(set)
    for name in pruned:
        for part in parts[name]:
            gone[part.layer, part.cut] |= set(part.index[~alive[name][part.filters]].tolist())
    for (layer, cut), entries in gone.items():
        cut(layer, sorted(entries))
    return small


@dataclass(frozen=True)
class Cost:
    """What a network needs: parameters, and multiply-adds for one example."""

    parameters: int
    multiply_adds: int


def cost(module: nn.Module, example_input: torch.Tensor) -> Cost:
    """Count parameters, and the multiply-adds of linear and convolutional layers for one example of the batch.

    As in the literature (Li et al. 2017, Table 1): biases, norms and activations are left out; so is what a module
    computes without such layers, like the products inside attention.
    """
    total = 0

    def count(layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        # Every number of these meets a filter.
        positions = inputs[0] if getattr(layer, "transposed", False) else output
        total += positions[0].numel() * prod(layer.weight.shape[1:])

    hooks = [
        layer.register_forward_hook(count)
        for layer in module.modules()
        if isinstance(layer, (nn.Linear, CONVOLUTIONS))
    ]
    training = module.training
    try:
        with torch.no_grad():
            module.eval()(example_input)
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return Cost(sum(parameter.numel() for parameter in module.parameters()), total)
