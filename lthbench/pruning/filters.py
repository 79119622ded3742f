"""Masks of whole filters (output channels), and what must be zero along with a filter.

The score of a filter is the sum of its weights' scores: with magnitude the L1 norm of Li et al. 2017 (1608.08710,
section 3.1). Weights that read a pruned channel of the layer before still count ("independent" pruning, 3.3).
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lthbench.models.channels import Parts, are_classes, check_alone, companions, follow, refuse
from lthbench.models.errors import ModelError
from lthbench.models.mlp import Mlp, MlpModule
from lthbench.models.module import ModuleModel
from lthbench.models.shrink import by_filter, output_axis, shrink
from lthbench.pruning import masks
from lthbench.pruning.counts import kept
from lthbench.pruning.masks import Mask
from lthbench.recipe.experiment import Pruning

Companion = tuple[str, np.ndarray, np.ndarray]  # a parameter's name, entries of it, the filter each belongs to


@dataclass(frozen=True)
class Filters:
    """The filters of a network: how many each weight has that may lose some, and their companions.

    `axis`: that of a weight that counts filters. `shapes`: of all parameters.
    """

    axis: int
    count: dict[str, int]
    companions: dict[str, list[Companion]]
    shapes: dict[str, tuple[int, ...]]

    def alive(self, name: str, mask: np.ndarray) -> np.ndarray:
        """Which filters of a weight remain, (filters,)."""
        return np.asarray(by_filter(mask, self.axis).any(1))

    def whole(self, alive: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The mask of a weight whose filters `alive` (filters,) remain."""
        sizes = [1] * len(shape)
        sizes[self.axis] = len(alive)
        return np.broadcast_to(alive.reshape(sizes), shape).copy()

    def prune(self, scores: Mapping[str, np.ndarray], mask: Mask, remaining: Mapping[str, int]) -> Mask:
        """Remove the filters of the smallest scores until `remaining` weights are left (a rung of the ladder)."""
        pruned = dict(mask)
        for name, count in self.count.items():
            left = remaining[name] * count // mask[name].size
            if not left:
                raise ModelError(f"no filter of {name} would remain; prune fewer rounds or add it to pruning.keep")
            total = by_filter(scores[name].astype(np.float64), self.axis).sum(1)
            alive = masks.keep_largest(total, self.alive(name, mask[name]), left)
            pruned[name] = self.whole(alive, mask[name].shape)
        return pruned

    def random_like(self, mask: Mask, generator: np.random.Generator) -> Mask:
        """Uniformly random filters, as many of every weight as in `mask` but independent of it."""
        drawn = dict(mask)
        for name in sorted(self.count):
            alive = masks.random_like({name: self.alive(name, mask[name])}, generator)[name]
            drawn[name] = self.whole(alive, mask[name].shape)
        return drawn

    def with_companions(self, mask: Mask) -> Mask:
        """The mask, and beside it those of the parameters that would pass on a constant for a pruned filter."""
        companions: Mask = {}
        for name, every in self.companions.items():
            alive = self.alive(name, mask[name])
            for parameter, entries, filters in every:
                silent = companions.setdefault(parameter, np.ones(self.shapes[parameter], dtype=bool))
                silent[entries] &= alive[filters]
        return mask | companions


def find(model: Mlp | ModuleModel, shape: tuple[int, ...], pruning: Pruning) -> Filters:
    """The filters that the recipe prunes in a network that takes (batch, *shape).

    The output layer keeps its classes. Raises ModelError, before any training, for filters that cannot be removed:
    tied to others, or leaving something behind when they are gone.
    """
    with torch.random.fork_rng(devices=[]):
        module = MlpModule(model) if isinstance(model, Mlp) else model.build()
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(2, *shape, generator=generator)
    parts = follow(module, example)
    classes = [name for name, own in parts.items() if are_classes(own)]
    free = [name for name in model.prunable if name not in classes and not kept(name, pruning)]
    check_alone(parts, free)
    if not free:
        raise ModelError("pruning.unit filter: pruning.keep leaves no filters to prune; use unit weight")
    filters = Filters(
        axis=output_axis(model),
        count={name: model.prunable[name][output_axis(model)] for name in free},
        companions={name: companions_of(parts, name) for name in free},
        shapes=model.parameters,
    )
    check_gone(filters, module, example, free)
    return filters


def companions_of(parts: Parts, weight: str) -> list[Companion]:
    """The companions of one weight's filters."""
    return [(name, part.index, part.filters) for name, part in companions(parts[weight])]


def check_gone(filters: Filters, module: nn.Module, example: torch.Tensor, weights: list[str]) -> None:
    """Raise ModelError unless a network whose filters are masked computes what it does without them."""
    if not same_without(filters, module, example, weights):
        alone = [name for name in weights if not same_without(filters, module, example, [name])]
        refuse(alone or weights, filters.shapes, "filters that leave something behind when they are gone")


def same_without(filters: Filters, module: nn.Module, example: torch.Tensor, weights: list[str]) -> bool:
    """Whether the masked and the smaller network agree where a random half of these weights' filters is pruned."""
    mask = half(filters, module, weights)
    masked = scrambled(module)
    with torch.no_grad():
        for name, parameter in masked.named_parameters():
            if name in mask:
                kept_here = mask[name].T if isinstance(module, MlpModule) else mask[name]
                parameter.mul_(torch.from_numpy(kept_here))
        try:
            small = shrink(masked, {name: mask[name] for name in weights}, example.double())
            expected, found = masked(example.double()), small(example.double())
        except Exception:  # others' code: shapes that no longer fit may show in any way
            return False
    scale = expected.abs().max()
    return found.shape == expected.shape and bool(((found - expected).abs().max() <= 1e-9 * scale).item())


def half(filters: Filters, module: nn.Module, weights: list[str]) -> Mask:
    """Masks, companions included, that leave a random half of the filters of these weights."""
    generator = np.random.default_rng(0)
    drawn: Mask = {}
    for name in weights:
        alive = generator.permutation(filters.count[name]) < (filters.count[name] + 1) // 2
        drawn[name] = filters.whole(alive, filters.shapes[name])
    full = {name: np.ones(filters.shapes[name], dtype=bool) for name in filters.count}
    return filters.with_companions(full | drawn)


def scrambled(module: nn.Module) -> nn.Module:
    """A double-precision copy in evaluation mode with random numbers everywhere: nothing hides behind zeros."""
    copy = deepcopy(module).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in [*copy.parameters(), *copy.buffers()]:
            if tensor.dim() > 1 and isinstance(tensor, nn.Parameter):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5)
            elif tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return copy
