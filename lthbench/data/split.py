"""Splitting validation examples off the training set."""

import numpy as np

from lthbench.data.errors import DataError


def train_validation_split(
    n: int, validation: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Split 0..n-1 at random into (n - validation) training and `validation` validation indices.

    Both are sorted int64 arrays, disjoint, together all of 0..n-1. Raises DataError when no training
    example would be left or `validation` is negative.
    """
    if not 0 <= validation < n:
        raise DataError(f"validation must be 0..{n - 1} of {n} training examples, not {validation}")
    order = generator.permutation(n).astype(np.int64)
    return np.sort(order[validation:]), np.sort(order[:validation])
