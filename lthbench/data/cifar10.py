"""CIFAR-10: 50,000 training and 10,000 test images of 32 x 32 RGB pixels in ten classes.

Its binary version is used, because the usual Python version is pickled and nothing pickled is loaded here. A
record is one label byte and 3,072 pixel bytes, channel by channel.
"""

import dataclasses
import hashlib
import logging
import tarfile
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from lthbench.data import npz
from lthbench.data.arrays import Arrays
from lthbench.data.download import Remote, download
from lthbench.data.errors import DataError, one_line

CLASSES = 10
SHAPE = (3, 32, 32)
FOLDER = "cifar-10-batches-bin"
ARCHIVE = Remote(
    "cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    "c32a1d4ab5d03f1284b67883e8d87530",
)
OWN = "cifar10.npz"

# The published batches in order, the last one the test set, with their sha256.
BATCHES = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
# What an .npz may hold, by the sha256 of its training and of its test records.
PUBLISHED = (
    "a0181da372c0d63a5920fdbea2ec3f83ecbc552d378218e1cb473cf634941a3b",
    "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
)
WITH_JPEG_COPIES = (
    "1bdc74f837614333bc7a1d8783191940dc3569d5d2bb02dd7dc4535618d3ef12",
    "123ca0dad8f960344d9149742165d4215093c84c8c4bdc5922af93b614bdb501",
)
JPEG_COPIES = "73 training and 20 test images are JPEG copies"

_log = logging.getLogger("lthbench")


@lru_cache(maxsize=1)  # the replicates of a run share it
def shrunk(root: Path, size: int) -> Arrays:
    """CIFAR-10 with every square of pixels replaced by its mean: uint8 images (n, 3, size, size).

    Raises DataError for a size that does not divide 32.
    """
    if size < 1 or SHAPE[1] % size:
        raise DataError(f"cifar10: size is {size}, but images of 32 x 32 shrink to 16, 8 or 4; use one of them")
    arrays = read(root)
    return dataclasses.replace(arrays, x_train=means(arrays.x_train, size), x_test=means(arrays.x_test, size))


def means(images: np.ndarray, size: int) -> np.ndarray:
    """Means of squares of pixels, rounded, halves to even: (n, 3, 32, 32) to (n, 3, size, size)."""
    side = SHAPE[1] // size
    squares = images.reshape(-1, SHAPE[0], size, side, size, side)
    return np.rint(squares.mean((3, 5), dtype=np.float32)).astype(np.uint8)


@lru_cache(maxsize=1)  # the replicates of a run share it
def read(root: Path) -> Arrays:
    """Return all of CIFAR-10 as uint8 images (n, 3, 32, 32).

    Taken from the first that is there: the unpacked folder cifar-10-batches-bin, the archive
    cifar-10-binary.tar.gz, cifar10.npz (x uint8 (n, 32, 32, 3)); else the archive is downloaded. The arrays are
    shared by all callers. An .npz of other contents than the published ones is used with a warning. Raises
    DataError, naming the file, when one cannot be had, read or is not the published one.
    """
    folder, archive, own = root / FOLDER, root / ARCHIVE.file, root / OWN
    if folder.is_dir():
        return _published(_from_folder(folder), folder)
    if not archive.is_file():
        if own.is_file():
            return _own(own)
        download("cifar10", [ARCHIVE], root)
    return _published(_from_archive(archive), archive)


def _from_folder(folder: Path) -> dict[str, bytes]:
    try:
        return {file: (folder / file).read_bytes() for file in BATCHES}
    except OSError as error:
        raise _unreadable(folder, error) from error


def _from_archive(path: Path) -> dict[str, bytes]:
    """Read the batches out of the archive; nothing is unpacked to the disk."""
    batches = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = member.name.rpartition("/")[2]
                content = archive.extractfile(member)
                if file in BATCHES and content is not None:
                    batches[file] = content.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise _unreadable(path, error) from error
    return batches


def _unreadable(place: Path, error: Exception) -> DataError:
    return DataError(f"cifar10: {place} cannot be read ({one_line(error)}); delete it to have it downloaded")


def _published(batches: dict[str, bytes], place: Path) -> Arrays:
    """Check the batches found in `place` and turn them into arrays."""
    for file, sha256 in BATCHES.items():
        if hashlib.sha256(batches.get(file, b"")).hexdigest() != sha256:
            raise DataError(
                f"cifar10: {place / file} is not the published file (checksum mismatch); "
                f"delete {place} to have it downloaded"
            )
    *train, test = (np.frombuffer(batches[file], np.uint8).reshape(-1, 1 + np.prod(SHAPE)) for file in BATCHES)
    return _arrays(np.concatenate(train), test)


def _own(path: Path) -> Arrays:
    raw = npz.read(path)
    train, test = (_records(raw[f"x_{part}"], raw[f"y_{part}"], path, part) for part in ("train", "test"))
    hashes = tuple(hashlib.sha256(records.data).hexdigest() for records in (train, test))
    if hashes == WITH_JPEG_COPIES:
        _log.warning("cifar10: %s is not quite the published data: %s", path, JPEG_COPIES)
    elif hashes != PUBLISHED:
        _log.warning("cifar10: %s is not the published data; its results stand for these data only", path)
    return _arrays(train, test)


def _records(x: np.ndarray, y: np.ndarray, path: Path, part: str) -> np.ndarray:
    """Return images (n, 32, 32, 3) and labels (n,) as records (n, 3073) in the layout of the binary version."""
    channels, *sides = SHAPE
    if x.dtype != np.uint8 or x.shape[1:] != (*sides, channels):
        raise DataError(f"{path}: x_{part} is {x.dtype} {x.shape}; it must be uint8 (n, 32, 32, 3)")
    if y.dtype.kind not in "iu" or y.shape != x.shape[:1] or not ((y >= 0) & (y < CLASSES)).all():
        raise DataError(f"{path}: y_{part} must be {len(x)} whole numbers in 0..{CLASSES - 1}, one per image")
    pixels = x.transpose(0, 3, 1, 2).reshape(len(x), np.prod(SHAPE))
    return np.concatenate([y.astype(np.uint8)[:, None], pixels], axis=1)


def _arrays(train: np.ndarray, test: np.ndarray) -> Arrays:
    """Turn records (n, 3073) into arrays."""
    (x_train, y_train), (x_test, y_test) = (
        (np.ascontiguousarray(records[:, 1:]).reshape(-1, *SHAPE), records[:, 0].astype(np.int64))
        for records in (train, test)
    )
    return Arrays(x_train, y_train, x_test, y_test, classes=CLASSES)
