"""The serial reference: one network, an ordinary module, autograd and torch.optim. Read this one first.

Slow and plain on purpose. The stacked engine must give the same numbers; the tests compare them.
"""

import numpy as np
import torch
from torch.nn import functional

from lthbench.models.mlp import Arrays, MlpModule
from lthbench.recipe import Training
from lthbench.training.run import Folds, Task, Trained, evaluation_iterations, percent
from lthbench.training.schedule import learning_rates


def optimizer_for(module: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    """The recipe's optimizer; its rate is set before every step."""
    if training.optimizer == "adam":
        return torch.optim.Adam(module.parameters(), training.learning_rate, weight_decay=training.weight_decay)
    return torch.optim.SGD(
        module.parameters(), training.learning_rate, training.momentum, weight_decay=training.weight_decay
    )


@torch.no_grad()
def evaluate(module: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Accuracy in percent (correct / total) and mean cross-entropy."""
    module.eval()
    logits = module(x)
    module.train()
    correct = (logits.argmax(-1) == y).sum()
    return float(percent(correct, len(y))), float(functional.cross_entropy(logits, y))


def train_one(task: Task, folds: Folds, s: int) -> Trained:
    """Train network s of the task alone."""
    owner = task.owners[s]
    x, y = folds.x_train[owner], folds.y_train[owner]
    module = MlpModule(task.model).to(x.device)
    module.load(task.states[s])
    tensors = module.named_tensors()
    masks = {name: torch.from_numpy(m).T.to(x.device) for name, m in task.masks[s].items()}
    for name, mask in masks.items():
        tensors[name].data.mul_(mask)
    optimizer = optimizer_for(module, task.training)
    rates = learning_rates(task.training)
    evaluations = evaluation_iterations(task.training, task.start)

    best_loss, best_at, best = np.inf, evaluations[-1], module.state()
    curve, kept = [], module.state() if task.keep_at == task.start else None
    module.train()
    for t in range(task.start + 1, task.training.iterations + 1):
        batch = torch.from_numpy(task.orders[s][t - 1]).to(x.device)
        optimizer.zero_grad()
        functional.cross_entropy(module(x[batch]), y[batch]).backward()
        for name, mask in masks.items():
            tensors[name].grad.mul_(mask)  # type: ignore[union-attr]
        optimizer.param_groups[0]["lr"] = float(rates[t - 1])
        optimizer.step()
        if t == task.keep_at:
            kept = module.state()
        if t in evaluations:
            accuracy, loss = evaluate(module, folds.x_validation[owner], folds.y_validation[owner])
            curve.append((loss, accuracy))
            if loss < best_loss:
                best_loss, best_at, best = loss, t, module.state()

    final = module.state()
    final_test = evaluate(module, folds.x_test[owner], folds.y_test[owner])[0]
    final_train = evaluate(module, x, y)[0]
    module.load(best)
    early_test = evaluate(module, folds.x_test[owner], folds.y_test[owner])[0]
    return Trained(
        states=[final],
        kept=None if kept is None else [kept],
        iterations=np.array(evaluations),
        validation_loss=np.array([[loss] for loss, _ in curve]),
        validation_accuracy=np.array([[accuracy] for _, accuracy in curve]),
        early_stop_iteration=np.array([best_at]),
        early_stop_test_accuracy=np.array([early_test]),
        final_test_accuracy=np.array([final_test]),
        final_train_accuracy=np.array([final_train]),
    )


def train(task: Task, folds: Folds) -> Trained:
    """Train the networks of the task one after the other; same interface as the stacked engine."""
    runs = [train_one(task, folds, s) for s in range(len(task.states))]
    states: list[Arrays] = [run.states[0] for run in runs]
    kept = None if runs[0].kept is None else [run.kept[0] for run in runs if run.kept]
    columns = {
        name: np.concatenate([getattr(run, name) for run in runs], axis=-1)
        for name in Trained.__dataclass_fields__
        if name not in ("states", "kept", "iterations")
    }
    return Trained(states=states, kept=kept, iterations=runs[0].iterations, **columns)
