"""Gates on masks: weights remaining, whose mask is whose, and that replicates have masks of their own. Torch-free.

They share no code with what makes masks and counts: the recipe is worked out once more.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from math import floor

import numpy as np

from lthbench.claims.schema import Cell
from lthbench.judging.gates.cells import Cells
from lthbench.judging.gates.checks import GateResult, every_value, exact_counts, identical_masks
from lthbench.recipe.arms import ARMS, mask_origin
from lthbench.recipe.experiment import Experiment, Pruning

AS_DENSE = 0.01  # how far from the reference's number of weights a method may be


def weights_gate(cells: Cells) -> list[GateResult]:
    """The dense network has as many prunable weights as were counted by hand."""
    if cells.experiment.weights is None:
        return []
    counts = list(cells.counts(cells.dense).values())
    totals = np.sum(counts, axis=0) if counts else np.array([])
    observed = {f"dense network {i}": int(total) for i, total in enumerate(np.atleast_1d(totals))}
    wanted = dict.fromkeys(observed, cells.experiment.weights)
    return [cells.titled(exact_counts("prunable weights of the dense network", observed, wanted))]


def ladder_gate(cells: Cells) -> list[GateResult]:
    """Weights left at the end of training: exactly the count of the level, in every run.

    Pruned weights that are not zero are among those counted, so a mask that was not applied shows.
    The count is worked out from the recipe and the dense network's, apart from the code that prunes.
    """
    sizes, filters = (dense_counts(cells, metric) for metric in ("nonzero:", "filters:"))
    observed: dict[str, int] = {}
    expected: dict[str, int] = {}
    title = f"{cells.experiment.id}: weights remaining at the end of training"
    if not sizes:
        return [GateResult(title, False, "There are no counts of the dense network's weights.")]
    for cell in cells.every:
        if not ARMS[cell.arm].counted or ARMS[cell.arm].of_method:
            continue
        wanted_of = count(sizes, cells.experiment.pruning, cell.level, filters)
        counts = cells.counts(cell)
        if counts.keys() != sizes.keys():
            odd = sorted(counts.keys() ^ sizes.keys())
            text = f"{cell.label} does not have the dense network's matrices: {odd[0]}."
            return [GateResult(title, False, text)]
        if len({len(each) for each in counts.values()}) > 1 or 0 in map(len, counts.values()):
            text = f"{cell.label} has counts of some matrices for some runs only."
            return [GateResult(title, False, text)]
        if wanted_of.keys() == {"all"}:
            counts = {"all": np.sum(list(counts.values()), axis=0)}
        # Worst run of each matrix: the count that is farthest from what it should be.
        for name, wanted in wanted_of.items():
            farthest = counts[name][np.argmax(np.abs(counts[name] - wanted))]
            observed[f"{cell.label} {name}"] = int(farthest)
            expected[f"{cell.label} {name}"] = wanted
    return [exact_counts(title, observed, expected)]


def method_gate(cells: Cells) -> list[GateResult]:
    """What a user's method found has the level's count of weights, in whichever layers: in every run, but for 1 %.

    Its controls are as dense per layer as it is, which `mask_gates` looks at.
    """
    of_method = [cell for cell in cells.every if ARMS[cell.arm].of_method]
    sizes = dense_counts(cells, "nonzero:")
    if not of_method or not sizes:
        return []
    ok = {}
    for cell in of_method:
        wanted = sum(count(sizes, cells.experiment.pruning, cell.level, {}).values())
        totals = np.sum([*cells.counts(cell).values()], axis=0)
        ok[cell.label] = np.abs(totals - wanted) <= AS_DENSE * wanted
    good, bad = "have the reference's number of weights", "have more or fewer weights than the reference"
    return [cells.titled(every_value("weights of what the method found", ok, good, bad))]


def dense_counts(cells: Cells, prefix: str) -> dict[str, int]:
    """What the dense network has of each weight: single weights, or filters."""
    return {
        metric.removeprefix(prefix): int(cells.per_run(cells.dense, metric).max())
        for metric in cells.table.metrics(cells.dense)
        if metric.startswith(prefix)
    }


def mask_gates(cells: Cells) -> list[GateResult]:
    """Controls that wear another arm's mask, mostly the ticket's, wear exactly it; a learned one is another one,
    and so is a random one, as dense per layer.
    """
    gates = []
    for cell in sorted(cells.every, key=lambda cell: cell.level):
        kind = ARMS[cell.arm].mask
        origin = origin_of(cells.experiment, cell)
        if kind not in ("ticket", "random", "permuted", "learned") or not ARMS[cell.arm].counted:
            continue
        if kind == "learned" and origin not in cells.every:
            continue
        own, worn = (cells.per_run(of, "mask_crc32") for of in (origin, cell))
        repeated = np.repeat(own, len(worn) // max(1, len(own)))
        name = f"{cells.experiment.id}: mask of {cell.label}"
        if kind == "ticket":
            gate = identical_masks({origin.arm: repeated, cell.arm: worn})
            gates.append(GateResult(name, gate.passed, gate.detail))
        elif kind == "learned":
            equal = int(np.sum(repeated == worn))
            differ = len(worn) > 0 and not equal
            gates.append(GateResult(name, differ, f"{equal} of {len(worn)} masks equal the ticket's."))
        else:
            passed, text = random_masks(cells, cell, origin, repeated, worn)
            gates.append(GateResult(name, passed, text))
    return gates


def origin_of(experiment: Experiment, cell: Cell) -> Cell:
    """The cell whose mask another one wears, shuffles, or (learned) is compared with."""
    arm, level = mask_origin(cell.arm, cell.level, experiment.mask_from)
    name, _, own = arm.rpartition(":")
    return Cell(name or experiment.id, own, level)


def random_masks(cells: Cells, cell: Cell, ticket: Cell, own: np.ndarray, worn: np.ndarray) -> tuple[bool, str]:
    """Whether random or moved masks (hashes `worn`) have the ticket's counts by matrix, and no two are alike."""
    counts = cells.counts(cell)
    for matrix, wanted in cells.counts(ticket).items():
        drawn = counts.get(matrix, np.array([]))
        if not np.array_equal(drawn, np.repeat(wanted, len(drawn) // len(wanted))):
            return False, f"{matrix} is not as dense as the ticket's."
    if np.any(own == worn) or len(np.unique(worn)) < len(worn):
        return False, "A random mask equals the ticket's or another draw's."
    return True, f"All {len(worn)} masks differ from the ticket's and from one another, at its layer densities."


def twin_gates(cells: Cells) -> list[GateResult]:
    """Failed gates where two replicates have the same mask: one replicate counted twice, or nothing was pruned.

    A seed without effect gives numbers without spread, which the tests would take for certainty. A pass leaves no
    trace. Whole filters are few, and so may be pruned alike by chance.
    """
    if cells.experiment.pruning.unit == "filter":
        return []
    gates = []
    for cell in cells.every:
        masks = cells.per_run(cell, "mask_crc32")
        own = ("iterative", "one-shot") if cells.experiment.ticket else ("iterative", "one-shot", "method")
        if ARMS[cell.arm].mask not in own or len(np.unique(masks)) == len(masks):  # a ticket file has one mask
            continue
        text = f"{len(masks)} replicates have {len(np.unique(masks))} different masks: as if seeds had no effect."
        gates.append(cells.titled(GateResult(f"replicates of {cell.label} differ", False, text)))
    return gates


def count(sizes: Mapping[str, int], pruning: Pruning, level: int, filters: Mapping[str, int]) -> dict[str, int]:
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
            name: sizes[name] // whole_filters * remaining(whole_filters, rate_of(name, pruning), level)
            for name, whole_filters in filters.items()
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
