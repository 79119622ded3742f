"""A user's examples and labels: what would be read otherwise than it was meant."""

from collections.abc import Iterator

import numpy as np

from lthbench.data.arrays import Arrays
from lthbench.drive.preflight.remark import Remark, firsts, notice, refusal
from lthbench.judging.gates.checks import TIMES_CHANCE

COLOURS = (1, 3, 4)  # channels of a picture
LEAST_SIDE = 5  # pixels: a first axis that long is no number of colours
WHITE, DARK = 255, 128  # the largest pixel value, and one that a picture exceeds somewhere
APART = 10.0  # times: no two parts of one data set are spread so differently
LOOKED_AT = 2000  # examples


def remarks(arrays: Arrays, name: str, layout_matters: bool = True) -> Iterator[Remark]:
    """About the arrays of the data set `name`. Perceptrons flatten an example, so its layout does not matter."""
    yield from labels(arrays, name)
    yield from guessing(arrays, name)
    if layout_matters:
        yield from layout(arrays, name)
    if arrays.x_train.dtype != np.uint8:  # uint8 images are scaled here, x / 255
        yield from scale(few(arrays.x_train), few(arrays.x_test), name)


def few(x: np.ndarray) -> np.ndarray:
    """Some examples, from all over."""
    return x[:: max(1, len(x) // LOOKED_AT)]


def labels(arrays: Arrays, name: str) -> Iterator[Remark]:
    """Gaps between labels are classes that nobody can be right about: guessing then seems harder than it is."""
    there = np.unique(arrays.y_train)
    missing = np.setdiff1d(np.arange(arrays.classes), there)
    if missing.size:
        yield refusal(
            f"{name}: y_train has {len(there)} classes, numbered up to {arrays.classes - 1}; none has the label "
            f"{missing[0]}. Number them 0..{len(there) - 1}: np.unique(y, return_inverse=True)[1]"
        )
    untested = np.setdiff1d(there, np.unique(arrays.y_test))
    if untested.size:
        yield notice(f"{name}: no test example is of class {firsts([str(label) for label in untested])}")


def guessing(arrays: Arrays, name: str) -> Iterator[Remark]:
    """Where one class is frequent, a network that always answers it passes for one that has learned."""
    counts = np.bincount(arrays.y_test, minlength=arrays.classes)
    share, classes = counts.max() / counts.sum(), len(np.unique(arrays.y_train))
    if share > TIMES_CHANCE / classes and len(arrays.y_test) >= 10 * classes:
        yield notice(
            f"{name}: {100 * share:.0f} % of the test examples are of class {counts.argmax()}; the gate on chance "
            f"counts guessing as {100 / classes:.3g} %, and does not notice a network that always answers it"
        )


def layout(arrays: Arrays, name: str) -> Iterator[Remark]:
    """Pictures are read as (channels, height, width)."""
    shape = arrays.x_train.shape[1:]
    if len(shape) == 3 and shape[-1] in COLOURS and min(shape[:2]) >= LEAST_SIDE:
        channels_first = (shape[-1], *shape[:2])
        yield refusal(
            f"{name}: examples of shape {shape} would be read as {shape[0]} channels; save them as "
            f"{channels_first}: np.moveaxis(x, -1, 1)"
        )


def scale(train: np.ndarray, test: np.ndarray, name: str) -> Iterator[Remark]:
    """Values that are pixels of 0..255, or that differ between training and test."""
    spread, spread_test = float(train.std()), float(test.std())
    if spread and not 1 / APART <= spread_test / spread <= APART and len(test) >= 10:
        yield refusal(
            f"{name}: x_test has a standard deviation of {spread_test:.3g}, x_train of {spread:.3g}; "
            "scale both alike"
        )
    elif train.min() >= 0 and DARK < train.max() <= WHITE and not (train % 1).any():
        yield notice(
            f"{name}: x_train holds whole numbers from {train.min():.0f} to {train.max():.0f}, as raw pixels do; "
            "fine where the network scales them, else save x / 255"
        )
