"""Generated draws kept on disk. A cache may always be deleted, and never stops a run."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import save

from lthbench.data.arrays import FIELDS, Arrays
from lthbench.data.errors import DataError, one_line
from lthbench.files import write_bytes

_log = logging.getLogger("lthbench")
_unwritable: set[Path] = set()  # roots this process has already warned about


def cache_root() -> Path:
    """Return the cache folder: $LTHBENCH_CACHE, or else the platform's folder for caches."""
    chosen = os.environ.get("LTHBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    try:
        import platformdirs
    except ModuleNotFoundError:  # training runs where it is not installed
        return Path.home() / ".cache" / "lthbench"
    return Path(platformdirs.user_cache_dir("lthbench"))


def cached(key: str, make: Callable[[], Arrays], root: Path) -> Arrays:
    """Return the arrays stored as `<root>/<key>.safetensors`, or make and store them.

    A file that cannot be read, or whose contents are not those its hash was taken of, is reported by one
    warning, made again and replaced. Failing to store warns once per folder. Processes that make the same
    key at once do not disturb each other. Raises DataError for a key with other characters than A-Z a-z
    0-9 . _ - and whatever `make` raises.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", key):
        raise DataError(f"cache: key {key!r} is not a file name; use only A-Z a-z 0-9 . _ -")
    path = root / f"{key}.safetensors"
    stored = _read(path)
    if stored is not None:
        return stored
    arrays = make()
    _write(path, arrays)
    return arrays


def _read(path: Path) -> Arrays | None:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            fields = {field: file.get_tensor(field) for field in FIELDS}
        arrays = Arrays(**fields, classes=int(metadata["classes"]))
        if arrays.sha256 != metadata["sha256"]:
            raise ValueError("its contents do not match its hash")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # damage shows as nearly any of them, and the answer is always the same
        _log.warning("cache: %s cannot be used and is made again: %s", path, one_line(error))
        return None
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    tensors = {field: getattr(arrays, field) for field in FIELDS}
    metadata = {"sha256": arrays.sha256, "classes": str(arrays.classes)}
    try:
        write_bytes(path, save(tensors, metadata))
    except OSError as error:
        if path.parent not in _unwritable:
            _unwritable.add(path.parent)
            _log.warning("cache: cannot write %s, going on without: %s", path, one_line(error))
