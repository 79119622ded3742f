"""The document of `python -m tools.dock`: each mistake, and which of the three ways found it."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Standing = Mapping[str, Any]
HEAD = """# Implementations in the dock

`python -m tools.dock` writes this page. How to put an implementation of yours into the dock is said in
[dock-implementation.md](dock-implementation.md).

M1 to M15 are mistakes that were found in public code (`tools/mutants/known.py` says where). Each was written anew
as an implementation of a user's, in plain torch, over a sound one of {lines} lines that shares no code with the
engine (`tests/dock/implementations`). All run on a small perceptron with batch norm on MNIST-1D, {replicates}
replicates, with the claims of `tests/dock/claims`, whose margins are quarters of effects on tuning seeds.

Three ways look apart: **invariants** of the weights, masks and accuracies that were returned; **claims** that fail
or are blocked on its numbers and not on the reference's; the **reference**, arms that are shown to differ from the
reference implementation's by more than the margin.
"""


def said_by(file: Path) -> dict[str, str]:
    """The docstrings of the classes of a module, by name."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name: ast.get_docstring(node) or "" for node in tree.body if isinstance(node, ast.ClassDef)}


def document(standings: Mapping[str, Standing], replicates: int, folder: Path) -> str:
    """The page; `folder` holds the implementations."""
    lines = len((folder / "sound.py").read_text(encoding="utf-8").splitlines())
    said = said_by(folder / "mistakes.py")
    mistakes = {name.split()[0]: each for name, each in standings.items() if not name.startswith("sound")}
    sound = {int(name.split()[1]): each for name, each in standings.items() if name.startswith("sound")}
    rows = [mistake_row(name, said[name], each) for name, each in mistakes.items()]
    parts = [HEAD.format(replicates=replicates, lines=lines), table(rows), counts(mistakes), "## The sound one"]
    return "\n\n".join([*(part.strip() for part in parts), *sound_words(sound)]) + "\n"


def mistake_row(name: str, said: str, standing: Standing) -> tuple[str, ...]:
    """One mistake in the table."""
    broken, arms, claims = ways(standing)
    return (name, said, ", ".join(broken) or "–", ", ".join(claims) or "–", ", ".join(arms) or "–",
            ", ".join(standing["resembles"][:2]) or "–")  # fmt: skip


def ways(standing: Standing) -> tuple[list[str], list[str], list[str]]:
    """What each of the three ways found: broken invariants, arms, claims."""
    broken = [each["id"] for each in standing["invariants"] if each["state"] == "broken"]
    arms = [point["cell"] for point in standing["reference_points"] if point["decision"] == "FAIL"]
    unwell, before = ("FAIL", "BLOCKED"), standing["claims_of_reference"]
    claims = [name for name, v in standing["claims"].items() if v in unwell and before[name] not in unwell]
    return broken, list(dict.fromkeys(arms)), claims


def table(rows: list[tuple[str, ...]]) -> str:
    """The table of mistakes."""
    head = ("", "the mistake", "invariants", "claims", "reference: arms", "said to resemble")
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def counts(mistakes: Mapping[str, Standing]) -> str:
    """How many mistakes were found, by each way. Two variants of one bug count once."""
    names = list(dict.fromkeys(name.rstrip("ab") for name in mistakes))
    found = {name: [ways(each) for key, each in mistakes.items() if key.rstrip("ab") == name] for name in names}

    def by(way: int | None) -> int:
        return sum(any(any(each) if way is None else each[way] for each in several) for several in found.values())

    return (
        f"Found: {by(None)} of {len(names)}. By invariants {by(0)}, by claims {by(2)}, by the reference {by(1)}. "
        "M15 is a mistake of who scores, and here the dock scores: there is nothing in such an implementation to "
        "find. Its experiment is the sound one.\n\n"
        'Claims find little, because most of these mistakes leave the sentences standing: a "ticket" that was '
        "never pruned matches dense very well. The reference finds what moves an arm by several points; with so "
        "few replicates of so noisy a network smaller shifts are beyond it, and the page of each run says from "
        "which difference on it would notice. Invariants find what they are given: an implementation that returns "
        "nothing "
        "but accuracies can be found by the other two ways alone."
    )


def sound_words(sound: Mapping[int, Standing]) -> list[str]:
    """How often the sound implementation was accused."""
    accused = {seed: each["words"] for seed, each in sound.items() if any(ways(each))}
    confirmed = sum(each["words"].startswith("Sound") for each in sound.values())
    worst = min((p["delta"] for each in sound.values() for p in each["reference_points"]), default=0)
    most = max((p["delta"] for each in sound.values() for p in each["reference_points"]), default=0)
    said = (
        f"{len(sound)} master seeds, other data, weights and batches each: accused {len(accused)} times, "
        f"confirmed {confirmed} times, undecided {len(sound) - len(accused) - confirmed} times. "
        f"Its margins lay between {worst:.1f} and {most:.1f} pp."
    )
    return [said, *[f"Seed {seed}: {words}" for seed, words in accused.items()]]
