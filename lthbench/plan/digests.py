"""What files hold, as text: part of the names of results that depend on them. Torch-free."""

import hashlib
import os
from functools import cache
from pathlib import Path


def path_digest(path: str) -> str:
    """The sha256 of a file; of a folder, that of its files' names and sizes; of nothing there yet, its name."""
    file = Path(path).expanduser()
    if file.is_dir():
        return _folder_digest(str(file))
    if not file.is_file():
        return file.name
    status = file.stat()
    return _file_digest(str(file), status.st_size, status.st_mtime_ns)


@cache
def _file_digest(path: str, size: int, modified: int) -> str:
    return "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()


@cache
def _folder_digest(path: str) -> str:
    """Read once per process: a folder of images has a million files, too many to look into.

    Folders that are links count by what they hold, since images are read through them.
    """
    digest, root = hashlib.sha256(), Path(path)
    for folder, folders, files in os.walk(root, followlinks=True):
        folders.sort()
        for file in (Path(folder, name) for name in sorted(files)):
            digest.update(f"{file.relative_to(root).as_posix()}\n{file.stat().st_size}\n".encode())
    return "names-and-sizes:" + digest.hexdigest()
