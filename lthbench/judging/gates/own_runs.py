"""Are a stranger's replicates runs of their own? Copies under other labels and seeds without an effect are not."""

import numpy as np
import pandas as pd

from lthbench.claims.schema import Registration
from lthbench.judging.gates.accuracy import ACCURACIES
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.labels import in_order
from lthbench.judging.table import Measured, Table

SAME = 3  # replicates that must agree before it is no coincidence
CELL = ["arm", "level", "density"]


def own_runs_gate(registration: Registration, table: Table) -> list[GateResult]:
    """A failed gate where at least half of a claim's replicates are copies of others, or all are one run."""
    for line in registration.hypotheses:
        cells = line.contrast.cells(registration.experiment)
        sides = [side for cell in cells if (side := table.measured(cell, line.endpoint)) is not None and side.runs]
        if line.endpoint not in ACCURACIES or not sides:
            continue
        wrong = constant(sides) or copied(table, cells[0].experiment, sides)
        if wrong:
            return [GateResult(f"{line.id}: every replicate is a run of its own", False, f"{wrong.capitalize()}.")]
    return []


def copied(table: Table, experiment: str, sides: list[Measured]) -> str:
    """How many replicates are copies, where that is half or more."""
    labels = set.intersection(*(set(side.runs) for side in sides))
    if 2 * len({tuple(side.runs[label] for side in sides) for label in labels}) > len(labels) + 1:
        return ""  # most differ in these cells already
    rows = table.table[table.table["experiment"].eq(experiment) & table.table["replicate"].isin(labels)]
    copies = sum(len(group) - 1 for group in twins(rows))
    if not labels or 2 * copies < len(labels):
        return ""
    return f"{copies} of {len(labels)} replicates are others again under another label"


def constant(sides: list[Measured]) -> str:
    """That no arm differs between replicates."""
    if not all(len(side.runs) >= SAME and np.ptp(side.values) == 0 and side.values[0] < 100 for side in sides):
        return ""
    return f"all {len(sides[0].runs)} replicates of every arm have one value: the seed had no effect"


def twins(rows: pd.DataFrame) -> list[list]:
    """Groups of replicates of one experiment that agree in all they measured, in two cells or more."""
    measured = rows[[*CELL, "draw", "iteration", "metric", "value"]].astype(object)
    measured = measured.where(measured.notna(), -1)  # what is not there is alike
    groups: dict[tuple, list] = {}
    for label, own in measured.groupby(rows["replicate"], sort=False):
        if len(own.drop_duplicates(CELL)) > 1:
            groups.setdefault(tuple(sorted(own.itertuples(index=False, name=None))), []).append(label)
    return [in_order(labels) for labels in groups.values() if len(labels) > 1]
