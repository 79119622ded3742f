"""Somebody's own package: a network, a pruning criterion and a data set. It knows nothing of lthbench.

`python -m ownnet digits.npz` writes the data.
"""

import sys

import numpy as np
from torch import nn


def small_cnn(shape: tuple[int, ...], classes: int, channels: int = 16) -> nn.Module:
    """Two convolutions and two linear layers for images of `shape` (channels, height, width)."""
    inputs, height, width = shape
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * channels * (height // 2) * (width // 2), 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )


def kept_and_moved(trace) -> dict[str, np.ndarray]:
    """Score a weight by where it ended times how far it came; the smallest scores are pruned."""
    return {name: np.abs(weight) * np.abs(weight - trace.initial[name]) for name, weight in trace.trained.items()}


def write_data(path: str) -> None:
    """scikit-learn's digits, made harder by noise: x (n, 1, 8, 8) float32, y (n,) int64."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    generator = np.random.default_rng(0)
    order = generator.permutation(len(labels))
    x = (images[order] / 16).reshape(-1, 1, 8, 8).astype(np.float32)
    x += generator.normal(0, 0.4, x.shape).astype(np.float32)
    y = labels[order].astype(np.int64)
    np.savez(path, x_train=x[:1100], y_train=y[:1100], x_test=x[1100:], y_test=y[1100:])


if __name__ == "__main__":
    write_data(sys.argv[1])
