"""Gates on accuracies as they were measured: of so many examples, at the end of training. Torch-free.

They fail or leave no trace: older tables, which lack what they read, are judged as if these gates did not exist.
"""

from collections.abc import Sequence

import numpy as np

from lthbench.claims.schema import Cell
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.table import Table, label, per_run
from lthbench.recipe.arms import ARMS
from lthbench.recipe.experiment import Experiment

TEST_EXAMPLES = {"mnist": 10_000, "fashion_mnist": 10_000, "cifar10": 10_000}  # where a recipe takes all of them
ACCURACIES = ("final_test_accuracy", "early_stop_test_accuracy")
WHOLE = 0.01  # of an example; numbers are stored with ten digits
FEWEST = 8  # runs that must agree before it is no coincidence


def measured_gates(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """Failed gates; none where all is well or nothing can be told."""
    return [*counting_gate(experiment, every, table, n), *end_gate(experiment, every, table, n)]


def counting_gate(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """Every test accuracy is a whole number of the test examples: right over total, and over nothing else."""
    total = experiment.data.test or TEST_EXAMPLES.get(experiment.data.name)
    if total is None:
        return []
    for cell in every:
        for metric in ACCURACIES:
            right = per_run(table, cell, metric, n) * total / 100
            parts = np.abs(right - np.round(right))
            if np.any(parts > WHOLE):
                text = (
                    f"{int(np.sum(parts > WHOLE))} of {len(right)} values of {metric} are no whole number of "
                    f"{total} test examples, the first {right[np.argmax(parts > WHOLE)]:.3f}."
                )
                return [GateResult(f"{experiment.id}: accuracies of {label(cell)}", False, text)]
    return []


def end_gate(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """Where runs stop early, the accuracy at the end is not that of the early stop in every one of them."""
    last, early, same = experiment.training.iterations, 0, 0
    for cell in every:
        if ARMS[cell.arm].learns == "nothing":
            continue
        stops = per_run(table, cell, "early_stop_iteration", n)
        final, stopped = (per_run(table, cell, metric, n) for metric in ACCURACIES)
        if len(stops) == len(final) == len(stopped):
            early += int(np.sum(stops < last))
            same += int(np.sum((stops < last) & (final == stopped)))
    if early < FEWEST or same < early:
        return []
    text = f"All {early} runs whose early stop lies before the end have the same test accuracy at both."
    return [GateResult(f"{experiment.id}: accuracy at the end of training", False, text)]
