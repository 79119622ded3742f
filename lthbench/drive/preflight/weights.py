"""Which of a network's parameters a mask would hold, and which it would not."""

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from math import prod

import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from lthbench.drive.preflight.remark import Remark, firsts, notice, refusal
from lthbench.models.module import NORMS, ModuleModel

NO_WEIGHTS = ("bias", "embed", "token", "pos")  # in a parameter's last name: what is added, and multiplies nothing
WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)
MANY, MOST = 0.1, 0.5  # of all numbers: more than scales and offsets are; more than could be meant
COMPUTED = ("WeightNorm", "SpectralNorm")  # hooks of torch's older functions of these names
TABLES = (nn.Embedding, nn.EmbeddingBag)


def remarks(module: nn.Module, model: ModuleModel, keep: Collection[str], own: bool) -> Iterator[Remark]:
    """About a new module. `keep` are patterns of weights never pruned; `own`: the user can change its code."""
    yield from wrapped(module)
    computed = list(computed_weights(module))
    if computed:
        yield refusal(
            f"{firsts(computed)}: computed from other parameters at every call (weight_norm, spectral_norm or "
            "another parametrization), so a mask would not hold; build the layer without it"
        )
    else:
        yield from never_pruned(model, own)
        yield from rolled_out(module, model, own)
    masked = sorted(own_masks(module))
    if masked:
        yield refusal(
            f"{firsts(masked)}: brings a mask of its own (torch.nn.utils.prune?), so the dense network would not "
            "be dense; return the network unpruned"
        )
    yield from unusual(module, model, keep)


def wrapped(module: nn.Module) -> Iterator[Remark]:
    """Wrappers that move batches between devices, or hold weights that nothing can exchange."""
    for part in module.modules():
        if isinstance(part, WRAPPERS):
            kind = type(part).__name__
            yield refusal(f"nn.{kind}: networks are trained side by side here; return the one inside it (.module)")
    if isinstance(module, torch.jit.ScriptModule):
        yield refusal("torch.jit: the weights of a compiled module cannot be exchanged; return the module itself")


def computed_weights(module: nn.Module) -> Iterator[str]:
    """Weights that are no parameters, but made from some whenever they are read."""
    for name, part in module.named_modules():
        if parametrize.is_parametrized(part):
            yield from (f"{name}.{weight}".removeprefix(".") for weight in part.parametrizations)  # type: ignore
        for hook in part._forward_pre_hooks.values():
            if type(hook).__name__ in COMPUTED:
                yield f"{name}.{getattr(hook, 'name', 'weight')}".removeprefix(".")


def never_pruned(model: ModuleModel, own: bool) -> Iterator[Remark]:
    """Parameters of two or more dimensions whose names do not say that they are weights."""
    others = {
        name: shape
        for name, shape in model.parameters.items()
        if name not in model.prunable and sum(size > 1 for size in shape) >= 2
    }
    odd = [name for name in others if not any(word in name.rpartition(".")[2] for word in NO_WEIGHTS)]
    if odd and own:
        count = sum(prod(others[name]) for name in odd)
        total = count + sum(prod(shape) for shape in model.prunable.values())
        yield refusal(
            f"{sized(odd, others)}: {count:,} of {total:,} weights would never be pruned, because only parameters "
            "with 'weight' in their last name are; rename them (what is none: ...bias, ...embed)"
        )
    elif others:
        yield notice(f"not pruned, and not counted as weights: {sized(list(others), others)}")


def rolled_out(module: nn.Module, model: ModuleModel, own: bool) -> Iterator[Remark]:
    """Matrices kept as vectors, whole or row by row: vectors pass for scales and offsets, and are never pruned."""
    norms = {name for name, part in module.named_modules() if isinstance(part, NORMS)}
    vectors = {
        name: shape
        for name, shape in model.parameters.items()
        if sum(size > 1 for size in shape) == 1
        and name not in model.prunable
        and name.rpartition(".")[0] not in norms
        and not any(word in name.rpartition(".")[2] for word in NO_WEIGHTS)
    }
    count, total = (sum(map(prod, some.values())) for some in (vectors, model.parameters))
    if count > MANY * total:
        refused = own and count > MOST * total
        way_out = "; keep weights as matrices (...weight)" if refused else ""
        names = sized(list(vectors), vectors)
        yield Remark(
            f"{names}: {count:,} of {total:,} parameters are vectors, which are never pruned{way_out}", refused
        )


def sized(names: list[str], shapes: dict[str, tuple[int, ...]]) -> str:
    """Names with their shapes."""
    return firsts([f"{name} ({' x '.join(map(str, shapes[name]))})" for name in names])


def own_masks(module: nn.Module) -> Iterator[str]:
    """What a module masks itself: weights by torch's tool, or a parameter beside a buffer `...mask` of 0 and 1."""
    for name, part in module.named_modules():
        hooks = [hook for hook in part._forward_pre_hooks.values() if isinstance(hook, prune.BasePruningMethod)]
        yield from (f"{name}.{hook._tensor_name}".removeprefix(".") for hook in hooks)
        shapes = {tuple(parameter.shape) for parameter in part.parameters(recurse=False)}
        for buffer, value in part.named_buffers(recurse=False):
            binary = tuple(value.shape) in shapes and bool(torch.all((value == 0) | (value == 1)))
            if "mask" in buffer and binary and not hooks:
                yield f"{name}.{buffer}".removeprefix(".")


def unusual(module: nn.Module, model: ModuleModel, keep: Collection[str]) -> Iterator[Remark]:
    """Tables and scales that are pruned because they are called weights, as their shape has two dimensions."""
    for kinds, what in ((TABLES, "a table of embeddings"), (NORMS, "the scale of a norm")):
        names = [
            f"{name}.weight".removeprefix(".") for name, part in module.named_modules() if isinstance(part, kinds)
        ]
        pruned = [n for n in names if n in model.prunable and not any(fnmatchcase(n, pattern) for pattern in keep)]
        if pruned:
            yield notice(f"{firsts(pruned)}: {what} is pruned like any matrix; --keep {pruned[0]} leaves it whole")
