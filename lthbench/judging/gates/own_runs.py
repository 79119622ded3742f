"""Are a stranger's replicates runs of their own? Copies under other labels and seeds without an effect are not."""

import math

import numpy as np
import pandas as pd
from scipy import special

from lthbench.claims.schema import Registration
from lthbench.judging.endpoints import Label
from lthbench.judging.gates.accuracy import ACCURACIES
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.labels import in_order
from lthbench.judging.table import Measured, Table

SAME = 3  # replicates that must agree before it is no coincidence
COINCIDENCE = 1e-3  # that so many honest replicates agree in everything
CELL = ["arm", "level", "density"]
COLUMN = [*CELL, "draw", "iteration", "metric"]


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


def twins(rows: pd.DataFrame) -> list[list[Label]]:
    """Groups of replicates of one experiment that agree in all they measured, in two cells or more.

    None where so many could agree by chance, because accuracies lie on a grid.
    """
    measured = rows[[*COLUMN, "value"]].astype(object)
    measured = measured.where(measured.notna(), -1)  # what is not there is alike
    groups: dict[tuple, list[Label]] = {}
    for label, own in measured.groupby(rows["replicate"], sort=False):
        if len(own.drop_duplicates(CELL)) > 1:
            groups.setdefault(tuple(sorted(own.itertuples(index=False, name=None))), []).append(label)
    alike = [in_order(labels) for labels in groups.values() if len(labels) > 1]
    agreeing = sum(math.comb(len(labels), 2) for labels in alike)
    by_chance = special.pdtrc(agreeing - 1, expected_twins(rows)) if agreeing else 1.0
    return alike if by_chance <= COINCIDENCE else []


def expected_twins(rows: pd.DataFrame) -> float:
    """About how many pairs of honest replicates agree in all their values: normal noise on each value's grid.

    Two values agree with probability step / (2 sqrt(pi) SD); the step is the smallest that was seen.
    """
    n, agree = rows["replicate"].nunique(), 1.0
    for _, own in rows.groupby(COLUMN, dropna=False):
        values = np.unique(own["value"].dropna().to_numpy(dtype=float))
        if len(values) > 1:
            spread = float(own["value"].std(ddof=1))
            agree *= min(1.0, float(np.diff(values).min()) / (2 * math.sqrt(math.pi) * spread))
    return math.comb(n, 2) * agree
