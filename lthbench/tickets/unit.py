"""Run one unit: make its networks, train them in one stack, and turn what happened into tidy rows."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lthbench.models import registry
from lthbench.models.errors import ModelError
from lthbench.models.mlp import Arrays
from lthbench.plan.unit import Unit
from lthbench.pruning import filters, masks
from lthbench.pruning.masks import Mask
from lthbench.recipe.arms import ARMS, ON_LINES, Cell, line_start
from lthbench.recipe.experiment import check_patterns
from lthbench.results import store
from lthbench.results.provenance import provenance
from lthbench.results.store import Row
from lthbench.tickets import supermasks
from lthbench.tickets.barrier import barrier, errors_on_line
from lthbench.tickets.networks import Tensors, mask_for, named, part, state_for
from lthbench.tickets.search import METRIC, Found, as_parent, search
from lthbench.tickets.starts import Fact, frozen_facts, rewind_facts, start_facts
from lthbench.training import loop, together
from lthbench.training.checkpoint import Checkpoint
from lthbench.training.run import Folds, Model, Task, Trained
from lthbench.training.schedule import augmentation, batch_order, last_rate, learning_rates


def make_task(
    unit: Unit,
    model: Model,
    folds: Folds,
    above: Mapping[Cell, Tensors],
    whole: filters.Filters | None = None,
) -> Task:
    """The unit's networks as one training task; network s is replicate s // draws, draw s % draws.

    Where `whole` filters are pruned, the task's masks hold back their biases and batch norm's parameters too.
    """
    training, rewind = unit.experiment.training, unit.experiment.pruning.rewind
    arm = ARMS[unit.arm]
    orders, augmentations, seeds = [], [], []
    network_masks: list[Mask] = []
    states: list[Arrays] = []
    copy = own_draws(unit)
    for index, (order, augmented) in enumerate(draws_of(unit, folds.train.shape[1])):
        dropout = int(named(unit, index, f"dropout{copy}").integers(2**63))
        for draw in range(unit.draws):
            mask = mask_for(unit, model, folds, above, index, draw, whole)
            network_masks.append(mask if whole is None else whole.with_companions(mask))
            start = state_for(unit, model, mask, above, index, draw)
            states.append(start if arm.pruned == "frozen" else masks.apply(network_masks[-1], start))
            orders.append(order)
            augmentations += [augmented] if augmented is not None else []
            seeds.append(dropout)
    return Task(
        model=model,
        training=training,
        states=states,
        masks=network_masks,
        owners=[index for index in range(len(unit.replicates)) for _ in range(unit.draws)],
        orders=orders,
        rates=learning_rates(training) if arm.rates == "schedule" else last_rate(training),
        augmentation=augmentations,
        seeds=seeds,
        start=unit.start,
        keep_at=rewind if unit.arm == "dense" else None,
        frozen=arm.pruned == "frozen",
    )


Draws = list[tuple[np.ndarray, np.ndarray | None]]  # batch order, and crops and flips, of each replicate
kept_draws: tuple[Any, Draws] | None = None  # of the last unit: all of its block but copies see the same


def own_draws(unit: Unit) -> str:
    """What the streams of an arm with an order of its own are called: SGD noise, so crops and dropout too."""
    return "/copy" if ARMS[unit.arm].own_order else ""


def draws_of(unit: Unit, examples: int) -> Draws:
    """In which order each replicate of a unit sees so many training examples, and how they are moved."""
    global kept_draws
    training, copy = unit.experiment.training, own_draws(unit)
    key = (unit.master, unit.experiment.streams, unit.replicates, copy, examples, training)
    if kept_draws is None or kept_draws[0] != key:
        kept_draws = None  # free the old ones first
        kept_draws = (
            key,
            [
                (
                    batch_order(examples, training, named(unit, index, f"order{copy}")).astype(np.int32),
                    augmentation(training, named(unit, index, f"augment{copy}")),
                )
                for index in range(len(unit.replicates))
            ],
        )
    return kept_draws[1]


def forget_draws() -> None:
    """Free what was kept for the next unit."""
    global kept_draws
    kept_draws = None


def number(value: Any) -> float | None:
    """A measurement as stored: ten significant digits, None when it is not finite (a diverged run)."""
    return float(f"{float(value):.10g}") if math.isfinite(value) else None


def own_mask(task: Task, s: int) -> Mask:
    """The mask of network s over the prunable weights alone."""
    return {name: mask for name, mask in task.masks[s].items() if name in task.model.prunable}


def remaining(mask: np.ndarray, ended: np.ndarray, frozen: bool) -> int:
    """How many weights of a matrix are left: those of its mask, and pruned ones that are not zero at the end.

    A kept weight may be zero: it started so and got no gradient. Pruned ones may be another value where an arm
    freezes them.
    """
    return int(np.count_nonzero(mask if frozen else mask | (ended != 0)))


def rows_of(unit: Unit, task: Task, trained: Trained) -> list[Row]:
    """All measurements of the unit's networks."""
    rows: list[Row] = []
    last = task.training.iterations
    for s, owner in enumerate(task.owners):

        def add(iteration: int | None, metric: str, value: Any, s: int = s, owner: int = owner) -> None:
            rows.append((unit.replicates[owner], s % unit.draws, iteration, metric, number(value)))

        for e, iteration in enumerate(trained.iterations):
            add(int(iteration), "validation_loss", trained.validation_loss[e, s])
            add(int(iteration), "validation_accuracy", trained.validation_accuracy[e, s])
        stop = int(trained.early_stop_iteration[s])
        if trained.early_stop_test_accuracy is not None:
            add(stop, "early_stop_test_accuracy", trained.early_stop_test_accuracy[s])
        add(None, "early_stop_iteration", stop)
        add(last, "final_test_accuracy", trained.final_test_accuracy[s])
        if trained.final_train_accuracy is not None:
            add(last, "final_train_accuracy", trained.final_train_accuracy[s])
        for name, mask in sorted(own_mask(task, s).items()):
            add(last, f"nonzero:{name}", remaining(mask, trained.states[s][name], task.frozen))
        add(None, "mask_crc32", masks.fingerprint(own_mask(task, s)))
    return rows


def fact_rows(unit: Unit, facts: Iterable[Fact]) -> list[Row]:
    """Facts about single networks as rows."""
    return [
        (unit.replicates[s // unit.draws], s % unit.draws, None, metric, number(value))
        for s, metric, value in facts
    ]


def barrier_rows(
    unit: Unit, model: Model, folds: Folds, above: Mapping[Cell, Tensors], ends: list[Arrays]
) -> list[Row]:
    """Error on the line to the unit's networks, from those that its arm names."""
    points = unit.experiment.barrier_points
    trained = above[line_start(unit.arm, unit.level)]
    starts = [part(trained, "final", index) for index in range(len(unit.replicates))]
    errors = errors_on_line(model, starts, ends, folds, points)
    rows: list[Row] = []
    for index, replicate in enumerate(unit.replicates):
        for i, error in enumerate(errors[:, index]):
            rows.append((replicate, 0, None, f"line_error:{i / (points - 1):.4g}", number(error)))
        rows.append((replicate, 0, None, "barrier", number(barrier(errors)[index])))
    return rows


def filter_rows(unit: Unit, whole: filters.Filters) -> list[Row]:
    """How many filters each weight has that may lose some: what the ladder counts."""
    return [
        (replicate, 0, None, f"filters:{name}", float(count))
        for replicate in unit.replicates
        for name, count in sorted(whole.count.items())
    ]


def tensors_of(unit: Unit, task: Task, trained: Trained) -> dict[str, np.ndarray]:
    """What later units are made from: masks, final weights, the rewind point."""

    def gather(prefix: str, each: list[Any]) -> dict[str, np.ndarray]:
        return {f"{prefix}/{name}": np.stack([one[name] for one in each]) for name in each[0]}

    kept: dict[str, np.ndarray] = {}
    if unit.arm != "dense":
        kept |= gather("mask", [own_mask(task, s) for s in range(len(task.masks))])
    arm = ARMS[unit.arm]
    if (arm.mask in ("ones", "iterative", "learned") and not arm.own_order) or unit.arm in ON_LINES:
        kept |= gather("final", trained.states)
    if trained.kept:
        kept |= gather("rewind", trained.kept)
    return kept


def check_images(unit: Unit, folds: Folds) -> None:
    """Refuse to move what is no image; perceptrons see flat features."""
    training = unit.experiment.training
    if (training.flip or training.pad_crop) and len(folds.shape) != 3:
        raise ModelError(
            f"experiment {unit.experiment.id}: flip and pad_crop move images, "
            f"but {unit.experiment.network.kind} sees examples of shape {folds.shape} here; remove them"
        )


def check_names(unit: Unit, model: Model) -> None:
    """Refuse a recipe that speaks of weights the network does not have."""
    try:
        check_patterns(unit.experiment.pruning, list(model.prunable))
    except ValueError as error:
        raise ModelError(f"experiment {unit.experiment.id}: {error}") from None


@dataclass(frozen=True)
class Begun:
    """A unit ready to be trained: its task as it is trained, its own task, and what is known of it already."""

    unit: Unit
    model: Model
    trains: Task
    task: Task
    whole: filters.Filters | None
    above: Mapping[Cell, Tensors]
    found: list[Found]
    facts: list[Row]
    checkpoint: Checkpoint


def run_unit(
    unit: Unit, root: Path, folds: Folds, above: Mapping[Cell, Tensors], deadline: float | None = None
) -> None:
    """Train the unit on the data of its block and store its record below `root`.

    Long trainings are saved now and then and go on where they were. At the `deadline`, a `time.monotonic()` value,
    raises `checkpoint.OutOfTime` after saving.
    """
    run_together([unit], root, folds, [above], deadline)


def run_together(
    units: Sequence[Unit],
    root: Path,
    folds: Folds,
    above: Sequence[Mapping[Cell, Tensors]],
    deadline: float | None = None,
) -> None:
    """The same of several units of one block in one stack (`drive.stacks` says which); each has its own record.

    Those that were saved after different iterations are trained one group after the other.
    """
    started = time.perf_counter()
    groups: dict[int, list[Begun]] = {}
    for unit, own in zip(units, above, strict=True):
        ready = begin(unit, root, folds, own, deadline)
        saved = ready.checkpoint.read() if len(units) > 1 else None
        groups.setdefault(saved[0] if saved else 0, []).append(ready)
    for group in groups.values():
        ended = train(group, folds)
        seconds = time.perf_counter() - started
        for ready, trained in zip(group, ended, strict=True):
            spent = ready.checkpoint.seconds_before + ready.checkpoint.share * seconds
            record(ready, root, folds, trained, spent, sum(each.unit.networks for each in group))
        started = time.perf_counter()


def begin(unit: Unit, root: Path, folds: Folds, above: Mapping[Cell, Tensors], deadline: float | None) -> Begun:
    """Make the unit's networks."""
    model = registry.model(unit.experiment.network, folds.shape, folds.classes)
    pruning = unit.experiment.pruning
    check_names(unit, model)
    check_images(unit, folds)
    whole = filters.find(model, folds.shape, pruning) if pruning.unit == "filter" else None
    found = search(unit, model, folds)
    above = {**above, **as_parent(unit, found)}
    task = make_task(unit, model, folds, above, whole)
    facts = fact_rows(unit, start_facts(unit, task, above))
    facts += fact_rows(unit, ((s, METRIC, ticket.iterations) for s, ticket in enumerate(found)))
    path = store.path_of(root, unit).with_suffix(f".{folds.device.type}.partial")
    trains = supermasks.with_scores(unit, task) if ARMS[unit.arm].mask == "learned" else task
    return Begun(unit, model, trains, task, whole, above, found, facts, Checkpoint(path, deadline))


def train(group: Sequence[Begun], folds: Folds) -> list[Trained]:
    """Train the networks of some units in one stack."""
    if len(group) == 1:
        return [loop.train(group[0].trains, folds, group[0].checkpoint)]
    sizes = [ready.unit.networks for ready in group]
    for ready in group:
        ready.checkpoint.share = ready.unit.networks / sum(sizes)
    saved = together.Shared(group[0].model, sizes, [ready.checkpoint for ready in group])
    return together.apart(loop.train(together.joined([ready.trains for ready in group]), folds, saved), sizes)


def record(ready: Begun, root: Path, folds: Folds, trained: Trained, seconds: float, stack: int) -> None:
    """Store what came of a unit; `stack` networks were trained side by side."""
    unit, task, above = ready.unit, ready.task, ready.above
    if ARMS[unit.arm].mask == "learned":
        task, trained = supermasks.without_scores(task, ready.trains, trained)
    rows = rows_of(unit, task, trained) + ready.facts
    if task.frozen:
        rows += fact_rows(unit, frozen_facts(unit, task, trained.states))
    if trained.kept:
        rows += fact_rows(unit, rewind_facts(unit, ready.model, folds, trained.kept))
    if ARMS[unit.arm].line_from:
        rows += barrier_rows(unit, ready.model, folds, above, trained.states)
    if unit.arm == "dense" and ready.whole is not None:
        rows += filter_rows(unit, ready.whole)
    measured_by = provenance(unit, folds, seconds) | ({"stack": stack} if stack > unit.networks else {})
    tensors = tensors_of(unit, task, trained) | as_parent(unit, ready.found).get(("method", unit.level), {})
    store.write(root, unit, rows, tensors, measured_by)
    ready.checkpoint.remove()
