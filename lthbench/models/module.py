"""Any nn.Module as the engines see it: names and shapes, which weights may be pruned, how it starts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

Arrays = dict[str, np.ndarray]
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class ModuleModel:
    """A network that an ordinary module defines; names and layout are the module's own.

    Prunable are the parameters called ...weight with two or more dimensions: matrices and convolution kernels,
    not the position embeddings and class tokens of transformers. `initialisation` is that of `recipe.Network`;
    `build` makes the module, on the CPU, with whatever values. `norms_once`: whether every batch norm runs exactly
    once in a forward pass, so that all count alike.
    """

    build: Callable[[], nn.Module]
    initialisation: str
    parameters: dict[str, tuple[int, ...]]
    buffers: dict[str, tuple[int, ...]]
    prunable: dict[str, tuple[int, ...]]
    norms_once: bool = False

    def initial_state(self, generator: np.random.Generator) -> Arrays:
        """Parameters and buffers at iteration 0, all random numbers from `generator`.

        Glorot and kaiming redraw the prunable weights and set biases to 0 and norms to the identity; whatever else
        a module has starts as the module has it.
        """
        with torch.random.fork_rng(devices=[]):
            own = self.initialisation == "own"
            torch.default_generator.manual_seed(int(generator.integers(2**63)) if own else 0)
            module = self.build()
        state = state_of(module)
        if own:
            return state
        norms = {name for name, part in module.named_modules() if isinstance(part, NORMS)}
        for name, shape in self.parameters.items():
            owner, _, leaf = name.rpartition(".")
            if name in self.prunable:
                state[name] = gaussian(self.initialisation, shape, generator)
            elif leaf.endswith("bias"):
                state[name] = np.zeros_like(state[name])
            elif owner in norms:
                state[name] = np.ones_like(state[name])
        return state


def module_model(build: Callable[[], nn.Module], initialisation: str, norms_once: bool = False) -> ModuleModel:
    """Look at a module once and remember its names and shapes. Raises ValueError for what engines cannot train."""
    module = build()
    lazy = [name for name, p in module.named_parameters() if isinstance(p, nn.UninitializedParameter)]
    if lazy:
        raise ValueError(f"the network has lazy layers ({lazy[0]}); give their sizes, which follow from the shape")
    parameters = {name: tuple(p.shape) for name, p in module.named_parameters() if p.requires_grad}
    frozen = [name for name, p in module.named_parameters() if not p.requires_grad]
    odd = [name for name, p in module.named_parameters() if p.dtype != torch.float32]
    if frozen or odd:
        raise ValueError(
            f"the network has frozen or non-float32 parameters: {', '.join([*frozen, *odd][:3])}; "
            "all are trained: return it in float32 with requires_grad, what stays as it is as buffers"
        )
    return ModuleModel(
        build=build,
        initialisation=initialisation,
        parameters=parameters,
        buffers={name: tuple(b.shape) for name, b in module.named_buffers()},
        prunable={name: shape for name, shape in parameters.items() if prunable(name, shape)},
        norms_once=norms_once,
    )


def prunable(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter is a weight that may be pruned."""
    return len(shape) >= 2 and "weight" in name.rpartition(".")[2]


def gaussian(kind: str, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Fresh weights (out, in, ...kernel): Glorot has variance 2 / (fan in + fan out), kaiming 2 / fan in."""
    kernel = int(np.prod(shape[2:]))
    fan_in, fan_out = shape[1] * kernel, shape[0] * kernel
    variance = 2 / (fan_in + fan_out) if kind == "glorot" else 2 / fan_in
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(variance))


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name; the tensors themselves, not copies."""
    return dict(module.named_parameters()) | dict(module.named_buffers())


def state_of(module: nn.Module) -> Arrays:
    """Copies of all parameters and buffers."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors(module).items()}


def load_state(module: nn.Module, state: Arrays) -> None:
    """Set every parameter and buffer from `state`, bit for bit. Raises ValueError where the names differ."""
    own = tensors(module)
    if own.keys() != state.keys():
        raise ValueError(f"state does not fit the network: {sorted(own.keys() ^ state.keys())}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(torch.from_numpy(np.array(state[name], order="C")))
