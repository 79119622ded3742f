"""The declared version of everything that can change a number, and the check that the code still is it.

Results belong to an engine. Changing the code listed in SCIENCE without declaring it here gives the changed
code a name of its own (`1+3f9c2a...`), so its results are computed afresh and never mixed with older ones.
When the change cannot alter a number, put the new source hash here; when it can, raise VERSION as well.
`lthbench engine` prints both, and a test fails while they disagree.
"""

import hashlib
from functools import cache
from pathlib import Path

VERSION = 2
SOURCE = "a6cb0a8fffd3"

SCIENCE = ("recipe.py", "streams.py", "data", "models", "pruning", "training", "tickets")


@cache
def source_hash() -> str:
    """sha256 (12 digits) over the source of the science modules, line endings normalised."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for entry in SCIENCE:
        path = root / entry
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:12]


def engine() -> str:
    """The engine's name: the version, with the source hash appended when the source is not the declared."""
    return str(VERSION) if source_hash() == SOURCE else f"{VERSION}+{source_hash()}"
