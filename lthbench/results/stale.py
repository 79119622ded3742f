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


def maker_of(record: Path) -> tuple[str, Mapping[str, str]]:
    """The engine, and the user's own code, that a record says it was made by; the record is not verified."""
    try:
        provenance = json.loads(store.unpacked(record))["provenance"]
        return str(provenance["engine"]), dict(provenance.get("code", {}))
    except (store.RecordError, ValueError, KeyError, TypeError, RecursionError, AttributeError):
        return "unknown", {}


def why(record: Path, here: str, code: Mapping[str, str]) -> str:
    """Why a record is not used, in a few words; `code` is the user's own as it is now, by function."""
    name, made_from = maker_of(record)
    if name != here:
        return f"made by engine {name}, this is {here}"
    edited = sorted(function for function in made_from if code.get(function, "") not in ("", made_from[function]))
    return f"made before {' and '.join(edited)} was edited" if edited else "made from other recipes or plans"


def stale_lines(root: Path, units: Iterable[Unit], plan: str) -> list[str]:
    """One line per reason about units that are not used; none where all are."""
    units = list(units)
    code = {function: now for unit in units for function, now in unit.code.items()}
    reasons = Counter(why(path, engine(), code) for path in stale_records(root, units))
    return [
        f"stale units in {root}: {count}, {reason}; they are not used, and `{plan} --stale` lists the files"
        for reason, count in sorted(reasons.items())
    ]


def packed_line(root: Path) -> list[str]:
    """About records packed by `merge --without-tensors` that lie in the folder and were not unpacked."""
    packed = (root / "units").glob(f"*/*{store.PACKED}")
    count = sum(not file.with_name(file.name.removesuffix(".gz")).exists() for file in packed)
    if not count:
        return []
    how = f"`lthbench merge NEW {root.parents[2]}` unpacks them to NEW"  # above results/SUITE/seed-N
    return [f"packed units in {root}: {count}, not used as they lie; {how}"]


def table_lines(provenance: Iterable[Mapping[str, Any]], again: str) -> list[str]:
    """About the units behind a table: made by another engine, or with other libraries than those installed."""
    entries = [entry for entry in provenance if "engine" in entry]  # released results have none
    lines, here = [], engine()
    others = sorted({str(entry["engine"]) for entry in entries} - {here})
    if others:
        lines.append(
            f"the table is stale: made by engine {', '.join(others)}, this is {here}; `{again}` trains again"
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
