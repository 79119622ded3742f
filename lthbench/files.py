"""Writing files so that a reader sees the old one or the new one, never half of either."""

import os
import tempfile
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; no partial file is left when writing fails.

    Raises OSError that names `path`: a full disk, a folder that cannot be written.
    """
    try:
        _write_bytes(path, content)
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)  # not the temporary file's, and not none
        raise


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, content: str) -> None:
    """The same for text (UTF-8)."""
    write_bytes(path, content.encode())
