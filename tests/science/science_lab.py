"""Tiny experiments, and a run of them that writes down what each training really started from and saw."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from lthbench.drive.execute import run_chunk
from lthbench.models import registry
from lthbench.models.mlp import Arrays, Mlp
from lthbench.models.module import load_state
from lthbench.plan.unit import Unit, plan_experiment
from lthbench.pruning import masks
from lthbench.pruning.counts import kept
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results import store
from lthbench.tickets import folds as block_data
from lthbench.tickets.networks import part
from lthbench.training import loop
from lthbench.training.run import Examples, Folds, Model, Task, Trained
from lthbench.training.schedule import augmentation, batch_order, learning_rates
from lthbench.training.stack import Optimizer, Stack, stack, unstack, view_names

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


def module(**changes) -> Experiment:
    """The third kind: no `Mlp`, so autograd; dropout, batch norm under other names, weights (out, in)."""
    network = Network("mlp", (16, 12), batch_norm=True, dropout=0.1, activation="tanh")
    pruning = dataclasses.replace(GLOBAL, keep=("out.*",))
    return plain(id="module", network=network, training=SGD, pruning=pruning, **changes)


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
    def model(self) -> Model:
        return registry.model(self.experiment.network, (40,), 10)

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

    def compared(self) -> list[list[str]]:
        """The weights that are pruned against one another; those that are kept are not among them."""
        pruning = self.experiment.pruning
        free = [name for name in self.model.prunable if not kept(name, pruning)]
        return [free] if pruning.scope == "global" else [[name] for name in free]

    def load_folds(self, block: int = 0) -> Folds:
        unit = self.unit("dense", 0, block)
        return block_data.load(self.experiment, unit.master, unit.replicates, self.cache, CPU)

    def above(self, unit: Unit) -> dict:
        names = {other.key: other for other in self.units}
        return {cell: self.tensors(*cell, names[key].block) for cell, key in unit.parents.items()}


def watching(log: list[Seen]) -> tuple:
    """Patches of the training loop that write down what it does; its arithmetic is untouched."""
    train, step = loop.train, loop.train_step

    def watched_train(task, folds, checkpoint=None):
        log.append(Seen(task, folds))
        return train(task, folds, checkpoint)

    def watched_step(engine, net, gradient, mask, optimizer, rate, x, y):
        if not log[-1].rates:
            log[-1].start = unstack(net, len(log[-1].task.owners))
        log[-1].rates.append(rate)
        log[-1].batches.append((x.numpy().copy(), y.numpy().copy()))
        return step(engine, net, gradient, mask, optimizer, rate, x, y)

    return patch.object(loop, "train", watched_train), patch.object(loop, "train_step", watched_step)


FOLDS = ("train", "validation", "test")


def folds_of(x: dict[str, np.ndarray], y: dict[str, np.ndarray], classes: int, **images) -> Folds:
    """Folds of R replicates with examples of their own: x[fold] (R, n, ...), y[fold] (R, n)."""
    replicates, rows = len(y["test"]), {}
    train = [np.concatenate([x["train"][r], x["validation"][r]]) for r in range(replicates)]
    labels = [np.concatenate([y["train"][r], y["validation"][r]]) for r in range(replicates)]
    n, both, test = len(y["train"][0]), len(labels[0]), len(y["test"][0])
    for r in range(replicates):
        rows[r] = np.arange(n) + r * both, np.arange(n, both) + r * both, np.arange(test) + r * test
    examples, held_out = (
        Examples(torch.from_numpy(np.concatenate(a)), torch.from_numpy(np.concatenate(b)), **images)
        for a, b in ((train, labels), (list(x["test"]), list(y["test"])))
    )
    stacked_rows = [torch.from_numpy(np.stack([rows[r][i] for r in range(replicates)])) for i in range(3)]
    return Folds(examples, held_out, *stacked_rows, classes=classes)


def fold(folds: Folds, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What the replicates have in one fold: inputs (R, n, ...) and labels (R, n)."""
    examples, rows = folds.held_out if name == "test" else folds.examples, getattr(folds, name)
    return examples.inputs(rows), examples.labels(rows)


@torch.no_grad()
def unmasked(task: Task, folds: Folds, iterations: int | None = None) -> list[Arrays]:
    """Train without any mask: forward, backward, update, and nothing else."""
    size = len(task.owners)
    net = stack(task.model, task.states, folds.device)
    blank = torch.zeros_like(net.flat)
    gradient = Stack(blank, view_names(task.model, blank, size), {})
    optimizer, data = Optimizer(task.training, net.flat), loop.batches(task, folds)
    engine = loop.engine_for(task.model, net, tuple(task.seeds))
    for t in range(task.training.iterations if iterations is None else iterations):
        engine.gradients(net, gradient, *data.at(t))
        optimizer.step(net.flat, gradient.flat, float(task.rates[t]))
    return unstack(net, size)


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


def same_training(first: Trained, second: Trained) -> None:
    """Two trainings came out the same, bit for bit, in everything."""
    for name in Trained.__dataclass_fields__:
        mine, theirs = getattr(first, name), getattr(second, name)
        if isinstance(mine, np.ndarray):
            assert same({name: mine}, {name: theirs}), name
        elif mine is None:
            assert theirs is None
        else:
            assert all(same(a, b) for a, b in zip(mine, theirs, strict=True)), name


def equal(first: Arrays, second: Arrays) -> bool:
    """Equal numbers everywhere; 0.0 and -0.0 count as equal (a mask multiplies: -w x 0 is -0.0)."""
    return first.keys() == second.keys() and all(np.array_equal(first[n], second[n]) for n in first)


def image_folds(shape: tuple[int, ...], classes: int = 10, sizes: tuple[int, int, int] = (24, 9, 11)) -> Folds:
    """Two replicates of noise: uint8 images with a mean and a standard deviation, or float features."""
    g = np.random.default_rng(5)
    x, y = {}, {}
    for name, n in zip(FOLDS, sizes, strict=True):
        dark = g.integers(0, 256, (2, n, *shape), dtype=np.uint8)
        x[name] = dark if len(shape) == 3 else g.standard_normal((2, n, *shape)).astype(np.float32)
        y[name] = g.integers(0, classes, (2, n))
    if len(shape) != 3:
        return folds_of(x, y, classes)
    channels = torch.arange(shape[0], dtype=torch.float32)
    return folds_of(x, y, classes, mean=0.4 + 0.05 * channels, std=0.3 - 0.05 * channels)


def flat_folds(folds: Folds) -> Folds:
    """Images as a perceptron takes them: normalised and flattened, as `tickets.folds` does."""
    flat = [Examples(part.ready(part.x).flatten(1), part.y) for part in (folds.examples, folds.held_out)]
    return dataclasses.replace(folds, examples=flat[0], held_out=flat[1])


def any_task(
    model: Model, training: Training, folds: Folds, owners=(0, 1), density: float = 1.0, seed: int = 2, **more
) -> Task:
    """Networks with masks, starts, orders, crops and dropout of their own."""
    g = np.random.default_rng(seed)
    worn = [{name: g.random(shape) < density for name, shape in model.prunable.items()} for _ in owners]
    states = [masks.apply(mask, model.initial_state(g)) for mask in worn]
    n = folds.train.shape[1]
    orders = [batch_order(n, training, np.random.default_rng(10 + s)) for s in range(len(owners))]
    crops = [augmentation(training, np.random.default_rng(20 + s)) for s in range(len(owners))]
    wanted = [one for one in crops if one is not None]
    own = {"augmentation": wanted, "seeds": [30 + s for s in range(len(owners))]} | more
    return Task(model, training, states, worn, list(owners), orders, learning_rates(training), **own)


def alone(task: Task, s: int) -> Task:
    """Network s of a task as a task of its own."""
    each = ("states", "masks", "owners", "orders", "augmentation", "seeds")
    own = {name: [getattr(task, name)[s]] for name in each if len(getattr(task, name))}
    return dataclasses.replace(task, **own)


def forward(model: Model, state: Arrays, x: np.ndarray) -> np.ndarray:
    """Logits in float64, written apart from both engines (evaluation mode); the plain module's if it is one."""
    if not isinstance(model, Mlp):
        module = model.build()
        load_state(module, state)
        with torch.no_grad():
            return module.double().eval()(torch.from_numpy(x).double()).numpy()
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


def percent_correct(model: Model, state: Arrays, x: torch.Tensor, y: torch.Tensor) -> float:
    guesses = forward(model, state, x.numpy()).argmax(1)
    return 100 * int((guesses == y.numpy()).sum()) / len(y)
