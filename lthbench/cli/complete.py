"""What Tab offers: names of suites and claims, from the names of files, so that nothing is read or checked."""

from collections.abc import Iterator
from pathlib import Path


def suites(typed: str) -> list[str]:
    """The suites whose names begin so."""
    return [name for name in names("suites") if name.startswith(typed)]


def claims(typed: str) -> list[str]:
    """The claims whose ids begin so; after a comma one more of a list."""
    before, comma, last = typed.rpartition(",")
    return [f"{before}{comma}{name}" for name in names(".") if name.startswith(last)]


def names(below: str) -> Iterator[str]:
    """The files of the claims folder, or of a folder in it, without their ending; none where there is none."""
    from lthbench.claims.load import default_folder

    folder: Path = default_folder() / below
    yield from sorted({file.stem for file in folder.glob("*.yaml")} - {"popular", "questions"})
