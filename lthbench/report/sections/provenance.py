"""The section "Cost and provenance": networks, iterations, seconds, versions, devices, data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry
from lthbench.plan.unit import recipe_of
from lthbench.recipe.arms import ARMS
from lthbench.recipe.engine import engine
from lthbench.recipe.experiment import Experiment, digest
from lthbench.report.figures.summaries import RUN
from lthbench.report.given import source_lines
from lthbench.report.section import Material, Part
from lthbench.results.store import trained_again

VERSIONS = ("lthbench", "commit", "torch", "numpy", "python", "threads")
UNNAMED = "(all)"


@dataclass(frozen=True)
class Cost:
    """One experiment's cost; seconds is None where the provenance names no experiment."""

    experiment: str
    networks: int
    iterations: int
    seconds: float | None


@dataclass(frozen=True)
class ProvenancePart(Part):
    """The whole section."""

    costs: list[Cost]
    seconds: float
    versions: list[tuple[str, str]]
    devices: tuple[str, ...]
    again: str
    engines: tuple[str, ...]
    engine_now: str
    stale_recipes: tuple[str, ...]
    data: tuple[str, ...]
    sources: tuple[str, ...]


def provenance_part(material: Material) -> ProvenancePart:
    """The section of any results."""
    registry, provenance = material.registry, material.provenance
    return ProvenancePart(
        costs=costs(registry, material.tidy, provenance) if material.own else [],
        seconds=sum(float(entry.get("seconds", 0)) for entry in provenance),
        versions=[(key, ", ".join(distinct(provenance, key))) for key in VERSIONS],
        devices=distinct([*provenance, *map(trained_again, provenance)], "device"),
        again=again(provenance),
        engines=distinct(provenance, "engine"),
        engine_now=engine(),
        stale_recipes=stale_recipes(registry, provenance),
        data=data_hashes(provenance),
        sources=tuple(source_lines(provenance)),
    )


def costs(registry: Registry, tidy: pd.DataFrame, provenance: Sequence[dict[str, Any]]) -> list[Cost]:
    """Cost per experiment in the table."""
    spent = []
    for name, rows in tidy.groupby("experiment"):
        runs = rows[RUN].drop_duplicates()
        entries = [entry for entry in provenance if experiment_of(entry) == name]
        recipe = registry.experiments.get(str(name))
        spent.append(
            Cost(
                experiment=str(name),
                networks=len(runs),
                iterations=sum(iterations(recipe, str(arm)) for arm in runs["arm"]) if recipe else 0,
                seconds=sum(float(entry.get("seconds", 0)) for entry in entries) if entries else None,
            )
        )
    return spent


def stale_recipes(registry: Registry, provenance: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Experiments whose recipe has changed since they were trained: what they measured is not what is declared.

    Nobody can tell where a user's data are not here.
    """
    current = {name: digest(recipe_of(e)) for name, e in registry.experiments.items() if data_are_here(e)}
    absent = registry.experiments.keys() - current.keys()
    return tuple(
        sorted(
            {
                experiment_of(entry)
                for entry in provenance
                if "recipe" in entry
                and experiment_of(entry) not in absent
                and entry["recipe"] != current.get(experiment_of(entry))
            }
        )
    )


def data_are_here(experiment: Experiment) -> bool:
    """Whether a user's file or folder can be looked at; data sets of the library always can."""
    return experiment.data.path is None or Path(experiment.data.path).expanduser().exists()


def iterations(experiment: Experiment, arm: str) -> int:
    """Optimizer steps of one network: a rewound one starts at k."""
    rewound = arm in ARMS and ARMS[arm].starts_late
    return experiment.training.iterations - (experiment.pruning.rewind if rewound else 0)


def experiment_of(entry: dict[str, Any]) -> str:
    """The experiment of a unit, from its name `experiment/b<block>-...`."""
    name = str(entry.get("unit", ""))
    return name.split("/", 1)[0] if "/" in name else UNNAMED


def distinct(provenance: Sequence[Mapping[str, Any]], key: str) -> tuple[str, ...]:
    """The different values of a provenance field, sorted."""
    return tuple(sorted({str(entry[key]) for entry in provenance if entry.get(key) is not None}))


def again(provenance: Sequence[Mapping[str, Any]]) -> str:
    """Which units were trained once more with other bits, and what that means; empty where there is none."""
    units = sorted(str(entry.get("unit", "")).rpartition("-")[0] for entry in provenance if trained_again(entry))
    if not units:
        return ""
    return (
        f"{', '.join(units)}: their tensors were gone, so they were trained once more for what is made from them, "
        "and came out otherwise, as on another processor. Their numbers are those of the first training. What was "
        "made later comes from the second."
    )


def data_hashes(provenance: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """The first digits of the hashes of the data, each once, in the order met."""
    hashes = [digest[:10] for entry in provenance for digest in entry.get("data_sha256", [])]
    return tuple(dict.fromkeys(hashes))
