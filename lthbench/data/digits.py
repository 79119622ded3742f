"""The 1,797 handwritten digits of 8 x 8 pixels that ship inside scikit-learn."""

import numpy as np

from lthbench.data.arrays import Arrays
from lthbench.data.errors import DataError

EXAMPLES = 1_797
CLASSES = 10
_WHITE = 16  # largest pixel value


def load(test: int, generator: np.random.Generator) -> Arrays:
    """Split the digits at random into 1,797 - test training and `test` test examples of 64 features in 0..1.

    The set has no official test part, so the split is a draw of its own for every replicate.
    """
    if not 1 <= test < EXAMPLES:
        raise DataError(f"digits: test must be 1..{EXAMPLES - 1}, not {test}")
    from sklearn.datasets import load_digits  # imported here: scikit-learn takes a second to import

    pixels, labels = load_digits(return_X_y=True)
    x, y = (pixels / _WHITE).astype(np.float32), labels.astype(np.int64)
    order = generator.permutation(EXAMPLES)
    test_idx, train_idx = order[:test], order[test:]
    return Arrays(x[train_idx], y[train_idx], x[test_idx], y[test_idx], classes=CLASSES)
