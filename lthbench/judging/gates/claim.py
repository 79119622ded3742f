"""Which structural gates a claim must pass before its numbers mean anything. Torch-free.

The checks themselves are pure functions in lthbench/judging/gates/checks.py; here they are given a claim's cells.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lthbench.claims.load import Registry, cells
from lthbench.claims.schema import EARLY_STOP, Band, Cell, Hypothesis, Registration, Suite, threshold
from lthbench.judging.gates.accuracy import measured_gates
from lthbench.judging.gates.checks import (
    GateResult,
    all_finite,
    exact_counts,
    identical_masks,
    nobody_at_chance,
    not_censored,
    threshold_reached,
    within_band,
)
from lthbench.judging.gates.starts import NOT_LOOKED_AT, nonzero, rung, start_gates, titled, without_facts
from lthbench.judging.table import Table, first_reached, label, per_run
from lthbench.plan.unit import with_sources
from lthbench.recipe.arms import ARMS, closure, mask_origin
from lthbench.recipe.experiment import Experiment

EXACT = 1e-6  # percentage points: rounding of a stored number
A_FLIP = 0.1  # percentage points: a device may answer a tie otherwise in another stack


def claim_gates(registry: Registry, suite: Suite, registration: Registration, table: Table) -> list[GateResult]:
    """All gates of one claim, over the cells its lines use and those these were made from."""
    found: list[GateResult] = []
    for name, every in cells_and_parents(registry, registration).items():
        found += experiment_gates(registry.experiments[name], suite, every, table, registration.replicates)
    if any(line.endpoint in EARLY_STOP for line in registration.lines()):
        found.append(early_stop_gate(registry, registration, table))
    found += [
        threshold_gate(line, registration, table) for line in registration.hypotheses if threshold(line.endpoint)
    ]
    return found


def cells_and_parents(registry: Registry, registration: Registration) -> dict[str, list[Cell]]:
    """Per experiment, the cells of a registration, all they were made from, and the dense network."""
    wanted: dict[str, set[tuple[str, int]]] = {}
    for cell in cells(registration):
        wanted.setdefault(cell.experiment, {("dense", 0)}).add((cell.arm, cell.level))
    everywhere = with_sources(wanted, registry.experiments)
    return {name: [Cell(name, *cell) for cell in closure(own)] for name, own in everywhere.items()}


def not_looked_at(registry: Registry, registration: Registration, table: Table) -> tuple[str, ...]:
    """What the gates on starts could not look at, because no cell of an experiment has the facts."""
    every = cells_and_parents(registry, registration).items()
    unseen = [name for name, cells in every if len(without_facts(cells, table)) == len(cells)]
    return (f"{', '.join(unseen)}: {NOT_LOOKED_AT}",) if unseen else ()


def experiment_gates(
    experiment: Experiment, suite: Suite, every: list[Cell], table: Table, n: int
) -> list[GateResult]:
    """The gates on one experiment's cells."""
    accuracies = {label(cell): per_run(table, cell, "final_test_accuracy", n) for cell in every}
    measured = {
        label(cell): np.concatenate([accuracies[label(cell)], per_run(table, cell, "validation_loss", n)])
        for cell in every
    }
    dense = table.values(Cell(experiment.id, "dense", 0), "final_test_accuracy", n)
    return [
        titled(experiment, all_finite(measured)),
        titled(experiment, nobody_at_chance(trained_of(accuracies), suite.chance)),
        *band_gate(experiment, suite.dense_bands.get(experiment.id), dense),
        *weights_gate(experiment, table, n),
        ladder_gate(experiment, every, table, n),
        *mask_gates(experiment, every, table, n),
        *twin_gates(experiment, every, table, n),
        *start_gates(experiment, every, table, n),
        *barrier_gates(experiment, every, table, n),
        *measured_gates(experiment, every, table, n),
    ]


def twin_gates(experiment: Experiment, every: list[Cell], table: Table, n: int) -> list[GateResult]:
    """Failed gates where two replicates found the same mask: one replicate counted twice, or nothing was pruned.

    A seed without effect gives numbers without spread, which the tests would take for certainty. A pass leaves no
    trace. Whole filters are few, and so may be pruned alike by chance.
    """
    if experiment.pruning.unit == "filter":
        return []
    found = []
    for cell in every:
        masks = per_run(table, cell, "mask_crc32", n)
        if ARMS[cell.arm].mask not in ("iterative", "one-shot") or len(np.unique(masks)) == len(masks):
            continue
        text = f"{len(masks)} replicates have {len(np.unique(masks))} different masks: as if seeds had no effect."
        found.append(GateResult(f"{experiment.id}: replicates of {label(cell)} differ", False, text))
    return found


def barrier_gates(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """Failed gates where the ends of the line between two copies are not the copies, as far as can be told.

    Without batch norm an end's error is the network's own. With it, statistics are recomputed at every point, and
    the error moves: an end with the network's own error in every replicate was measured with old statistics.
    (Of 24 sound ends on 20,000 test examples all moved, by 0.035 to 2.2 pp.) A pass leaves no trace.
    """
    network, found = experiment.network, []
    normed = network.normed
    if not network.is_paper or not {("dense-copy", 0), ("dense", 0)} <= {(c.arm, c.level) for c in every}:
        return []
    for arm, end in (("dense", "line_error:0"), ("dense-copy", "line_error:1")):
        own = 100 - per_run(table, Cell(experiment.id, arm, 0), "final_test_accuracy", n)
        there = per_run(table, Cell(experiment.id, "dense-copy", 0), end, n)
        name = f"{experiment.id}: {arm} at its end of the line"
        if not len(there) or len(own) != len(there):
            continue  # a stranger's barrier, of which the line is not given
        moved = np.abs(own - there)
        if normed and not np.any(moved > EXACT):
            text = f"All {len(moved)} errors are the network's own: batch-norm statistics were not recomputed."
            found.append(GateResult(name, False, text))
        if not normed and not np.all(moved <= A_FLIP):
            text = f"{np.sum(~(moved <= A_FLIP))} of {len(moved)} errors are not the network's own."
            found.append(GateResult(name, False, text))
    return found


def trained_of(accuracies: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Accuracies of the arms that train something; an untrained network may be no better than guessing."""
    return {name: v for name, v in accuracies.items() if ARMS[name.partition("@")[0]].learns != "nothing"}


def band_gate(experiment: Experiment, band: Band | None, dense: np.ndarray | None) -> list[GateResult]:
    """Dense accuracy lies in its band; a band of which it is not known what it could notice says so.

    Exploratory suites have no bands.
    """
    if band is None:
        return []
    values = np.array([]) if dense is None else dense
    gate = within_band(f"{experiment.id}: dense accuracy in its band", values, band.low, band.high, "%")
    if not band.not_measured:
        return [gate]
    detail = f"{gate.detail} Which mistakes it would notice: {band.not_measured}."
    return [GateResult(gate.name, gate.passed, detail)]


def device_gates(registration: Registration, devices: Mapping[str, Sequence[str]]) -> list[GateResult]:
    """Failed gates where the replicates of one contrast come from several kinds of device; else none.

    `devices` names the kinds per experiment (`lthbench.results.tidy.device_kinds`). A pass leaves no trace,
    because verdicts hold nothing about machines.
    """
    found: dict[str, GateResult] = {}
    for line in registration.lines():
        names = sorted({cell.experiment for cell in line.contrast.cells(registration.experiment)})
        kinds = sorted({kind for name in names for kind in devices.get(name, ())})
        if len(kinds) > 1:
            name = f"{' and '.join(names)}: one kind of device"
            found[name] = GateResult(
                name, False, f"Runs come from {' and '.join(kinds)}; train them again on one kind of device."
            )
    return list(found.values())


def weights_gate(experiment: Experiment, table: Table, n: int) -> list[GateResult]:
    """The dense network has as many prunable weights as were counted by hand, none of them zero."""
    if experiment.weights is None:
        return []
    dense = Cell(experiment.id, "dense", 0)
    counts = [per_run(table, dense, name, n) for name in table.metrics(dense) if name.startswith("nonzero:")]
    totals = np.sum(counts, axis=0) if counts else np.array([])
    observed = {f"dense network {i}": int(total) for i, total in enumerate(np.atleast_1d(totals))}
    wanted = dict.fromkeys(observed, experiment.weights)
    return [exact_counts(f"{experiment.id}: prunable weights of the dense network", observed, wanted)]


def ladder_gate(experiment: Experiment, every: Iterable[Cell], table: Table, n: int) -> GateResult:
    """Weights that are not zero at the end of training: exactly the rung of the ladder, in every run.

    The rung is worked out from the recipe and the dense counts, apart from the code that prunes.
    """
    sizes, filters = (dense_counts(experiment, table, metric, n) for metric in ("nonzero:", "filters:"))
    observed: dict[str, int] = {}
    expected: dict[str, int] = {}
    title = f"{experiment.id}: weights remaining at the end of training"
    if not sizes:
        return GateResult(title, False, "There are no counts of the dense network's weights.")
    for cell in every:
        if not ARMS[cell.arm].counted:
            continue
        wanted_of = rung(sizes, experiment.pruning, cell.level, filters)
        counts = nonzero(table, cell, n)
        if counts.keys() != sizes.keys():
            odd = sorted(counts.keys() ^ sizes.keys())
            return GateResult(title, False, f"{label(cell)} does not have the dense network's matrices: {odd[0]}.")
        if len({len(each) for each in counts.values()}) > 1 or 0 in map(len, counts.values()):
            return GateResult(title, False, f"{label(cell)} has counts of some matrices for some runs only.")
        if wanted_of.keys() == {"all"}:
            counts = {"all": np.sum(list(counts.values()), axis=0)}
        # Worst run of each matrix: the count that is farthest from what it should be.
        for name, wanted in wanted_of.items():
            farthest = counts[name][np.argmax(np.abs(counts[name] - wanted))]
            observed[f"{label(cell)} {name}"] = int(farthest)
            expected[f"{label(cell)} {name}"] = wanted
    return exact_counts(title, observed, expected)


def dense_counts(experiment: Experiment, table: Table, prefix: str, n: int) -> dict[str, int]:
    """What the dense network has of each weight: weights that are not zero, or filters."""
    dense = Cell(experiment.id, "dense", 0)
    return {
        metric.removeprefix(prefix): int(per_run(table, dense, metric, n).max())
        for metric in table.metrics(dense)
        if metric.startswith(prefix)
    }


def mask_gates(experiment: Experiment, every: list[Cell], table: Table, n: int) -> list[GateResult]:
    """Controls that wear another arm's mask, mostly the ticket's, wear exactly it; a learned one is another one,
    and so is a random one, as dense per layer.
    """
    found = []
    for cell in sorted(every, key=lambda cell: cell.level):
        kind = ARMS[cell.arm].mask
        origin = origin_of(experiment, cell)
        if kind not in ("ticket", "random", "learned") or not ARMS[cell.arm].counted:
            continue
        if kind == "learned" and origin not in every:
            continue
        own, worn = per_run(table, origin, "mask_crc32", n), per_run(table, cell, "mask_crc32", n)
        repeated = np.repeat(own, len(worn) // max(1, len(own)))
        name = f"{experiment.id}: mask of {label(cell)}"
        if kind == "ticket":
            gate = identical_masks({origin.arm: repeated, cell.arm: worn})
            found.append(GateResult(name, gate.passed, gate.detail))
        elif kind == "learned":
            equal = int(np.sum(repeated == worn))
            differ = len(worn) > 0 and not equal
            found.append(GateResult(name, differ, f"{equal} of {len(worn)} masks equal the ticket's."))
        else:
            found.append(random_mask_gate(name, experiment, table, cell, origin, repeated, worn, n))
    return found


def origin_of(experiment: Experiment, cell: Cell) -> Cell:
    """The cell whose mask another one wears, shuffles, or (learned) is compared with."""
    arm, level = mask_origin(cell.arm, cell.level, experiment.mask_from)
    name, _, own = arm.rpartition(":")
    return Cell(name or experiment.id, own, level)


def random_mask_gate(
    name: str,
    experiment: Experiment,
    table: Table,
    cell: Cell,
    ticket: Cell,
    own: np.ndarray,
    worn: np.ndarray,
    n: int,
) -> GateResult:
    """A random mask has the ticket's count in every matrix, and no two are alike."""
    metrics = [metric for metric in table.metrics(ticket) if metric.startswith("nonzero:")]
    for metric in metrics:
        counts, wanted = per_run(table, cell, metric, n), per_run(table, ticket, metric, n)
        if not np.array_equal(counts, np.repeat(wanted, len(counts) // len(wanted))):
            return GateResult(name, False, f"{metric.removeprefix('nonzero:')} is not as dense as the ticket's.")
    if np.any(own == worn) or len(np.unique(worn)) < len(worn):
        return GateResult(name, False, "A random mask equals the ticket's or another draw's.")
    text = f"All {len(worn)} masks differ from the ticket's and from one another, at its layer densities."
    return GateResult(name, True, text)


def early_stop_gate(registry: Registry, registration: Registration, table: Table) -> GateResult:
    """For claims about the early stop: it does not sit at the last evaluation."""
    stops, last = [], 0
    for line in registration.lines():
        if line.endpoint in EARLY_STOP:
            for cell in line.contrast.cells(registration.experiment):
                stops.append(per_run(table, cell, "early_stop_iteration", registration.replicates))
                last = registry.experiments[cell.experiment].training.iterations
    return not_censored(np.concatenate(stops), last)


def threshold_gate(line: Hypothesis, registration: Registration, table: Table) -> GateResult:
    """For hypotheses about iterations to a validation accuracy: every run, each draw, gets there."""
    percent = threshold(line.endpoint) or 0.0
    reached = {}
    for cell in line.contrast.cells(registration.experiment):
        curves = table.rows(cell, "validation_accuracy")
        if curves is not None:
            curves = curves[curves["replicate"] < registration.replicates]
            reached[label(cell)] = first_reached(curves, percent)["value"].to_numpy()
    gate = threshold_reached(reached, percent)
    return GateResult(f"{line.id}: {gate.name}", gate.passed, gate.detail)
