"""Hashes of a folder's tables beside them, as `sha256sum` writes them: `sha256sum -c SHA256SUMS` checks them too.

Unit records carry their own hash; tables and verdicts are made from them, so a damaged one is made again.
"""

import hashlib
from pathlib import Path

from lthbench.files import write_text
from lthbench.results.store import RecordError

NAME = "SHA256SUMS"


def write_summed(path: Path, content: str) -> None:
    """Write a text file and its hash. Killed between the two, the file counts as damaged."""
    write_text(path, content)
    sums = read(path.parent) | {path.name: hashlib.sha256(content.encode()).hexdigest()}
    write_text(path.with_name(NAME), "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))


def read(folder: Path) -> dict[str, str]:
    """The hashes of a folder by file name; lines that are none are left out."""
    try:
        lines = (folder / NAME).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines) if name}


def check(path: Path) -> None:
    """Raise RecordError when a file is not the one that was written. One that was never summed passes."""
    wanted = read(path.parent).get(path.name)
    if wanted is not None and hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
        raise RecordError(f"{path}: content does not match its sha256 in {NAME}")
