"""Whether a user's criterion gives the same scores for the same weights, and leaves them alone."""

from collections.abc import Iterator

import numpy as np

from lthbench.drive.preflight.remark import Remark, refusal
from lthbench.drive.preflight.repeats import other_numbers, task_of
from lthbench.models.shrink import output_axis
from lthbench.pruning.criteria import Trace, scores
from lthbench.tickets.networks import flow, gradient
from lthbench.training.run import Folds, Model, Trained


def remarks(criterion: str, model: Model, folds: Folds, trained: Trained) -> Iterator[Remark]:
    """About the scores of a network after its two iterations. Raises CriterionError where there are none."""
    task, ended, inputs_first = task_of(model, folds), trained.states[0], output_axis(model) == 1
    scored = []
    for seed in (1, 2):
        shown = Trace(
            initial={name: task.states[0][name].copy() for name in model.prunable},
            trained={name: ended[name].copy() for name in model.prunable},
            mask={name: mask.copy() for name, mask in task.masks[0].items()},
            gradient=lambda: gradient(model, folds, ended, 0, 0),
            generator=np.random.default_rng(0),
            flow=lambda: flow(model, folds.shape, ended, task.masks[0]),
        )
        with other_numbers(seed):
            scored.append(scores(criterion, shown, inputs_first))
        # Turned for a perceptron, what it was shown was a copy.
        if not inputs_first and any(not np.array_equal(shown.trained[n], ended[n]) for n in model.prunable):
            yield refusal(f"{criterion}: changes the weights that it is shown; work on copies")
            return
    alive = {name: mask for name, mask in task.masks[0].items() if mask.any()}
    if any(not np.array_equal(scored[0][n][m], scored[1][n][m], equal_nan=True) for n, m in alive.items()):
        yield refusal(
            f"{criterion}: other scores for the same weights; draw from trace.generator, the only source of "
            "random numbers to use"
        )
