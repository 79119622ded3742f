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
    """The rows of the first n replicates of every arm, and all summaries; labels as `numbered` gives them."""
    keys = list(zip(table["experiment"], table["arm"], table["replicate"], strict=True))
    labels: dict[tuple[str, str], set[Label]] = {}
    for experiment, arm, label in keys:
        labels.setdefault((experiment, arm), set()).add(label)
    kept = {key: {"", *in_order(own - {""})[:n]} for key, own in labels.items()}
    return table[[label in kept[experiment, arm] for experiment, arm, label in keys]]
