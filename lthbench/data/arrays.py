"""What a data set is to the rest of lthbench: four arrays and a number of classes."""

import hashlib
from dataclasses import dataclass

import numpy as np

from lthbench.data.errors import DataError

FIELDS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class Arrays:
    """A data set: x float32 of shape (n, ...features), y int64 of shape (n,) with labels 0..classes-1.

    Nothing is checked here; `check` does that. Validation examples are split off the training set later.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int

    @property
    def sha256(self) -> str:
        """Hex digest of the contents with shapes, dtypes and classes; computed afresh at every access."""
        digest = hashlib.sha256(f"classes={self.classes};".encode())
        for field in FIELDS:
            array = np.ascontiguousarray(getattr(self, field))
            digest.update(f"{field}:{array.dtype.str}:{array.shape};".encode())
            digest.update(array.data)
        return digest.hexdigest()


def check(arrays: Arrays, name: str) -> None:
    """Raise DataError when the arrays of the data set `name` break what `Arrays` promises."""
    if arrays.classes < 2:
        raise DataError(f"{name}: classes is {arrays.classes}; a classification task needs at least 2")
    for part in ("train", "test"):
        _check_part(getattr(arrays, f"x_{part}"), getattr(arrays, f"y_{part}"), arrays.classes, name, part)
    train, test = arrays.x_train.shape[1:], arrays.x_test.shape[1:]
    if train != test:
        raise DataError(f"{name}: x_test has examples of shape {test}, x_train of {train}; make them equal")


def _check_part(x: np.ndarray, y: np.ndarray, classes: int, name: str, part: str) -> None:
    for field, array, dtype in ((f"x_{part}", x, np.float32), (f"y_{part}", y, np.int64)):
        if array.dtype != dtype:
            wanted = np.dtype(dtype).name
            raise DataError(f"{name}: {field} is {array.dtype}, must be {wanted}; use .astype('{wanted}')")
    if x.ndim < 2 or 0 in x.shape:
        raise DataError(f"{name}: x_{part} has shape {x.shape}; it must be (n, ...features), none of them 0")
    if y.shape != x.shape[:1]:
        raise DataError(
            f"{name}: y_{part} has shape {y.shape}; it must be ({len(x)},), one label per row of x_{part}"
        )
    wrong = y[(y < 0) | (y >= classes)]
    if wrong.size:
        raise DataError(
            f"{name}: y_{part} holds the label {wrong[0]}; labels must be 0..{classes - 1}, renumber them"
        )
    if not np.isfinite(x).all():
        raise DataError(f"{name}: x_{part} holds NaN or infinite values; remove or replace those examples")
