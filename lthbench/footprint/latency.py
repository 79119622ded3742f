"""How long networks take to answer, in turn, on this machine, one thread.

Timed in processor time: with one thread that is what one waits on an idle machine, and other programs that run
meanwhile disturb it less than the clock on the wall.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lthbench.models.errors import ModelError
from lthbench.models.mlp import MlpModule
from lthbench.models.shrink import shrink

REPETITIONS = 30
LEAST_SECONDS = 0.002  # of one repetition: as many calls as it takes
CLOSE = 1e-3  # of the largest output: variants have to compute the same


def masked(module: nn.Module, masks: Mapping[str, np.ndarray]) -> nn.Module:
    """A copy whose pruned weights are zero; `masks` lie as the module's weights do."""
    copy = deepcopy(module).eval()
    tensors = dict(copy.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            tensors[name].mul_(torch.from_numpy(mask))
    return copy


def sparse(module: nn.Module, masks: Mapping[str, np.ndarray]) -> nn.Module | None:
    """A copy whose masked linear layers multiply by a sparse CSR matrix; None where another kind is masked."""
    copy = masked(module, masks)
    layers = {f"{name}.weight": layer for name, layer in copy.named_modules() if isinstance(layer, nn.Linear)}
    if not set(masks) <= set(layers):
        return None
    for name in masks:
        layer = layers[name]
        with warnings.catch_warnings():  # torch calls its sparse matrices a beta
            warnings.simplefilter("ignore", UserWarning)
            matrix = layer.weight.detach().to_sparse_csr()
        layer.forward = compressed(matrix, layer.bias)  # type: ignore
    return copy


def compressed(weight: torch.Tensor, bias: torch.Tensor | None) -> Callable[[torch.Tensor], torch.Tensor]:
    """The forward pass of a linear layer with a sparse weight."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        product = (weight @ x.T).T
        return product if bias is None else product + bias

    return forward


def smaller(module: nn.Module, masks: Mapping[str, np.ndarray], example: torch.Tensor) -> nn.Module | None:
    """The network without its pruned filters; None where single weights were pruned."""
    worn = {name: mask.T if isinstance(module, MlpModule) else mask for name, mask in masks.items()}
    try:
        return shrink(masked(module, masks), worn, example).eval()
    except ModelError:
        return None


def variants(module: nn.Module, masks: Mapping[str, np.ndarray], example: torch.Tensor) -> dict[str, nn.Module]:
    """The dense network and what a mask can make of it. `masks` of biases and norms follow those of filters."""
    made = {
        "dense": deepcopy(module).eval(),
        "masked": masked(module, masks),
        "csr": sparse(module, masks) if all(mask.ndim > 1 for mask in masks.values()) else None,
        "smaller": smaller(module, masks, example),
    }
    with torch.inference_mode():
        wanted = made["masked"](example)  # type: ignore[misc]
        for name in ("csr", "smaller"):
            network = made[name]
            if (
                network is not None
                and not functional.mse_loss(network(example), wanted) <= (CLOSE * wanted.abs().max()) ** 2
            ):
                raise RuntimeError(f"{name}: does not compute what the masked network does")
    return {name: network for name, network in made.items() if network is not None}


def medians(networks: Mapping[str, nn.Module], x: torch.Tensor, repetitions: int) -> dict[str, tuple[float, ...]]:
    """Per network the median and the quartiles of microseconds per call; networks take turns."""
    taken: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        calls = {name: calls_for(network, x) for name, network in networks.items()}
        order = np.random.default_rng(0)
        for _ in range(repetitions):
            for name in order.permutation(list(networks)):
                taken[name].append(timed(networks[name], x, calls[name]))
    return {
        name: tuple(float(q) for q in np.percentile([1e6 * s for s in each], (50, 25, 75)))
        for name, each in taken.items()
    }


def timed(network: nn.Module, x: torch.Tensor, calls: int) -> float:
    """Seconds of processor time per call."""
    started = time.thread_time()
    for _ in range(calls):
        network(x)
    return (time.thread_time() - started) / calls


def calls_for(network: nn.Module, x: torch.Tensor) -> int:
    """How many calls one repetition needs, after warming up."""
    for _ in range(3):
        network(x)
    return max(1, int(np.ceil(LEAST_SECONDS / timed(network, x, 3))))
