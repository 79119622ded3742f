"""Pruning criteria: a score per weight; the smallest scores are pruned.

A criterion is a function of a `Trace` that returns one array of scores per prunable weight, in the weight's shape.
A user's own is named `package.module:function` in the recipe and is called the same way. Scores of weights that
are already pruned do not matter. Names of Zhou et al. 2019 (1905.01067, section 2): `magnitude` is their
`large_final`.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lthbench.errors import place_of_function
from lthbench.models.errors import told
from lthbench.pruning.errors import CriterionError
from lthbench.pruning.masks import Mask

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Trace:
    """What a criterion may look at, for one network.

    `initial` and `trained`: the prunable weights where the arm starts (iteration 0, or the rewind point of a
    rewound arm; also for arms that train on) and where the last training ended (the same, when pruning at
    initialisation). `mask`: what the network wore. `gradient()`: the gradient of the mean cross-entropy at
    `trained`, over a batch of training examples. `generator`: a named stream of its own. `flow()`: the gradient of
    the sum of all outputs, in double precision, where every parameter is its magnitude, pruned weights are zero
    and the only example is all ones.

    A user's criterion sees every weight as torch keeps it, (out, in, ...kernel), whatever the engine's layout.
    """

    initial: Arrays
    trained: Arrays
    mask: Mask
    gradient: Callable[[], Arrays]
    generator: np.random.Generator
    flow: Callable[[], Arrays] = dict


Criterion = Callable[[Trace], Mapping[str, np.ndarray]]


def magnitude(trace: Trace) -> Arrays:
    """|w trained| (Han et al. 2015; Frankle & Carbin 2019; `large_final` of Zhou et al.)."""
    return {name: np.abs(weight) for name, weight in trace.trained.items()}


def random(trace: Trace) -> Arrays:
    """Uniform noise: pruning without looking."""
    return {name: trace.generator.random(trace.mask[name].shape) for name in sorted(trace.mask)}


def snip(trace: Trace) -> Arrays:
    """|w x gradient| (SNIP, Lee et al. 2019; there at initialisation, on one batch)."""
    gradient = trace.gradient()
    return {name: np.abs(weight * gradient[name]) for name, weight in trace.trained.items()}


def synflow(trace: Trace) -> Arrays:
    """|w| x flow (Tanaka et al. 2020, 2006.05467): how much of what passes through the network passes this weight.

    No data are looked at. Pruned in `ROUNDS`, since one round would cut a layer off.
    """
    flow = trace.flow()
    return {name: np.abs(weight.astype(np.float64)) * flow[name] for name, weight in trace.trained.items()}


def small_final(trace: Trace) -> Arrays:
    """The opposite of magnitude: a criterion that must fail."""
    return {name: -np.abs(weight) for name, weight in trace.trained.items()}


def large_init(trace: Trace) -> Arrays:
    """|w initial|: magnitude at initialisation."""
    return {name: np.abs(weight) for name, weight in trace.initial.items()}


def small_init(trace: Trace) -> Arrays:
    """The opposite of large-init."""
    return {name: -np.abs(weight) for name, weight in trace.initial.items()}


def large_init_large_final(trace: Trace) -> Arrays:
    """The smaller of the ranks of |w initial| and |w trained| within the layer: scales do not matter."""
    return {name: np.minimum(*ranks(trace, name)) for name in trace.trained}


def small_init_small_final(trace: Trace) -> Arrays:
    """Minus the larger of the two ranks."""
    return {name: -np.maximum(*ranks(trace, name)) for name in trace.trained}


def magnitude_increase(trace: Trace) -> Arrays:
    """|w trained| - |w initial|."""
    return {name: np.abs(trace.trained[name]) - np.abs(trace.initial[name]) for name in trace.trained}


def movement(trace: Trace) -> Arrays:
    """|w trained - w initial|."""
    return {name: np.abs(trace.trained[name] - trace.initial[name]) for name in trace.trained}


def ranks(trace: Trace, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of |w initial| and |w trained| among a layer's surviving weights; pruned weights rank 0."""
    from scipy.stats import rankdata  # here: a second that training without this criterion does not pay

    alive = trace.mask[name]
    both = []
    for weights in (trace.initial[name], trace.trained[name]):
        rank = np.zeros(alive.shape)
        rank[alive] = rankdata(np.abs(weights[alive]))
        both.append(rank)
    return both[0], both[1]


BUILT_IN: dict[str, Criterion] = {
    function.__name__.replace("_", "-"): function
    for function in (
        magnitude, random, snip, synflow, small_final, large_init, small_init, large_init_large_final,
        small_init_small_final, magnitude_increase, movement,
    )
}  # fmt: skip

ROUNDS = {"synflow": 100}  # rounds in which a criterion prunes to one rung of the ladder; others take one


def criterion(name: str) -> Criterion:
    """A criterion by its name in the recipe."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    module, _, function = name.partition(":")
    try:
        own = getattr(importlib.import_module(module), function, None)
    except (Exception, SystemExit) as error:  # the user's code may fail in any way
        raise CriterionError(
            f"pruning.criterion: cannot import {module} ({told(error)}); install it here"
        ) from None
    if not callable(own):
        raise CriterionError(f"pruning.criterion: {module} has no function {function}")
    return own


def scores(name: str, trace: Trace, inputs_first: bool = False) -> Arrays:
    """The scores of a criterion, checked: one finite array per weight, in its shape.

    `inputs_first`: the weights are (in, out), as the fast engine's perceptrons keep them. A user's criterion gets
    them turned, and its scores are turned back.
    """
    if inputs_first and name not in BUILT_IN:
        return turned(scores(name, outputs_first(trace)))
    function = criterion(name)
    returned = function(trace)
    place = place_of_function(function)
    if not isinstance(returned, Mapping):
        raise CriterionError(
            f"pruning.criterion: {name} returns a {type(returned).__name__}, not scores by weight{place}"
        )
    for weight, mask in trace.mask.items():
        if weight not in returned or np.shape(returned[weight]) != mask.shape:
            raise CriterionError(
                f"pruning.criterion: {name} gives no scores of shape {mask.shape} for {weight}{place}"
            )
        diverged = not np.isfinite(trace.trained[weight]).all()  # recorded as such; a gate decides
        if np.isnan(np.asarray(returned[weight])[mask]).any() and not diverged:
            raise CriterionError(
                f"pruning.criterion: {name} gives scores that are not numbers for {weight}{place}"
            )
    return {weight: np.asarray(returned[weight]) for weight in trace.mask}


def outputs_first(trace: Trace) -> Trace:
    """What a criterion looks at, with every matrix (in, out) turned to (out, in)."""
    return Trace(
        initial=turned(trace.initial),
        trained=turned(trace.trained),
        mask=turned(trace.mask),
        gradient=lambda: turned(trace.gradient()),
        generator=trace.generator,
        flow=lambda: turned(trace.flow()),
    )


def turned(matrices: Mapping[str, np.ndarray]) -> Arrays:
    """Every matrix with its axes changed over; biases, which a gradient has too, stay."""
    return {name: np.ascontiguousarray(matrix.T) for name, matrix in matrices.items()}
