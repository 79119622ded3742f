"""The multilayer perceptron, once as a list of named parameters and once as a plain torch module."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lthbench.recipe.experiment import Network

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Mlp:
    """Layer sizes, input and output included, and whether hidden layers are batch-normalised.

    Parameters are named `fc1.weight` (inputs x outputs), `fc1.bias` or, with batch norm, `bn1.weight` and
    `bn1.bias`, up to `out.weight` and `out.bias`. Buffers (batch norm only): `bn1.mean`, `bn1.var`.
    """

    sizes: tuple[int, ...]
    batch_norm: bool

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the linear layers, input side first; the last is `out`."""
        return (*(f"fc{i + 1}" for i in range(len(self.sizes) - 2)), "out")

    @property
    def prunable(self) -> dict[str, tuple[int, int]]:
        """The weight matrices, the only parameters that are ever pruned, with their shapes."""
        return {f"{layer}.weight": (self.sizes[i], self.sizes[i + 1]) for i, layer in enumerate(self.layers)}

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """All trained parameters with their shapes."""
        shapes: dict[str, tuple[int, ...]] = dict(self.prunable)
        for i, width in enumerate(self.sizes[1:-1], start=1):
            if self.batch_norm:
                shapes[f"bn{i}.weight"] = shapes[f"bn{i}.bias"] = (width,)
            else:
                shapes[f"fc{i}.bias"] = (width,)
        shapes["out.bias"] = (self.sizes[-1],)
        return shapes

    @property
    def buffers(self) -> dict[str, tuple[int, ...]]:
        """Batch norm's running statistics: not trained, but rewound like everything else."""
        if not self.batch_norm:
            return {}
        widths = enumerate(self.sizes[1:-1], start=1)
        return {f"bn{i}.{name}": (width,) for i, width in widths for name in ("mean", "var")}

    def initial_state(self, generator: np.random.Generator) -> Arrays:
        """Weights and buffers at iteration 0: Glorot weights, batch norm as the identity, zero biases."""
        drawn = weights(self, generator)
        state = {name: np.zeros(shape, np.float32) for name, shape in (self.parameters | self.buffers).items()}
        for name in state:
            if name in drawn:
                state[name] = drawn[name]
            elif name.endswith((".weight", ".var")):
                state[name] += 1
        return state


def mlp(network: Network, features: int, classes: int) -> Mlp:
    """The network of a declaration on data with so many features and classes."""
    return Mlp((features, *network.hidden, classes), network.batch_norm)


def weights(model: Mlp, generator: np.random.Generator) -> Arrays:
    """Fresh weight matrices: Gaussian Glorot, variance 2 / (inputs + outputs) (1803.03635, Figure 2)."""
    return {
        name: generator.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / sum(shape)))
        for name, shape in model.prunable.items()
    }


class MlpModule(nn.Module):
    """The same network as an ordinary module: what the serial reference trains."""

    def __init__(self, model: Mlp) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for i, layer in enumerate(model.layers):
            hidden = layer != "out"
            linear = nn.Linear(model.sizes[i], model.sizes[i + 1], bias=not (hidden and model.batch_norm))
            self.add_module(layer, linear)
            blocks.append(linear)
            if hidden:
                if model.batch_norm:
                    norm = nn.BatchNorm1d(model.sizes[i + 1])
                    self.add_module(f"bn{i + 1}", norm)
                    blocks.append(norm)
                blocks.append(nn.ReLU())
        self._forward = blocks

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch: (batch, features) to (batch, classes)."""
        for block in self._forward:
            x = block(x)
        return x

    def named_tensors(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers under this project's names (matrices as torch keeps them: out x in)."""
        names = {"running_mean": "mean", "running_var": "var"}
        tensors = dict(self.named_parameters()) | dict(self.named_buffers())
        renamed = {}
        for key, tensor in tensors.items():
            layer, _, name = key.rpartition(".")
            if name != "num_batches_tracked":
                renamed[f"{layer}.{names.get(name, name)}"] = tensor
        return renamed

    def load(self, state: Arrays) -> None:
        """Set every parameter and buffer from `state`, bit for bit."""
        tensors = self.named_tensors()
        if tensors.keys() != state.keys():
            raise ValueError(f"state does not fit the network: {sorted(tensors.keys() ^ state.keys())}")
        with torch.no_grad():
            for name, tensor in tensors.items():
                value = torch.from_numpy(np.ascontiguousarray(state[name]))
                tensor.copy_(value.T if value.dim() == 2 else value)

    def state(self) -> Arrays:
        """The inverse of `load`; arrays of its own, later steps do not change them."""
        return {
            name: np.array((t.T if t.dim() == 2 else t).detach().cpu().numpy(), order="C")  # a copy
            for name, t in self.named_tensors().items()
        }
