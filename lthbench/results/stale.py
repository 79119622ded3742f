"""What lies in a results folder and is not what is asked for, or not what is installed: said, never mixed in."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lthbench.plan.unit import Unit
from lthbench.recipe.engine import engine
from lthbench.results import store

LIBRARIES = ("torch", "numpy")


def stale_records(root: Path, units: Iterable[Unit]) -> list[Path]:
    """Unit records below the results folder that the plan (of all claims) does not ask for."""
    planned = {store.path_of(root, unit) for unit in units}
    return sorted(set((root / "units").glob("*/*.json")) - planned)


def engine_of(record: Path) -> str:
    """The engine that a record says it was made by; the record is not verified."""
    try:
        return str(json.loads(store.unpacked(record))["provenance"]["engine"])
    except (store.RecordError, ValueError, KeyError, TypeError, RecursionError):
        return "unknown"


def stale_lines(root: Path, units: Iterable[Unit], suite: str) -> list[str]:
    """One line per engine about units that are not used; none where all are."""
    by_engine = Counter(engine_of(path) for path in stale_records(root, units))
    here = engine()
    lines = []
    for name, count in sorted(by_engine.items()):
        how = f"made by engine {name}, this is {here}" if name != here else "made from other recipes or plans"
        lines.append(
            f"stale units in {root}: {count}, {how}; they are not used, and "
            f"`lthbench plan {suite} --stale` lists the files"
        )
    return lines


def table_lines(provenance: Iterable[Mapping[str, Any]], suite: str) -> list[str]:
    """About the units behind a table: made by another engine, or with other libraries than those installed."""
    entries = [entry for entry in provenance if "engine" in entry]  # released results have none
    lines, here = [], engine()
    others = sorted({str(entry["engine"]) for entry in entries} - {here})
    if others:
        lines.append(
            f"the table is stale: made by engine {', '.join(others)}, this is {here}; "
            f"`lthbench run {suite}` trains again"
        )
    for library in LIBRARIES:
        used = {public(str(entry[library])) for entry in entries if library in entry}
        installed = installed_version(library)
        if used and used != {installed}:
            lines.append(
                f"units were made with {library} {', '.join(sorted(used))}; here is {installed}: verdicts "
                "should be the same, bits need not be"
            )
    return lines


def public(name: str) -> str:
    """A version without its build: `2.13.0+cpu` is 2.13.0."""
    return name.partition("+")[0]


def installed_version(library: str) -> str:
    """The installed version of a library, without importing it."""
    try:
        return public(version(library))
    except PackageNotFoundError:
        return "none"
