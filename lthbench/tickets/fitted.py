"""A ticket file in a network: its weights under the network's names, and the initialisation that it brings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from lthbench.errors import UserError
from lthbench.models.mlp import Arrays
from lthbench.models.module import prunable
from lthbench.plan.digests import path_digest
from lthbench.plan.unit import Unit
from lthbench.recipe.streams import stream
from lthbench.recipe.ticket import starts_of
from lthbench.tickets.imports import import_ticket
from lthbench.tickets.plain import known_names, own_tensors
from lthbench.tickets.ticket_file import Ticket
from lthbench.tickets.weights_file import Tensors
from lthbench.training.reference import module_of, state_of
from lthbench.training.run import Model
from lthbench.words import did_you_mean, shown

COUNTERS = ".num_batches_tracked"  # nothing here depends on them, and old files lack them


@dataclass(frozen=True)
class Fitted:
    """A ticket under a network's names, each tensor once, in torch's layout.

    `mask` is of every prunable weight. `start` is every parameter and buffer, pruned weights zero; `initial` the
    same before any was pruned. Either is empty where the file does not have it.
    """

    mask: Tensors
    start: Tensors
    initial: Tensors


def initial_state(unit: Unit, model: Model, index: int) -> Arrays:
    """A replicate's parameters and buffers at iteration 0: drawn, or where the experiment's ticket started.

    A ticket whose pruned weights are gone leaves them to be drawn.
    """
    drawn = model.initial_state(stream(unit.master, unit.experiment.streams, unit.replicates[index], "init"))
    if not unit.experiment.ticket:
        return drawn
    module = module_of(model, drawn)
    brought = fitted(Path(unit.experiment.ticket), module).initial
    return with_weights(module, brought) if brought else drawn


def with_weights(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> Arrays:
    """The state of a module with some of its tensors replaced."""
    own = own_tensors(module)
    with torch.no_grad():
        for name, tensor in weights.items():
            own[name].copy_(tensor)
    return state_of(module)


def fitted(file: Path, module: nn.Module) -> Fitted:
    """A ticket file under the names of a network. Raises UserError where it is of another network."""
    ticket = read(file, path_digest(str(file)))
    own, names = own_tensors(module), known_names(module)  # shared weights have one name each
    called = naming(ticket.part("mask"), names, file)
    parts = {part: under(names, called, ticket.part(part), file) for part in ("mask", "start", "dense")}
    for part, tensors in parts.items():
        check_shapes(tensors, own, f"{file}: {part}")
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    weights = {name: shape for name, shape in shapes.items() if prunable(name, shape)}
    others = [name for name, kept in parts["mask"].items() if name not in weights and not bool(kept.all())]
    if others:
        raise UserError(
            f"{file}: prunes {others[0]}, which is no weight matrix and is never pruned here; "
            "import it with --whole-biases, which keeps biases and norms whole"
        )
    mask = {name: parts["mask"].get(name, torch.ones(shape, dtype=torch.bool)) for name, shape in weights.items()}
    start, dense = parts["start"], parts["dense"]
    check_complete(start, own, file)
    return Fitted(mask, start, start | dense if starts_of(str(file)) == "all" else {})


@lru_cache(maxsize=2)
def read(file: Path, digest: str) -> Ticket:
    """A ticket file, read once as long as it stays as it is."""
    return import_ticket(file).ticket


def naming(mask: Tensors, names: Mapping[str, str], file: Path) -> Callable[[str], str]:
    """How the file's names become the network's: they are the same, or stand in one more module (`model.`)."""
    for called in (lambda name: name, lambda name: name.partition(".")[2]):
        if all(called(name) in names for name in mask):
            return called
    odd = next(name for name in mask if name not in names)
    near = did_you_mean(odd, names)
    raise UserError(
        f"{file}: a mask of {shown(odd, 80)}, which the network does not have; {near}"
        f"its weights are {', '.join(shown(name, 60) for name in list(names)[:4])}, ..."
    )


def under(names: Mapping[str, str], called: Callable[[str], str], tensors: Tensors, file: Path) -> Tensors:
    """Tensors under the network's names, weights that it shares once. Raises UserError where those differ."""
    renamed: Tensors = {}
    for name, tensor in tensors.items():
        if called(name) not in names:
            raise UserError(f"{file}: holds {shown(name, 80)}, which the network does not have")
        own = names[called(name)]
        if own in renamed and not torch.equal(renamed[own], tensor):
            raise UserError(
                f"{file}: {shown(name, 80)} is shared in the network, but differs in the file; "
                "save one mask and one start for both names"
            )
        renamed[own] = tensor
    return renamed


def check_shapes(tensors: Tensors, own: Mapping[str, torch.Tensor], said: str) -> None:
    """Raise UserError where a tensor has not the network's shape."""
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            theirs, ours = tuple(tensor.shape), tuple(own[name].shape)
            raise UserError(f"{said} of {name} is {theirs}, in the network {ours}; weights lie (out, in, ...)")


def check_complete(start: Tensors, own: Mapping[str, torch.Tensor], file: Path) -> None:
    """Raise UserError where a start lacks something: what is missing must not be drawn in silence."""
    missing = [name for name in own if name not in start and not name.endswith(COUNTERS)]
    if start and missing:
        raise UserError(
            f"{file}: its start has no {', '.join(missing[:3])}; save the whole state dict, buffers too"
        )
