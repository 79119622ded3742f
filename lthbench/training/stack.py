"""S networks side by side: all their parameters in one flat tensor, so that one kernel updates them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lthbench.models.mlp import Arrays
from lthbench.recipe.experiment import Training
from lthbench.training.device import fuser
from lthbench.training.run import Model

BETA1, BETA2, ADAM_EPS = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Stack:
    """Parameters of S networks in one flat tensor, with named views into it; buffers beside them.

    Views and buffers have shape (S, *shape), contiguous: view[s] is network s's own tensor.
    """

    flat: Tensor
    views: dict[str, Tensor]
    buffers: dict[str, Tensor]


def view_names(model: Model, flat: Tensor, size: int) -> dict[str, Tensor]:
    """Named views into a flat tensor that holds the parameters of `size` networks."""
    views, offset = {}, 0
    for name, shape in model.parameters.items():
        count = size * int(np.prod(shape))
        views[name] = flat[offset : offset + count].view(size, *shape)
        offset += count
    return views


def flatten(
    model: Model, arrays: Sequence[Mapping[str, np.ndarray]], device: torch.device, missing: float = 0.0
) -> Tensor:
    """One flat tensor from S dictionaries of parameters; names a dictionary lacks are filled."""
    parts = []
    for name, shape in model.parameters.items():
        for array in arrays:
            value = np.broadcast_to(array.get(name, np.float32(missing)), shape)
            parts.append(np.asarray(value, dtype=np.float32).ravel())
    return torch.from_numpy(np.concatenate(parts)).to(device)


def stack(model: Model, states: Sequence[Arrays], device: torch.device) -> Stack:
    """Put S networks side by side."""
    flat = flatten(model, states, device)
    buffers = {
        name: torch.from_numpy(np.stack([state[name] for state in states])).to(device) for name in model.buffers
    }
    return Stack(flat, view_names(model, flat, len(states)), buffers)


def unstack(stacked: Stack, size: int) -> list[Arrays]:
    """The S states of a stack, as arrays of their own."""
    arrays = {n: t.detach().cpu().numpy() for n, t in (stacked.views | stacked.buffers).items()}
    return [{name: np.array(array[s], order="C") for name, array in arrays.items()} for s in range(size)]


def copy_of(stacked: Stack, model: Model, size: int) -> Stack:
    """A snapshot that later steps do not touch."""
    flat = stacked.flat.clone()
    return Stack(flat, view_names(model, flat, size), {n: b.clone() for n, b in stacked.buffers.items()})


def keep_where(better: Tensor, source: Stack, target: Stack) -> None:
    """Copy the networks marked by `better`, shape (S,), from one stack to another."""
    size = len(better)
    for sources, targets in ((source.views, target.views), (source.buffers, target.buffers)):
        for name, tensor in sources.items():
            new, old = tensor.view(size, -1), targets[name].view(size, -1)
            old.copy_(torch.where(better[:, None], new, old))


class Optimizer:
    """torch's fused Adam or SGD kernel on the one flat parameter tensor."""

    def __init__(self, training: Training, like: Tensor) -> None:
        self.training = training
        self.first, self.second = torch.zeros_like(like), torch.zeros_like(like)
        self.steps = torch.zeros((), device=like.device)
        backend = fuser() if training.optimizer == "adam" else ""
        self.fused = torch.compile(masked_adam, backend=backend) if backend else None

    def masked_step(self, parameters: Tensor, gradient: Tensor, mask: Tensor, rate: float | Tensor) -> None:
        """One update in place by the gradient where the mask is 1, where that was asked for (`fused`)."""
        assert self.fused is not None
        self.steps += 1
        rate = torch.as_tensor(rate, device=parameters.device)  # a number would be compiled in
        decay = self.training.weight_decay
        self.fused(parameters, gradient, mask, self.first, self.second, self.steps, rate, decay)

    def step(self, parameters: Tensor, gradient: Tensor, rate: float | Tensor) -> None:
        """One update in place. Pruned weights stay zero: their gradient, moments and decay all are."""
        decay = self.training.weight_decay
        if self.training.optimizer == "adam":
            self.steps += 1
            torch._fused_adam_(
                [parameters], [gradient], [self.first], [self.second], [], [self.steps],
                lr=rate, beta1=BETA1, beta2=BETA2, eps=ADAM_EPS, weight_decay=decay, amsgrad=False, maximize=False,
            )  # fmt: skip
        else:  # a momentum buffer of zeros makes the first step no exception; without momentum there is none
            torch._fused_sgd_(
                [parameters], [gradient], [self.first] if self.training.momentum else [],
                lr=rate, momentum=self.training.momentum,
                weight_decay=decay, dampening=0.0, nesterov=False, maximize=False, is_first_step=False,
            )  # fmt: skip


def masked_adam(
    parameters: Tensor,
    gradient: Tensor,
    mask: Tensor,
    first: Tensor,
    second: Tensor,
    steps: Tensor,
    rate: Tensor,
    decay: float,
) -> None:
    """Adam with the mask read beside the gradient: compiled, one pass over the weights in place of two."""
    g = gradient * mask
    if decay:
        g = g + decay * parameters
    first.mul_(BETA1).add_(g, alpha=1 - BETA1)
    second.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
    size = rate / (1 - BETA1**steps)
    parameters.sub_(size * first / ((second / (1 - BETA2**steps)).sqrt() + ADAM_EPS))


def assert_masked(net: Stack, mask: Tensor, pruned: Tensor) -> None:
    """Pruned weights are still exactly what they are to be: zero, or where frozen ones started.

    (Or not a number, in a network that diverged.)
    """
    if ((net.flat != pruned) & (mask == 0) & torch.isfinite(net.flat)).any():
        raise AssertionError("pruned weights moved during training: the mask was not enforced")
