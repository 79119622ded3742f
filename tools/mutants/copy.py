"""A copy of the checkout in a temporary folder, with a mutant in it. The checkout itself is never touched."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lthbench.errors import UserError
from tools.mutants.mutant import Mutant, Patch

NEEDED = (
    "lthbench",
    "tools",
    "tests",
    "claims",
    "docs",
    "pyproject.toml",
    "Snakefile",
    "README.md",
    "constraints.txt",
)


class PatchError(Exception):
    """A mutant no longer fits the source: its catalogue entry has to follow the code."""


def checkout() -> Path:
    """The source tree the package runs from. Mutants need one: tests and claims lie beside the package."""
    root = Path(__file__).parents[2]
    if not (root / "pyproject.toml").is_file() or not (root / "tests").is_dir():
        raise UserError(
            "mutants: the unit tests are only in the source distribution, not in the wheel; run it in a checkout"
        )
    return root


def copy_of(root: Path, target: Path) -> Path:
    """Copy what tests and runs need; caches and results stay behind."""
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", ".git")
    for name in NEEDED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignored)
        elif source.is_file():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
    return target


def apply(mutant: Mutant, root: Path) -> None:
    """Put a mutant into a source tree."""
    for patch in mutant.patches:
        file = root / patch.file
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        file.write_text(patched(text, patch, mutant.id), encoding="utf-8")


def patched(text: str, patch: Patch, mutant: str) -> str:
    """The text with one patch; PatchError names the mutant unless the old text is there exactly once."""
    count = text.count(patch.old)
    if count != 1:
        first = patch.old.strip().splitlines()[0]
        raise PatchError(f"mutant {mutant}: {patch.file} has {count} times (not once): {first}")
    return text.replace(patch.old, patch.new)


def environment(copy: Path, patches: Iterable[Patch]) -> dict[str, str]:
    """What a process needs to run the copy; a mutant of the data keeps them out of the user's cache."""
    variables = os.environ | {
        "PYTHONPATH": str(copy),
        "LTHBENCH_CLAIMS": str(copy / "claims"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    if any(patch.file.startswith("lthbench/data/") for patch in patches):
        variables["LTHBENCH_CACHE"] = str(copy / "cache")
    return variables
