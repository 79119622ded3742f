"""The order of replicates: numbers first, then names, as one counts (s2 before s10)."""

import re
from collections.abc import Iterable

import pandas as pd

from lthbench.judging.endpoints import Label

DIGITS = re.compile(r"([0-9]+)")


def in_order(labels: Iterable[Label]) -> list[Label]:
    """Labels in the order in which replicates are looked at."""
    return sorted(labels, key=place)


def place(label: Label) -> tuple:
    """Where a label stands among others."""
    if isinstance(label, int):
        return (0, label)
    parts = DIGITS.split(label)
    return (1, [(int(part), "") if part.isdigit() else (-1, part) for part in parts], label)


def first_replicates(table: pd.DataFrame, n: int) -> pd.DataFrame:
    """The rows of the first n replicates of every arm, and all summaries; labels as `numbered` gives them.

    Labels that more arms have come first: a replicate without a partner takes no pair's place.
    """
    arms: dict[tuple[str, Label], set[str]] = {}
    labels: dict[tuple[str, str], set[Label]] = {}
    keys = list(zip(table["experiment"], table["arm"], table["replicate"], strict=True))
    for experiment, arm, label in keys:
        arms.setdefault((experiment, label), set()).add(arm)
        labels.setdefault((experiment, arm), set()).add(label)
    kept = {
        key: {"", *sorted(in_order(own - {""}), key=lambda label: -len(arms[key[0], label]))[:n]}
        for key, own in labels.items()
    }
    if table.empty:
        return table
    return table[[label in kept[experiment, arm] for experiment, arm, label in keys]]
