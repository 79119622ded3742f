"""The pre-flight of a run: once before its first training, however it is driven; what it said is kept."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from lthbench.drive.preflight.remark import Remark
from lthbench.errors import UserError
from lthbench.files import write_text
from lthbench.plan.run import Run
from lthbench.recipe.engine import __version__
from lthbench.recipe.experiment import FUNCTION, Experiment, digest

if TYPE_CHECKING:
    from lthbench.data.arrays import Arrays
    from lthbench.drive.preflight.design import Sizes

FILE = "preflight.json"  # in the scope's folder
OWN_DATA = ("npz", "image_folder")
FEW = 16  # images of a folder that are decoded to look at its network


def before(run: Run, keep: bool = True) -> list[str]:
    """What there is to say before a run trains, a line each; nothing of suites without a user's code or data.

    Kept in the run's folder (unless it is not to `keep`) for who comes next: jobs wait for the first of them.
    Raises UserError for what is refused.
    """
    asked = experiments_of(run)
    if not keep:  # a plan is made before the data are there
        there = {
            name: e.data.name != "image_folder" or Path(e.data.path or "").is_dir() for name, e in asked.items()
        }
        asked = {name: e for name, e in asked.items() if there[name]}
    if not asked:
        return []
    file, key = run.scope_folder / FILE, digest([run.first_look_key(), __version__])
    if not keep:
        return kept(file, key) or judged(list(remarks(run, asked)))
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        lines = kept(file, key)
        if lines is None:
            lines = judged(list(remarks(run, asked)))
            write_text(file, json.dumps({"of": key, "says": lines}, indent=1) + "\n")
    return lines


def kept(file: Path, key: str) -> list[str] | None:
    """What an earlier pre-flight of the same code, data and claims said; None where there is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return [str(line) for line in content["says"]] if content["of"] == key else None
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or damaged
        return None


def judged(every: list[Remark]) -> list[str]:
    """The lines of what is legitimate. Raises UserError for what is refused: the first, and how many there are."""
    refused = list(dict.fromkeys(remark.says for remark in every if remark.refused))
    if refused:
        more = f"\nand {len(refused) - 1} more: {refused[1]}" if len(refused) > 1 else ""
        raise UserError(refused[0] + more)
    return list(dict.fromkeys(remark.says for remark in every))


def experiments_of(run: Run) -> dict[str, Experiment]:
    """The experiments of a run that a user's code or data, or a user's choice of a level, can make go wrong."""
    exploratory = run.registry.suites[run.suite].exploratory
    planned = (unit.experiment for chunk in run.first_chunks() for unit in chunk.units)
    return {e.id: e for e in planned if exploratory or is_own(e)}


def is_own(experiment: Experiment) -> bool:
    """Whether code or data of an experiment are a user's."""
    functions = (experiment.network.kind, experiment.pruning.criterion)
    return experiment.data.name in OWN_DATA or any(FUNCTION.match(name) for name in functions)


def remarks(run: Run, experiments: Mapping[str, Experiment]) -> Iterator[Remark]:
    """All there is to say about the experiments and what the run's claims ask of them."""
    from lthbench.drive.preflight import data, design, parts
    from lthbench.models.registry import model

    suite, sizes, weights = run.registry.suites[run.suite], {}, {}
    for name, experiment in experiments.items():
        arrays, sizes[name] = arrays_of(experiment)
        known_as = Path(experiment.data.path).name if experiment.data.path else experiment.data.name
        if experiment.data.name == "npz":
            yield from data.remarks(arrays, known_as, experiment.network.kind != "mlp")
        if experiment.data.name in OWN_DATA:
            yield from design.chance(run.suite, suite.chance_of(name), arrays, known_as)
        yield from parts.remarks(experiment.network, arrays, experiment.pruning)
        prunable = model(experiment.network, arrays.x_train.shape[1:], arrays.classes).prunable
        weights[name] = (experiment.pruning, {key: prod(shape) for key, shape in prunable.items()})
    for claim, registration in run.registry.registrations(run.suite):
        if not run.claims or claim.id in run.claims:
            yield from design.resolution(claim, registration, sizes)
            yield from design.densities(claim, registration, weights)


def arrays_of(experiment: Experiment) -> "tuple[Arrays, Sizes]":
    """Arrays to look at, and how many examples there are; of a folder of images only a few are decoded."""
    from lthbench.data import image_folder, registry
    from lthbench.data.cache import cache_root
    from lthbench.drive.preflight.design import sizes_of

    data = experiment.data
    if data.name != "image_folder" or data.path is None:
        arrays = registry.load(data, 0, cache_root())
        return arrays, sizes_of(experiment, len(arrays.x_train), len(arrays.x_test))
    root = Path(data.path).expanduser()
    training, test = (len(image_folder.listing(root / part).files) for part in ("train", "val"))
    few = replace(data, train=min(FEW, training), test=min(FEW, test), validation=0)
    arrays = registry.load(few, 0, cache_root())
    return arrays, sizes_of(experiment, data.train or training, data.test or test)
