"""A network of a finished run as a ticket: its mask, the state it started from and its recipe."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lthbench.claims.schema import parse_cell
from lthbench.errors import UserError
from lthbench.models import registry
from lthbench.models.mlp import Arrays, Mlp
from lthbench.plan.run import Run
from lthbench.plan.unit import Unit, recipe_of
from lthbench.pruning import filters, masks
from lthbench.pruning.masks import Mask
from lthbench.recipe.arms import ARMS
from lthbench.results import store
from lthbench.tickets import folds as block_data
from lthbench.tickets.networks import part, start_of_all, state_for
from lthbench.tickets.ticket_file import FORMAT, Ticket
from lthbench.tickets.weights_file import TORCH
from lthbench.training.reference import module_of
from lthbench.training.run import Folds, Model
from lthbench.words import did_you_mean

CPU = torch.device("cpu")


def find(run: Run, cell: str, experiment: str, replicate: int) -> Unit:
    """The finished unit that trained a cell, `arm@level` or `experiment:arm@level`, for a replicate."""
    try:
        wanted = parse_cell(cell, experiment)
    except ValueError as error:
        raise UserError(str(error)) from None
    units = run.units()
    cells = [unit for unit in units if (unit.arm, unit.level) == (wanted.arm, wanted.level)]
    found = [unit for unit in cells if wanted.experiment in ("", unit.experiment.id)]
    experiments = sorted({unit.experiment.id for unit in found})
    if not found:
        names = {f"{unit.experiment.id}:{unit.arm}@{unit.level}" for unit in units}
        first = min((unit.experiment.id for unit in units), default="")
        asked = f"{wanted.experiment or first}:{wanted.arm}@{wanted.level}"
        near = did_you_mean(asked, sorted(names), most=3)
        raise UserError(
            f"suite '{run.suite}' trains no {cell}; {near}`lthbench plan {run.suite}` shows what it does"
        )
    if len(experiments) > 1:
        raise UserError(
            f"{cell} is trained in {', '.join(experiments)}; name one, for example {experiments[0]}:{cell}"
        )
    for unit in found:
        if replicate in unit.replicates:
            return finished(run, unit)
    last = max(max(unit.replicates) for unit in found)
    raise UserError(f"--replicate {replicate}: {cell} has replicates 0 to {last}")


def finished(run: Run, unit: Unit) -> Unit:
    """The unit, if its record is there."""
    path = store.path_of(run.results, unit)
    if not path.exists():
        command = "tune" if run.seed >= 1000 else "run"
        where = "" if run.out == Path(".") else f" --out {run.out}"
        raise UserError(
            f"{path}: not there; train it first: lthbench {command} {run.suite} --seed {run.seed}{where}"
        )
    return unit


def ticket(
    unit: Unit,
    units: Iterable[Unit],
    root: Path,
    cache: Path | None,
    replicate: int,
    draw: int = 0,
    final: bool = False,
    dense: bool = False,
) -> Ticket:
    """One network of a finished unit. `units` are those of its plan, `root` is where their records lie.

    The start is what training started from, bit for bit: the stored rewind point or trained weights, or drawn
    again from the unit's streams. Arms that learn a mask get the initial weights under the mask they learned.
    `dense` adds the masked weights as they were before any was pruned, `final` where training ended.
    """
    if not 0 <= draw < unit.draws:
        raise UserError(f"--draw {draw}: {unit.arm}@{unit.level} has draws 0 to {unit.draws - 1}")
    record = store.read(store.path_of(root, unit))
    folds = block_data.load(unit.experiment, unit.master, (replicate,), cache, CPU)
    index = unit.replicates.index(replicate)
    if record.provenance["data_sha256"][index] != folds.sha256[0]:
        raise UserError(f"{unit.experiment.data.name}: the data are others than those the ticket was trained on")
    model = registry.model(unit.experiment.network, folds.shape, folds.classes)
    own = store.tensors_of(root, unit)
    names = {other.key: other for other in units}
    above = {cell: store.tensors_of(root, names[key]) for cell, key in unit.parents.items()}
    if ARMS[unit.arm].mask == "method":
        above["method", unit.level] = own  # its record holds what the method gave
    s = index * unit.draws + draw
    mask = part(own, "mask", s) or masks.ones(model.prunable)
    worn, pruning = mask, unit.experiment.pruning
    if pruning.unit == "filter":  # their biases and norms are masked too
        worn = filters.find(model, folds.shape, pruning).with_companions(mask)
    content = {f"mask/{name}": torch.from_numpy(kept) for name, kept in layout(model, worn).items()}
    start = state_for(unit, model, mask, above, index, draw)
    frozen = ARMS[unit.arm].pruned == "frozen"
    content |= state_dict("start", model, start if frozen else masks.apply(worn, start))
    if dense:
        if ARMS[unit.arm].weights not in ("init", "rewind-point"):
            raise UserError(f"--dense: the arm '{unit.arm}' starts from other weights than a dense network")
        whole = state_dict("dense", model, start_of_all(unit, model, above, index))
        content |= {name: whole[name] for name in (f"dense/{masked}" for masked in worn)}
    if final:
        trained = part(own, "final", s)
        if not trained:
            raise UserError(f"--final: the trained weights of the arm '{unit.arm}' are not stored")
        content |= state_dict("final", model, masks.apply(worn, trained))
    accuracy = {(row[0], row[1]): row[4] for row in record.rows if row[3] == "final_test_accuracy"}
    facts = facts_of(unit, folds, mask) | {
        "replicate": replicate,
        "draw": draw,
        "engine": record.provenance["engine"],
        "final_test_accuracy": accuracy[replicate, draw],
    }
    return Ticket(content, facts)


def facts_of(unit: Unit, folds: Folds, mask: Mask) -> dict[str, Any]:
    """Where a ticket comes from; `recipe` holds all that can change a number."""
    left, total = sum(masks.counts(mask).values()), sum(kept.size for kept in mask.values())
    return {
        "format": FORMAT,
        "experiment": unit.experiment.id,
        "cell": f"{unit.arm}@{unit.level}",
        "master_seed": unit.master,
        "unit": unit.key,
        "start_iteration": unit.start,
        "weights_remaining": left,
        "density": float(f"{left / total:.10g}"),
        "example_shape": list(folds.shape),
        "classes": folds.classes,
        "data_sha256": folds.sha256[0],
        "recipe": recipe_of(unit.experiment),
    }


def layout(model: Model, mask: Mask) -> Mask:
    """The mask as an ordinary module's weights lie: out x in."""
    return {name: np.ascontiguousarray(kept.T if isinstance(model, Mlp) else kept) for name, kept in mask.items()}


def state_dict(prefix: str, model: Model, state: Arrays) -> dict[str, torch.Tensor]:
    """A state as the module itself would save it; shared tensors appear under each of their names."""
    return {f"{prefix}/{name}": tensor.clone() for name, tensor in module_of(model, state).state_dict().items()}


def file_for(unit: Unit, replicate: int, draw: int, to: Path | None, form: str = "lthbench") -> Path:
    """Where to write: what was asked for, in a folder or without one under a name that tells the ticket."""
    drawn = f"-draw-{draw}" if unit.draws > 1 else ""
    name = f"{unit.experiment.id}-{unit.arm}-{unit.level}-seed-{unit.master}-replicate-{replicate}{drawn}"
    suffixes = (".safetensors",) if form == "lthbench" else (".pt", *TORCH, ".safetensors")
    if to is None or to.is_dir():
        return (to or Path(".")) / f"{name}{suffixes[0]}"
    return to if to.suffix in suffixes else to.with_name(f"{to.name}{suffixes[0]}")
