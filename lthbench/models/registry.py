"""From the declaration of a network to the network: as a module, and as the engines see it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from math import prod
from typing import Any

import torch
from torch import nn

from lthbench.data.errors import one_line
from lthbench.models.borrowed import borrowed, place
from lthbench.models.errors import ModelError, told
from lthbench.models.mlp import Mlp, mlp
from lthbench.models.module import ModuleModel, module_model, state_of
from lthbench.models.parts import scaled
from lthbench.recipe.experiment import Network
from lthbench.recipe.families import family_of


def build(network: Network, shape: tuple[int, ...], classes: int) -> nn.Module:
    """A new module that takes (batch, *shape) to (batch, classes), with whatever values it starts with.

    `shape` is one example's. Raises ModelError for what cannot be built.
    """
    family = family_of(network.kind)
    if family is None:
        return borrowed(network, shape, classes)
    return getattr(import_module(f"lthbench.models.{family}"), family)(network, shape, classes)


def model(network: Network, shape: tuple[int, ...], classes: int) -> Mlp | ModuleModel:
    """The network as the engines see it.

    A plain perceptron is an `Mlp` on prod(shape) features, for which there is a fast engine; everything else is a
    module. It is tried once on zeros: ModelError where it does not map (2, *shape) to (2, classes).
    """
    start = network.initialisation or ("glorot" if network.is_paper else "own")
    if network.kind == "mlp" and network.activation == "relu" and not network.dropout and start == "glorot":
        hidden = tuple(scaled(network, size) for size in network.hidden)
        return mlp(replace(network, hidden=hidden), prod(shape), classes)
    maker = partial(build, network, shape, classes)
    with torch.random.fork_rng(devices=[]):  # looking at a network leaves the caller's random numbers alone
        check_output(network, maker(), shape, classes)
        try:
            seen = module_model(maker, start, norms_once=network.is_paper)
        except (ValueError, RuntimeError) as error:  # frozen parameters or, torch's own error, lazy ones
            raise ModelError(f"{network.kind}: {one_line(error)}{place(network)}") from error
        if ":" in network.kind:
            check_fresh(network, maker)
    return seen


def check_output(network: Network, module: nn.Module, shape: tuple[int, ...], classes: int) -> None:
    """Raise ModelError unless zeros (2, *shape) become one tensor (2, classes), in evaluation and in training."""
    for training in (False, True):  # some of torchvision's networks return more than logits while training
        try:
            with torch.no_grad():
                output = module.train(training)(torch.zeros(2, *shape))
        except (Exception, SystemExit) as error:  # others' code: anything may be raised
            hint = f"; some take options: {{img_size: {shape[-1]}}}" if network.kind.startswith("timm/") else ""
            raise ModelError(
                f"{network.kind}: cannot take examples of shape {shape} ({told(error)}){hint or cast(module)}"
            ) from error
        returned = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        if returned != (2, classes):
            when = "training" if training else "evaluation"
            wanted = (2, classes)
            said = f"in {when} the output for 2 examples is {returned}, not {wanted}{logits(output, wanted)}"
            raise ModelError(f"{network.kind}: {said}{place(network)}")


def cast(module: nn.Module) -> str:
    """What may help a module that cannot take float32; the end of a sentence."""
    kinds = {str(p.dtype).removeprefix("torch.") for p in module.parameters()} - {"float32"}
    if kinds:
        return (
            f"; its weights are {', '.join(sorted(kinds))}, examples are float32: return it in float32 (.float())"
        )
    if any(isinstance(part, nn.Embedding | nn.EmbeddingBag) for part in module.modules()):
        return "; examples are float32: where they are token ids, look them up as x.long()"
    return ""


def logits(output: Any, wanted: tuple[int, int]) -> str:
    """How to get one tensor out of several; the end of a sentence, empty for a tensor."""
    if isinstance(output, torch.Tensor):
        return ""
    several = output if isinstance(output, tuple | list) else ()
    parts = output.items() if isinstance(output, Mapping) else enumerate(several)
    fits = [key for key, part in parts if isinstance(part, torch.Tensor) and tuple(part.shape) == wanted]
    which = f"self.network(x)[{fits[0]!r}]" if fits else "a tensor of that shape"
    return f"; wrap it in a module whose forward returns the logits alone: {which}"


def check_fresh(network: Network, maker: partial[nn.Module]) -> None:
    """Raise ModelError unless every call makes a new module whose values follow from torch's seed alone."""
    modules = []
    for _ in range(2):
        torch.default_generator.manual_seed(0)
        modules.append(maker())
    if modules[0] is modules[1]:
        said = "returns the same module twice; every call must make a new one"
        raise ModelError(f"{network.kind}: {said}{place(network)}")
    first, second = (state_of(module) for module in modules)
    if first.keys() != second.keys() or any(first[n].tobytes() != second[n].tobytes() for n in first):
        raise ModelError(
            f"{network.kind}: starts differently under the same torch.manual_seed; draw from torch only"
            f"{place(network)}"
        )
