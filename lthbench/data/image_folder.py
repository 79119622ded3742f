"""A folder of images in classes, as ImageNet is laid out: `train/<class>/*` and `val/<class>/*`.

Images are decoded once, into one .npy file for each list of images, and read from there as memory maps.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lthbench.data.arrays import Arrays
from lthbench.data.errors import DataError, one_line
from lthbench.data.subset import draw
from lthbench.files import replacing, write_text

DECODER_VERSION = 1  # raise it whenever `_transform` may return other pixels: it is part of the cache key
_CHUNK = 512  # images decoded before they are written; bounds the memory to some 100 MB
_log = logging.getLogger("lthbench")


@dataclass(frozen=True)
class Listing:
    """The images of one part: name relative to the folder, bytes and time of change of each, and its label."""

    folder: Path
    classes: tuple[str, ...]
    files: tuple[tuple[str, int, int], ...]
    labels: np.ndarray

    def __getitem__(self, chosen: np.ndarray | None) -> "Listing":
        """Only the chosen images; None is all."""
        if chosen is None:
            return self
        return Listing(self.folder, self.classes, tuple(self.files[i] for i in chosen), self.labels[chosen])

    def key(self, size: int) -> str:
        """What decoded images of that size are found by: changes with any file's name, size or time."""
        return _short_hash((DECODER_VERSION, size, self._files_hash))

    @cached_property
    def _files_hash(self) -> str:
        return _short_hash(self.files)


def _short_hash(content: object) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:32]


def load(path: str, size: int, train: int | None, test: int | None, seed: int, cache: Path) -> Arrays:
    """Return the images of a folder as uint8 (n, 3, size, size), the test set being `val`.

    The shorter side is scaled to size * 256 / 224 and the centre cropped; classes are numbered by sorted folder
    name. train and test count examples, drawn at random with the seed; None is all. Only what is asked for is
    decoded, into `<cache>/image_folder`, by one process at a time; starting again after an interruption decodes
    that part again. x are read-only memory maps. Raises DataError when the folder or an image cannot be used or
    the cache cannot be written.
    """
    if size < 1:
        raise DataError(f"image_folder: size must be at least 1, not {size}")
    root = Path(path).expanduser()
    training, testing = listing(root / "train"), listing(root / "val")
    _check_classes(training, testing)
    training = training[draw("image_folder", "train", train, len(training.files), seed)]
    testing = testing[draw("image_folder", "test", test, len(testing.files), seed)]
    store = cache / "image_folder"
    x_train, x_test = decoded(training, size, store), decoded(testing, size, store)
    arrays = Arrays(x_train, training.labels, x_test, testing.labels, classes=len(training.classes))
    identity = _short_hash((training.key(size), testing.key(size), training.classes))
    _remember_sha256(arrays, store / f"{identity}.sha256")
    return arrays


@lru_cache(maxsize=4)  # listing a million files takes a while, and the replicates of a run share it
def listing(folder: Path) -> Listing:
    """List the images in `<folder>/<class>/`. Raises DataError when there is none or a class is empty."""
    from lthbench.data.torchvision_ops import import_torchvision

    if not folder.is_dir():
        raise DataError(f"image_folder: {folder} is no folder; path must hold train/<class>/* and val/<class>/*")
    try:
        images = import_torchvision().datasets.ImageFolder(str(folder))
        files = tuple(_identity(folder, file) for file, _ in images.samples)
    except OSError as error:  # also torchvision's FileNotFoundError for a folder or class without images
        raise DataError(f"image_folder: {folder} cannot be used: {one_line(error)}") from error
    return Listing(folder, tuple(images.classes), files, np.array(images.targets, dtype=np.int64))


def _identity(folder: Path, file: str) -> tuple[str, int, int]:
    status = os.stat(file)
    return os.path.relpath(file, folder), status.st_size, status.st_mtime_ns


def _check_classes(training: Listing, testing: Listing) -> None:
    differing = sorted(set(training.classes) ^ set(testing.classes))
    if differing:
        where = training.folder if differing[0] in training.classes else testing.folder
        raise DataError(
            f"image_folder: the class {differing[0]!r} is only in {where}; train and val need the same classes"
        )


def decoded(images: Listing, size: int, store: Path) -> np.ndarray:
    """Return the images as a read-only memory map, uint8 (n, 3, size, size), decoding them at the first call."""
    target = store / f"{images.key(size)}.npy"
    stored = _open(target)
    if stored is not None:
        return stored
    try:
        store.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if _open(target) is None:  # nobody decoded them while we waited
                _write(images, size, target)
    except OSError as error:
        need = len(images.files) * 3 * size * size / 1e9
        raise DataError(
            f"image_folder: cannot write {target} ({one_line(error)}); it needs {need:.1f} GB: "
            "make room, or choose another folder with LTHBENCH_CACHE"
        ) from error
    return np.load(target, mmap_mode="r")


def _open(path: Path) -> np.ndarray | None:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        _log.warning("cache: %s cannot be used and is made again: %s", path, one_line(error))
        return None


def _write(images: Listing, size: int, target: Path) -> None:
    """Decode into a file beside the target, then put it in place. The lock's owner alone writes it."""
    _log.info("image_folder: decoding %d images of %s into %s", len(images.files), images.folder, target)
    shape = (len(images.files), 3, size, size)
    transform = _transform(size)
    files = [images.folder / name for name, _, _ in images.files]
    for left in target.parent.glob(f".{target.name}.*.tmp"):
        left.unlink()  # of a killed process, and as large as the data
    with replacing(target) as partial, partial.open("wb") as out, ThreadPoolExecutor() as pool:
        np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, len(files), _CHUNK):
            for image in pool.map(transform, files[start : start + _CHUNK]):  # Pillow works outside Python's lock
                out.write(image)


def _transform(size: int) -> Any:
    """Return the function from an image's path to its bytes, 3 x size x size."""
    from lthbench.data.torchvision_ops import import_torchvision

    torchvision = import_torchvision()
    steps: Sequence[Any] = (
        torchvision.datasets.folder.pil_loader,
        torchvision.transforms.Resize(round(size * 256 / 224)),
        torchvision.transforms.CenterCrop(size),
        torchvision.transforms.PILToTensor(),
    )

    def decode(path: Path) -> bytes:
        image: Any = str(path)
        try:
            for step in steps:
                image = step(image)
        except Exception as error:  # damage shows as nearly any of them
            raise DataError(f"image_folder: {path} is no readable image ({one_line(error)}); remove it") from error
        return image.numpy().tobytes()

    return decode


def _remember_sha256(arrays: Arrays, path: Path) -> None:
    """Take the digest of the arrays from its file, or take it once and write it there."""
    try:
        arrays.__dict__["sha256"] = path.read_text()  # where the cached property keeps it
        return
    except FileNotFoundError:
        digest = arrays.sha256
    try:
        write_text(path, digest)
    except OSError as error:
        _log.warning("cache: cannot write %s, going on without: %s", path, one_line(error))
