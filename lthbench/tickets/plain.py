"""A module as people have it, seen as the plain one: without wrappers' prefixes and torch's pruning masks."""

from collections.abc import Mapping
from itertools import chain

import numpy as np
import torch
from torch import nn

from lthbench.models.mlp import Mlp
from lthbench.training.run import Model

WRAPPERS = ("module", "_orig_mod")  # of DataParallel and torch.compile: their names begin so
PRUNED, MASK = "_orig", "_mask"  # endings that torch.nn.utils.prune gives


def plain_tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and buffers, those of a pruned weight under the weight's own name, masks left out."""
    named = without_wrappers(dict(chain(module.named_parameters(), module.named_buffers())))
    pruned = {name.removesuffix(MASK) for name in named if name.endswith(MASK)}
    pruned = {name for name in pruned if f"{name}{PRUNED}" in named}
    masks = {f"{name}{MASK}" for name in pruned}
    originals = {f"{name}{PRUNED}": name for name in pruned}
    return {originals.get(name, name): tensor for name, tensor in named.items() if name not in masks}


def plain_masks(module: nn.Module) -> dict[str, torch.Tensor]:
    """The masks that torch.nn.utils.prune left in a module, as booleans by the weight's name."""
    buffers = without_wrappers(dict(module.named_buffers()))
    originals = without_wrappers(dict(module.named_parameters()))
    names = [name.removesuffix(MASK) for name in buffers if name.endswith(MASK)]
    return {name: buffers[f"{name}{MASK}"] != 0 for name in names if f"{name}{PRUNED}" in originals}


def without_wrappers(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same under names without wrappers' prefixes, which may stand anywhere in a name."""
    return {".".join(part for part in name.split(".") if part not in WRAPPERS): t for name, t in tensors.items()}


def as_torch(model: Model, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Prunable weights, or masks of them, as an ordinary module's lie: (out, in, ...kernel)."""
    return {name: np.ascontiguousarray(a.T if isinstance(model, Mlp) else a) for name, a in arrays.items()}


as_engine = as_torch  # turning a matrix twice gives it back
