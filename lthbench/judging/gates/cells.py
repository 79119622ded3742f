"""What a gate looks at: the cells of one experiment that a claim rests on, in one table. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lthbench.claims.load import Registry, cells
from lthbench.claims.schema import Cell, Registration
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.table import Table, per_run
from lthbench.plan.unit import with_sources
from lthbench.recipe.arms import closure
from lthbench.recipe.experiment import Experiment

COUNTS = "nonzero:"  # metrics that begin so: weights remaining of a matrix


@dataclass(frozen=True)
class Cells:
    """Cells of one experiment, all they were made from and the dense network; replicates 0 .. n-1 of each."""

    experiment: Experiment
    every: Sequence[Cell]
    table: Table
    n: int

    @property
    def dense(self) -> Cell:
        """The dense network."""
        return Cell(self.experiment.id, "dense", 0)

    def per_run(self, cell: Cell, metric: str, iteration: int | None = None) -> np.ndarray:
        """One value per run of a cell (`lthbench.judging.table.per_run`)."""
        return per_run(self.table, cell, metric, self.n, iteration)

    def counts(self, cell: Cell) -> dict[str, np.ndarray]:
        """Weights remaining of every matrix of a cell, one count per run."""
        names = [metric for metric in self.table.metrics(cell) if metric.startswith(COUNTS)]
        return {name.removeprefix(COUNTS): self.per_run(cell, name) for name in names}

    def titled(self, gate: GateResult) -> GateResult:
        """A gate with the experiment's name."""
        return titled(self.experiment.id, gate)


def titled(experiment: str, gate: GateResult) -> GateResult:
    """A gate with its experiment's name."""
    return GateResult(f"{experiment}: {gate.name}", gate.passed, gate.detail)


def cells_and_parents(registry: Registry, registration: Registration) -> dict[str, list[Cell]]:
    """Per experiment, the cells of a registration, all they were made from, and the dense network."""
    wanted: dict[str, set[tuple[str, int]]] = {}
    for cell in cells(registration):
        wanted.setdefault(cell.experiment, {("dense", 0)}).add((cell.arm, cell.level))
    everywhere = with_sources(wanted, registry.experiments)
    return {name: [Cell(name, *cell) for cell in closure(own)] for name, own in everywhere.items()}
