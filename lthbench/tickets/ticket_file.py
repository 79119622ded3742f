"""A ticket in one file: its mask, the state it starts from and facts, for any program that has torch.

Names and layout are those of an ordinary module's `state_dict`. The file is safetensors and the same bytes every
time; its metadata is one JSON text under the key `lthbench`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from lthbench.files import write_bytes
from lthbench.recipe.experiment import canonical

FORMAT = 1
PARTS = ("mask", "start", "dense", "final")


@dataclass(frozen=True)
class Ticket:
    """What a file holds: `mask/<name>` (bool), perhaps `start/`, `dense/`, `final/<name>`; facts in plain JSON.

    `start` is every parameter and buffer that training starts from, pruned weights zero. `dense` are the masked
    weights before any was pruned: where the dense network starts from.
    """

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors of one of PARTS, by the name of the parameter or buffer."""
        return {n.removeprefix(f"{prefix}/"): t for n, t in self.tensors.items() if n.startswith(f"{prefix}/")}

    def write(self, file: Path) -> None:
        """Write the file in one step."""
        write_bytes(file, save(self.tensors, {"lthbench": canonical(self.facts)}))
