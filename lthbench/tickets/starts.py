"""What a network was given before its first step, beside what its arm says: facts for the gates.

Nothing here calls the code that makes masks and states (networks.py, lthbench/pruning): where a network should
start is drawn anew, or read from its ticket's file or its parents' records, and compared number by number.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

import numpy as np

from lthbench.models.mlp import Arrays
from lthbench.plan.unit import Unit
from lthbench.recipe.arms import ARMS, Cell
from lthbench.tickets.fitted import initial_state
from lthbench.training.loop import engine_for, tally
from lthbench.training.run import Folds, Model, Task
from lthbench.training.stack import stack

Records = Mapping[Cell, Mapping[str, np.ndarray]]
Fact = tuple[int, str, float]  # network s, metric, value
SIGNED = ("fresh-signed-as-ended", "rewind-signed")  # starts whose signs are those of another network


def start_facts(unit: Unit, task: Task, above: Records) -> Iterator[Fact]:
    """Of every network: how far it is from where its arm says it starts, its rates, what was pruned of it.

    `start_moved:weights` counts surviving weights that differ from there, `start_moved:others` the other
    parameters and the buffers (a pruned filter's are left out). For weights of a control's own (fresh, shuffled,
    constant) "there" is the replicate's initial state. `start_rms:<weight>` is the root mean square of a matrix's
    surviving weights, `rate_total` the sum of the learning rates, `start_signs_other` how many surviving weights
    have another sign than their arm says, `wrongly_pruned` as the function of that name.
    """
    arm, prunable = ARMS[unit.arm], set(task.model.prunable)
    whole = {name: np.ones(shape, dtype=bool) for name, shape in task.model.prunable.items()}
    looked = unit.experiment.pruning.criterion == "magnitude" and unit.experiment.pruning.unit == "weight"
    for s, owner in enumerate(task.owners):
        initial = initial_state(unit, task.model, owner)
        said = where_from(unit, above, owner, initial)
        state, mask = task.states[s], task.masks[s]
        moved = {name: int(differ(state[name], said[name])[mask.get(name, ...)].sum()) for name in said}
        yield s, "start_moved:weights", sum(n for name, n in moved.items() if name in prunable)
        yield s, "start_moved:others", sum(n for name, n in moved.items() if name not in prunable)
        yield s, "rate_total", float(np.sum(task.rates[task.start :], dtype=np.float64))
        if arm.weights in SIGNED:
            ended = arm.weights == "fresh-signed-as-ended"
            like = stored(above[arm.of, unit.level], "final", owner) if ended else said
            yield s, "start_signs_other", other_signs(state, like, {name: mask[name] for name in whole})
        if arm.weights in ("init", "fresh"):
            for name in sorted(prunable):
                alive = state[name][mask.get(name, ...)].astype(np.float64)
                yield s, f"start_rms:{name}", float(np.sqrt(np.mean(alive**2))) if alive.size else 0.0
        if looked and arm.mask in ("iterative", "one-shot", "at-init"):
            previous = {} if arm.mask == "at-init" else above[pruned_from(unit)]
            trained = initial if arm.mask == "at-init" else stored(previous, "final", owner)
            worn = stored(previous, "mask", owner) or whole
            yield s, "wrongly_pruned", wrongly_pruned(unit, trained, worn, {name: mask[name] for name in whole})


def where_from(unit: Unit, above: Records, owner: int, initial: Arrays) -> Arrays:
    """The state an arm says it starts from, before any mask."""
    kind = ARMS[unit.arm].weights
    if ARMS[unit.arm].starts_late:
        return stored(above["dense", 0], "rewind", owner)
    if kind == "ended":
        return stored(above[ARMS[unit.arm].of, unit.level], "final", owner)
    if kind == "shuffled" and ARMS[unit.arm].of == "found":
        return stored(above["found", unit.level], "start", owner)
    return stored(above[pruned_from(unit)], "final", owner) if kind == "trained" else initial


def pruned_from(unit: Unit) -> Cell:
    """The cell whose trained weights are pruned: the level before, maybe of another arm, or the dense network."""
    arm = ARMS[unit.arm]
    return (
        (arm.follows or unit.arm, unit.level - 1) if arm.mask == "iterative" and unit.level > 1 else ("dense", 0)
    )


def stored(record: Mapping[str, np.ndarray], prefix: str, owner: int) -> Arrays:
    """One replicate's mask, final state or rewind point in a parent's record."""
    return {
        name[len(prefix) + 1 :]: every[owner] for name, every in record.items() if name.startswith(f"{prefix}/")
    }


def differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two arrays differ; what is not a number equals itself."""
    return (a != b) & ~((a != a) & (b != b))


def other_signs(start: Arrays, like: Arrays, mask: Arrays) -> int:
    """Surviving weights whose sign is not that of another network's."""
    return sum(int((np.signbit(start[name]) != np.signbit(like[name]))[kept].sum()) for name, kept in mask.items())


def wrongly_pruned(unit: Unit, trained: Arrays, worn: Arrays, mask: Arrays) -> int:
    """Pruned weights larger than the smallest one kept beside them, and weights that came back; 0 by magnitude.

    Beside: in the same matrix, or in the network where pruning is global. Weights the recipe keeps whole stay.
    """
    pruning = unit.experiment.pruning
    kept_whole = [name for name in mask if any(fnmatchcase(name, pattern) for pattern in pruning.keep)]
    count = sum(int((mask[name] & ~worn[name]).sum()) for name in mask)
    count += sum(int((worn[name] & ~mask[name]).sum()) for name in kept_whole)
    free = [name for name in sorted(mask) if name not in kept_whole]
    for together in [free] if pruning.scope == "global" else [[name] for name in free]:
        size = np.concatenate([np.abs(trained[name]).ravel() for name in together] or [np.empty(0)])
        stays = np.concatenate([mask[name].ravel() for name in together] or [np.empty(0, bool)])
        went = np.concatenate([worn[name].ravel() for name in together] or [np.empty(0, bool)]) & ~stays
        if stays.any() and went.any():
            count += int((size[went] > size[stays].min()).sum())
    return count


def frozen_facts(unit: Unit, task: Task, ended: list[Arrays]) -> Iterator[Fact]:
    """`pruned_moved`: pruned weights that at the end of training are not the replicate's initial ones."""
    for s, owner in enumerate(task.owners):
        initial = initial_state(unit, task.model, owner)
        moved = (differ(ended[s][name], initial[name]) & ~mask for name, mask in task.masks[s].items())
        yield s, "pruned_moved", sum(int(entries.sum()) for entries in moved)


def rewind_facts(unit: Unit, model: Model, folds: Folds, kept: list[Arrays]) -> Iterator[Fact]:
    """`rewind_validation_loss` of the rewind points, where the dense curve has a value to compare with."""
    rewind, every = unit.experiment.pruning.rewind, unit.experiment.training.evaluate_every
    if rewind == 0 or rewind % every:
        return
    net = stack(model, kept, folds.device)
    engine = engine_for(model, net, (0,) * len(kept))
    rows = folds.validation
    batches = ((folds.examples.raw(part), folds.examples.labels(part)) for part in rows.T.split(500))
    _, loss = tally(engine, net, folds.examples, batches)
    for s, value in enumerate(loss.cpu().numpy().astype(np.float64) / rows.shape[1]):
        yield s, "rewind_validation_loss", float(value)
