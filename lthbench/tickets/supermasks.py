"""Arms that learn a mask instead of weights: the same task with scores to train, and back when it is trained.

In between lies the one training loop of all arms, which sees a network whose parameters are scores.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from lthbench.models import supermask
from lthbench.models.mlp import Arrays, Mlp, MlpModule
from lthbench.models.module import ModuleModel, load_state, module_model, state_of
from lthbench.plan.unit import Unit
from lthbench.pruning.counts import kept, ladder
from lthbench.pruning.masks import Mask
from lthbench.recipe.arms import ARMS
from lthbench.recipe.experiment import Pruning
from lthbench.tickets.networks import named
from lthbench.training.run import Model, Task, Trained


def counts(sizes: Mapping[str, int], pruning: Pruning, level: int) -> dict[str, int]:
    """Weights that edge-popup wears in each layer: the rung of the ladder.

    The algorithm is layer-wise. Where the recipe prunes globally, every layer that is not kept whole has the same
    density, and the counts add up to the rung.
    """
    rung = ladder(sizes, pruning, level)
    if rung.keys() != {"all"}:
        return rung
    whole = {name: size for name, size in sizes.items() if kept(name, pruning)}
    free = {name: size for name, size in sizes.items() if name not in whole}
    left = rung["all"] - sum(whole.values())
    ends = np.cumsum(list(free.values())) * left // max(1, sum(free.values()))
    return whole | dict(zip(free, np.diff(ends, prepend=0).tolist(), strict=True))


def as_module(model: Model) -> ModuleModel:
    """The network as a module, whose weights are out x in."""
    return module_model(partial(MlpModule, model), "own") if isinstance(model, Mlp) else model


def to_module(model: Model, state: Arrays) -> Arrays:
    """A state in the names and layout of the module."""
    if not isinstance(model, Mlp):
        return state
    module = MlpModule(model)
    module.load(state)
    return state_of(module)


def from_module(model: Model, state: Arrays) -> Arrays:
    """The inverse of `to_module`."""
    if not isinstance(model, Mlp):
        return state
    module = MlpModule(model)
    load_state(module, state)
    return module.state()


def with_scores(unit: Unit, task: Task) -> Task:
    """The task with the mask to be learned: scores are trained, the states' weights are frozen."""
    module = as_module(task.model)
    popup = ARMS[unit.arm].learns == "edge-popup"
    sizes = {name: int(np.prod(shape)) for name, shape in module.prunable.items()}
    worn = counts(sizes, unit.experiment.pruning, unit.level) if popup else None
    states = [
        supermask.start(module, to_module(task.model, state), named(unit, owner, "scores") if popup else None)
        for state, owner in zip(task.states, task.owners, strict=True)
    ]
    return replace(task, model=supermask.supermask(module, worn), states=states, masks=[{} for _ in states])


def without_scores(task: Task, learned: Task, trained: Trained) -> tuple[Task, Trained]:
    """The task with the masks that were learned, and what was trained as networks under them."""
    masks: list[Mask] = []
    states: list[Arrays] = []
    for scored in trained.states:
        mask, state = supermask.finished(learned.model, scored)  # type: ignore[arg-type]
        masks.append({n: m.T.copy() for n, m in mask.items()} if isinstance(task.model, Mlp) else mask)
        states.append(from_module(task.model, state))
    return replace(task, masks=masks), replace(trained, states=states)
