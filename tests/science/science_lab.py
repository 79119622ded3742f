"""Two tiny experiments, and a run of them that writes down what each training really started from and saw."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from lthbench.data.registry import DataSpec
from lthbench.execute import run_chunk
from lthbench.models.mlp import Arrays, Mlp, mlp
from lthbench.plan import Unit, plan_experiment
from lthbench.recipe import Experiment, Network, Pruning, Training
from lthbench.results import store
from lthbench.tickets import folds as block_data
from lthbench.tickets.networks import part
from lthbench.training import stacked
from lthbench.training.run import Folds, Task

DATA = DataSpec("mnist1d", train=360, validation=60, test=200)
DRAWS = {"reinit": 2, "random-mask": 2, "shuffled": 2}
ADAM = Training("adam", 0.003, batch=20, iterations=40, evaluate_every=10)
SGD = Training(
    "sgd", 0.05, batch=25, iterations=40, evaluate_every=10, momentum=0.9, weight_decay=1e-3, warmup=5,
    milestones=(20, 30),
)  # fmt: skip
LAYERWISE = Pruning("layer-wise", 0.3, output_rate=0.15, rewind=10)
GLOBAL = Pruning("global", 0.4, rewind=10)
CPU = torch.device("cpu")


def plain(**changes) -> Experiment:
    base = Experiment("plain", "", Network("mlp", (16, 12)), DATA, ADAM, LAYERWISE, DRAWS, barrier_points=5)
    return dataclasses.replace(base, **changes)


def normed(**changes) -> Experiment:
    network = Network("mlp", (16, 12), batch_norm=True)
    return plain(id="normed", network=network, training=SGD, pruning=GLOBAL, **changes)


@dataclass
class Seen:
    """What one training was given, started from, and used at each step."""

    task: Task
    folds: Folds
    start: list[Arrays] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    batches: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def fed(self, s: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (steps, batch, features) and labels (steps, batch) that network s saw."""
        size = len(self.task.owners)
        x = np.stack([x[:, s] for x, _ in self.batches])
        return x, np.stack([y.reshape(-1, size)[:, s] for _, y in self.batches])


@dataclass
class Ran:
    """A finished run of one experiment."""

    experiment: Experiment
    root: Path
    cache: Path
    units: list[Unit]
    seen: dict[str, Seen]

    @property
    def model(self) -> Mlp:
        return mlp(self.experiment.network, 40, 10)

    def unit(self, arm: str, level: int, block: int = 0) -> Unit:
        return next(u for u in self.units if (u.arm, u.level, u.block) == (arm, level, block))

    def watched(self, arm: str, level: int, block: int = 0) -> Seen:
        return self.seen[self.unit(arm, level, block).name]

    def tensors(self, arm: str, level: int, block: int = 0) -> dict[str, np.ndarray]:
        path = store.path_of(self.root, self.unit(arm, level, block))
        return store.read_tensors(path, store.read(path))

    def stored(self, prefix: str, arm: str, level: int, s: int, block: int = 0) -> Arrays:
        return part(self.tensors(arm, level, block), prefix, s)

    def measured(self, metric: str, arm: str, level: int, block: int = 0) -> dict:
        """Value by (replicate, draw, iteration)."""
        rows = store.read(store.path_of(self.root, self.unit(arm, level, block))).rows
        return {row[:3]: row[4] for row in rows if row[3] == metric}

    def load_folds(self, block: int = 0) -> Folds:
        unit = self.unit("dense", 0, block)
        return block_data.load(self.experiment, unit.master, unit.replicates, self.cache, CPU)

    def above(self, unit: Unit) -> dict:
        names = {other.key: other for other in self.units}
        return {cell: self.tensors(*cell, names[key].block) for cell, key in unit.parents.items()}


def watching(log: list[Seen]) -> tuple:
    """Patches of the stacked engine that write down what it does; its arithmetic is untouched."""
    train, step = stacked.train, stacked.train_step

    def watched_train(task, folds):
        log.append(Seen(task, folds))
        return train(task, folds)

    def watched_step(model, net, gradient, mask, optimizer, rate, x, y):
        if not log[-1].rates:
            log[-1].start = stacked.unstack(model, net, len(log[-1].task.owners))
        log[-1].rates.append(rate)
        log[-1].batches.append((x.numpy().copy(), y.numpy().copy()))
        return step(model, net, gradient, mask, optimizer, rate, x, y)

    return patch.object(stacked, "train", watched_train), patch.object(stacked, "train_step", watched_step)


def planned(
    experiment: Experiment, cells: set, replicates: int = 2, block: int = 2, master: int = 0
) -> list[Unit]:
    return plan_experiment(experiment, cells | {("dense", 0)}, replicates, block, master)


def execute(units: list[Unit], root: Path, cache: Path) -> list[str]:
    """Run units chunk by chunk; what was said of each unit."""
    said: list[str] = []
    for block in sorted({unit.block for unit in units}):
        mine = [unit for unit in units if unit.block == block]
        run_chunk(mine, root, cache, "cpu", lambda unit, how: said.append(how))
    return said


def run(experiment: Experiment, cells: set, root: Path, cache: Path, **how) -> Ran:
    units = planned(experiment, cells, **how)
    log: list[Seen] = []
    trained, stepped = watching(log)
    with trained, stepped:
        execute(units, root, cache)
    in_order = sorted(units, key=lambda unit: unit.block)  # stable: parents stay before children
    return Ran(experiment, root, cache, units, {u.name: s for u, s in zip(in_order, log, strict=True)})


def same(first: Arrays, second: Arrays) -> bool:
    """Bitwise equality of two states (or masks), signs of zeros included."""
    return first.keys() == second.keys() and all(
        first[n].dtype == second[n].dtype
        and first[n].shape == second[n].shape
        and first[n].tobytes() == second[n].tobytes()
        for n in first
    )


def equal(first: Arrays, second: Arrays) -> bool:
    """Equal numbers everywhere; 0.0 and -0.0 count as equal (a mask multiplies: -w x 0 is -0.0)."""
    return first.keys() == second.keys() and all(np.array_equal(first[n], second[n]) for n in first)


def forward(model: Mlp, state: Arrays, x: np.ndarray) -> np.ndarray:
    """Logits in float64 numpy, written apart from both engines (evaluation mode)."""
    h = x.astype(np.float64)
    for i, layer in enumerate(model.layers, start=1):
        h = h @ state[f"{layer}.weight"].astype(np.float64) + state.get(f"{layer}.bias", 0.0)
        if layer == "out":
            return h
        if model.batch_norm:
            scale = state[f"bn{i}.weight"] / np.sqrt(state[f"bn{i}.var"].astype(np.float64) + 1e-5)
            h = (h - state[f"bn{i}.mean"]) * scale + state[f"bn{i}.bias"]
        h = np.maximum(h, 0)
    raise AssertionError("no output layer")


def percent_correct(model: Mlp, state: Arrays, x: torch.Tensor, y: torch.Tensor) -> float:
    guesses = forward(model, state, x.numpy()).argmax(1)
    return 100 * int((guesses == y.numpy()).sum()) / len(y)
