"""The built-in procedure as an implementation of a user's: the engine's own pieces behind `run(problem, arm)`.

Fresh weights and random masks are the one thing that it has to draw anew: their streams are not handed out.
"""

import numpy as np
import torch

from lthbench.models import registry
from lthbench.pruning import masks
from lthbench.tickets.plain import as_engine, as_torch
from lthbench.training import loop
from lthbench.training.reference import load, module_of, state_of
from lthbench.training.run import Examples, Folds, Task
from lthbench.training.schedule import learning_rates


def run(problem, arm):
    model = registry.model(problem.experiment.network, tuple(problem.train[0].shape[1:]), 10)
    dense = masks.ones(model.prunable)
    mask, module = dense, problem.module()
    if arm.name in ("ticket", "one-shot"):
        above = problem.earlier.get(("ticket", arm.level - 1, 0)) if arm.name == "ticket" else None
        above = above or problem.earlier["dense", 0, 0]
        scores = {n: np.abs(w) for n, w in as_engine(model, {n: above.weights[n] for n in dense}).items()}
        mask = masks.prune(scores, as_engine(model, above.mask), problem.counts(arm.level))
    if arm.name in ("reinit", "random-mask"):
        mask = as_engine(model, problem.earlier["ticket", arm.level, 0].mask)
        if arm.name == "reinit":
            module = problem.module(problem.seed + 1 + arm.draw)
        else:
            mask = masks.random_like(mask, np.random.default_rng(problem.seed + 1 + arm.draw))
    start = masks.apply(mask, state_of(module))
    trained = loop.train(task(problem, model, start, mask), folds(problem))
    curve = {int(t): float(a) for t, a in zip(trained.iterations, trained.validation_accuracy[:, 0], strict=True)}
    loss = {int(t): float(a) for t, a in zip(trained.iterations, trained.validation_loss[:, 0], strict=True)}
    return {
        "final_test_accuracy": trained.final_test_accuracy[0],
        "early_stop_test_accuracy": trained.early_stop_test_accuracy[0],
        "early_stop_iteration": trained.early_stop_iteration[0],
        "validation_accuracy": curve,
        "validation_loss": loss,
        "start": named(model, start),
        "weights": named(model, trained.states[0]),
        "mask": as_torch(model, mask),
        "rates": learning_rates(problem.recipe).tolist(),
    }


def named(model, state):
    """A state under the names of an ordinary module's."""
    module = module_of(model, state)
    load(module, state)
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def folds(problem):
    """The problem's data as the engine takes them."""
    parts = (problem.train, problem.validation)
    examples = Examples(torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts]))
    ends = np.cumsum([0, *(len(y) for _, y in parts)])
    train, validation = (torch.arange(ends[i], ends[i + 1])[None] for i in range(2))
    return Folds(examples, Examples(*problem.test), train, validation, torch.arange(len(problem.test[1]))[None])


def task(problem, model, start, mask):
    """One network to train by the recipe, in the replicate's batch order."""
    return Task(
        model=model,
        training=problem.recipe,
        states=[start],
        masks=[mask],
        owners=[0],
        orders=[problem.order.numpy()],
        rates=learning_rates(problem.recipe),
    )
