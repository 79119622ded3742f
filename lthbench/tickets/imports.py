"""Tickets as people have them, in our format: which weights a file prunes, and where it says that they start.

Four kinds are known: our own files; modules pruned by torch.nn.utils.prune (`weight_orig` and `weight_mask`);
masks by the names of their parameters; and checkpoints whose pruned weights are zero.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from lthbench.errors import UserError
from lthbench.models.module import prunable
from lthbench.recipe.experiment import canonical
from lthbench.tickets import weights_file
from lthbench.tickets.ticket_file import FORMAT, PARTS, Ticket
from lthbench.tickets.weights_file import Tensors, WeightsFile
from lthbench.words import shown

CHANCE_ZEROS = 0.01  # up to this share of zeros a weight is not pruned: draws that underflow, a padding row
WRAPPED = re.compile(r"^(module\.)+|(?<![^.])_orig_mod\.")  # DataParallel in front, torch.compile anywhere
COMPUTED = re.compile(r"(^|\.)parametrizations\.|(^|\.)weight_g$")  # of parametrizations and weight_norm
RUNNING = "running_mean"  # of batch norm: 0 before any data
NOTHING = torch.empty(0)
Role = Literal["", "start", "trained"]


@dataclass(frozen=True)
class Imported:
    """A ticket, and what was read, in lines for people."""

    ticket: Ticket
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Pruned:
    """What a file prunes: True remains. `weights` is every other tensor, by the module's names; may be empty."""

    mask: Tensors
    weights: Tensors
    says: str


def import_ticket(
    file: Path, weights: Role = "", start: Path | None = None, whole_biases: bool = False
) -> Imported:
    """The ticket in a file. `weights` says what weights beside the mask are; `start` is a file of where it starts.

    `whole_biases` leaves out masks of anything but matrices and kernels.
    Raises UserError, in one or two lines that name the file and the way out.
    """
    content = weights_file.read(file)
    if whole_biases:
        content = without_masks_of_biases(content)
    if is_ours(content):
        return import_own(file, content, weights, start)
    pruned = pruned_in(content, file)
    if start is not None and weights == "start":
        raise UserError(f"{file}: nothing starts from its weights and from {start}; give --start or --weights")
    if pruned.weights and not weights and start is None:
        raise UserError(
            f"{file}: holds weights, but not whether training starts or ended there; "
            "add --weights start, or --weights trained"
        )
    if weights and not pruned.weights:
        raise UserError(f"{file}: holds masks and no weights; leave --weights out, or give --start FILE")
    facts: dict[str, Any] = {"as": pruned.says, "file": file.name, "sha256": sha256_of(file)}
    tensors, mask = Tensors(), pruned.mask
    if weights == "trained":
        tensors |= named("final", masked(pruned.weights, mask, file))
    if start is not None:
        beginning = weights_in(start)
        mask = completed(mask, beginning)
        tensors |= start_tensors(beginning, mask, start)
        facts["start"] = {"file": start.name, "sha256": sha256_of(start)}
    elif weights == "start":
        tensors |= start_tensors(pruned.weights, mask, file)
    return imported(file, mask, tensors, {"imported": facts}, pruned.says)


def imported(file: Path, mask: Tensors, tensors: Tensors, facts: dict[str, Any], says: str) -> Imported:
    """A ticket of a mask and other tensors, with its counts among the facts, and what to say about it."""
    kept, total = counts(mask)
    numbers = {"format": FORMAT, "weights_remaining": kept, "density": float(f"{kept / total:.10g}")}
    ticket = Ticket({f"mask/{name}": left.clone() for name, left in mask.items()} | tensors, facts | numbers)
    return Imported(ticket, (f"{file}: {says}", *density_lines(mask), *start_lines(ticket)))


def start_lines(ticket: Ticket) -> Iterator[str]:
    """What a ticket says about where it starts, and what speaks against it."""
    means = {name: mean for name, mean in ticket.part("start").items() if name.endswith(RUNNING)}
    moved = [name for name, mean in means.items() if bool(mean.any())]
    if moved and not ticket.facts.get("start_iteration"):
        yield (
            f"{shown(moved[0], 80)} is not 0: these weights have seen data; is this where training starts? "
            "Where it ended is imported with --weights trained"
        )
    yield start_line(ticket)


def start_line(ticket: Ticket) -> str:
    """What a ticket says about where it starts."""
    if not ticket.part("start"):
        return "start weights: none, so a test of it is a test of the mask alone"
    if ticket.part("dense"):
        return "start weights: there, and those of the pruned weights too"
    return "start weights: there; those of the pruned weights are gone (zero in the file)"


def density_lines(mask: Tensors) -> Iterator[str]:
    """How much is kept, and how much of every layer: what a rate means is never left open."""
    kept, total = counts(mask)
    yield f"kept: {share(kept, total)}; pruned: {share(total - kept, total)}"
    width = max(map(len, mask))
    for name, left in mask.items():
        aside = "" if counted(left) else ", not counted: no weight matrix"
        aside += "; nothing that comes in passes it" if counted(left) and not bool(left.any()) else ""
        yield f"  {shown(name, 80):{min(width, 80)}}  kept {share(int(left.sum()), left.numel())}{aside}"


def share(part: int, whole: int) -> str:
    """A share in words."""
    return f"{100 * part / whole:.3g} % ({part:,} of {whole:,})"


def counted(mask: torch.Tensor) -> bool:
    """Whether a mask counts for the density: matrices and kernels do, biases and norms do not."""
    return mask.dim() >= 2


def counts(mask: Mapping[str, torch.Tensor]) -> tuple[int, int]:
    """How many weights a mask keeps, and of how many."""
    weights = [kept for kept in mask.values() if counted(kept)]
    return sum(int(kept.sum()) for kept in weights), sum(kept.numel() for kept in weights)


# What a file prunes


def pruned_in(content: WeightsFile, file: Path) -> Pruned:
    """The mask in a file of one of the known kinds."""
    tensors = plain_names(content.tensors, file)
    if content.masks:
        masks = {name.removesuffix("_mask"): mask for name, mask in plain_names(content.masks, file).items()}
        weights = tensors if masks.keys() & tensors.keys() else {}  # else counters, an accuracy
        says = "masks beside weights" if weights else "masks by name"
        return checked(Pruned(zeros_and_ones(masks, file), weights, says), file)
    if any(name.endswith(("_mask", "_orig")) for name in tensors):
        return checked(from_torch_prune(tensors, file), file)
    if looks_like_masks(tensors):
        return checked(Pruned(zeros_and_ones(tensors, file), {}, "masks by name"), file)
    return checked(from_zeros(tensors, file), file)


def plain_names(tensors: Tensors, file: Path) -> Tensors:
    """Tensors under the names of the module itself, not of DataParallel or torch.compile around it."""
    plain: Tensors = {}
    for name, tensor in tensors.items():
        own = WRAPPED.sub("", name)
        if COMPUTED.search(own):
            raise UserError(
                f"{file}: {shown(own, 80)} is what a weight is computed from, not a weight; take it off before "
                'saving: parametrize.remove_parametrizations(layer, "weight"), or remove_weight_norm(layer)'
            )
        if own in plain:
            raise UserError(f"{file}: two tensors are called {shown(own, 80)} without module. and _orig_mod.")
        plain[own] = tensor
    return plain


def from_torch_prune(tensors: Tensors, file: Path) -> Pruned:
    """`X_orig` and `X_mask`, as torch.nn.utils.prune leaves them; `X` beside `X_mask` as others do."""
    masks = {name.removesuffix("_mask"): t for name, t in tensors.items() if name.endswith("_mask")}
    originals = {name.removesuffix("_orig"): t for name, t in tensors.items() if name.endswith("_orig")}
    alone = sorted(originals.keys() - masks.keys())
    if alone:
        raise UserError(
            f"{file}: {shown(alone[0], 80)}_orig has no such _mask beside it (spectral_norm leaves such names); "
            "take the parametrization off before saving"
        )
    weights = {name.removesuffix("_orig"): t for name, t in tensors.items() if not name.endswith("_mask")}
    if not weights:
        return Pruned(zeros_and_ones(masks, file), {}, "masks by name")
    missing = sorted(masks.keys() - weights.keys())
    if missing:
        raise UserError(f"{file}: {shown(missing[0], 80)}_mask has no weight beside it; save both, or masks alone")
    if not originals:
        return Pruned(zeros_and_ones(masks, file), weights, "masks beside weights")
    whole = {n: torch.ones_like(t) for n, t in weights.items() if n not in masks and prunable(n, tuple(t.shape))}
    return Pruned(zeros_and_ones(whole | masks, file), weights, "pruned by torch.nn.utils.prune")


def looks_like_masks(tensors: Tensors) -> bool:
    """Whether the matrices are meant as masks: no weight matrix lies between 0 and 1 altogether."""
    matrices = [tensor for tensor in tensors.values() if tensor.dim() >= 2] or list(tensors.values())
    return all(bool(((tensor >= 0) & (tensor <= 1)).all()) for tensor in matrices)


def zeros_and_ones(tensors: Tensors, file: Path) -> Tensors:
    """Masks as bool; 0 and 1 of any other kind are taken too."""
    for name, tensor in tensors.items():
        if not bool(((tensor == 0) | (tensor == 1)).all()):
            raise UserError(
                f"{file}: {shown(name, 80)} is no mask: it holds numbers other than 0 and 1; "
                "save mask.bool(), True where a weight remains"
            )
    return {name: tensor.bool() for name, tensor in tensors.items()}


def from_zeros(tensors: Tensors, file: Path) -> Pruned:
    """A checkpoint whose pruned weights are zero; zeros of biases and norms may be initial ones."""
    floats = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()}
    weights = {name: tensor for name, tensor in floats.items() if prunable(name, tuple(tensor.shape))}
    if not weights:
        names = ", ".join(shown(name) for name in list(tensors)[:5]) or "nothing"
        raise UserError(f"{file}: no masks, and no weights of two or more dimensions (found: {names})")
    zeros = {name: int((tensor == 0).sum()) for name, tensor in weights.items()}
    whole = [name for name, count in zeros.items() if count == weights[name].numel()]
    if whole:
        raise UserError(
            f"{file}: {shown(whole[0], 80)} is zero throughout, by pruning or by its initialisation; "
            "save masks by name, which say which"
        )
    total, count = sum(tensor.numel() for tensor in weights.values()), sum(zeros.values())
    if count <= CHANCE_ZEROS * total:
        raise UserError(f"{file}: dense: {share(count, total)} of its weights are zero; save masks by name")
    aside = sum(int((tensor == 0).sum()) for name, tensor in floats.items() if name not in weights)
    says = f"{count:,} zeros of {total:,} weights were taken for pruned ({aside:,} in biases and norms were not)"
    return Pruned({name: tensor != 0 for name, tensor in weights.items()}, tensors, says)


def checked(pruned: Pruned, file: Path) -> Pruned:
    """The same, its mask complete. Refuses masks that prune nothing or all, or do not fit the weights."""
    mask = completed(pruned.mask, pruned.weights)
    kept, total = counts(mask)
    for name, left in mask.items():
        weight = pruned.weights.get(name)
        if pruned.weights and (weight is None or weight.shape != left.shape):
            other = "no weight beside it" if weight is None else f"a weight of {tuple(weight.shape)} beside it"
            raise UserError(f"{file}: the mask of {shown(name, 80)} is {tuple(left.shape)}, with {other}")
    if not total:
        raise UserError(f"{file}: no mask of a weight matrix; a ticket has masks by name, such as fc1.weight")
    if kept in (0, total):
        what = "no weight" if kept == 0 else "every weight"
        raise UserError(f"{file}: its masks keep {what}; True (or 1) is where a weight remains")
    return Pruned(mask, pruned.weights, pruned.says)


def completed(mask: Tensors, weights: Tensors) -> Tensors:
    """Masks of all matrices, in the order of the weights: what no mask prunes is kept and counts.

    The same weights under another name (shared in the module) wear the same mask. Masks of biases that keep
    everything are left out.
    """
    whole: Tensors = {}
    for name, tensor in weights.items():
        if name in mask or prunable(name, tuple(tensor.shape)):
            twin = next((other for other in mask if torch.equal(weights.get(other, NOTHING), tensor)), name)
            whole[name] = mask.get(name, mask.get(twin, torch.ones(tensor.shape, dtype=torch.bool)))
    return {name: kept for name, kept in (whole | mask).items() if counted(kept) or not bool(kept.all())}


def without_masks_of_biases(content: WeightsFile) -> WeightsFile:
    """The same file without masks of one dimension, whatever it calls them."""

    def is_one(name: str, tensor: torch.Tensor) -> bool:
        return not counted(tensor) and (name.startswith("mask/") or name.endswith("_mask"))

    beside = {name: kept for name, kept in content.masks.items() if counted(kept)}
    gone = {name.removesuffix("_mask") for name, tensor in content.tensors.items() if is_one(name, tensor)}
    originals = {f"{name}_orig": name for name in gone}
    tensors = {originals.get(n, n): t for n, t in content.tensors.items() if not is_one(n, t)}
    return replace(content, tensors=tensors, masks=beside)


# Where it starts


def weights_in(file: Path) -> Tensors:
    """The weights of a file, as dense as it has them."""
    content = weights_file.read(file)
    if is_ours(content):
        ticket = Ticket(content.tensors, {})
        return ticket.part("start") | ticket.part("dense")
    tensors = plain_names(content.tensors, file)
    if any(name.endswith("_mask") for name in tensors):
        return from_torch_prune(tensors, file).weights
    return tensors


def start_tensors(weights: Tensors, mask: Tensors, file: Path) -> Tensors:
    """`start/` and, where the pruned weights are there too, `dense/`."""
    whole = {name: as_float32(name, tensor, file) for name, tensor in weights.items()}
    start = masked(whole, mask, file)
    gone, pruned = 0, 0
    for name, kept in mask.items():
        gone, pruned = gone + int((whole[name][~kept] == 0).sum()), pruned + int((~kept).sum())
    dense = {name: whole[name] for name in mask} if gone <= CHANCE_ZEROS * pruned else {}
    return named("start", start) | named("dense", dense)


def masked(weights: Tensors, mask: Tensors, file: Path) -> Tensors:
    """The weights as float32, pruned ones zero. Raises UserError where a mask has no weight of its shape."""
    for name, kept in mask.items():
        if name not in weights or weights[name].shape != kept.shape:
            has = tuple(weights[name].shape) if name in weights else "missing"
            raise UserError(f"{file}: {shown(name, 80)} is {has}, its mask is {tuple(kept.shape)}")
    whole = {name: as_float32(name, tensor, file) for name, tensor in weights.items()}
    return {n: torch.where(mask[n], t, torch.zeros_like(t)) if n in mask else t for n, t in whole.items()}


def as_float32(name: str, tensor: torch.Tensor, file: Path) -> torch.Tensor:
    """A tensor as training takes it: half precision exactly, float64 rounded; whole numbers as they are."""
    if not tensor.is_floating_point():
        return tensor
    value = tensor.float()
    if not bool(torch.isfinite(value).all()):
        raise UserError(f"{file}: {shown(name, 80)} holds numbers not finite in float32; nothing starts there")
    return value


def named(prefix: str, tensors: Tensors) -> Tensors:
    """Tensors under a part's names, each with memory of its own."""
    return {f"{prefix}/{name}": tensor.contiguous().clone() for name, tensor in tensors.items()}


# Our own files


def is_ours(content: WeightsFile) -> bool:
    """Whether a file has our format."""
    return any(name.startswith("mask/") for name in content.tensors)


def import_own(file: Path, content: WeightsFile, weights: Role, start: Path | None) -> Imported:
    """A ticket in our format, as it is, or with another start."""
    odd = [name for name in content.tensors if name.partition("/")[0] not in PARTS]
    if odd:
        raise UserError(f"{file}: {shown(odd[0], 80)} belongs to no ticket; tensors are {'/, '.join(PARTS)}/NAME")
    if weights:
        raise UserError(f"{file}: a ticket of ours says itself where it starts; leave --weights out")
    ticket, facts = Ticket(content.tensors, {}), own_facts(content, file)
    mask = zeros_and_ones(ticket.part("mask"), file)
    mask = completed(mask, ticket.part("start") | ticket.part("dense"))
    for beside in ({}, *(ticket.part(part) for part in PARTS[1:])):
        checked(Pruned(mask, beside, ""), file)
    tensors = named("final", ticket.part("final"))
    if start is not None:
        beginning = weights_in(start)
        mask = completed(mask, beginning)
        tensors |= start_tensors(beginning, mask, start)
        facts |= {"start": {"file": start.name, "sha256": sha256_of(start)}}
    else:
        parts = {p: {n: as_float32(n, t, file) for n, t in ticket.part(p).items()} for p in ("start", "dense")}
        unmasked = parts["dense"].keys() - mask.keys()  # by now: nothing of them is pruned any more
        parts["start"] |= {name: parts["dense"].pop(name) for name in unmasked if name in parts["start"]}
        tensors |= named("start", parts["start"]) | named("dense", parts["dense"])
    return imported(file, mask, tensors, facts, "a ticket in lthbench's format")


def own_facts(content: WeightsFile, file: Path) -> dict[str, Any]:
    """The facts in the metadata: plain JSON, which somebody else may have written."""
    try:
        facts = json.loads((content.said or {}).get("lthbench", "{}"))
        canonical(facts)
    except (ValueError, RecursionError):
        raise UserError(f"{file}: its metadata `lthbench` is no JSON; write the ticket again") from None
    if not isinstance(facts, dict):
        raise UserError(f"{file}: its metadata `lthbench` holds no facts by name; write the ticket again")
    return facts


def sha256_of(file: Path) -> str:
    """What a file is known by."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
