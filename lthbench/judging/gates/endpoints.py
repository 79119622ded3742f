"""Gates on what a claim's own lines ask for: an early stop, a threshold, one kind of device. Torch-free."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lthbench.claims.load import Registry
from lthbench.claims.schema import EARLY_STOP, Cell, Registration, threshold
from lthbench.judging.endpoints import CURVE, Runs, first_reached, run_values
from lthbench.judging.gates.checks import GateResult, not_censored, threshold_reached
from lthbench.judging.table import Table, per_run

STOP = "early_stop_iteration"


def early_stop_gates(registry: Registry, registration: Registration, table: Table, n: int) -> list[GateResult]:
    """For claims about the early stop: it does not sit at the last evaluation.

    With n = 0, of the cells that a stranger's table has.
    """
    cells = [
        cell
        for line in registration.lines()
        if line.endpoint in EARLY_STOP
        for cell in line.contrast.cells(registration.experiment)
        if n or stops_of(table, cell)
    ]
    if not cells:
        return []
    stops = np.concatenate(
        [per_run(table, cell, STOP, n) if n else list(stops_of(table, cell).values()) for cell in cells]
    )
    return [not_censored(stops, registry.experiments[cells[-1].experiment].training.iterations)]


def stops_of(table: Table, cell: Cell) -> Runs:
    """The early stop of every run of a stranger's table, stated or in its curves."""
    return run_values(lambda metric: table.rows(cell, metric), STOP)


def threshold_gates(registration: Registration, table: Table, n: int) -> list[GateResult]:
    """For hypotheses about iterations to a validation accuracy: every run, each draw, gets there.

    With n = 0, of the curves that a stranger's table has.
    """
    gates = []
    for line in registration.hypotheses:
        percent = threshold(line.endpoint)
        if percent is None:
            continue
        cells = line.contrast.cells(registration.experiment)
        curves = {cell.label: table.rows(cell, CURVE) for cell in cells}
        reached = {name: reaches(rows, percent, n) for name, rows in curves.items() if rows is not None}
        if n or reached:
            gate = threshold_reached(reached, percent)
            gates.append(GateResult(f"{line.id}: {gate.name}", gate.passed, gate.detail))
    return gates


def reaches(curves: pd.DataFrame, percent: float, n: int) -> np.ndarray:
    """When each run gets to the accuracy; nan for never."""
    return np.array(list(first_reached(curves[curves["replicate"] < n] if n else curves, percent).values()))


def device_gates(registration: Registration, devices: Mapping[str, Sequence[str]]) -> list[GateResult]:
    """Failed gates where the replicates of one contrast come from several kinds of device; else none.

    `devices` names the kinds per experiment (`lthbench.results.tidy.device_kinds`). A pass leaves no trace,
    because verdicts hold nothing about machines.
    """
    gates: dict[str, GateResult] = {}
    for line in registration.lines():
        names = sorted({cell.experiment for cell in line.contrast.cells(registration.experiment)})
        kinds = sorted({kind for name in names for kind in devices.get(name, ())})
        if len(kinds) > 1:
            name = f"{' and '.join(names)}: one kind of device"
            text = f"Runs come from {' and '.join(kinds)}; train them again on one kind of device."
            gates[name] = GateResult(name, False, text)
    return list(gates.values())
