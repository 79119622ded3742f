"""Runs that collapsed, counted per arm: a line of its own beside a verdict (docs/decision.md, section 5)."""

import numpy as np

from lthbench.claims.schema import Registration, Suite
from lthbench.judging.gates.accuracy import ACCURACIES
from lthbench.judging.gates.checks import TIMES_CHANCE
from lthbench.judging.lines import rounded
from lthbench.judging.table import Table, per_run
from lthbench.judging.verdict import Collapses
from lthbench.stats.intervals import rate_interval


def collapses(suite: Suite, registration: Registration, table: Table) -> list[Collapses]:
    """The counts of every cell that a hypothesis compares by its accuracy, in their order.

    Where a registration says what a collapse is, of all cells; else of those with any, by the floor of the gate on
    chance.
    """
    counted = {}
    for line in registration.hypotheses:
        for cell in line.contrast.cells(registration.experiment):
            if line.endpoint not in ACCURACIES or cell in counted:
                continue
            chance = TIMES_CHANCE * suite.chance_of(cell.experiment)
            floor = registration.collapse.floor if registration.collapse else chance
            values = per_run(table, cell, line.endpoint, registration.replicates)
            collapsed = int(np.sum(values <= floor))
            if len(values) and (collapsed or registration.collapse):
                interval = rate_interval(collapsed, len(values))
                counted[cell] = Collapses(str(cell), collapsed, len(values), floor, *map(rounded, interval))
    return list(counted.values())
