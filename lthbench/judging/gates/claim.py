"""The gates a claim must pass before its numbers mean anything, and those a table has nothing for. Torch-free.

The checks themselves are pure functions in lthbench/judging/gates/checks.py. A gate takes what there is of one
experiment, its values or its cells, and gives its results: none where it has nothing to say.
"""

from collections.abc import Callable

import numpy as np

from lthbench.claims.load import Registry
from lthbench.claims.schema import EARLY_STOP, Cell, Collapse, Registration, Suite, threshold
from lthbench.judging.endpoints import CURVE
from lthbench.judging.gates.accuracy import (
    ACCURACIES,
    Values,
    band_gate,
    barrier_gates,
    chance_gate,
    counting_gate,
    end_gate,
    finite_gate,
    recipe_gate,
)
from lthbench.judging.gates.cells import COUNTS, Cells, cells_and_parents, titled
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.gates.endpoints import STOP, early_stop_gates, stops_of, threshold_gates
from lthbench.judging.gates.masks import ladder_gate, mask_gates, method_gate, twin_gates, weights_gate
from lthbench.judging.gates.own_runs import own_runs_gate
from lthbench.judging.gates.starts import NOT_LOOKED_AT, start_gates, without_starts
from lthbench.judging.table import Table, per_run
from lthbench.recipe.arms import ARMS

ON_VALUES: tuple[Callable[[Values], list[GateResult]], ...] = (finite_gate, chance_gate, band_gate)
# These need all of our own columns: masks, counts, and what the cells were made from.
ON_CELLS: tuple[Callable[[Cells], list[GateResult]], ...] = (
    weights_gate,
    ladder_gate,
    method_gate,
    mask_gates,
    twin_gates,
    start_gates,
    barrier_gates,
    counting_gate,
    end_gate,
)
NEEDED = ("final_test_accuracy", "validation_loss", "mask_crc32")  # of every cell, beside its counts
NO_STRUCTURE = "structural gates on masks and weight counts: the table holds neither"
NO_STOPS = f"whether training ended before the early stop: the table has no {STOP}"
SOME_RUNS = "The table has masks or weight counts for some runs only."


def claim_gates(
    registry: Registry, suite: Suite, registration: Registration, table: Table
) -> tuple[list[GateResult], list[str]]:
    """The gates of one claim, and in words what could not be looked at.

    Of registered replicates everything has to be there; of given results it may be.
    """
    n = registration.replicates or whole_replicates(registry, registration, table)
    try:
        gates, unseen = (
            gates_of_cells(registry, suite, registration, table, n)
            if n
            else gates_of_values(suite, registration, table)
        )
        if not registration.replicates and registration.trains:
            gates += own_runs_gate(registration, table)
        return gates + gates_of_lines(registry, registration, table, n), unseen
    except (ValueError, KeyError):  # arrays of unequal length: measured for some runs, not for others
        if registration.replicates or not n:
            raise
        return [GateResult("masks and weight counts", False, SOME_RUNS)], []


def gates_of_cells(
    registry: Registry, suite: Suite, registration: Registration, table: Table, n: int
) -> tuple[list[GateResult], list[str]]:
    """Of replicates 0 .. n-1 of the cells and of all they were made from."""
    gates, unseen = [], []
    for name, every in cells_and_parents(registry, registration).items():
        cells = Cells(registry.experiments[name], every, table, n)
        values = values_of_cells(cells, suite, registration.collapse)
        gates += [titled(name, result) for gate in ON_VALUES for result in gate(values)]
        gates += recipe_gate(cells.experiment, suite.dense_bands.get(name))
        gates += [result for on_cells in ON_CELLS for result in on_cells(cells)]
        if len(without_starts(cells)) == len(every):
            unseen.append(name)
    return gates, [f"{', '.join(unseen)}: {NOT_LOOKED_AT}"] if unseen else []


def values_of_cells(cells: Cells, suite: Suite, collapse: Collapse | None) -> Values:
    """Every run's accuracy and losses."""
    accuracies = {cell: cells.per_run(cell, "final_test_accuracy") for cell in cells.every}
    return Values(
        {
            cell.label: np.concatenate([values, cells.per_run(cell, "validation_loss")])
            for cell, values in accuracies.items()
        },
        {cell.label: values for cell, values in accuracies.items() if learns(cell)},
        cells.table.values(cells.dense, "final_test_accuracy", cells.n),
        suite.chance_of(cells.experiment.id),
        suite.dense_bands.get(cells.experiment.id),
        collapse,
    )


def learns(cell: Cell) -> bool:
    """Whether an arm trains something; an untrained network may be no better than guessing."""
    return ARMS[cell.arm].learns != "nothing"


def gates_of_values(suite: Suite, registration: Registration, table: Table) -> tuple[list[GateResult], list[str]]:
    """Of what the lines of a claim use, where the table holds no more."""
    used = used_values(registration, table)
    gates = []
    for name in dict.fromkeys(cell.experiment for cell, _ in used):
        here = {key: values for key, values in used.items() if key[0].experiment == name}
        dense = table.measured(Cell(name, "dense", 0), "final_test_accuracy")
        values = Values(
            {f"{cell}, {endpoint}": v for (cell, endpoint), v in here.items()},
            {str(cell): v for (cell, endpoint), v in here.items() if endpoint in ACCURACIES},
            None if dense is None else dense.values,
            suite.chance_of(name),
            suite.dense_bands.get(name),
            registration.collapse,
        )
        gates += [titled(name, result) for gate in ON_VALUES for result in gate(values)]
    return gates, [NO_STRUCTURE, *without_stops(registration, table)]


def used_values(registration: Registration, table: Table) -> dict[tuple[Cell, str], np.ndarray]:
    """What a table holds of the endpoints of a claim; of a threshold, which has a gate of its own, the curve."""
    used = {}
    for line in registration.lines():
        for cell in line.contrast.cells(registration.experiment):
            measured = table.measured(cell, line.endpoint)
            from_curve = threshold(line.endpoint) is not None and table.rows(cell, line.endpoint) is None
            if measured is not None:
                used[cell, line.endpoint] = per_run(table, cell, CURVE, 0) if from_curve else measured.values
    return used


def gates_of_lines(registry: Registry, registration: Registration, table: Table, n: int) -> list[GateResult]:
    """The gates that an endpoint asks for."""
    if not registration.trains:
        return []
    return [
        *early_stop_gates(registry, registration, table, n),
        *threshold_gates(registration, table, n),
    ]


def without_stops(registration: Registration, table: Table) -> list[str]:
    """That early stops could not be looked at, where a line speaks of them and the table has their logarithms."""
    cells = [
        cell
        for line in registration.lines()
        if line.endpoint in EARLY_STOP
        for cell in line.contrast.cells(registration.experiment)
        if table.measured(cell, line.endpoint) is not None
    ]
    return [NO_STOPS] if any(not stops_of(table, cell) for cell in cells) else []


def whole_replicates(registry: Registry, registration: Registration, table: Table) -> int:
    """How many replicates 0, 1, ... of given results have all that the gates on cells look at; often none."""
    if not registration.trains:
        return 0
    groups = cells_and_parents(registry, registration)
    labels = set(table.table.loc[table.table["experiment"].isin(groups), "replicate"])
    every = [cell for cells in groups.values() for cell in cells]
    counted = all(any(metric.startswith(COUNTS) for metric in table.metrics(cell)) for cell in every)
    if labels != set(range(len(labels))) or not counted:
        return 0
    return min(len(set(rows["replicate"])) if rows is not None else 0
               for cell in every for metric in NEEDED for rows in [table.rows(cell, metric)])  # fmt: skip
