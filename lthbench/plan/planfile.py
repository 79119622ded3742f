"""A plan as a file: recipes and units resolved, for a machine without claims and without what reads them.

Plain JSON. Nothing in it is run or unpickled; every unit's key is computed again from its recipe when it is read,
so that a plan which was edited, or belongs to other code, is refused instead of trained under a wrong name.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lthbench.errors import UserError
from lthbench.files import read_text, write_text
from lthbench.plan.unit import Unit, recipe_of, unit_key
from lthbench.recipe.arms import ARMS, Cell
from lthbench.recipe.data import DataSpec
from lthbench.recipe.engine import engine
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training

FORMAT = 1
LARGEST = 100_000_000  # bytes; a plan of ten thousand units takes three million
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")  # suites, experiments and keys: parts of file names
PARTS = {"network": Network, "data": DataSpec, "training": Training, "pruning": Pruning}
AGAIN = "write it again: lthbench plan SUITE --write FILE"


@dataclass(frozen=True)
class Plan:
    """Units of a suite at a master seed, in the order in which they shall be trained."""

    suite: str
    seed: int
    units: tuple[Unit, ...]


def write(path: Path, plan: Plan) -> None:
    """Write a plan."""
    experiments = {unit.experiment.id: asdict(unit.experiment) for unit in plan.units}
    content = {
        "format": FORMAT,
        "engine": engine(),
        "suite": plan.suite,
        "seed": plan.seed,
        "experiments": experiments,
        "units": [plain(unit) for unit in plan.units],
    }
    write_text(path, json.dumps(content, indent=1) + "\n")


def plain(unit: Unit) -> dict[str, Any]:
    """A unit as plain data; its recipe stands apart, once for all units of an experiment."""
    return {
        "experiment": unit.experiment.id,
        "arm": unit.arm,
        "level": unit.level,
        "block": unit.block,
        "replicates": list(unit.replicates),
        "draws": unit.draws,
        "key": unit.key,
        "parents": [[arm, level, key] for (arm, level), key in unit.parents.items()],
        **({"code": dict(unit.code)} if unit.code else {}),
    }


def read(path: Path) -> Plan:
    """Read a plan. Raises UserError, which names the file and the way out, for what cannot be trained here."""
    try:
        content = json.loads(read_text(path, LARGEST, UserError, AGAIN))
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON; {AGAIN}") from None
    try:
        if content["format"] != FORMAT:
            raise UserError(f"{path}: a plan of another lthbench; {AGAIN} with the lthbench that is here")
        if content["engine"] != engine():
            raise UserError(
                f"{path}: a plan for engine {content['engine']}, and this is {engine()}; "
                "use one lthbench at both ends"
            )
        suite, seed = name_of(content["suite"]), whole(content["seed"])
        experiments = {name_of(name): experiment_of(each) for name, each in content["experiments"].items()}
        units = tuple(unit_of(each, experiments, seed) for each in content["units"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: not a whole plan ({type(error).__name__}: {error}); {AGAIN}") from None
    check_keys(path, units)
    return Plan(suite, seed, units)


def name_of(text: Any) -> str:
    """A name that may be part of a file's."""
    if not isinstance(text, str) or not NAME.fullmatch(text):
        raise ValueError(f"{text!r:.40} is no name")
    return text


def whole(number: Any) -> int:
    """A number that counts."""
    if type(number) is not int or not 0 <= number < 10**9:
        raise ValueError(f"{number!r:.40} is no count")
    return number


def experiment_of(given: Mapping[str, Any]) -> Experiment:
    """A recipe from plain data; the declarations check what they hold."""
    parts = {key: kind(**tupled(kind, given[key])) for key, kind in PARTS.items()}
    return Experiment(**{**given, "id": name_of(given["id"]), **parts})


def tupled(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Lists become tuples where the declaration has tuples, as in `hidden` or `milestones`."""
    tuples = {key.name for key in fields(kind) if str(key.type).startswith("tuple")}
    return {key: tuple(value) if key in tuples else value for key, value in given.items()}


def unit_of(given: Mapping[str, Any], experiments: Mapping[str, Experiment], seed: int) -> Unit:
    """A unit from plain data."""
    arm, replicates = given["arm"], tuple(map(whole, given["replicates"]))
    if arm not in ARMS or not replicates:
        raise ValueError(f"{arm!r:.40} is no arm, or has no replicates")
    above: dict[Cell, str] = {(str(cell), whole(level)): name_of(key) for cell, level, key in given["parents"]}
    return Unit(
        experiment=experiments[given["experiment"]],
        arm=arm,
        level=whole(given["level"]),
        block=whole(given["block"]),
        replicates=replicates,
        draws=whole(given["draws"]),
        master=seed,
        key=name_of(given["key"]),
        parents=above,
        code=dict(given.get("code", {})),
    )


def check_keys(path: Path, units: Sequence[Unit]) -> None:
    """Raise UserError unless every unit is what its key says, and what it is made from is in the plan."""
    there = {unit.key: unit for unit in units}
    recipes: dict[str, dict[str, Any]] = {}
    for unit in units:
        experiment = unit.experiment
        recipe = recipes.setdefault(experiment.id, recipe_of(experiment))
        key = unit_key(
            experiment, unit.arm, unit.level, unit.replicates, unit.draws, unit.master, unit.parents.values(),
            unit.code, recipe,
        )  # fmt: skip
        if key != unit.key:
            where = f", or {experiment.data.path} is another file here" if experiment.data.path else ""
            raise UserError(
                f"{path}: {unit.name} is not what its recipe says; the plan was edited{where}; {AGAIN}"
            )
        if any(key not in there or cell_of(there[key], unit) != cell for cell, key in unit.parents.items()):
            raise UserError(f"{path}: {unit.name} is made from units that the plan has not; {AGAIN}")


def cell_of(parent: Unit, child: Unit) -> Cell:
    """What a unit calls one that it is made from: arm and level, and the experiment where that is another."""
    of_another = parent.experiment.id != child.experiment.id
    return (f"{parent.experiment.id}:{parent.arm}" if of_another else parent.arm, parent.level)


def of_experiments(units: Sequence[Unit], part: str) -> list[Unit]:
    """The units of experiments that have this in their name, and what they are made from, in the same order."""
    by_key, wanted = {unit.key: unit for unit in units}, set[str]()
    waiting = [unit.key for unit in units if part in unit.experiment.id]
    while waiting:
        key = waiting.pop()
        if key not in wanted:
            wanted.add(key)
            waiting += by_key[key].parents.values()
    return [unit for unit in units if unit.key in wanted]


def parents_first(units: Iterable[Unit]) -> list[Unit]:
    """The same units, in their order but for parents, which come before what is made from them."""
    by_key, placed = {unit.key: unit for unit in units}, dict[str, Unit]()

    def place(unit: Unit) -> None:
        for key in unit.parents.values():
            if key not in placed:
                place(by_key[key])
        placed.setdefault(unit.key, unit)

    for unit in by_key.values():
        place(unit)
    return list(placed.values())
