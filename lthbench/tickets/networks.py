"""Mask and starting weights of every network of a unit: the only place where the arms differ."""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch

from lthbench.models.errors import ModelError
from lthbench.models.mlp import Arrays, Mlp, MlpModule
from lthbench.models.shrink import output_axis
from lthbench.plan.unit import Unit
from lthbench.pruning import masks
from lthbench.pruning.counts import kept, ladder, steps
from lthbench.pruning.criteria import ROUNDS, Trace, scores
from lthbench.pruning.filters import Filters
from lthbench.pruning.masks import Mask
from lthbench.recipe.arms import ARMS, Cell, level_above, mask_origin
from lthbench.recipe.streams import stream
from lthbench.tickets.fitted import initial_state
from lthbench.tickets.matching import hidden, matching, moved
from lthbench.training.loop import engine_for
from lthbench.training.reference import module_of
from lthbench.training.run import Folds, Model
from lthbench.training.stack import Stack, stack, view_names

Tensors = Mapping[str, np.ndarray]
MATCHING_EXAMPLES = 1000  # training examples on whose activations hidden units are matched
GRADIENT_EXAMPLES = 1000  # training examples that a criterion's gradient is taken over


def part(tensors: Tensors, prefix: str, index: int) -> Arrays:
    """One replicate's arrays out of stored tensors named `prefix/<name>`."""
    return {n.removeprefix(f"{prefix}/"): t[index] for n, t in tensors.items() if n.startswith(f"{prefix}/")}


def above_level(unit: Unit, above: Mapping[Cell, Tensors]) -> Tensors:
    """The level that the unit is pruned from."""
    return above[level_above(unit.arm, unit.level)]


def mask_for(
    unit: Unit,
    model: Model,
    folds: Folds,
    above: Mapping[Cell, Tensors],
    index: int,
    draw: int,
    filters: Filters | None = None,
) -> Mask:
    """The mask of one network (replicate `index` of the block), of whole filters where `filters` is given."""
    arm, dense = ARMS[unit.arm], masks.ones(model.prunable)
    if arm.mask == "learned" and filters is not None:
        raise ModelError(f"{unit.arm}: learns masks of single weights; use pruning.unit weight")
    if arm.mask in ("ones", "learned"):  # a learned mask is not there yet
        return dense
    if arm.mask == "method":
        return part(above["method", unit.level], "mask", index)
    if arm.mask == "ticket":
        return worn_mask(unit, model, above, index)
    if arm.mask == "permuted":
        trained = part(above["dense", 0], "final", index)
        other = part(above["dense-reinit", 0], "final", index * unit.draws + draw)
        return permuted(model, folds, worn_mask(unit, model, above, index), trained, other, index)
    if arm.mask == "random":
        like = masks.random_like if filters is None else filters.random_like
        return like(worn_mask(unit, model, above, index), named(unit, index, f"mask/{draw}"))
    initial = start_of_all(unit, model, above, index)
    if arm.mask == "at-init":
        return pruned(unit, model, folds, dense, initial, initial, index, filters)
    if arm.mask == "one-shot":
        return pruned(unit, model, folds, dense, initial, part(above["dense", 0], "final", index), index, filters)
    previous = above_level(unit, above)
    worn = part(previous, "mask", index) or dense
    return pruned(unit, model, folds, worn, initial, part(previous, "final", index), index, filters)


def worn_mask(unit: Unit, model: Model, above: Mapping[Cell, Tensors], index: int) -> Mask:
    """The mask that was found for another cell, perhaps of another experiment, whose network must be the same."""
    arm, level = mask_origin(unit.arm, unit.level, unit.experiment.mask_from)
    mask = part(above[arm, level], "mask", index)
    if {name: kept.shape for name, kept in mask.items()} != dict(model.prunable):
        raise ModelError(
            f"experiment {unit.experiment.id}: the masks of {arm} do not fit its network; "
            "mask_from must name an experiment with examples and classes of the same shape"
        )
    return mask


def permuted(model: Model, folds: Folds, worn: Mask, trained: Arrays, other: Arrays, index: int) -> Mask:
    """A mask found on one trained network, its hidden units moved to those of another that answer alike."""
    if not isinstance(model, Mlp):
        raise ModelError("units are matched in perceptrons (kind mlp, ReLU, no dropout) alone")
    examples = folds.examples.inputs(folds.train[index, :MATCHING_EXAMPLES]).cpu().numpy()
    return moved(worn, model, matching(hidden(model, trained, examples), hidden(model, other, examples)))


def pruned(
    unit: Unit,
    model: Model,
    folds: Folds,
    worn: Mask,
    initial: Arrays,
    trained: Arrays,
    index: int,
    filters: Filters | None,
) -> Mask:
    """The mask worn, pruned down to the unit's rung of the ladder by the recipe's criterion."""
    pruning = unit.experiment.pruning
    generator = named(unit, index, f"criterion/{ARMS[unit.arm].follows or unit.arm}/{unit.level}")
    sizes = masks.counts(masks.ones(model.prunable))
    remaining = ladder(sizes, pruning, unit.level, None if filters is None else filters.count)
    keep = [name for name in worn if kept(name, pruning)] if pruning.scope == "global" else []
    left = masks.counts(worn) if pruning.scope == "layer-wise" else {"all": sum(masks.counts(worn).values())}
    for rung in steps(left, remaining, ROUNDS.get(pruning.criterion, 1)):
        trace = Trace(
            initial={name: initial[name] for name in worn},
            trained={name: trained[name] for name in worn},
            mask=worn,
            gradient=lambda: gradient(model, folds, trained, index, int(generator.integers(2**63))),
            generator=generator,
            flow=partial(flow, model, folds.shape, trained, worn),
        )
        found = scores(pruning.criterion, trace, inputs_first=output_axis(model) == 1)
        worn = masks.prune(found, worn, rung, keep) if filters is None else filters.prune(found, worn, rung)
    return worn


def flow(model: Model, shape: tuple[int, ...], state: Arrays, mask: Mask) -> Arrays:
    """Gradient of the sum of all outputs with respect to each prunable weight, float64, where every parameter and
    buffer is its magnitude, pruned weights are zero and the example, of this shape, is all ones.

    A product of magnitudes over many layers leaves the range of float32.
    """
    module = module_of(model, {name: np.abs(array) for name, array in masks.apply(mask, state).items()}).double()
    own = module.named_tensors() if isinstance(module, MlpModule) else dict(module.named_parameters())
    weights = [own[name] for name in sorted(mask)]
    with torch.enable_grad():
        one = (math.prod(shape),) if isinstance(module, MlpModule) else shape
        outputs = module.eval()(torch.ones(1, *one, dtype=torch.float64)).sum()
    found = torch.autograd.grad(outputs, weights, allow_unused=True)
    turned = isinstance(module, MlpModule)
    return {
        name: np.zeros(mask[name].shape) if each is None else np.array((each.T if turned else each).numpy())
        for name, each in zip(sorted(mask), found, strict=True)
    }


@torch.no_grad()
def gradient(model: Model, folds: Folds, state: Arrays, index: int, seed: int) -> Arrays:
    """Gradient of the mean cross-entropy of one network over training examples of its replicate.

    Random layers (dropout) draw from `seed`.
    """
    net = stack(model, [state], folds.device)
    zeros = torch.zeros_like(net.flat)
    gradients = Stack(zeros, view_names(model, zeros, 1), {})
    rows = folds.train[index, :GRADIENT_EXAMPLES, None]
    engine_for(model, net, (seed,)).gradients(
        net, gradients, folds.examples.inputs(rows), folds.examples.labels(rows)
    )
    return {name: view[0].cpu().numpy() for name, view in gradients.views.items()}


def start_of_all(unit: Unit, model: Model, above: Mapping[Cell, Tensors], index: int) -> Arrays:
    """Where the arm starts at every level: the rewind point, or the initial weights."""
    if ARMS[unit.arm].starts_late:
        return part(above["dense", 0], "rewind", index)
    return initial_state(unit, model, index)


def state_for(
    unit: Unit, model: Model, mask: Mask, above: Mapping[Cell, Tensors], index: int, draw: int
) -> Arrays:
    """The weights and buffers one network starts from; pruned weights are zero unless the arm freezes them."""
    kind = ARMS[unit.arm].weights
    if kind == "trained":
        return masks.apply(mask, part(above_level(unit, above), "final", index))
    if kind == "ended":
        return masks.apply(mask, part(above[ARMS[unit.arm].of, unit.level], "final", index))
    if kind == "method":
        return masks.apply(mask, part(above["method", unit.level], "start", index))
    if kind.startswith("fresh"):
        state = model.initial_state(named(unit, index, f"reinit/{draw}"))
    else:
        state = start_of_all(unit, model, above, index)
    if kind == "fresh-rescaled":
        state |= {name: state[name] / np.sqrt(left.mean(dtype=np.float32)) for name, left in mask.items()}
    if kind == "fresh-signed":
        initial = start_of_all(unit, model, above, index)
        state |= {name: np.copysign(state[name], initial[name]) for name in mask}
    if kind == "fresh-signed-as-ended":
        ended = part(above[ARMS[unit.arm].of, unit.level], "final", index)
        state |= {name: np.copysign(state[name], ended[name]) for name in mask}
    if kind == "rewind-signed":
        fresh = model.initial_state(named(unit, index, f"reinit/{draw}"))
        state |= {name: np.copysign(fresh[name], state[name]) for name in mask}
    if kind == "constant":
        state |= {name: np.sign(state[name]) * state[name].std() for name in mask}
    if kind == "shuffled":
        if ARMS[unit.arm].of == "found":
            own = part(above["found", unit.level], "start", index)  # where the method's ticket starts
            state = {name: array.copy() for name, array in own.items()}
        generator = named(unit, index, f"shuffle/{draw}")
        for name in sorted(mask):
            state[name][mask[name]] = generator.permutation(state[name][mask[name]])
    if ARMS[unit.arm].pruned == "frozen":
        return state
    return masks.apply(mask, state)


def named(unit: Unit, index: int, name: str) -> np.random.Generator:
    """The named stream of one replicate of a unit."""
    return stream(unit.master, unit.experiment.streams, unit.replicates[index], name)
