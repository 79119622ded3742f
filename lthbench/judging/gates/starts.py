"""Gates on what every network was given before its first step (lthbench/tickets/starts.py records it). Torch-free.

They share no code with what makes masks, starts, rungs and schedules: the recipe is worked out once more.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from math import floor

import numpy as np

from lthbench.claims.schema import Cell
from lthbench.judging.gates.checks import GateResult, every_value, same_scale
from lthbench.judging.table import Table, label, per_run
from lthbench.recipe.arms import ARMS
from lthbench.recipe.experiment import Experiment, Pruning, Training

FACT = "start_moved:weights"  # a cell that has this one has all of them
ALL_NEW = 0.99  # of fresh weights; two draws of a float32 Gaussian are equal once in millions
RATES_AGREE = 1e-6  # relative: rounding
LOSSES_AGREE = 1e-5  # relative: rounding; another iteration moves a loss much further
NOT_LOOKED_AT = "where networks started, what was pruned, their learning rates: the table does not say"


def start_gates(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """The gates on starts; none where no cell has the facts (older results, or a stranger's)."""
    lacking = without_facts(every, table)
    if len(lacking) == len(every):
        return []
    if lacking:
        text = f"{', '.join(lacking)}: no {FACT}, as in older results; train all cells with one version."
        return [GateResult(f"{experiment.id}: start of every network", False, text)]
    return [
        where_gate(experiment, every, table, n),
        *fresh_gates(experiment, every, table, n),
        *pruned_gates(experiment, every, table, n),
        *frozen_gates(experiment, every, table, n),
        rates_gate(experiment, every, table, n),
        *rewind_gates(experiment, every, table, n),
    ]


def without_facts(every: Sequence[Cell], table: Table) -> list[str]:
    """The cells that say nothing about their start."""
    return [label(cell) for cell in every if table.rows(cell, FACT) is None]


def gaussian(experiment: Experiment) -> bool:
    """Whether initial weights are independent Gaussians (Glorot, He) and everything else is constant."""
    network = experiment.network
    return network.initialisation in ("glorot", "kaiming") or (not network.initialisation and network.is_paper)


def where_gate(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> GateResult:
    """Every network starts where its arm says: weights, and beside them biases, norms and their statistics."""
    ok: dict[str, np.ndarray] = {}
    for cell in every:
        kind = ARMS[cell.arm].weights
        weights = per_run(table, cell, FACT, n)
        if kind in ("init", "rewind-point", "trained"):
            ok[f"{label(cell)} (weights)"] = weights == 0
        elif kind == "fresh" and gaussian(experiment):
            ok[f"{label(cell)} (weights, all new)"] = weights >= ALL_NEW * sum(nonzero(table, cell, n).values())
        if not kind.startswith("fresh") or gaussian(experiment):
            ok[f"{label(cell)} (biases, norms and their statistics)"] = (
                per_run(table, cell, "start_moved:others", n) == 0
            )
    good, bad = "are of networks that start where their arm says", "do not start where their arm says"
    return titled(experiment, every_value("start of every network", ok, good, bad))


def nonzero(table: Table, cell: Cell, n: int) -> dict[str, np.ndarray]:
    """Weights remaining of every matrix, one count per run."""
    names = [metric for metric in table.metrics(cell) if metric.startswith("nonzero:")]
    return {name.removeprefix("nonzero:"): per_run(table, cell, name, n) for name in names}


def fresh_gates(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """Fresh weights of every matrix are as large as initial ones."""
    dense = Cell(experiment.id, "dense", 0)
    found = []
    for cell in every:
        if ARMS[cell.arm].weights != "fresh" or not gaussian(experiment):
            continue
        drawn = {name: (counts, rms(table, cell, name, n)) for name, counts in nonzero(table, cell, n).items()}
        initial = {name: (counts, rms(table, dense, name, n)) for name, counts in nonzero(table, dense, n).items()}
        found.append(titled(experiment, same_scale(f"spread of fresh weights of {label(cell)}", drawn, initial)))
    return found


def rms(table: Table, cell: Cell, name: str, n: int) -> np.ndarray:
    """Root mean square of a matrix's surviving starting weights, one per run."""
    return per_run(table, cell, f"start_rms:{name}", n)


def pruned_gates(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """Where magnitude decides, no weight was pruned that is larger than one that stayed."""
    if experiment.pruning.criterion != "magnitude" or experiment.pruning.unit != "weight":
        return []
    masks = [cell for cell in every if ARMS[cell.arm].mask in ("iterative", "one-shot", "at-init")]
    if not masks:
        return []
    none = {label(cell): per_run(table, cell, "wrongly_pruned", n) == 0 for cell in masks}
    good, bad = "are of masks that took the smallest weights", "took larger weights than they left"
    return [titled(experiment, every_value("the smallest weights were pruned", none, good, bad))]


def frozen_gates(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """Where pruned weights are frozen, they end where the replicate's initial weights are."""
    kept = {
        label(cell): per_run(table, cell, "pruned_moved", n) == 0
        for cell in every
        if ARMS[cell.arm].pruned == "frozen"
    }
    if not kept:
        return []
    good, bad = "are of networks whose pruned weights are the initial ones", "moved weights that are frozen"
    return [titled(experiment, every_value("frozen weights", kept, good, bad))]


def rates_gate(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> GateResult:
    """Every network's learning rates add up to what the recipe says of the iterations it was trained."""
    ok = {}
    for cell in every:
        wanted = rate_total(experiment, cell.arm)
        given = per_run(table, cell, "rate_total", n)
        ok[label(cell)] = np.isclose(given, wanted, rtol=RATES_AGREE, atol=0)
    good, bad = "are the recipe's rates", "are not the recipe's rates"
    return titled(experiment, every_value("learning rates", ok, good, bad))


def rate_total(experiment: Experiment, arm: str) -> float:
    """The sum of an arm's learning rates over the iterations it is trained."""
    kind = ARMS[arm]
    if kind.learns == "nothing":
        return 0.0
    start = experiment.pruning.rewind if kind.weights == "rewind-point" else 0
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


def rewind_gates(experiment: Experiment, every: Sequence[Cell], table: Table, n: int) -> list[GateResult]:
    """The rewind point is the dense network after k iterations: the losses on the validation set agree.

    Only where the curve was measured at k.
    """
    rewind, dense = experiment.pruning.rewind, Cell(experiment.id, "dense", 0)
    rewound = any(ARMS[cell.arm].weights == "rewind-point" for cell in every)
    if not rewound or rewind % experiment.training.evaluate_every:
        return []
    kept = per_run(table, dense, "rewind_validation_loss", n)
    curve = per_run(table, dense, "validation_loss", n, iteration=rewind)
    ok = np.isclose(kept, curve, rtol=LOSSES_AGREE, atol=0) if len(kept) == len(curve) else np.zeros(1, bool)
    good, bad = f"are of the dense network after {rewind} iterations", f"are not the dense network after {rewind}"
    return [titled(experiment, every_value("rewind point", {"rewind points": ok}, good, bad))]


def rung(sizes: Mapping[str, int], pruning: Pruning, level: int, filters: Mapping[str, int]) -> dict[str, int]:
    """Weights remaining after `level` rounds: per weight, or of "all" where pruning is global.

    Every round removes rate x survivors, halves rounded up; of filters, where those are pruned (`filters` counts
    them). Written apart from lthbench/pruning/counts.py, so that a mistake there shows.
    """
    if pruning.scope == "global":
        fixed = sum(size for name, size in sizes.items() if stays_whole(name, pruning))
        return {"all": fixed + remaining(sum(sizes.values()) - fixed, pruning.rate, level)}
    if pruning.unit == "filter":
        whole = {name: size for name, size in sizes.items() if name not in filters}
        return whole | {
            name: sizes[name] // count * remaining(count, rate_of(name, pruning), level)
            for name, count in filters.items()
        }
    return {name: remaining(size, rate_of(name, pruning), level) for name, size in sizes.items()}


def remaining(survivors: int, rate: float, rounds: int) -> int:
    """So many survivors after so many rounds."""
    for _ in range(rounds):
        survivors -= floor(survivors * rate + 0.5)
    return survivors


def stays_whole(name: str, pruning: Pruning) -> bool:
    """Whether the recipe counts a weight and never prunes it."""
    return any(fnmatchcase(name, pattern) for pattern in pruning.keep)


def rate_of(name: str, pruning: Pruning) -> float:
    """A weight's rate: 0 where it is kept, its own, the output layer's, else the common one."""
    own = [rate for pattern, rate in pruning.layer_rates.items() if fnmatchcase(name, pattern)]
    if stays_whole(name, pruning):
        return 0.0
    if own:
        return own[0]
    output = pruning.output_rate if name.split(".")[0] == "out" else None
    return pruning.rate if output is None else output


def titled(experiment: Experiment, gate: GateResult) -> GateResult:
    """A gate with its experiment's name."""
    return GateResult(f"{experiment.id}: {gate.name}", gate.passed, gate.detail)
