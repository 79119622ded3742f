"""THE training loop and THE training step, of all arms of all experiments.

S networks train side by side. What differs between kinds of network, how gradients come about, is an `Engine`:
written out by hand for perceptrons (perceptron.py), autograd for any other module (module.py). The plain serial
version to compare with is reference.py.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lthbench.data.images import flip, pad_crop
from lthbench.models.mlp import Mlp
from lthbench.recipe.experiment import Training
from lthbench.training.checkpoint import Saves
from lthbench.training.device import choose_products
from lthbench.training.graph import Step, captured
from lthbench.training.module import Modules
from lthbench.training.perceptron import Perceptrons
from lthbench.training.run import Examples, Folds, Model, Task, Trained, evaluation_iterations, percent
from lthbench.training.stack import (
    Optimizer,
    Stack,
    assert_masked,
    copy_of,
    flatten,
    keep_where,
    stack,
    unstack,
    view_names,
)

EVALUATION_BATCH = {Perceptrons: 1000, Modules: 500}
LARGEST_COPY = 2**28  # bytes: validation sets of a stack that are gathered once, not at every evaluation

# Evidence (one thread of an EPYC, Zen 4, busy; torch 2.13; processor time per network of one look at 5,000
# examples by LeNet-300-100, medians of 14 and 5 rounds in turn): gathered at every look 50 ms alone and 54 in a
# stack of 4, kept 49 and 42; kept in parts of 2,000 49 ms alone, of 1,000 46.


class Engine(Protocol):
    """How a kind of network computes; everything else is the same for all."""

    @property
    def capturable(self) -> bool:
        """Whether a step can be recorded as a CUDA graph (asked after the first steps)."""

    @property
    def network_first(self) -> bool:
        """Whether inputs (batch, S, ...) shall lie in memory network by network."""

    def gradients(self, net: Stack, gradient: Stack, x: Tensor, y: Tensor) -> None:
        """Write the gradients of the mean cross-entropies; x (batch, S, ...), y (batch, S)."""

    def logits(self, net: Stack, x: Tensor) -> Tensor:
        """Outputs in evaluation mode: (batch, S, classes)."""

    def recompute_statistics(self, net: Stack, examples: Examples, rows: Tensor) -> None:
        """Set batch norm's running statistics to those of the given rows, (S, examples)."""


def engine_for(model: Model, net: Stack, seeds: tuple[int, ...] = (), training: Training | None = None) -> Engine:
    """The engine of a kind of network, and matrix products as suit it.

    Gradients are computed at the precision and in the layout of the `training`, where one is given.
    Networks with batch norm keep the default products: oneDNN would gain them a tenth to a quarter, and their
    confirmed results stay reproducible bit for bit.
    """
    choose_products(net.flat.device, onednn=isinstance(model, Mlp) and not model.batch_norm)
    bf16 = training is not None and training.precision == "bf16"
    if isinstance(model, Mlp):
        return Perceptrons(model, bf16)
    channels_last = training is not None and training.memory_format == "channels-last"
    return Modules.over(model, net, seeds, bf16, channels_last)


@dataclass(frozen=True)
class State:
    """All that changes while networks train: what a checkpoint holds."""

    net: Stack
    optimizer: Optimizer
    best: Stack
    kept: Stack | None
    best_loss: Tensor
    best_at: Tensor
    losses: Tensor
    correct: Tensor
    random: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name."""
        named = {
            "first": self.optimizer.first, "second": self.optimizer.second, "steps": self.optimizer.steps,
            "best_loss": self.best_loss, "best_at": self.best_at, "losses": self.losses, "correct": self.correct,
            "random": self.random,
        }  # fmt: skip
        for prefix, part in (("net", self.net), ("best", self.best), ("kept", self.kept)):
            if part is not None:
                named[prefix] = part.flat
                named |= {f"{prefix}/{name}": buffer for name, buffer in part.buffers.items()}
        return named


def fresh_state(task: Task, net: Stack, random: Tensor) -> State:
    """The state before the first step."""
    size, device = len(task.states), net.flat.device
    evaluations = evaluation_iterations(task.training, task.start)
    return State(
        net=net,
        optimizer=Optimizer(task.training, net.flat),
        best=copy_of(net, task.model, size),
        kept=None if task.keep_at is None else copy_of(net, task.model, size),
        best_loss=torch.full((size,), torch.inf, device=device),
        best_at=torch.full((size,), evaluations[-1] if evaluations else task.start, device=device),
        losses=torch.zeros(len(evaluations), size, device=device),
        correct=torch.zeros(len(evaluations), size, device=device),
        random=random,
    )


def train_step(
    engine: Engine,
    net: Stack,
    gradient: Stack,
    mask: Tensor,
    optimizer: Optimizer,
    rate: float | Tensor,
    x: Tensor,
    y: Tensor,
) -> None:
    """THE training step: forward and backward, mask the gradient, update."""
    engine.gradients(net, gradient, x, y)
    if optimizer.fused is not None:  # asked for: the same in one pass
        optimizer.masked_step(net.flat, gradient.flat, mask, rate)
        return
    gradient.flat.mul_(mask)
    optimizer.step(net.flat, gradient.flat, rate)


@dataclass(frozen=True)
class Batches:
    """Which examples each iteration trains on, resident on the device.

    Rows (T, S, batch) if they shall lie in memory `network_first`, else (T, batch, S); augmentation beside.
    """

    examples: Examples
    rows: Tensor
    augmentation: Tensor | None
    pad: int
    network_first: bool

    def at(self, t: int | Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (batch, S, ...) and labels (batch, S) of iteration t (from 0)."""
        rows = pick(self.rows, t)
        raw = self.examples.raw(rows)
        if self.augmentation is not None:
            dy, dx, flipped = pick(self.augmentation, t).reshape(-1, 3).unbind(1)
            flat = pad_crop(raw.flatten(0, 1), dy.long(), dx.long(), self.pad) if self.pad else raw.flatten(0, 1)
            raw = flip(flat, flipped.bool()).view(raw.shape)
        x, y = self.examples.ready(raw), self.examples.labels(rows)
        return (x.transpose(0, 1), y.T) if self.network_first else (x, y)


def pick(table: Tensor, t: int | Tensor) -> Tensor:
    """Entry t of a table; t lies on the device where the step is recorded once and replayed."""
    return table[t] if isinstance(t, int) else table.index_select(0, t)[0]


def batches(task: Task, folds: Folds, network_first: bool = True) -> Batches:
    """The batches of a task."""
    axis = 1 if network_first else 2
    train = folds.train.to(torch.int32)  # half the bytes that rows of int64 take

    def rows_of(owner: int, order: np.ndarray) -> Tensor:
        return train[owner][torch.from_numpy(order).to(folds.device)]

    wanted = [torch.from_numpy(each) for each in task.augmentation]
    return Batches(
        folds.examples,
        stacked(map(rows_of, task.owners, task.orders), len(task.orders), axis, folds.device),
        stacked(wanted, len(wanted), axis, folds.device) if wanted else None,
        task.training.pad_crop,
        network_first,
    )


def stacked(tensors: Iterable[Tensor], size: int, axis: int, device: torch.device) -> Tensor:
    """As torch.stack, on the device and one after the other: no second copy of all of them."""
    for s, tensor in enumerate(tensors):
        if s == 0:
            shape = (*tensor.shape[:axis], size, *tensor.shape[axis:])
            whole = torch.empty(shape, dtype=tensor.dtype, device=device)
        whole.select(axis, s).copy_(tensor)
    return whole


def parts(engine: Engine, examples: Examples, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs as stored (part, S, ...) and labels (part, S) of rows (S, examples), one part at a time."""
    for part in rows.split(EVALUATION_BATCH[type(engine)], dim=1):  # type: ignore[index]
        if engine.network_first:
            yield examples.raw(part).transpose(0, 1), examples.labels(part).T
        else:
            yield examples.raw(part.T), examples.labels(part.T)


def kept_parts(engine: Engine, examples: Examples, rows: Tensor) -> Callable[[], Iterable[tuple[Tensor, Tensor]]]:
    """What gives the parts of rows that are looked at again and again: gathered once where the copy is small."""
    again = partial(parts, engine, examples, rows)
    example = examples.x.element_size() * examples.x[0].numel()
    if rows.numel() * example > LARGEST_COPY:
        return again
    kept = list(again())
    return lambda: kept


def count_correct(engine: Engine, net: Stack, examples: Examples, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Correct answers and summed cross-entropy of each network on its rows (S, examples); shape (S,)."""
    return tally(engine, net, examples, parts(engine, examples, rows))


def tally(
    engine: Engine, net: Stack, examples: Examples, rows: Iterable[tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """The same on parts that are there already."""
    size, device = next(iter(net.views.values())).shape[0], net.flat.device
    correct, loss = torch.zeros(size, device=device), torch.zeros(size, device=device)
    for raw, labels in rows:
        logits = engine.logits(net, examples.ready(raw))
        correct += (logits.argmax(-1) == labels).sum(0)
        loss -= torch.log_softmax(logits, -1).gather(-1, labels[..., None]).sum((0, 2))
    return correct, loss


def accuracy(engine: Engine, net: Stack, examples: Examples, rows: Tensor) -> np.ndarray:
    """Percent correct of each network, shape (S,)."""
    return percent(count_correct(engine, net, examples, rows)[0], rows.shape[1])


@dataclass(frozen=True)
class Course:
    """A training under way: its state, the step, and what both are made from."""

    task: Task
    folds: Folds
    engine: Engine
    state: State
    mask: Tensor
    pruned: Tensor  # what pruned weights are throughout: 0, or all weights as they start
    owners: Tensor
    step: Step | captured
    validation: Callable[[], Iterable[tuple[Tensor, Tensor]]]


@torch.no_grad()
def train(task: Task, folds: Folds, checkpoint: Saves | None = None) -> Trained:
    """Train the networks from `start` to the end of the recipe. Curves are recorded; nothing is selected.

    Raises `checkpoint.OutOfTime` at the checkpoint's deadline, after saving; the next call goes on bitwise.
    """
    course = begin(task, folds)
    begun = resume(checkpoint, course.state, task.start)
    advance(course, begun, task.training.iterations, checkpoint)
    assert_masked(course.state.net, course.mask, course.pruned)
    return result(task, folds, course.engine, course.state, course.owners)


@torch.no_grad()
def begin(task: Task, folds: Folds) -> Course:
    """Put the networks and their batches on the device."""
    size, device = len(task.states), folds.device
    owners = torch.tensor(list(task.owners), device=device)
    net = stack(task.model, task.states, device)
    zeros = torch.zeros_like(net.flat)
    gradient = Stack(zeros, view_names(task.model, zeros, size), {})
    mask = flatten(task.model, task.masks, device, missing=1.0)
    if not task.frozen:
        net.flat.mul_(mask)
    pruned = net.flat.clone() if task.frozen else torch.zeros((), device=device)
    engine = engine_for(task.model, net, tuple(task.seeds), task.training)
    state = fresh_state(task, net, getattr(engine, "random", torch.empty(0)))
    data = batches(task, folds, engine.network_first)

    def one(t: int | Tensor, rate: float | Tensor) -> None:
        x, y = data.at(t)
        train_step(engine, net, gradient, mask, state.optimizer, rate, x, y)

    step: Step | captured = Step(one, task.rates)
    if device.type == "cuda" and data.examples.resident:
        step = captured(one, task.rates, device, lambda: engine.capturable)
    validation = kept_parts(engine, folds.examples, folds.validation[owners])
    return Course(task, folds, engine, state, mask, pruned, owners, step, validation)


@torch.no_grad()
def advance(course: Course, begun: int, end: int, checkpoint: Saves | None = None) -> None:
    """Train from after iteration `begun` to the end of iteration `end`."""
    task, training, state = course.task, course.task.training, course.state
    t = begun
    while t < end:
        stop = min(end, t - t % training.evaluate_every + training.evaluate_every)  # the next look
        if task.keep_at is not None and t < task.keep_at:
            stop = min(stop, task.keep_at)
        t += course.step.ahead(t, stop - t)
        if t == task.keep_at and state.kept is not None:
            keep_where(torch.ones_like(course.owners, dtype=torch.bool), state.net, state.kept)
        if t % training.evaluate_every == 0:
            look(course, t)
        if checkpoint is not None and t < training.iterations and checkpoint.due():
            checkpoint.save(t, state.tensors())


def look(course: Course, t: int) -> None:
    """Look at the validation set after iteration t; keep the networks that are the best so far."""
    state, training = course.state, course.task.training
    e = t // training.evaluate_every - 1 - course.task.start // training.evaluate_every
    right, loss = tally(course.engine, state.net, course.folds.examples, course.validation())
    state.losses[e], state.correct[e] = loss, right
    better = loss < state.best_loss
    state.best_loss.copy_(torch.where(better, loss, state.best_loss))
    state.best_at.copy_(torch.where(better, t, state.best_at))
    keep_where(better, state.net, state.best)


def resume(checkpoint: Saves | None, state: State, start: int) -> int:
    """Put a saved state back, bit for bit; the iteration it was saved after, or `start`."""
    saved = checkpoint.load(state.tensors()) if checkpoint is not None else None
    if saved is None:
        return start
    t, tensors = saved
    for name, tensor in state.tensors().items():
        tensor.copy_(tensors[name])
    return t


def result(task: Task, folds: Folds, engine: Engine, state: State, owners: Tensor) -> Trained:
    """What came out: curves, and the test set looked at twice at the most."""
    size, held_out = len(owners), folds.validation.shape[1]
    test, measure = folds.test[owners], task.training.measure
    early, train = None, None
    if "early-stop" in measure:
        early = accuracy(engine, state.best, folds.held_out, test)
    if "train" in measure:
        train = accuracy(engine, state.net, folds.examples, folds.train[owners])
    return Trained(
        states=unstack(state.net, size),
        kept=None if state.kept is None else unstack(state.kept, size),
        iterations=np.array(evaluation_iterations(task.training, task.start), dtype=np.int64),
        validation_loss=state.losses.cpu().numpy().astype(np.float64) / held_out,
        validation_accuracy=percent(state.correct, held_out),
        early_stop_iteration=state.best_at.cpu().numpy(),
        early_stop_test_accuracy=early,
        final_test_accuracy=accuracy(engine, state.net, folds.held_out, test),
        final_train_accuracy=train,
    )
