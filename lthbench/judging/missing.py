"""What a claim still lacks, in words: which cells, which replicates, and how the ones that are there look."""

from collections.abc import Sequence

import numpy as np

from lthbench.claims.load import Registry
from lthbench.claims.schema import Cell, Line, Registration
from lthbench.judging.gates.cells import cells_and_parents
from lthbench.judging.lines import WeighedLine, pairs_of, sides_of
from lthbench.judging.table import Measured, Table
from lthbench.judging.words import signed
from lthbench.words import ranges

LISTED = 6  # cells named one by one


def missing_words(
    registry: Registry, registration: Registration, table: Table, lines: Sequence[WeighedLine]
) -> str:
    """What a claim (its lines, hypotheses first) still lacks; empty where nothing does.

    Registered replicates have to be there of every cell, and of those it was made from. Of given results all is
    taken that is there.
    """
    hypotheses = lines[: len(registration.hypotheses)]
    if registration.replicates:
        return not_run(registry, registration, table)
    lacking = dict.fromkeys(cell for line in hypotheses for cell in line.missing)
    return f"Not in the table: {', '.join(lacking)}." if lacking else ""


def not_run(registry: Registry, registration: Registration, table: Table) -> str:
    """Cells and replicates that were not run; then running estimates, which never decide anything."""
    n = registration.replicates
    wanted = [cell for every in cells_and_parents(registry, registration).values() for cell in every]
    there = {cell: set(table.replicates(cell, "final_test_accuracy", n)) for cell in wanted}
    gaps = [cell for cell in wanted if len(there[cell]) < n]
    if not gaps:
        return ""
    whole = set(range(n)).intersection(*there.values())
    names = ", ".join(f"{address(cell, registration.experiment)} {len(there[cell])}/{n}" for cell in gaps[:LISTED])
    more = f" and {len(gaps) - LISTED} more" if len(gaps) > LISTED else ""
    said = [
        "Not every run this claim needs is there. "
        f"Not run: {len(gaps)} of {len(wanted)} cells lack replicates ({names}{more}); "
        f"{len(whole)} of {n} replicates are complete, missing {ranges(sorted(set(range(n)) - whole))}."
    ]
    estimates = [running(table, line, registration) for line in registration.hypotheses]
    if any(estimates):
        said.append(f"So far, deciding nothing: {'; '.join(e for e in estimates if e)}.")
    return " ".join(said)


def address(cell: Cell, default: str) -> str:
    """A cell as a claim file writes it."""
    return ("" if cell.experiment == default else f"{cell.experiment}:") + cell.label


def running(table: Table, line: Line, registration: Registration) -> str:
    """The mean of d over the replicates that are there (fewer than registered); empty without any."""
    n = registration.replicates
    first, second = sides_of(table, line, registration.experiment, 0)
    if first is None or second is None:
        return ""
    both = set(range(n)).intersection(*(side.runs for side in (first, second) if isinstance(side, Measured)))
    d = pairs_of(sorted(both), first, second).d
    if not 0 < len(d) < n or np.isnan(d).any():  # a mean without the worst runs misleads
        return ""
    return f"{line.id} {signed(float(d.mean()))} {line.unit} over {len(d)} replicates"
