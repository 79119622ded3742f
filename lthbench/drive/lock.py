"""One run per folder at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lthbench.errors import UserError


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """One run per folder at a time. The kernel frees the lock when a run is killed."""
    folder = out / ".snakemake"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lthbench.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{out.resolve()}: another run works in this folder; wait for it, or use --out") from None
    except OSError as error:
        raise UserError(f"{out.resolve()}: cannot write here ({error.strerror}); use --out FOLDER") from None
    try:
        yield
    finally:
        lock.release()
