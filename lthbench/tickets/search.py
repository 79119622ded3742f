"""Asking a method of the user's for tickets, and whether what it gives back can be used."""

import importlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lthbench.errors import UserError, place_of_function
from lthbench.models.errors import told
from lthbench.models.mlp import Arrays
from lthbench.plan.unit import Unit
from lthbench.pruning.counts import kept as kept_whole
from lthbench.pruning.masks import Mask, counts
from lthbench.recipe import given
from lthbench.recipe.arms import ARMS, Cell
from lthbench.tickets.method import Method, Problem, Ticket, checked_masks
from lthbench.tickets.plain import as_array, as_engine, own_tensors, unpruned
from lthbench.training.reference import state_of
from lthbench.training.run import Folds, Model
from lthbench.words import did_you_mean

TOLERANCE = 0.01  # of the weights asked for: libraries round layer by layer
METRIC = "search_iterations"


@dataclass(frozen=True)
class Found:
    """A ticket as the engine keeps it: mask, the state it starts from, and what finding it cost."""

    mask: Mask
    start: Arrays
    iterations: int


def method(name: str) -> Method:
    """A method by its name `package.module:function`. Raises UserError where there is none."""
    module, _, function = name.partition(":")
    try:
        own = getattr(importlib.import_module(module), function, None)
    except (Exception, SystemExit) as error:  # the user's code may fail in any way
        raise UserError(
            f"method {name}: cannot import {module} ({told(error)}); install it here, or add it to PYTHONPATH"
        ) from None
    if not callable(own):
        raise UserError(f"method {name}: {module} has no function {function}")
    return own


def search(unit: Unit, model: Model, folds: Folds) -> list[Found]:
    """The method's ticket of every replicate of a unit of the arm `found`; none for other arms."""
    if ARMS[unit.arm].mask != "method":
        return []
    return [ask(unit, model, folds, index) for index in range(len(unit.replicates))]


def as_parent(unit: Unit, found: list[Found]) -> dict[Cell, dict[str, np.ndarray]]:
    """What a method found, in the form of a record that the unit's networks are made from."""
    if not found:
        return {}
    every = {f"mask/{name}": np.stack([each.mask[name] for each in found]) for name in found[0].mask}
    every |= {f"start/{name}": np.stack([each.start[name] for each in found]) for name in found[0].start}
    return {found_cell(unit): every}


def found_cell(unit: Unit) -> Cell:
    """The address of what a method found among what a unit is made from."""
    return ("method", unit.level)


def ask(unit: Unit, model: Model, folds: Folds, index: int) -> Found:
    """The method's ticket of replicate `index`. Raises UserError for an answer that cannot be used."""
    name = unit.experiment.method
    if unit.experiment.pruning.unit != "weight":
        raise UserError(f"method {name}: finds masks of single weights; use pruning.unit weight")
    function, problem = method(name), Problem(unit, model, folds, index)
    with seeded(problem.seed):
        answer = function(problem)
    return taken(answer, problem, model, f"method {given.plain(name)}{place_of_function(function)}")


def taken(answer: Any, problem: Problem, model: Model, name: str) -> Found:
    """An answer, checked and copied."""
    if not isinstance(answer, Ticket):
        raise UserError(f"{name} returned a {type(answer).__name__}; return lthbench.Ticket(mask=...)")
    for field, value in (("mask", answer.mask), ("weights", answer.weights)):
        if not isinstance(value, Mapping) and not (field == "weights" and value is None):
            raise UserError(f"{name}: {field} is a {type(value).__name__}; give a dict by the names of weights")
    named = problem.own_names(answer.mask, f"{name}: the mask")
    mask = checked_masks(named, problem.shapes, f"{name}: the mask")
    pruned = [weight for weight, kept in mask.items() if kept_whole(weight, problem.pruning) and not kept.all()]
    if pruned:
        raise UserError(f"{name}: the mask prunes {pruned[0]}, which is kept whole (problem.pruning.keep)")
    kept = sum(counts(mask).values())
    if abs(kept - problem.keep) > TOLERANCE * problem.keep:
        raise UserError(
            f"{name}: the mask keeps {kept:,} weights; problem.keep asks for {problem.keep:,} "
            f"({100 * problem.density:.3g} %), at most {TOLERANCE:.0%} more or less"
        )
    if type(answer.iterations) is not int or answer.iterations < 0:
        raise UserError(f"{name}: iterations is {answer.iterations!r}; give the steps made without problem.train")
    weights = problem.own_names(unpruned(answer.weights or {}), f"{name}: weights")
    start = start_of(weights, problem, name)
    return Found(as_engine(model, mask), start, problem.iterations + answer.iterations)


def start_of(weights: Mapping[str, Any], problem: Problem, name: str) -> Arrays:
    """The state a ticket starts from: the initialisation, with the weights that were given."""
    plain = problem.module()
    own = own_tensors(plain)
    for key, value in weights.items():
        array = as_array(value)
        if key not in own:
            raise UserError(
                f"{name}: weights has {key}, which the network has not; {did_you_mean(key, own)}".rstrip("; ")
            )
        if array.shape != tuple(own[key].shape) or array.dtype.kind not in "fiub":
            raise UserError(
                f"{name}: weights has {key} as {array.dtype} {array.shape}; give numbers {tuple(own[key].shape)}"
            )
        with torch.no_grad():
            own[key].copy_(torch.from_numpy(array))
    return state_of(plain)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Global random numbers that follow from a seed, for code that draws from them; then they are as before."""
    before = random.getstate(), np.random.get_state()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
