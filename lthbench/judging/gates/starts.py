"""Gates on what every network was given before its first step (lthbench/tickets/starts.py records it). Torch-free.

They share no code with what makes masks, starts and schedules: the recipe is worked out once more.
"""

from functools import cache

import numpy as np

from lthbench.claims.schema import Cell
from lthbench.judging.gates.cells import Cells
from lthbench.judging.gates.checks import GateResult, every_value, same_scale
from lthbench.recipe.arms import ARMS
from lthbench.recipe.experiment import Experiment, Training

METRIC = "start_moved:weights"  # a cell that has this one has all metrics on starts
ALL_NEW = 0.99  # of fresh weights; two draws of a float32 Gaussian are equal once in millions
RATES_AGREE = 1e-6  # relative: rounding
LOSSES_AGREE = 1e-5  # relative: rounding; another iteration moves a loss much further
NOT_LOOKED_AT = "where networks started, what was pruned, their learning rates: the table does not say"


def start_gates(cells: Cells) -> list[GateResult]:
    """The gates on starts; none where no cell has the metrics (older results, or a stranger's)."""
    lacking = without_starts(cells)
    if len(lacking) == len(cells.every):
        return []
    if lacking:
        text = f"{', '.join(lacking)}: no {METRIC}, as in older results; train all cells with one version."
        return [cells.titled(GateResult("start of every network", False, text))]
    gates = (where_gate, fresh_gates, signs_gate, pruned_gates, frozen_gates, rates_gate, rewind_gates)
    return [cells.titled(result) for gate in gates for result in gate(cells)]


def without_starts(cells: Cells) -> list[str]:
    """The cells that say nothing about their start."""
    return [cell.label for cell in cells.every if cells.table.rows(cell, METRIC) is None]


def gaussian(experiment: Experiment) -> bool:
    """Whether initial weights are independent Gaussians (Glorot, He) and everything else is constant."""
    network = experiment.network
    return network.initialisation in ("glorot", "kaiming") or (not network.initialisation and network.is_paper)


def where_gate(cells: Cells) -> list[GateResult]:
    """Every network starts where its arm says: weights, and beside them biases, norms and their statistics."""
    ok: dict[str, np.ndarray] = {}
    for cell in cells.every:
        kind = ARMS[cell.arm].weights
        weights = cells.per_run(cell, METRIC)
        if kind == "method" and cells.experiment.own_start:
            continue
        if kind in ("init", "rewind-point", "trained", "ended", "method"):
            ok[f"{cell.label} (weights)"] = weights == 0
        elif kind in ("fresh", "rewind-signed") and gaussian(cells.experiment):
            ok[f"{cell.label} (weights, all new)"] = weights >= ALL_NEW * sum(cells.counts(cell).values())
        if not kind.startswith("fresh") or gaussian(cells.experiment):
            ok[f"{cell.label} (biases, norms and their statistics)"] = (
                cells.per_run(cell, "start_moved:others") == 0
            )
    good, bad = "are of networks that start where their arm says", "do not start where their arm says"
    return [every_value("start of every network", ok, good, bad)]


def fresh_gates(cells: Cells) -> list[GateResult]:
    """Fresh weights of every matrix are as large as initial ones.

    Not under a mask that was moved to the units of a network trained from them: it takes larger ones. Of that
    network, `dense-reinit`, the whole draw is looked at.
    """
    gates = []
    for cell in cells.every:
        arm = ARMS[cell.arm]
        if arm.weights != "fresh" or arm.mask == "permuted" or not gaussian(cells.experiment):
            continue
        drawn, initial = spread(cells, cell), spread(cells, cells.dense)
        gates.append(same_scale(f"spread of fresh weights of {cell.label}", drawn, initial))
    return gates


def signs_gate(cells: Cells) -> list[GateResult]:
    """Fresh weights that keep another network's signs have all of them."""
    ok = {
        cell.label: cells.per_run(cell, "start_signs_other") == 0
        for cell in cells.every
        if ARMS[cell.arm].weights in ("fresh-signed-as-ended", "rewind-signed")
    }
    if not ok:
        return []
    good, bad = "are of networks with the signs that their arm says", "have other signs than their arm says"
    return [every_value("signs at the start", ok, good, bad)]


def spread(cells: Cells, cell: Cell) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By matrix, how many weights survive and the root mean square of their starting values, one each per run."""
    return {
        name: (counts, cells.per_run(cell, f"start_rms:{name}")) for name, counts in cells.counts(cell).items()
    }


def pruned_gates(cells: Cells) -> list[GateResult]:
    """Where magnitude decides, no weight was pruned that is larger than one that stayed."""
    if cells.experiment.pruning.criterion != "magnitude" or cells.experiment.pruning.unit != "weight":
        return []
    masks = [cell for cell in cells.every if ARMS[cell.arm].mask in ("iterative", "one-shot", "at-init")]
    if not masks:
        return []
    none = {cell.label: cells.per_run(cell, "wrongly_pruned") == 0 for cell in masks}
    good, bad = "are of masks that took the smallest weights", "took larger weights than they left"
    return [every_value("the smallest weights were pruned", none, good, bad)]


def frozen_gates(cells: Cells) -> list[GateResult]:
    """Where pruned weights are frozen, they end where the replicate's initial weights are."""
    kept = {
        cell.label: cells.per_run(cell, "pruned_moved") == 0
        for cell in cells.every
        if ARMS[cell.arm].pruned == "frozen"
    }
    if not kept:
        return []
    good, bad = "are of networks whose pruned weights are the initial ones", "moved weights that are frozen"
    return [every_value("frozen weights", kept, good, bad)]


def rates_gate(cells: Cells) -> list[GateResult]:
    """Every network's learning rates add up to what the recipe says of the iterations it was trained."""
    ok = {}
    for cell in cells.every:
        wanted = rate_total(cells.experiment, cell.arm)
        given = cells.per_run(cell, "rate_total")
        ok[cell.label] = np.isclose(given, wanted, rtol=RATES_AGREE, atol=0)
    good, bad = "are the recipe's rates", "are not the recipe's rates"
    return [every_value("learning rates", ok, good, bad)]


def rate_total(experiment: Experiment, arm: str) -> float:
    """The sum of an arm's learning rates over the iterations it is trained."""
    kind = ARMS[arm]
    if kind.learns == "nothing":
        return 0.0
    start = experiment.pruning.rewind if kind.starts_late else 0
    return rate_sum(experiment.training, start, kind.rates == "last")


@cache
def rate_sum(training: Training, start: int, last: bool) -> float:
    """The sum of the rates after iteration `start`; of as many times the last one."""
    total = 0.0
    for t in range(start, training.iterations):
        at = training.iterations - 1 if last else t
        warm = min(1.0, (at + 1) / training.warmup) if training.warmup else 1.0
        total += training.learning_rate * training.decay ** sum(at >= m for m in training.milestones) * warm
    return total


def rewind_gates(cells: Cells) -> list[GateResult]:
    """The rewind point is the dense network after k iterations: the losses on the validation set agree.

    Only where the curve was measured at k.
    """
    rewind = cells.experiment.pruning.rewind
    rewound = any(ARMS[cell.arm].starts_late for cell in cells.every)
    if not rewound or rewind % cells.experiment.training.evaluate_every:
        return []
    kept = cells.per_run(cells.dense, "rewind_validation_loss")
    curve = cells.per_run(cells.dense, "validation_loss", iteration=rewind)
    ok = np.isclose(kept, curve, rtol=LOSSES_AGREE, atol=0) if len(kept) == len(curve) else np.zeros(1, bool)
    good, bad = f"are of the dense network after {rewind} iterations", f"are not the dense network after {rewind}"
    return [every_value("rewind point", {"rewind points": ok}, good, bad)]
