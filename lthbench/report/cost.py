"""What a run cost and where it was made: networks, iterations, seconds, versions, devices, data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry
from lthbench.recipe.arms import ARMS
from lthbench.recipe.experiment import Experiment, digest

RUN = ["arm", "level", "replicate", "draw"]
UNNAMED = "(all)"


@dataclass(frozen=True)
class Cost:
    """One experiment's cost; seconds is None where the provenance names no experiment."""

    experiment: str
    networks: int
    iterations: int
    seconds: float | None
    devices: tuple[str, ...]
    data: tuple[str, ...]


def costs(registry: Registry, tidy: pd.DataFrame, provenance: Sequence[dict[str, Any]]) -> list[Cost]:
    """Cost per experiment in the table."""
    found = []
    for name, rows in tidy.groupby("experiment"):
        runs = rows[RUN].drop_duplicates()
        mine = [entry for entry in provenance if experiment_of(entry) == name]
        recipe = registry.experiments.get(str(name))
        found.append(
            Cost(
                experiment=str(name),
                networks=len(runs),
                iterations=sum(iterations(recipe, str(arm)) for arm in runs["arm"]) if recipe else 0,
                seconds=sum(float(entry.get("seconds", 0)) for entry in mine) if mine else None,
                devices=distinct(mine, "device"),
                data=data_hashes(mine),
            )
        )
    return found


def stale_recipes(registry: Registry, provenance: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Experiments whose recipe has changed since they were trained: what they measured is not what is declared."""
    current = {name: digest(experiment.recipe()) for name, experiment in registry.experiments.items()}
    return tuple(
        sorted(
            {
                experiment_of(entry)
                for entry in provenance
                if "recipe" in entry and entry["recipe"] != current.get(experiment_of(entry))
            }
        )
    )


def iterations(experiment: Experiment, arm: str) -> int:
    """Optimizer steps of one network: a rewound one starts at k."""
    rewound = arm in ARMS and ARMS[arm].weights == "rewind-point"
    return experiment.training.iterations - (experiment.pruning.rewind if rewound else 0)


def experiment_of(entry: dict[str, Any]) -> str:
    """The experiment of a unit, from its name `experiment/b<block>-...`."""
    name = str(entry.get("unit", ""))
    return name.split("/", 1)[0] if "/" in name else UNNAMED


def distinct(provenance: Sequence[dict[str, Any]], key: str) -> tuple[str, ...]:
    """The different values of a provenance field, sorted."""
    return tuple(sorted({str(entry[key]) for entry in provenance if entry.get(key) is not None}))


def data_hashes(provenance: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """The first digits of the hashes of the data, each once, in the order met."""
    hashes = [digest[:10] for entry in provenance for digest in entry.get("data_sha256", [])]
    return tuple(dict.fromkeys(hashes))
