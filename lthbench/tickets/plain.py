"""A module as people have it, under the plain one's names: wrapped, pruned by torch, with shared weights."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

from lthbench.errors import UserError
from lthbench.models.mlp import Mlp
from lthbench.training.run import Model

WRAPPERS = ("module", "_orig_mod")  # of DataParallel and torch.compile: they may stand anywhere in a name
PRUNED, MASK = "_orig", "_mask"  # endings that torch.nn.utils.prune gives


def own_tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters and buffers of a plain module, each once, by its first name."""
    return dict(chain(module.named_parameters(), module.named_buffers()))


def tensors_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """Those of a module as people have it: by every name they have, a pruned weight by the weight's own."""
    parameters = module.named_parameters(remove_duplicate=False)
    return unpruned(dict(chain(parameters, module.named_buffers(remove_duplicate=False))))


def unpruned(named: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors without the masks of torch.nn.utils.prune, and without its endings."""
    pruned = {name.removesuffix(MASK) for name in named if name.endswith(MASK)}
    pruned = {name for name in pruned if f"{name}{PRUNED}" in named}
    masks = {f"{name}{MASK}" for name in pruned}
    originals = {f"{name}{PRUNED}": name for name in pruned}
    return {originals.get(name, name): tensor for name, tensor in named.items() if name not in masks}


def masks_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """The masks that torch.nn.utils.prune left in a module, as booleans by the weight's name."""
    buffers = dict(module.named_buffers(remove_duplicate=False))
    originals = dict(module.named_parameters(remove_duplicate=False))
    names = [name.removesuffix(MASK) for name in buffers if name.endswith(MASK)]
    return {name: buffers[f"{name}{MASK}"] != 0 for name in names if f"{name}{PRUNED}" in originals}


def known_names(module: nn.Module) -> dict[str, str]:
    """The plain module's own name of each tensor, by every name it may be called.

    A shared weight has several names, and the prefixes of wrappers may be left out where that names one tensor.
    """
    first: dict[int, str] = {}
    own = {}
    for name, tensor in tensors_of(module).items():
        own[name] = first.setdefault(id(tensor), name)
    short: dict[str, set[str]] = {}
    for name, called in own.items():
        short.setdefault(bare(name), set()).add(called)
    return {name: next(iter(called)) for name, called in short.items() if len(called) == 1} | own


def own_name(known: Mapping[str, str], name: str) -> str:
    """The plain module's name of what is called `name`; as it is where the module has no such tensor."""
    weight = name.removesuffix(PRUNED)
    return next((known[key] for key in (name, bare(name), weight, bare(weight)) if key in known), name)


def bare(name: str) -> str:
    """A name without wrappers' prefixes."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def under_own_names(known: Mapping[str, str], named: Mapping[str, Any], said: str) -> dict[str, Any]:
    """Tensors or arrays under the plain module's names. UserError where a shared weight has two values."""
    renamed: dict[str, Any] = {}
    for name, value in named.items():
        own = own_name(known, name)
        if own in renamed and not np.array_equal(as_array(renamed[own]), as_array(value), equal_nan=True):
            raise UserError(f"{said}: {name} is {own} in the network, one weight; here they differ")
        renamed[own] = value
    return renamed


def refresh(module: nn.Module) -> None:
    """Compute pruned weights anew, as torch.nn.utils.prune does only when the module is called."""
    with torch.no_grad():
        for part, hook in hooks(module):
            hook(part, None)


def hooks(module: nn.Module) -> Iterator[tuple[nn.Module, Callable[[nn.Module, Any], None]]]:
    """The hooks of torch.nn.utils.prune, with the part that each belongs to."""
    for part in module.modules():
        for hook in part._forward_pre_hooks.values():
            if isinstance(hook, prune.BasePruningMethod):
                yield part, hook


def as_torch(model: Model, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Prunable weights, or masks of them, as an ordinary module's lie: (out, in, ...kernel)."""
    return {name: np.ascontiguousarray(a.T if isinstance(model, Mlp) else a) for name, a in arrays.items()}


as_engine = as_torch  # turning a matrix twice gives it back


def as_array(value: Any) -> np.ndarray:
    """A tensor or anything like an array, as an array of its own."""
    return np.array(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value)
