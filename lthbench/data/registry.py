"""From the name of a data set to its arrays. A new data set is one function and one line in `_LOADERS`."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lthbench.data import cifar10, digits, image_folder, mnist, mnist1d, npz
from lthbench.data.arrays import Arrays, check
from lthbench.data.cache import cache_root, cached
from lthbench.data.errors import DataError
from lthbench.data.root import data_root
from lthbench.data.subset import subset
from lthbench.recipe.data import DataSpec
from lthbench.words import choices


def names() -> list[str]:
    """Return the names that `load` knows, sorted."""
    return sorted(_LOADERS)


def check_name(name: str) -> None:
    """Raise DataError for a name that `load` does not know."""
    if name not in _LOADERS:
        raise DataError(f"unknown data set {name!r}; {choices(name, names())}")


def load(spec: DataSpec, seed: int, cache: Path | None) -> Arrays:
    """Return the checked arrays of `spec`; the training set still holds the validation examples.

    seed decides the draw of "mnist1d" (0 <= seed < 2**32), the train/test split of "digits" (>= 0) and which
    examples of the image sets are taken where the specification asks for fewer than there are (>= 0); "npz" has
    no choice to make. cache is the folder generated draws are kept in; None keeps nothing but the images of
    "image_folder", which go to `cache_root`. Raises DataError when the specification or the data cannot be used.
    """
    check_name(spec.name)
    _check_keys(spec)
    arrays = _LOADERS[spec.name](spec, seed, cache)
    check(arrays, spec.name)
    _check_normalisation(spec, arrays)
    if not 0 <= spec.validation < len(arrays.x_train):
        largest = len(arrays.x_train) - 1
        raise DataError(f"{spec.name}: validation must be 0..{largest}, not {spec.validation}")
    return arrays


def _check_keys(spec: DataSpec) -> None:
    """Refuse keys that the data set would ignore, and miss those that it needs."""
    for key, needs, may, example in (
        ("path", ("image_folder", "npz"), (), "the path of the folder or of the .npz file"),
        ("size", ("image_folder",), ("cifar10",), "the side in pixels that images are cropped to, as 224"),
    ):
        value = getattr(spec, key)
        if value is not None and spec.name not in (*needs, *may):
            only = " and ".join((*needs, *may))
            raise DataError(f"{spec.name}: {key} is {value!r}, but only {only} can have one; remove {key}")
        if value is None and spec.name in needs:
            raise DataError(f"{spec.name}: {key} is missing; give {example}")


def _check_normalisation(spec: DataSpec, arrays: Arrays) -> None:
    """Refuse a mean and std that do not fit the images, or that there are no images for."""
    if not spec.mean and not spec.std:
        return
    if arrays.x_train.dtype != np.uint8:
        raise DataError(
            f"{spec.name}: mean and std are for uint8 images, but x is {arrays.x_train.dtype}; remove them"
        )
    channels = arrays.x_train.shape[1]
    for key, values in (("mean", spec.mean), ("std", spec.std)):
        if len(values) != channels:
            raise DataError(
                f"{spec.name}: {key} has {len(values)} numbers, but images have {channels} channels; give one each"
            )
    if not all(map(math.isfinite, spec.mean)) or not all(0 < value < math.inf for value in spec.std):
        raise DataError(f"{spec.name}: mean must be finite and std above 0, not {spec.mean} and {spec.std}")


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
    assert spec.path is not None  # _check_keys
    arrays = npz.load(spec.path)
    _check_size(spec, arrays)
    return arrays


def _mnist(spec: DataSpec, seed: int, cache: Path | None) -> Arrays:
    return subset(mnist.read(spec.name, data_root()), spec.name, spec.train, spec.test, seed)


def _cifar10(spec: DataSpec, seed: int, cache: Path | None) -> Arrays:
    arrays = cifar10.read(data_root()) if spec.size is None else cifar10.shrunk(data_root(), spec.size)
    return subset(arrays, spec.name, spec.train, spec.test, seed)


def _image_folder(spec: DataSpec, seed: int, cache: Path | None) -> Arrays:
    assert spec.path is not None  # _check_keys
    assert spec.size is not None
    return image_folder.load(spec.path, spec.size, spec.train, spec.test, seed, cache or cache_root())


def _check_size(spec: DataSpec, arrays: Arrays) -> None:
    """Refuse a size that the data set does not have, rather than silently use another."""
    for field, asked, size in (
        ("train", spec.train, len(arrays.x_train)),
        ("test", spec.test, len(arrays.x_test)),
    ):
        if asked is not None and asked != size:
            raise DataError(f"{spec.name}: {field} is {asked}, but the data has {size}; correct it")


_LOADERS: dict[str, Callable[[DataSpec, int, Path | None], Arrays]] = {
    "cifar10": _cifar10,
    "digits": _digits,
    "fashion_mnist": _mnist,
    "image_folder": _image_folder,
    "mnist": _mnist,
    "mnist1d": _mnist1d,
    "npz": _npz,
}
