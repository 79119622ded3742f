"""Small networks whose filters are pruned, and a few training steps for them."""

import numpy as np
import torch
from torch import nn

from lthbench.models.registry import model
from lthbench.models.shrink import by_filter
from lthbench.pruning.filters import Filters
from lthbench.recipe.experiment import Network, Pruning, Training
from lthbench.training.run import Examples, Folds, Model, Task

CLASSES = 4
IMAGE = (3, 16, 16)
TIED = ("conv.weight", "*.conv2.weight", "*.downsample.conv.weight")  # of the paper's ResNets
SGD = Training("sgd", 0.05, batch=8, iterations=10, evaluate_every=10, momentum=0.9, weight_decay=0.01)


class Odd(nn.Module):
    """Two convolutions and what a user may put between them."""

    def __init__(self, channels: int, between: str) -> None:
        super().__init__()
        layers = {
            "depthwise": nn.Conv2d(6, 6, 3, groups=6),
            "grouped": nn.Conv2d(6, 6, 3, groups=2),
            "group-norm": nn.GroupNorm(2, 6),
            "sigmoid": nn.Sigmoid(),  # a pruned filter would become a constant 0.5
            "bare-norm": nn.BatchNorm2d(6, affine=False),  # in evaluation minus a mean that once was
            "nothing": nn.Identity(),
        }
        self.first = nn.Conv2d(channels, 6, 3)
        self.between = layers[between]
        self.second = nn.Conv2d(6, 5, 3)
        self.head = nn.Linear(5, CLASSES)
        self.aside = nn.Linear(5, 2)  # never used

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.between(self.first(x))).relu().mean((2, 3)))


def odd(shape: tuple[int, ...], classes: int, between: str) -> nn.Module:
    return Odd(shape[0], between)


def filterwise(rate: float = 0.3, keep: tuple[str, ...] = (), **more) -> Pruning:
    return Pruning("layer-wise", rate, keep=keep, unit="filter", **more)


def made(network: Network, shape: tuple[int, ...]) -> tuple[Model, tuple[int, ...]]:
    """The network as engines see it, and the shape of the examples they feed it."""
    flat = (int(np.prod(shape)),) if network.kind == "mlp" else shape
    return model(network, shape, CLASSES), flat


def remaining(filters: Filters, mask: dict) -> dict[str, int]:
    """Filters that remain of every weight that may lose some; none is there in part."""
    found = {}
    for name in filters.count:
        rows = by_filter(mask[name], filters.axis)
        assert np.array_equal(rows.any(1), rows.all(1))
        found[name] = int(rows.all(1).sum())
    return found


def random_scores(network: Model, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.random(shape) for name, shape in network.prunable.items()}


def task_for(network: Model, masks: list[dict], training: Training = SGD) -> Task:
    """Networks with their masks, about to be trained on noise."""
    generator = np.random.default_rng(5)
    state = network.initial_state(generator)
    for name in network.parameters:
        if state[name].ndim == 1:  # biases that are not zero to begin with
            state[name] = state[name] + generator.standard_normal(state[name].shape).astype(np.float32) * 0.1
    orders = [generator.integers(0, 24, (training.iterations, training.batch)) for _ in masks]
    return Task(
        model=network, training=training, states=[state for _ in masks], masks=masks, owners=[0] * len(masks),
        orders=orders, rates=np.full(training.iterations, training.learning_rate),
    )  # fmt: skip


def noise(shape: tuple[int, ...]) -> Folds:
    """One replicate of examples that mean nothing."""
    generator = torch.Generator().manual_seed(1)
    examples = Examples(torch.randn(32, *shape, generator=generator), torch.arange(32) % CLASSES)
    rows = torch.arange(32)[None]
    return Folds(examples, examples, rows[:, :24], rows[:, 24:], rows[:, 24:], classes=CLASSES)
