"""A method is tried before anything is trained: on a tiny problem, where a mistake costs seconds."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from lthbench.drive.execute import folds_of, told_in_a_line
from lthbench.errors import UserError, place_of_function
from lthbench.models import registry
from lthbench.models.mlp import Arrays
from lthbench.plan.unit import Unit, plan_experiment
from lthbench.recipe import given
from lthbench.recipe.experiment import Experiment
from lthbench.recipe.streams import stream
from lthbench.tickets.search import Found, ask, method
from lthbench.training.run import Folds

ITERATIONS, EXAMPLES = 20, 256


def tried(experiment: Experiment, level: int, master: int, cache: Path | None, device: str) -> None:
    """Ask the method for the tickets of two replicates, of the first one twice.

    Raises UserError where an answer cannot be used, or is not the same to the same question.
    """
    name = experiment.method
    said = f"method {given.plain(name)}{place_of_function(method(name))}"
    unit = tiny(experiment, level, master)
    folds = few(folds_of(unit, cache, device))
    model = registry.model(experiment.network, folds.shape, folds.classes)
    with told_in_a_line():
        first, again, other = (ask(unit, model, folds, index) for index in (0, 0, 1))
    if not experiment.own_start:
        initial = model.initial_state(stream(master, experiment.streams, unit.replicates[0], "init"))
        check_start(said, first, initial)
    if not same(first.mask, again.mask) or not same(first.start, again.start):
        raise UserError(
            f"{said} gives another ticket to the same question: draw all random numbers from problem.seed"
        )
    if same(first.mask, other.mask):
        raise UserError(
            f"{said} gives one mask to two initialisations, so that replicates are not of their own; "
            "a mask that is there already is tested with --ticket"
        )


def tiny(experiment: Experiment, level: int, master: int) -> Unit:
    """The unit that finds two replicates' tickets, with a recipe of few iterations."""
    training = replace(
        experiment.training,
        iterations=ITERATIONS,
        evaluate_every=ITERATIONS,
        warmup=min(experiment.training.warmup, ITERATIONS),
    )
    pruning = replace(experiment.pruning, rewind=min(experiment.pruning.rewind, ITERATIONS - 1))
    few = replace(experiment, training=training, pruning=pruning)
    return plan_experiment(few, {("found", level)}, 2, 2, master)[-1]


def few(folds: Folds) -> Folds:
    """The same with few examples."""
    return replace(folds, train=folds.train[:, :EXAMPLES], validation=folds.validation[:, :EXAMPLES])


def check_start(said: str, found: Found, initial: Arrays) -> None:
    """Raise UserError where a ticket does not start at the initialisation, weights under the mask aside."""
    moved = [
        name
        for name, value in found.start.items()
        if not np.array_equal(value[found.mask.get(name, ...)], initial[name][found.mask.get(name, ...)])
    ]
    if moved:
        raise UserError(
            f"{said}: the ticket starts elsewhere than at the initialisation ({', '.join(moved[:3])}): was it "
            "reset? state_dict() is no copy.\nLeave weights out, or add --own-start where another start is meant"
        )


def same(first: Arrays, second: Arrays) -> bool:
    """Whether two dicts of arrays are equal bit for bit."""
    return all(np.array_equal(value, second[name]) for name, value in first.items())
