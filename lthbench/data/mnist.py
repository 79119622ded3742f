"""MNIST and Fashion-MNIST: 60,000 training and 10,000 test images of 28 x 28 grey pixels, ten classes each.

The files lie where torchvision keeps them, `<root>/MNIST/raw` and `<root>/FashionMNIST/raw`, plain or as .gz.
"""

import gzip
import hashlib
import zlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from lthbench.data.arrays import Arrays
from lthbench.data.download import Remote, download
from lthbench.data.errors import DataError

CLASSES = 10
FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}  # also the names of torchvision's classes

# x_train, y_train, x_test and y_test, with the sha256 of the published files once unpacked
FILES = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}


@lru_cache(maxsize=1)  # the replicates of a run share it
def read(name: str, root: Path) -> Arrays:
    """Return all of "mnist" or "fashion_mnist" as uint8 images (n, 1, 28, 28), downloading what is missing.

    The arrays are shared by all callers. Raises DataError, naming the file, when one cannot be had or is not the
    published one.
    """
    folder = root / FOLDERS[name] / "raw"
    _download_missing(name, folder)
    contents = [_idx(_payload(name, folder, file)) for file in FILES[name]]
    x_train, y_train, x_test, y_test = contents
    return Arrays(
        x_train[:, None], y_train.astype(np.int64), x_test[:, None], y_test.astype(np.int64), classes=CLASSES
    )


def _download_missing(name: str, folder: Path) -> None:
    missing = [f for f in FILES[name] if not (folder / f).is_file() and not (folder / f"{f}.gz").is_file()]
    if missing:
        try:
            wanted = [remote for remote in published(name) if remote.file.removesuffix(".gz") in missing]
        except ModuleNotFoundError:
            raise DataError(
                f"{name}: {', '.join(missing)} are not in {folder}, and torchvision, which fetches them, is not "
                "installed here\nCopy them from another machine, or name the data root that has them with --data "
                "or LTHBENCH_DATA"
            ) from None
        download(name, wanted, folder)


def published(name: str) -> list[Remote]:
    """Return the four .gz files with torchvision's addresses and checksums."""
    from lthbench.data.torchvision_ops import import_torchvision

    source = getattr(import_torchvision().datasets, FOLDERS[name])
    return [Remote(file, tuple(mirror + file for mirror in source.mirrors), md5) for file, md5 in source.resources]


def _payload(name: str, folder: Path, file: str) -> bytes:
    """Return the unpacked contents of a file, checked."""
    path = folder / file
    try:
        if path.is_file():
            content = path.read_bytes()
        else:
            path = folder / f"{file}.gz"
            content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: {path} cannot be read ({error}); delete it to have it downloaded") from error
    if hashlib.sha256(content).hexdigest() != FILES[name][file]:
        raise DataError(
            f"{name}: {path} is not the published file (checksum mismatch); delete it to have it downloaded"
        )
    return content


def _idx(content: bytes) -> np.ndarray:
    """Return the array in an idx file: four bytes of which the last is ndim, the big-endian shape, the pixels."""
    ndim = content[3]
    shape = np.frombuffer(content, ">u4", count=ndim, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * ndim).reshape(shape).copy()
