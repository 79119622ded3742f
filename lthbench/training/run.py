"""What goes into a training and what comes out: shared by the engines and the serial reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lthbench.data.images import normalise
from lthbench.models.mlp import Arrays, Mlp
from lthbench.models.module import ModuleModel
from lthbench.pruning.masks import Mask
from lthbench.recipe.experiment import Training

Model = Mlp | ModuleModel
NONE = torch.empty(0)


@dataclass(frozen=True)
class Examples:
    """Examples on one device: x (N, features) float32, or uint8 images (N, C, H, W) normalised when used; y (N,).

    `mean` and `std` (channels,) normalise images. A data set too large for the device stays in main memory;
    batches travel.
    """

    x: torch.Tensor
    y: torch.Tensor
    mean: torch.Tensor = NONE
    std: torch.Tensor = NONE

    @property
    def resident(self) -> bool:
        """Whether the inputs lie on the device of the labels."""
        return self.x.device == self.y.device

    def raw(self, rows: torch.Tensor) -> torch.Tensor:
        """Inputs as stored, on the labels' device; rows of any shape: (*rows, ...)."""
        flat = rows.reshape(-1)
        taken = self.x.index_select(0, flat.to(self.x.device))
        return taken.to(self.y.device).view(*rows.shape, *self.x.shape[1:])

    def inputs(self, rows: torch.Tensor) -> torch.Tensor:
        """Inputs ready for a network, float32."""
        return self.ready(self.raw(rows))

    def ready(self, raw: torch.Tensor) -> torch.Tensor:
        """Stored inputs as a network takes them: images become normalised float32."""
        return normalise(raw, self.mean, self.std) if raw.dtype == torch.uint8 else raw

    def labels(self, rows: torch.Tensor) -> torch.Tensor:
        """Labels of rows of any shape."""
        return self.y.index_select(0, rows.reshape(-1)).view(rows.shape)


@dataclass(frozen=True)
class Folds:
    """The data of R replicates: the examples, and which rows each replicate trains, validates and tests on.

    `train` and `validation` are rows (R, n) of `examples`, `test` rows (R, n) of `held_out`. `sha256` names the
    contents of each replicate's data set.
    """

    examples: Examples
    held_out: Examples
    train: torch.Tensor
    validation: torch.Tensor
    test: torch.Tensor
    classes: int = 10
    sha256: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where the networks are trained."""
        return self.examples.y.device

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.examples.x.shape[1:])


@dataclass(frozen=True)
class Task:
    """S networks to train side by side with one recipe.

    Network s starts from `states[s]` at iteration `start`, wears `masks[s]` (pruned weights are zero, or `frozen`
    where they start), and sees the data of replicate
    `owners[s]` in the order `orders[s]`, shape (iterations, batch). `rates` (iterations,) are the learning rates.
    `augmentation[s]`, where the recipe augments, holds (iterations, batch, 3) small integers: vertical and
    horizontal offset of the crop, and whether to flip. `seeds[s]` feeds random layers (dropout). `keep_at` asks
    for a copy of the states after that many iterations (a rewind point).
    """

    model: Model
    training: Training
    states: Sequence[Arrays]
    masks: Sequence[Mask]
    owners: Sequence[int]
    orders: Sequence[np.ndarray]
    rates: np.ndarray
    augmentation: Sequence[np.ndarray] = ()
    seeds: Sequence[int] = ()
    start: int = 0
    keep_at: int | None = None
    frozen: bool = False


@dataclass(frozen=True)
class Trained:
    """S trained networks. Arrays over evaluations have shape (E, S), the others (S,).

    Accuracies are percent. The early stop is the first minimum of the validation loss; the test set was
    looked at there and at the end, nowhere else. What the recipe does not measure is None.
    """

    states: list[Arrays]
    kept: list[Arrays] | None
    iterations: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    early_stop_iteration: np.ndarray
    early_stop_test_accuracy: np.ndarray | None
    final_test_accuracy: np.ndarray
    final_train_accuracy: np.ndarray | None


def evaluation_iterations(training: Training, start: int) -> list[int]:
    """Iterations after which the validation set is looked at: every multiple of the cadence after start."""
    every = training.evaluate_every
    return [t for t in range(every, training.iterations + 1, every) if t > start]


def percent(correct: torch.Tensor, total: int) -> np.ndarray:
    """Accuracy in percent: correct / total, whatever the batches were."""
    return np.asarray(correct.cpu().numpy(), dtype=np.float64) * (100.0 / total)
