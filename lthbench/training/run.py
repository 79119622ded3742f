"""What goes into a training and what comes out: shared by the stacked engine and the serial reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lthbench.models.mlp import Arrays, Mlp
from lthbench.pruning.masks import Mask
from lthbench.recipe import Training


@dataclass(frozen=True)
class Folds:
    """The data of R replicates as tensors on one device; x (R, examples, features), y (R, examples).

    `sha256` names the contents of each replicate's data set.
    """

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_validation: torch.Tensor
    y_validation: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    classes: int = 10
    sha256: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """S networks to train side by side with one recipe.

    Network s starts from `states[s]` at iteration `start`, wears `masks[s]`, and sees the data of replicate
    `owners[s]` in the order `orders[s]`, shape (iterations, batch). `keep_at` asks for a copy of the states
    after that many iterations (a rewind point).
    """

    model: Mlp
    training: Training
    states: Sequence[Arrays]
    masks: Sequence[Mask]
    owners: Sequence[int]
    orders: Sequence[np.ndarray]
    start: int = 0
    keep_at: int | None = None


@dataclass(frozen=True)
class Trained:
    """S trained networks. Arrays over evaluations have shape (E, S), the others (S,).

    Accuracies are percent. The early stop is the first minimum of the validation loss; the test set was
    looked at there and at the end, nowhere else.
    """

    states: list[Arrays]
    kept: list[Arrays] | None
    iterations: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    early_stop_iteration: np.ndarray
    early_stop_test_accuracy: np.ndarray
    final_test_accuracy: np.ndarray
    final_train_accuracy: np.ndarray


def evaluation_iterations(training: Training, start: int) -> list[int]:
    """Iterations after which the validation set is looked at: every multiple of the cadence after start."""
    every = training.evaluate_every
    return [t for t in range(every, training.iterations + 1, every) if t > start]


def percent(correct: torch.Tensor, total: int) -> np.ndarray:
    """Accuracy in percent: correct / total, whatever the batches were."""
    return np.asarray(correct.cpu().numpy(), dtype=np.float64) * (100.0 / total)
