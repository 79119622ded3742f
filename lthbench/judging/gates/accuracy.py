"""Gates on accuracies: finite, above chance, in their band, of so many test examples at the end of training.

Torch-free.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lthbench.claims.schema import Band, Cell, Collapse
from lthbench.judging.gates.cells import Cells, titled
from lthbench.judging.gates.checks import (
    GateResult,
    all_finite,
    collapses_as_registered,
    no_arm_at_chance,
    within_band,
)
from lthbench.recipe.arms import ARMS, line_start
from lthbench.recipe.experiment import Experiment, digest

TEST_EXAMPLES = {"mnist": 10_000, "fashion_mnist": 10_000, "cifar10": 10_000}  # where a recipe takes all of them
ACCURACIES = ("final_test_accuracy", "early_stop_test_accuracy")
WHOLE = 0.01  # of an example; numbers are stored with ten digits
FEWEST = 8  # runs that must agree before it is no coincidence
EXACT = 1e-6  # percentage points: rounding of a stored number
A_FLIP = 0.1  # percentage points: a device may answer a tie otherwise in another stack


@dataclass(frozen=True)
class Values:
    """What was measured in one experiment: all values that have to be finite, and accuracies, by cell.

    `dense` are the dense network's accuracies (None where a stranger's table has none), in percent as `chance` is.
    """

    values: Mapping[str, np.ndarray]
    accuracies: Mapping[str, np.ndarray]
    dense: np.ndarray | None
    chance: float
    band: Band | None
    collapse: Collapse | None = None


def finite_gate(measured: Values) -> list[GateResult]:
    """No run diverged."""
    return [all_finite(measured.values)]


def chance_gate(measured: Values) -> list[GateResult]:
    """Every arm that was trained is better than guessing; no more of its runs collapse than is registered."""
    if not measured.accuracies:
        return []
    gates = [no_arm_at_chance(measured.accuracies, measured.chance)]
    if measured.collapse is not None:
        gates.append(collapses_as_registered(measured.accuracies, *measured.collapse.bounds))
    return gates


def band_gate(measured: Values) -> list[GateResult]:
    """Dense accuracy lies in its band; a band of which it is not known what it could notice says so.

    Exploratory suites have no bands.
    """
    band = measured.band
    if band is None or measured.dense is None:
        return []
    gate = within_band("dense accuracy in its band", measured.dense, band.low, band.high, "%")
    if not band.not_measured:
        return [gate]
    detail = f"{gate.detail} Which mistakes it would notice: {band.not_measured}."
    return [GateResult(gate.name, gate.passed, detail)]


def recipe_gate(experiment: Experiment, band: Band | None) -> list[GateResult]:
    """What is trained is what was registered. A pass leaves no trace."""
    now = digest(experiment.recipe())
    if band is None or band.recipe is None or band.recipe == now:
        return []
    text = (
        f"The recipe's hash is {now}, the registered one {band.recipe}. A changed recipe is a new registration: "
        "tune it, and register its band and margins with this hash."
    )
    return [titled(experiment.id, GateResult("recipe as registered", False, text))]


def counting_gate(cells: Cells) -> list[GateResult]:
    """Every test accuracy is a whole number of the test examples: right over total, and over nothing else.

    A pass leaves no trace: tables of before this gate are judged as they were.
    """
    data = cells.experiment.data
    total = data.test or TEST_EXAMPLES.get(data.name)
    if total is None:
        return []
    for cell in cells.every:
        for metric in ACCURACIES:
            right = cells.per_run(cell, metric) * total / 100
            parts = np.abs(right - np.round(right))
            if np.any(parts > WHOLE):
                text = (
                    f"{int(np.sum(parts > WHOLE))} of {len(right)} values of {metric} are no whole number of "
                    f"{total} test examples, the first {right[np.argmax(parts > WHOLE)]:.3f}."
                )
                return [cells.titled(GateResult(f"accuracies of {cell.label}", False, text))]
    return []


def end_gate(cells: Cells) -> list[GateResult]:
    """Where runs stop early, the accuracy at the end is not that of the early stop in every one of them.

    A pass leaves no trace.
    """
    last, early, same = cells.experiment.training.iterations, 0, 0
    for cell in cells.every:
        if ARMS[cell.arm].learns == "nothing":
            continue
        stops = cells.per_run(cell, "early_stop_iteration")
        final, stopped = (cells.per_run(cell, metric) for metric in ACCURACIES)
        if len(stops) == len(final) == len(stopped):
            early += int(np.sum(stops < last))
            same += int(np.sum((stops < last) & (final == stopped)))
    if early < FEWEST or same < early:
        return []
    text = f"All {early} runs whose early stop lies before the end have the same test accuracy at both."
    return [cells.titled(GateResult("accuracy at the end of training", False, text))]


def ends_of_lines(cells: Cells) -> list[tuple[Cell, Cell, str]]:
    """Of every line whose networks are there: its cell, the cell at one of its ends, and the metric there."""
    there = set(cells.every)
    lines = [cell for cell in cells.every if ARMS[cell.arm].line_from]
    starts = [Cell(cells.experiment.id, *line_start(line.arm, line.level)) for line in lines]
    pairs = [(line, start) for line, start in zip(lines, starts, strict=True) if start in there]
    return [end for line, start in pairs for end in ((line, start, "line_error:0"), (line, line, "line_error:1"))]


def barrier_gates(cells: Cells) -> list[GateResult]:
    """Failed gates where the ends of a line are not the networks it joins, as far as can be told.

    Without batch norm an end's error is the network's own. With it, statistics are recomputed at every point, and
    the error moves: an end with the network's own error in every replicate was measured with old statistics.
    (Of 24 sound ends on 20,000 test examples all moved, by 0.035 to 2.2 pp.) A pass leaves no trace.
    """
    network, gates = cells.experiment.network, []
    normed = network.normed
    if not network.is_paper:
        return []
    for line, cell, end in ends_of_lines(cells):
        own, there = 100 - cells.per_run(cell, "final_test_accuracy"), cells.per_run(line, end)
        name = f"{cell.arm} at its end of the line" if not line.level else f"{cell.label} at its end of the line"
        if not len(there) or len(own) != len(there):
            continue  # a stranger's barrier, of which the line is not given
        moved = np.abs(own - there)
        if normed and not np.any(moved > EXACT):
            text = f"All {len(moved)} errors are the network's own: batch-norm statistics were not recomputed."
            gates.append(cells.titled(GateResult(name, False, text)))
        if not normed and not np.all(moved <= A_FLIP):
            text = f"{np.sum(~(moved <= A_FLIP))} of {len(moved)} errors are not the network's own."
            gates.append(cells.titled(GateResult(name, False, text)))
    return gates
