"""Tidy tables: one row per measurement, nothing in them but numbers and their address.

Columns: experiment, arm, level, density, replicate, draw, iteration (empty where it has no meaning), metric,
value (empty when a run diverged). Ten significant digits, rows sorted: the same numbers are the same bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lthbench.plan.unit import Unit
from lthbench.results import store

COLUMNS = ["experiment", "arm", "level", "density", "replicate", "draw", "iteration", "metric", "value"]
ORDER = ["experiment", "arm", "level", "replicate", "draw", "metric", "iteration"]


def collect(root: Path, units: Sequence[Unit]) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The table of all finished units, and the provenance of each. Unfinished units are left out.

    Only the records are read: tensors may be absent, as in a slice that was merged without them.
    """
    parts, provenance = [], []
    for unit in units:
        path = store.path_of(root, unit)
        if not path.exists():
            continue
        record = store.read(path)
        rows = pd.DataFrame(record.rows, columns=["replicate", "draw", "iteration", "metric", "value"])
        parts.append(rows.assign(experiment=unit.experiment.id, arm=unit.arm, level=unit.level))
        provenance.append({"unit": unit.name, **record.provenance})
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    table["density"] = densities(table)
    table["iteration"] = table["iteration"].astype("Int64")
    table = table[COLUMNS].sort_values(ORDER, kind="stable", ignore_index=True)
    return table, provenance


def device_kind(provenance: Mapping[str, Any]) -> str:
    """`cpu`, or the name of the GPU: replicates of one contrast come from one kind."""
    return str(provenance.get("device", "unknown")) if provenance.get("cuda") else "cpu"


def device_kinds(provenance: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The kinds of device that each experiment's units were trained on, from their provenance."""
    by_experiment: dict[str, set[str]] = {}
    for entry in provenance:
        experiment, _, name = str(entry.get("unit", "")).partition("/")
        if name:
            by_experiment.setdefault(experiment, set()).add(device_kind(entry))
    return {experiment: sorted(kinds) for experiment, kinds in sorted(by_experiment.items())}


def densities(table: pd.DataFrame) -> pd.Series:
    """Fraction of the prunable weights that remained, per run, relative to the dense network."""
    if table.empty:
        return pd.Series(dtype=float)
    counts = table[table["metric"].str.startswith("nonzero:")]
    run = ["experiment", "arm", "level", "replicate", "draw"]
    remaining = counts.groupby(run)["value"].sum()
    dense = remaining[remaining.index.get_level_values("arm") == "dense"]  # none where only parts were merged
    whole = dense.groupby("experiment").max()
    fraction = remaining / whole.reindex(remaining.index.get_level_values("experiment")).to_numpy()
    return fraction.reindex(pd.MultiIndex.from_frame(table[run])).round(10).to_numpy()


def to_csv(table: pd.DataFrame) -> str:
    """The table as text, the same bytes for the same numbers."""
    return table.to_csv(index=False, float_format="%.10g", lineterminator="\n")


def read(path: Path) -> pd.DataFrame:
    """A tidy table from a file."""
    types: dict[str, Any] = {"experiment": str, "arm": str, "metric": str, "iteration": "Int64"}
    return pd.read_csv(path, dtype=types)
