"""Fetching published files into the data root."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from lthbench.data.errors import DataError, one_line
from lthbench.files import replacing

_log = logging.getLogger("lthbench")


@dataclass(frozen=True)
class Remote:
    """A published file: its name, the addresses it is at and the md5 of its contents."""

    file: str
    urls: tuple[str, ...]
    md5: str


def download(name: str, files: Sequence[Remote], folder: Path) -> None:
    """Put those files of the data set `name` into `folder` that are not there.

    Each appears whole or not at all; processes that want the same ones take turns. Raises DataError, which says
    what to do by hand.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"):
            for remote in files:
                if not (folder / remote.file).exists():
                    _fetch(remote, folder)
    except (OSError, RuntimeError, HTTPException, ModuleNotFoundError) as error:
        missing = [remote for remote in files if not (folder / remote.file).exists()]
        raise DataError(
            f"{name}: cannot download {', '.join(r.file for r in missing)} to {folder} ({one_line(error)})\n"
            f"Fetch {' '.join(r.urls[0] for r in missing)} by hand and put it there, or name the data root that "
            "has it with --data or LTHBENCH_DATA"
        ) from error


def _fetch(remote: Remote, folder: Path) -> None:
    """Download one file from the first address that has it; raises the last address's error."""
    _log.info("downloading %s to %s", remote.file, folder)
    with replacing(folder / remote.file) as part:
        for last, url in enumerate(remote.urls, start=1 - len(remote.urls)):
            try:
                _download_url(url, part, remote)
                break
            except (OSError, RuntimeError, HTTPException):
                if last == 0:
                    raise


def _download_url(url: str, part: Path, remote: Remote) -> None:
    """Download with torchvision; raises RuntimeError when the md5 is another one."""
    from lthbench.data.torchvision_ops import import_torchvision

    try:
        import_torchvision().datasets.utils.download_url(url, part.parent, filename=part.name, md5=remote.md5)
    except RuntimeError as error:
        raise RuntimeError(f"what {url} sends is not the published {remote.file}: {one_line(error)}") from error
