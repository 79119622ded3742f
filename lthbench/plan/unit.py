"""From the cells that claims ask for to units of work. Torch-free: Snakemake plans with it too.

A unit is one arm at one level for a fixed block of replicates, trained as one stack. Which replicates share
a stack is part of the plan, never of the circumstances, so bits do not depend on workers or interruptions.
A unit's key is the hash of all that its numbers depend on, its parents' keys included.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lthbench.plan.digests import path_digest
from lthbench.plan.own_code import own_code
from lthbench.recipe.arms import ARMS, Cell, check_cell, closure, mask_origin, parents
from lthbench.recipe.engine import engine
from lthbench.recipe.experiment import Experiment, digest


@dataclass(frozen=True)
class Unit:
    """One arm at one level for one block of replicates (times the draws of a control arm)."""

    experiment: Experiment
    arm: str
    level: int
    block: int
    replicates: tuple[int, ...]
    draws: int
    master: int
    key: str
    parents: Mapping[Cell, str]
    code: Mapping[str, str] = field(default_factory=dict)  # the user's own behind it, by function

    @property
    def name(self) -> str:
        """A readable, unique file name."""
        return f"{self.experiment.id}/b{self.block}-{self.arm}-{self.level}-{self.key}"

    @property
    def networks(self) -> int:
        """How many networks are trained."""
        return len(self.replicates) * self.draws

    @property
    def start(self) -> int:
        """The iteration its networks start from: a rewound one trains T - k, an untrained one not at all."""
        arm, training = ARMS[self.arm], self.experiment.training
        if arm.learns == "nothing":
            return training.iterations
        return self.experiment.pruning.rewind if arm.starts_late else 0

    @property
    def iterations(self) -> int:
        """Optimizer steps of all its networks together: the unit of cost."""
        return self.networks * (self.experiment.training.iterations - self.start)


def blocks(replicates: int, size: int) -> list[tuple[int, ...]]:
    """Replicates 0 .. n-1 in blocks of at most `size`."""
    return [tuple(range(i, min(i + size, replicates))) for i in range(0, replicates, size)]


def recipe_of(experiment: Experiment) -> dict[str, Any]:
    """The recipe as keys hold it: of data of one's own what they are, not where they lie."""
    recipe = experiment.recipe()
    if experiment.data.path is not None:
        recipe["data"]["path"] = path_digest(experiment.data.path)
    return recipe


def unit_key(
    experiment: Experiment,
    arm: str,
    level: int,
    replicates: tuple[int, ...],
    draws: int,
    master: int,
    above: Iterable[str],
    code: Mapping[str, str] | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> str:
    """The content address of a unit: equal keys, equal numbers. `recipe` is `recipe_of` the experiment."""
    content = {
        "engine": engine(),
        "recipe": recipe or recipe_of(experiment),
        "arm": arm,
        "level": level,
        "replicates": replicates,
        "draws": draws,
        "master": master,
        "parents": list(above),
    }
    return digest(content | ({"code": dict(code)} if code else {}))  # without code of one's own, as it ever was


def with_sources(cells: Mapping[str, set[Cell]], experiments: Mapping[str, Experiment]) -> dict[str, set[Cell]]:
    """Cells by experiment, and the tickets of other experiments whose masks some of them wear."""
    everything = {name: set(own) for name, own in cells.items()}
    for name, own in cells.items():
        for arm, level in own:
            if ARMS[arm].of == "source":
                everything.setdefault(experiments[name].mask_from, {("dense", 0)}).add(("ticket", level))
    return everything


def plan_experiment(
    experiment: Experiment,
    cells: set[Cell],
    replicates: int,
    block_size: int,
    master: int,
    source: Experiment | None = None,
) -> list[Unit]:
    """The units of one experiment, block by block, parents before children.

    `source` is the experiment named by `mask_from`, needed for transferred arms: they are made from its tickets,
    which are planned with it.
    """
    for arm, level in cells:
        named = "" if source is None else source.id
        check_cell(arm, level, experiment.pruning.rewind, named, experiment.method)
    tickets: dict[tuple[int, Cell], str] = {}  # by block
    worn = {("ticket", level) for arm, level in cells if ARMS[arm].of == "source"}
    if source is not None and worn:
        for unit in plan_experiment(source, worn, replicates, block_size, master):
            tickets[unit.block, (f"{source.id}:{unit.arm}", unit.level)] = unit.key
    units: list[Unit] = []
    recipe = recipe_of(experiment)  # once: a plan may have thousands of units
    code = {arm: own_code(experiment, arm) for arm in dict.fromkeys(arm for arm, _ in closure(cells))}
    for number, block in enumerate(blocks(replicates, block_size)):
        keys: dict[Cell, str] = {}
        for arm, level in closure(cells):
            above = {cell: keys[cell] for cell in parents(arm, level)}
            if source is not None and ARMS[arm].of == "source":
                origin = mask_origin(arm, level, source.id)
                above[origin] = tickets[number, origin]
            draws = experiment.draws.get(arm, 1) if ARMS[arm].stream else 1
            key = unit_key(experiment, arm, level, block, draws, master, above.values(), code[arm], recipe)
            keys[arm, level] = key
            units.append(Unit(experiment, arm, level, number, block, draws, master, key, above, code[arm]))
    return units
