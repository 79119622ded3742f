"""Where the output channels (filters) of each layer reappear in a network: what must go with a filter.

torch-pruning follows the channels through the network (DepGraph, Fang et al. 2023). It has to guess at times, so
`pruning.filters` compares a masked network with the smaller one before anything is trained.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import nn

from lthbench.models.errors import ModelError, told

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)  # weights (out, in, ...), biases (out,)
CHANNELWISE = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)  # one channel at a time


@dataclass(frozen=True)
class Part:
    """Filters of one layer inside another (or the same): entry `index[i]` of it belongs to filter `filters[i]`.

    `reads`: they are its inputs, not its outputs. `cut(layer, entries)` takes such entries out of the layer.
    """

    name: str
    layer: nn.Module
    reads: bool
    index: np.ndarray
    filters: np.ndarray
    cut: Callable[[nn.Module, list[int]], Any]


Parts = dict[str, list[Part]]


def follow(module: nn.Module, example: torch.Tensor) -> Parts:
    """The parts of every layer whose filters can be followed, by the name of its weight; the layer itself first.

    `example` is a batch of inputs, (batch, ...). Layers that evaluation does not use are missing.
    """
    graphs = import_module("torch_pruning")  # only where filters are pruned
    names: dict[Any, str] = {layer: name for name, layer in module.named_modules()}
    training = module.training
    try:
        with torch.enable_grad():
            graph = graphs.DependencyGraph().build_dependency(module.eval(), example, verbose=False)
            return {
                f"{name}.weight".removeprefix("."): parts_of(graph, layer, names)
                for layer, name in names.items()
                if isinstance(layer, WEIGHTED) and layer in graph.module2node
            }
    except Exception as error:  # torch-pruning guesses how tensors are reshaped, and may fail in any way
        raise ModelError(
            f"pruning.unit filter: this network's channels cannot be followed ({told(error)}); use unit weight"
        ) from error
    finally:
        module.train(training)


def parts_of(graph: Any, layer: nn.Module, names: dict[Any, str]) -> list[Part]:
    """The parts of one layer, as torch-pruning's graph tells; additions, reshapings and the like are left out."""
    parts = []
    every = list(range(len(layer.weight)))  # type: ignore[arg-type]
    for item in graph.get_pruning_group(layer, graph.get_pruner_of_module(layer).prune_out_channels, every):
        inside, cut = item.dep.target.module, item.dep.handler
        if inside in names or isinstance(inside, nn.Parameter):
            reads = isinstance(inside, WEIGHTED) and cut.__name__ == "prune_in_channels"
            name = names.get(inside, "a parameter")
            parts.append(Part(name, inside, reads, np.array(item.idxs), np.array(item.root_idxs), cut))
    return parts


def are_classes(parts: Iterable[Part]) -> bool:
    """Whether a layer's channels are the network's outputs: no layer reads them."""
    return not any(part.reads for part in parts)


def companions(parts: Iterable[Part]) -> list[tuple[str, Part]]:
    """Parameters, by name, that would pass on a constant for a filter that is gone: biases, batch norm's too."""
    return [
        (f"{part.name}.{name}".removeprefix("."), part)
        for part in parts
        if not part.reads
        for name, parameter in part.layer.named_parameters(recurse=False)
        if parameter.dim() == 1
    ]


def check_alone(parts: Parts, weights: Collection[str]) -> None:
    """Raise ModelError where filters of these weights cannot be removed without touching other weights."""
    outputs = {weight: [part for part in parts.get(weight, ()) if not part.reads] for weight in weights}
    lost = [weight for weight in weights if weight not in parts]
    tied = [weight for weight, own in outputs.items() if any(isinstance(part.layer, WEIGHTED) for part in own[1:])]
    mixed = [
        weight
        for weight, own in outputs.items()
        if any(not isinstance(part.layer, CHANNELWISE) for part in own[1:])
        or any(getattr(part.layer, "groups", 1) > 1 for part in parts.get(weight, ()))
    ]
    refuse(lost, parts, "what evaluation does not use, or is no layer with filters,")
    refuse(tied, parts, "channels shared with other weights (additions, depthwise convolutions)")
    refuse(mixed, parts, "channels computed together (group or layer norm, grouped convolutions)")


def refuse(weights: Collection[str], every: Collection[str], why: str) -> None:
    """Raise ModelError if there are any such weights; alike ones are named by one pattern, fit for `keep`."""
    if weights:
        others = set(every) - set(weights)
        listed = ", ".join(dict.fromkeys(pattern(weight, weights, others) for weight in weights))
        raise ModelError(f"pruning.unit filter: {listed}: {why} cannot be pruned; add to pruning.keep")


def pattern(weight: str, weights: Collection[str], others: Collection[str]) -> str:
    """The weight's name, with * for numbers (stage1.*.conv2.weight) where that fits several such weights only."""
    wide = ".".join("*" if step.isdigit() else step for step in weight.split("."))
    several = sum(fnmatchcase(name, wide) for name in weights) > 1
    return wide if several and not any(fnmatchcase(name, wide) for name in others) else weight
