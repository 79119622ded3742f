"""The serial reference: one network, an ordinary module, autograd and torch.optim. Read this one first.

Slow and plain on purpose: batches image by image, pruned weights masked one by one. The engines behind
`loop.train` must give the same numbers; the tests compare them.
"""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lthbench.models import module as modules
from lthbench.models.mlp import Arrays, Mlp, MlpModule
from lthbench.recipe.experiment import Training
from lthbench.training.device import sound_convolutions
from lthbench.training.run import Examples, Folds, Model, Task, Trained, evaluation_iterations, percent


def module_of(model: Model, state: Arrays) -> nn.Module:
    """A module that starts from a state."""
    module = MlpModule(model) if isinstance(model, Mlp) else model.build()
    load(module, state)
    return module


def load(module: nn.Module, state: Arrays) -> None:
    """Set every parameter and buffer."""
    module.load(state) if isinstance(module, MlpModule) else modules.load_state(module, state)


def state_of(module: nn.Module) -> Arrays:
    """Copies of every parameter and buffer."""
    return module.state() if isinstance(module, MlpModule) else modules.state_of(module)


def masked(module: nn.Module, task: Task, s: int) -> list[tuple[nn.Parameter, torch.Tensor]]:
    """The prunable parameters, each with its mask in the module's own layout."""
    own = module.named_tensors() if isinstance(module, MlpModule) else modules.tensors(module)
    pairs = []
    for name, kept in task.masks[s].items():
        mask = torch.from_numpy(kept.T if isinstance(module, MlpModule) else kept).to(own[name].device)
        pairs.append((own[name], mask))
    return pairs  # type: ignore[return-value]


def optimizer_for(module: nn.Module, training: Training) -> torch.optim.Optimizer:
    """The recipe's optimizer; its rate is set before every step."""
    if training.optimizer == "adam":
        return torch.optim.Adam(module.parameters(), training.learning_rate, weight_decay=training.weight_decay)
    return torch.optim.SGD(
        module.parameters(), training.learning_rate, training.momentum, weight_decay=training.weight_decay
    )


def augmented(raw: torch.Tensor, wanted: np.ndarray, pad: int) -> torch.Tensor:
    """Crop out of the padded image and flip, image by image; wanted (batch, 3)."""
    images = []
    for image, (dy, dx, flipped) in zip(raw, wanted.astype(int), strict=True):
        height, width = image.shape[-2:]
        wide = functional.pad(image, (pad, pad, pad, pad))[:, dy : dy + height, dx : dx + width]
        images.append(wide.flip(-1) if flipped else wide)
    return torch.stack(images)


@torch.no_grad()
def evaluate(module: nn.Module, examples: Examples, rows: torch.Tensor) -> tuple[float, float]:
    """Accuracy in percent (correct / total) and mean cross-entropy."""
    module.eval()
    logits, y = module(examples.inputs(rows)), examples.labels(rows)
    module.train()
    correct = (logits.argmax(-1) == y).sum()
    return float(percent(correct, len(y))), float(functional.cross_entropy(logits, y))


def train_one(task: Task, folds: Folds, s: int) -> Trained:
    """Train network s of the task alone."""
    owner, training = task.owners[s], task.training
    rows, validation, test = folds.train[owner], folds.validation[owner], folds.test[owner]
    module = module_of(task.model, task.states[s]).to(folds.device)
    masks = masked(module, task, s)
    for weight, mask in masks:
        if not task.frozen:
            weight.data.mul_(mask)
    optimizer = optimizer_for(module, training)
    evaluations = evaluation_iterations(training, task.start)
    if task.seeds:
        torch.manual_seed(task.seeds[s] % 2**63)  # random layers (dropout)

    best_loss, best_at, best = np.inf, evaluations[-1] if evaluations else task.start, state_of(module)
    curve, kept = [], state_of(module) if task.keep_at == task.start else None
    module.train()
    for t in range(task.start + 1, training.iterations + 1):
        batch = rows[torch.from_numpy(task.orders[s][t - 1]).to(rows.device)]
        raw = folds.examples.raw(batch)
        if task.augmentation:
            raw = augmented(raw, task.augmentation[s][t - 1], training.pad_crop)
        x = folds.examples.ready(raw)
        if training.memory_format == "channels-last" and x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad()
        with sound_convolutions(x.device, training.memory_format == "channels-last"):
            with torch.autocast(x.device.type, torch.bfloat16, enabled=training.precision == "bf16"):
                logits = module(x)
            functional.cross_entropy(logits.float(), folds.examples.labels(batch)).backward()
        for weight, mask in masks:
            weight.grad.mul_(mask)  # type: ignore[union-attr]
        optimizer.param_groups[0]["lr"] = float(task.rates[t - 1])
        optimizer.step()
        if t == task.keep_at:
            kept = state_of(module)
        if t in evaluations:
            accuracy, loss = evaluate(module, folds.examples, validation)
            curve.append((loss, accuracy))
            if loss < best_loss:
                best_loss, best_at, best = loss, t, state_of(module)

    final = state_of(module)
    final_test = evaluate(module, folds.held_out, test)[0]
    early_test, final_train = None, None
    if "train" in training.measure:
        final_train = np.array([evaluate(module, folds.examples, rows)[0]])
    if "early-stop" in training.measure:
        load(module, best)
        early_test = np.array([evaluate(module, folds.held_out, test)[0]])
    return Trained(
        states=[final],
        kept=None if kept is None else [kept],
        iterations=np.array(evaluations),
        validation_loss=np.array([[loss] for loss, _ in curve]),
        validation_accuracy=np.array([[accuracy] for _, accuracy in curve]),
        early_stop_iteration=np.array([best_at]),
        early_stop_test_accuracy=early_test,
        final_test_accuracy=np.array([final_test]),
        final_train_accuracy=final_train,
    )


def train(task: Task, folds: Folds) -> Trained:
    """Train the networks of the task one after the other; same interface as `loop.train`."""
    runs = [train_one(task, folds, s) for s in range(len(task.states))]
    states: list[Arrays] = [run.states[0] for run in runs]
    kept = None if runs[0].kept is None else [run.kept[0] for run in runs if run.kept]
    columns: dict[str, Any] = {
        name: None if getattr(runs[0], name) is None else np.concatenate([getattr(r, name) for r in runs], axis=-1)
        for name in Trained.__dataclass_fields__
        if name not in ("states", "kept", "iterations")
    }
    return Trained(states=states, kept=kept, iterations=runs[0].iterations, **columns)
