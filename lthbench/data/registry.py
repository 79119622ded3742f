"""From the name of a data set to its arrays. A new data set is one function and one line in `_LOADERS`."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from lthbench.data import digits, mnist1d, npz
from lthbench.data.arrays import Arrays, check
from lthbench.data.cache import cached
from lthbench.data.errors import DataError
from lthbench.declaration import STRICT, later


@dataclass(frozen=True)
class DataSpec:
    """Which data set, how many examples of it, and how images are normalised.

    train and test count examples; None is the data set's own size, fewer training examples are a random draw.
    validation counts the examples that the run splits off the training set (`train_validation_split`). path is the
    file of "npz" or the folder of "image_folder"; size the side that its images are scaled and cropped to.
    mean and std, one number per channel, normalise images: (pixel / 255 - mean) / std.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    name: str
    train: int | None = None
    test: int | None = None
    validation: int = 0
    path: str | None = None
    mean: tuple[float, ...] = later(())
    std: tuple[float, ...] = later(())
    size: int | None = later(None)


def names() -> list[str]:
    """Return the names that `load` knows, sorted."""
    return sorted(_LOADERS)


def check_name(name: str) -> None:
    """Raise DataError for a name that `load` does not know."""
    if name not in _LOADERS:
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise DataError(f"unknown data set {name!r}; {hint}known are: {', '.join(names())}")


def load(spec: DataSpec, seed: int, cache: Path | None) -> Arrays:
    """Return the checked arrays of `spec`; the training set still holds the validation examples.

    seed decides the draw of "mnist1d" (0 <= seed < 2**32) and the train/test split of "digits" (>= 0);
    "npz" has neither. cache is the folder generated draws are kept in; None keeps nothing. Raises
    DataError when the specification or the data cannot be used.
    """
    check_name(spec.name)
    if spec.path is not None and spec.name != "npz":
        raise DataError(f"{spec.name}: path is {spec.path!r}, but only npz reads a file; remove path")
    arrays = _LOADERS[spec.name](spec, seed, cache)
    check(arrays, spec.name)
    if not 0 <= spec.validation < len(arrays.x_train):
        largest = len(arrays.x_train) - 1
        raise DataError(f"{spec.name}: validation must be 0..{largest}, not {spec.validation}")
    return arrays


def _mnist1d(spec: DataSpec, seed: int, cache: Path | None) -> Arrays:
    train = 4_000 if spec.train is None else spec.train  # the package's own sizes
    test = 1_000 if spec.test is None else spec.test

    def make() -> Arrays:
        return mnist1d.load(train, test, seed)

    if cache is None:
        return make()
    return cached(f"mnist1d-{mnist1d.GENERATOR_VERSION}-{train}-{test}-{seed}", make, cache)


def _digits(spec: DataSpec, seed: int, cache: Path | None) -> Arrays:
    if seed < 0:
        raise DataError(f"digits: seed must be at least 0, not {seed}")
    test = spec.test
    if test is None:  # a fifth, or what `train` leaves
        test = 360 if spec.train is None else digits.EXAMPLES - spec.train
    arrays = digits.load(test, np.random.default_rng(seed))
    _check_size(spec, arrays)
    return arrays


def _npz(spec: DataSpec, seed: int, cache: Path | None) -> Arrays:
    if spec.path is None:
        raise DataError("npz: path is missing; give the path of the .npz file")
    arrays = npz.load(spec.path)
    _check_size(spec, arrays)
    return arrays


def _check_size(spec: DataSpec, arrays: Arrays) -> None:
    """Refuse a size that the data set does not have, rather than silently use another."""
    for field, asked, found in (
        ("train", spec.train, len(arrays.x_train)),
        ("test", spec.test, len(arrays.x_test)),
    ):
        if asked is not None and asked != found:
            raise DataError(f"{spec.name}: {field} is {asked}, but the data has {found}; correct it")


_LOADERS: dict[str, Callable[[DataSpec, int, Path | None], Arrays]] = {
    "digits": _digits,
    "mnist1d": _mnist1d,
    "npz": _npz,
}
