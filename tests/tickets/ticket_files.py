"""Tickets as others have them: the same mask and weights, written in every way that is understood."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

Tensors = dict[str, torch.Tensor]
Writer = Callable[[Tensors, Path], Path]


class Small(nn.Module):
    """Two matrices, a norm and biases."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(12, 8)
        self.norm = nn.BatchNorm1d(8)
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of (batch, 12)."""
        return self.out(torch.relu(self.norm(self.fc1(x))))


def small(seed: int) -> Small:
    torch.default_generator.manual_seed(seed)
    return Small()


def pruned(seed: int, amount: float = 0.5) -> Small:
    """A small network pruned by magnitude with torch.nn.utils.prune."""
    module = small(seed)
    for layer in (module.fc1, module.out):
        prune.l1_unstructured(layer, "weight", amount)
    return module


def as_pt(tensors: Tensors, folder: Path) -> Path:
    torch.save(tensors, folder / "theirs.pt")
    return folder / "theirs.pt"


def as_old_pt(tensors: Tensors, folder: Path) -> Path:
    torch.save(tensors, folder / "theirs.pth", _use_new_zipfile_serialization=False)
    return folder / "theirs.pth"


def as_safetensors(tensors: Tensors, folder: Path) -> Path:
    save_file(tensors, folder / "theirs.safetensors")
    return folder / "theirs.safetensors"


def as_npz(tensors: Tensors, folder: Path) -> Path:
    np.savez(folder / "theirs.npz", **{name: tensor.numpy() for name, tensor in tensors.items()})
    return folder / "theirs.npz"


def under(*keys: str) -> Callable[[Tensors], dict]:
    """Nested as checkpoints are."""

    def nest(tensors: Tensors) -> dict:
        content: dict = tensors
        for key in reversed(keys):
            content = {key: content, "epoch": 3, "best": torch.tensor(97.5), "optimizer": {"state": {}}}
        return content

    return nest


def prefixed(prefix: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()}


WRITERS: dict[str, Writer] = {"pt": as_pt, "old pt": as_old_pt, "safetensors": as_safetensors, "npz": as_npz}
WRAPPINGS: dict[str, Callable[[Tensors], dict]] = {
    "as it is": lambda tensors: tensors,
    "DataParallel": prefixed("module."),
    "torch.compile": prefixed("_orig_mod."),
    "both": prefixed("module._orig_mod."),
    "state_dict": under("state_dict"),
    "model": under("model"),
    "nested twice": under("model", "state_dict"),
}
