"""A ticket as torch.nn.utils.prune leaves a module: `weight_orig` and `weight_mask` in a state dict."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from lthbench.errors import UserError
from lthbench.files import replacing
from lthbench.tickets.ticket_file import Ticket
from lthbench.tickets.weights_file import TORCH, Tensors


def pruned_state(ticket: Ticket, part: str = "start") -> Tensors:
    """The state dict of the module, pruned: it loads after `prune.identity(layer, "weight")` or another method.

    `part` is `start` or `final`. Pruned weights have their values before pruning where the ticket knows them,
    else zero. Masks are float32, as PyTorch's own; weights that keep everything have none.
    Raises UserError where the ticket has no such weights.
    """
    weights = ticket.part(part)
    if not weights:
        raise UserError(f"torch-prune: the ticket has no {part} weights; import it with --start FILE")
    if part == "start":
        weights |= ticket.part("dense")
    state: Tensors = {}
    for name, tensor in weights.items():
        mask = ticket.part("mask").get(name)
        if mask is None or bool(mask.all()):
            state[name] = tensor
        else:
            state |= {f"{name}_orig": tensor, f"{name}_mask": mask.to(tensor.dtype)}
    return state


def write(state: Tensors, file: Path) -> None:
    """Write a state dict in one step: by torch.save, or as safetensors where the file is called so."""
    if file.suffix not in (".safetensors", *TORCH):
        raise UserError(f"{file}: unknown kind of file; write .pt or .safetensors")
    with replacing(file) as temporary:
        if file.suffix == ".safetensors":
            save_file(state, temporary)
        else:
            torch.save(state, temporary)
