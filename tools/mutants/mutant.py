"""What a mutant is: a mistake that somebody made (or might), as a change of the source text."""

from dataclasses import dataclass

from lthbench.recipe import engine

SCIENCE = (*(f"lthbench/{room}/" for room in engine.SCIENCE), "claims/experiments/")


@dataclass(frozen=True)
class Patch:
    """One replacement in a file of the checkout; `old` must be there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A fault that can be put into a copy of the source.

    `tests` are the pytest node ids that should notice it, the smallest that do; `claims` those of the suite whose
    gates or verdicts it might move, cheap ones first. Without claims no run that goes through can show it, and
    `unseen` says why.
    """

    id: str
    says: str
    seen_in: str
    patches: tuple[Patch, ...]
    tests: tuple[str, ...]
    claims: tuple[str, ...]
    unseen: str = ""

    @property
    def trains(self) -> bool:
        """Whether it can change what is trained; else stored numbers are judged again."""
        return any(patch.file.startswith(SCIENCE) for patch in self.patches)
