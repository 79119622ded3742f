"""Run one unit: make its networks, train them in one stack, and turn what happened into tidy rows."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lthbench.models.mlp import Arrays, Mlp, mlp
from lthbench.plan import Unit
from lthbench.pruning import masks
from lthbench.pruning.masks import Mask
from lthbench.results import store
from lthbench.results.provenance import provenance
from lthbench.results.store import Row
from lthbench.streams import stream
from lthbench.tickets.arms import ARMS, Cell
from lthbench.tickets.barrier import barrier, errors_on_line
from lthbench.tickets.networks import Tensors, mask_for, part, state_for
from lthbench.training import stacked
from lthbench.training.run import Folds, Task, Trained
from lthbench.training.schedule import batch_order


def make_task(unit: Unit, model: Mlp, folds: Folds, above: Mapping[Cell, Tensors]) -> Task:
    """The unit's networks as one training task; network s is replicate s // draws, draw s % draws."""
    training, rewind = unit.experiment.training, unit.experiment.pruning.rewind
    arm = ARMS[unit.arm]
    network_masks: list[Mask] = []
    states: list[Arrays] = []
    orders: list[np.ndarray] = []
    for index, replicate in enumerate(unit.replicates):
        name = "order/copy" if arm.own_order else "order"
        order_stream = stream(unit.master, unit.experiment.id, replicate, name)
        order = batch_order(folds.x_train.shape[1], training, order_stream)
        for draw in range(unit.draws):
            mask = mask_for(unit, model, above, index, draw)
            network_masks.append(mask)
            states.append(state_for(unit, model, mask, above, index, draw))
            orders.append(order)
    return Task(
        model=model,
        training=training,
        states=states,
        masks=network_masks,
        owners=[index for index in range(len(unit.replicates)) for _ in range(unit.draws)],
        orders=orders,
        start=rewind if arm.weights == "rewind-point" else 0,
        keep_at=rewind if unit.arm == "dense" else None,
    )


def number(value: Any) -> float | None:
    """A measurement as stored: ten significant digits, None when it is not finite (a diverged run)."""
    return float(f"{float(value):.10g}") if math.isfinite(value) else None


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
        add(stop, "early_stop_test_accuracy", trained.early_stop_test_accuracy[s])
        add(None, "early_stop_iteration", stop)
        add(last, "final_test_accuracy", trained.final_test_accuracy[s])
        add(last, "final_train_accuracy", trained.final_train_accuracy[s])
        for name in sorted(task.masks[s]):
            add(last, f"nonzero:{name}", np.count_nonzero(trained.states[s][name]))
        add(None, "mask_crc32", masks.fingerprint(task.masks[s]))
    return rows


def barrier_rows(
    unit: Unit, model: Mlp, folds: Folds, above: Mapping[Cell, Tensors], copies: list[Arrays]
) -> list[Row]:
    """Error on the line between the dense networks and their copies."""
    points = unit.experiment.barrier_points
    originals = [part(above["dense", 0], "final", index) for index in range(len(unit.replicates))]
    errors = errors_on_line(model, originals, copies, folds, points)
    rows: list[Row] = []
    for index, replicate in enumerate(unit.replicates):
        for i, error in enumerate(errors[:, index]):
            rows.append((replicate, 0, None, f"line_error:{i / (points - 1):.4g}", number(error)))
        rows.append((replicate, 0, None, "barrier", number(barrier(errors)[index])))
    return rows


def tensors_of(unit: Unit, task: Task, trained: Trained) -> dict[str, np.ndarray]:
    """What later units are made from: masks, final weights, the rewind point."""

    def gather(prefix: str, each: list[Any]) -> dict[str, np.ndarray]:
        return {f"{prefix}/{name}": np.stack([one[name] for one in each]) for name in each[0]}

    kept: dict[str, np.ndarray] = {}
    if unit.arm != "dense":
        kept |= gather("mask", list(task.masks))
    if unit.arm in ("dense", "ticket", "rewound"):
        kept |= gather("final", trained.states)
    if trained.kept:
        kept |= gather("rewind", trained.kept)
    return kept


def run_unit(unit: Unit, root: Path, folds: Folds, above: Mapping[Cell, Tensors]) -> None:
    """Train the unit on the data of its block and store its record below `root`."""
    started = time.perf_counter()
    model = mlp(unit.experiment.network, folds.x_train.shape[2], folds.classes)
    task = make_task(unit, model, folds, above)
    trained = stacked.train(task, folds)
    rows = rows_of(unit, task, trained)
    if ARMS[unit.arm].own_order:
        rows += barrier_rows(unit, model, folds, above, trained.states)
    seconds = time.perf_counter() - started
    measured_by = provenance(unit, folds, seconds)
    store.write(root, unit, rows, tensors_of(unit, task, trained), measured_by)
