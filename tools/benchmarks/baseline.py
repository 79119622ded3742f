"""The ordinary way to train a masked LeNet on MNIST, to compare with: a DataLoader with per-sample transforms.

Modelled on open_lth (github.com/facebookresearch/open_lth), none of whose code is here. What it does per
iteration, and where:

* Every sample is made a PIL image, then a tensor, then normalised, by torchvision's own transforms
  (datasets/base.py, `ImageDataset.__getitem__`; datasets/mnist.py); DataLoader with num_workers 0, its default.
* A fresh random order every epoch (datasets/base.py, `ShuffleSampler`).
* The mask multiplies the weights in place before every forward pass (pruning/pruned_model.py).
* `zero_grad`, `train()`, forward, `CrossEntropyLoss`, `backward`, `step` of torch.optim.Adam as it comes
  (training/train.py, training/optimizers.py). The loss is not read back.
* Evaluation through a second DataLoader; the sums stay tensors, three numbers are read at its end
  (training/standard_callbacks.py).

The cadence is the paper's (1803.03635: the validation loss of 5,000 held-out examples every 100 iterations), which
open_lth, evaluating once an epoch, does not offer.

Where there is a choice, the cheaper one is taken: no learning-rate scheduler, no warnings filter, no callbacks, no
checkpoint every epoch, and evaluation in batches of 1,000 where open_lth takes the training batch.

Evidence (`python -m tools.benchmarks`, one thread of an EPYC, Zen 4, busy with other work; torch 2.13; 5 rounds in
turn with ours): docs/benchmarks.md has the ratios.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

EVALUATION_BATCH = 1000


class Images(Dataset):
    """uint8 images (n, 1, height, width), transformed one by one when they are asked for."""

    def __init__(self, x: np.ndarray, y: np.ndarray, mean: float, std: float) -> None:
        from lthbench.data.torchvision_ops import import_torchvision

        transforms = import_torchvision().transforms
        self.x, self.y = torch.from_numpy(x[:, 0]), y
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([mean], [std])])

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        from PIL import Image

        return self.transform(Image.fromarray(self.x[index].numpy())), self.y[index]


class Lenet(nn.Module):
    """Linear layers with ReLU between them, whose weights are multiplied by their masks before every forward."""

    def __init__(self, state: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        names = [name.removesuffix(".weight") for name in masks]
        self.layers = nn.ModuleList(nn.Linear(*masks[f"{name}.weight"].shape) for name in names)
        for i, (name, layer) in enumerate(zip(names, self.layers, strict=True)):
            layer.get_parameter("weight").data.copy_(torch.from_numpy(state[f"{name}.weight"].T))
            layer.get_parameter("bias").data.copy_(torch.from_numpy(state[f"{name}.bias"]))
            self.register_buffer(f"mask{i}", torch.from_numpy(masks[f"{name}.weight"].T).float())

    def apply_masks(self) -> None:
        """Set pruned weights to zero."""
        for i, layer in enumerate(self.layers):
            layer.get_parameter("weight").data *= self.get_buffer(f"mask{i}")

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, height, width) to (batch, classes)."""
        self.apply_masks()
        x = x.view(len(x), -1)
        for layer in self.layers[:-1]:
            x = functional.relu(layer(x))
        return self.layers[-1](x)


@dataclass
class Baseline:
    """One network in training; `advance` goes on where it stopped. `curve` holds (loss, accuracy in percent)."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    train: DataLoader
    validation: DataLoader
    every: int
    device: torch.device
    done: int
    curve: list[tuple[float, float]]
    batches: Iterator[Any]

    @classmethod
    def begin(
        cls,
        module: nn.Module,
        train: Dataset,
        validation: Dataset,
        rate: float,
        batch: int,
        every: int,
        device: torch.device,
    ) -> "Baseline":
        """Everything as it is before the first iteration."""
        module = module.to(device)
        pin = device.type == "cuda"
        loader = DataLoader(train, batch, shuffle=True, num_workers=0, pin_memory=pin)
        held_out = DataLoader(validation, EVALUATION_BATCH, num_workers=0, pin_memory=pin)
        optimizer = torch.optim.Adam(module.parameters(), lr=rate)
        return cls(module, optimizer, loader, held_out, every, device, 0, [], iter(()))

    def next_batch(self) -> Any:
        """The next batch, of the next epoch where this one ends."""
        for batch in self.batches:
            return batch
        self.batches = iter(self.train)
        return next(self.batches)

    def advance(self, iterations: int) -> None:
        """Train so many iterations, looking at the validation set at every `every`-th."""
        for _ in range(iterations):
            x, y = self.next_batch()
            x, y = x.to(self.device), y.to(self.device).long()
            self.optimizer.zero_grad()
            self.module.train()
            functional.cross_entropy(self.module(x), y).backward()
            self.optimizer.step()
            self.done += 1
            if self.done % self.every == 0:
                self.curve.append(evaluate(self.module, self.validation, self.device))


def evaluate(module: nn.Module, loader: DataLoader, device: torch.device) -> tuple[float, float]:
    """Mean cross-entropy, and accuracy in percent."""
    total, loss, correct = (torch.tensor(0.0, device=device) for _ in range(3))
    module.eval()
    with torch.no_grad():
        for x, y in loader:
            x, y = x.to(device), y.to(device).long()
            output = module(x)
            total += len(y)
            loss += functional.cross_entropy(output, y) * len(y)
            correct += (output.argmax(1) == y).sum()
    return loss.item() / total.item(), 100 * correct.item() / total.item()
