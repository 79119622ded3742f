"""What a claim still lacks, in words: which cells, which replicates, and how the ones that are there look."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lthbench.claims.load import Registry
from lthbench.claims.schema import Cell, Line, Registration, parse_cell
from lthbench.judging.gates.claim import cells_and_parents
from lthbench.judging.table import Table
from lthbench.judging.words import signed

LISTED = 6  # cells named one by one


def missing_words(registry: Registry, registration: Registration, table: Table) -> str:
    """Cells and replicates that were not run; then running estimates, which never decide anything."""
    n = registration.replicates
    wanted = [cell for every in cells_and_parents(registry, registration).values() for cell in every]
    there = {cell: set(table.replicates(cell, "final_test_accuracy", n)) for cell in wanted}
    gaps = [cell for cell in wanted if len(there[cell]) < n]
    whole = set(range(n)).intersection(*there.values())
    names = ", ".join(f"{address(cell, registration.experiment)} {len(there[cell])}/{n}" for cell in gaps[:LISTED])
    more = f" and {len(gaps) - LISTED} more" if len(gaps) > LISTED else ""
    found = [
        f"Not run: {len(gaps)} of {len(wanted)} cells lack replicates ({names}{more}); "
        f"{len(whole)} of {n} replicates are complete, missing {ranges(sorted(set(range(n)) - whole))}."
    ]
    estimates = [running(table, line, registration) for line in registration.hypotheses]
    if any(estimates):
        found.append(f"So far, deciding nothing: {'; '.join(e for e in estimates if e)}.")
    return " ".join(found)


def address(cell: Cell, default: str) -> str:
    """A cell as a claim file writes it."""
    return ("" if cell.experiment == default else f"{cell.experiment}:") + f"{cell.arm}@{cell.level}"


def ranges(numbers: Sequence[int]) -> str:
    """`0-3, 7` for 0, 1, 2, 3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def running(table: Table, line: Line, registration: Registration) -> str:
    """The mean of d over the replicates that are there (fewer than registered); empty without any."""
    sides = [
        side_values(table, side, line, registration) for side in (line.contrast.minuend, line.contrast.subtrahend)
    ]
    both = sides[0].index.intersection(sides[1].index)
    d = (sides[0] - sides[1])[both[both < registration.replicates]]
    if d.empty or len(d) == registration.replicates or d.isna().any():  # a mean without the worst runs misleads
        return ""
    return f"{line.id} {signed(float(d.mean()))} {line.unit} over {len(d)} replicates"


def side_values(table: Table, side: str | float, line: Line, registration: Registration) -> pd.Series:
    """One side of a contrast by replicate, as far as it is there."""
    if isinstance(side, str):
        return table.by_replicate(parse_cell(side, registration.experiment), line.endpoint)
    return pd.Series(np.full(registration.replicates, float(side)))
