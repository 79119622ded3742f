"""Fewer examples than the data set has: a random draw of them."""

import dataclasses

import numpy as np

from lthbench.data.arrays import Arrays
from lthbench.data.errors import DataError


def subset(arrays: Arrays, name: str, train: int | None, test: int | None, seed: int) -> Arrays:
    """Return `train` training and `test` test examples of the data set `name`, drawn as by `draw`; None is all."""
    train_idx, test_idx = (
        draw(name, "train", train, len(arrays.x_train), seed),
        draw(name, "test", test, len(arrays.x_test), seed),
    )
    if train_idx is not None:
        x, y = arrays.x_train[train_idx], arrays.y_train[train_idx]
        arrays = dataclasses.replace(arrays, x_train=x, y_train=y)
    if test_idx is not None:
        x, y = arrays.x_test[test_idx], arrays.y_test[test_idx]
        arrays = dataclasses.replace(arrays, x_test=x, y_test=y)
    return arrays


def draw(name: str, part: str, wanted: int | None, there: int, seed: int) -> np.ndarray | None:
    """Return the sorted indices of `wanted` random examples of the `there` in a part; None when all are wanted.

    part is "train" or "test"; their draws are independent. Raises DataError for a size the data set does not have
    and for a negative seed.
    """
    if wanted is None or wanted == there:
        return None
    if not 1 <= wanted <= there:
        raise DataError(f"{name}: {part} is {wanted}, but the data has {there}; ask for 1..{there}")
    if seed < 0:
        raise DataError(f"{name}: seed must be at least 0, not {seed}")
    generator = np.random.default_rng(seed if part == "train" else (seed, 1))
    return np.sort(generator.permutation(there)[:wanted])
