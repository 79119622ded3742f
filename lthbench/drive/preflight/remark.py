"""What a pre-flight has to say: a line each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """One line about a network, data or a plan, with the way out.

    `refused`: a verdict on it would be wrong, so nothing is trained. Else it is legitimate, and said.
    """

    says: str
    refused: bool


def refusal(says: str) -> Remark:
    """What stops a run."""
    return Remark(says, refused=True)


def notice(says: str) -> Remark:
    """What is said once."""
    return Remark(says, refused=False)


def firsts(names: list[str], most: int = 3) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
