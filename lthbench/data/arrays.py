"""What a data set is to the rest of lthbench: four arrays and a number of classes."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lthbench.data.errors import DataError

FIELDS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class Arrays:
    """A data set: examples x and labels y, int64 of shape (n,) in 0..classes-1.

    x is float32 of shape (n, ...features), or uint8 images of shape (n, channels, height, width). Arrays may be
    shared between callers and may be read-only memory maps: do not write to them. Nothing is checked here;
    `check` does that. Validation examples are split off the training set later.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the contents with shapes, dtypes and classes; computed at the first access.

        A memory map is read through once, page by page.
        """
        digest = hashlib.sha256(f"classes={self.classes};".encode())
        for field in FIELDS:
            array = np.ascontiguousarray(getattr(self, field))
            digest.update(f"{field}:{array.dtype.str}:{array.shape};".encode())
            digest.update(array.data)
        return digest.hexdigest()


def check(arrays: Arrays, name: str) -> None:
    """Raise DataError when the arrays of the data set `name` break what `Arrays` promises.

    The pixels of images are not read: any uint8 will do.
    """
    if arrays.classes < 2:
        raise DataError(f"{name}: classes is {arrays.classes}; a classification task needs at least 2")
    for part in ("train", "test"):
        _check_part(getattr(arrays, f"x_{part}"), getattr(arrays, f"y_{part}"), arrays.classes, name, part)
    if arrays.x_test.dtype != arrays.x_train.dtype:
        raise DataError(
            f"{name}: x_test is {arrays.x_test.dtype}, x_train {arrays.x_train.dtype}; make them equal"
        )
    train, test = arrays.x_train.shape[1:], arrays.x_test.shape[1:]
    if train != test:
        raise DataError(f"{name}: x_test has examples of shape {test}, x_train of {train}; make them equal")


def _check_part(x: np.ndarray, y: np.ndarray, classes: int, name: str, part: str) -> None:
    if x.dtype == np.uint8 and x.ndim != 4:
        raise DataError(
            f"{name}: x_{part} is uint8 of shape {x.shape}; make it images (n, channels, height, width) or float32"
        )
    examples = np.uint8 if x.dtype == np.uint8 else np.float32
    for field, array, dtype in ((f"x_{part}", x, examples), (f"y_{part}", y, np.int64)):
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
    if x.dtype == np.float32 and not np.isfinite(x).all():
        raise DataError(f"{name}: x_{part} holds NaN or infinite values; remove or replace those examples")
