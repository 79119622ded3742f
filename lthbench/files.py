"""Writing in one step, so that no reader sees half a file; reading what strangers wrote, bounded."""

import gzip
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` to write to; it takes that place in one step when the block is done.

    Where the block or a step after it fails, what was at `path` stays and the temporary file goes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        os.close(handle)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; no partial file is left when writing fails.

    Raises OSError that names `path`: a full disk, a folder that cannot be written.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)  # not the temporary file's, and not none
        raise


def write_text(path: Path, content: str) -> None:
    """The same for text (UTF-8)."""
    write_bytes(path, content.encode())


def read_bytes(path: Path, most: int, refuse: Callable[[str], Exception], way_out: str) -> bytes:
    """The bytes of a file of at most `most` bytes; a .gz comes unpacked, and has at most as many then too.

    Raises `refuse(message)` where there is no such file, it is too large, or no gzip; `way_out` ends the message.
    """
    if not path.is_file():
        raise refuse(f"{path}: no such file; {way_out}")
    if path.stat().st_size > most:
        raise refuse(f"{path}: larger than {size(most)}; {way_out}")
    packed = path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            content = stream.read(most + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise refuse(f"{path}: not a readable gzip file; {way_out}") from None
    if len(content) > most:
        raise refuse(f"{path}: {'unpacks to more' if packed else 'larger'} than {size(most)}; {way_out}")
    return content


def read_text(path: Path, most: int, refuse: Callable[[str], Exception], way_out: str) -> str:
    r"""The same for text (UTF-8); every line ends with \n, whatever ended it in the file."""
    try:
        text = read_bytes(path, most, refuse, way_out).decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(f"{path}: not UTF-8 text; {way_out}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def size(number: int) -> str:
    """A number of bytes in words."""
    return f"{number // 10**6} MB" if number >= 10**6 else f"{number} bytes"
