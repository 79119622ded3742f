"""A user's own data set in one .npz file."""

import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lthbench.data.arrays import FIELDS, Arrays, check
from lthbench.data.errors import DataError, one_line

# What numpy and zipfile raise on a damaged or hostile file; RuntimeError: encrypted or packed in a way unknown.
BROKEN = (
    ValueError, OSError, EOFError, RuntimeError, SyntaxError, TypeError, KeyError, MemoryError, OverflowError,
    RecursionError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip
LARGEST = 64 * 10**9  # bytes of all arrays, unpacked


def load(path: str | Path) -> Arrays:
    """Read x_train, y_train, x_test and y_test, made with np.savez; x becomes float32, y int64.

    x keeps its values: scale them before saving. The number of classes is the largest training label + 1.
    Nothing pickled is loaded. Raises DataError when the file or an array in it cannot be used.
    """
    path = Path(path).expanduser()
    arrays = _convert(read(path), path)
    check(arrays, str(path))
    return arrays


def read(path: Path) -> dict[str, np.ndarray]:
    """Return x_train, y_train, x_test and y_test as they are; raises DataError when one cannot be read."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the path of an .npz file with {', '.join(FIELDS)}")
    try:
        archive = np.load(path, allow_pickle=False)
    except BROKEN as error:
        raise DataError(f"{path}: no readable .npz file ({one_line(error)}); use np.savez") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: holds one bare array; save all four with np.savez")
    with archive:
        members = archive.zip.infolist() if archive.zip else []
        if sum(int(member.file_size) for member in members) > LARGEST:
            raise DataError(f"{path}: unpacks to more than {LARGEST // 10**9} GB; save smaller arrays")
        return {field: _read(archive, field, path) for field in FIELDS}


def _read(archive: Mapping[str, np.ndarray], field: str, path: Path) -> np.ndarray:
    if field not in archive:
        found = ", ".join(archive) or "nothing"
        raise DataError(f"{path}: {field} is missing (found: {found}); save all of {', '.join(FIELDS)}")
    try:
        return archive[field]
    except BROKEN as error:
        if "allow_pickle" in str(error):
            why = "holds Python objects; save a numeric array (ragged lists become objects)"
        else:
            why = f"cannot be read ({one_line(error)}); save the file again"
        raise DataError(f"{path}: {field} {why}") from error


def _convert(raw: dict[str, np.ndarray], path: Path) -> Arrays:
    for field, array in raw.items():
        kinds, wanted = ("fiub", "real numbers") if field.startswith("x") else ("iu", "integers")
        if array.dtype.kind not in kinds:
            raise DataError(f"{path}: {field} is {array.dtype}; save it as {wanted}")
    if raw["y_train"].size == 0:
        raise DataError(f"{path}: y_train is empty; save one label per training example")
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which `check` reports
        x_train, x_test = (raw[field].astype(np.float32) for field in ("x_train", "x_test"))
    y_train, y_test = (raw[field].astype(np.int64) for field in ("y_train", "y_test"))
    classes = int(y_train.max()) + 1
    if classes > len(y_train):
        raise DataError(f"{path}: y_train holds the label {classes - 1}; number the labels from 0 without gaps")
    return Arrays(x_train, y_train, x_test, y_test, classes=classes)
