"""Unit records: content-addressed, hashed, written in one step, and verified whenever they are read.

`<name>.json` holds the measurements and names the hash of `<name>.safetensors` (weights and masks that later
units are made from). The tensors are written first, so a record that exists is complete.
"""

import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from lthbench.plan import Unit
from lthbench.recipe import canonical
from lthbench.results.atomic import write_bytes, write_text

log = logging.getLogger("lthbench")
Row = tuple[int, int, int | None, str, float | None]  # replicate, draw, iteration, metric, value


@dataclass(frozen=True)
class Record:
    """What one unit measured. `provenance` holds time, machine and versions, apart from the numbers."""

    key: str
    experiment: str
    arm: str
    level: int
    rows: list[Row]
    tensors: str
    provenance: dict[str, Any]


class RecordError(ValueError):
    """A record or tensor file is damaged; the message names the file."""


def path_of(root: Path, unit: Unit) -> Path:
    """Where the record of a unit lies below the results folder."""
    return root / "units" / f"{unit.name}.json"


def write(
    root: Path, unit: Unit, rows: list[Row], tensors: Mapping[str, np.ndarray], provenance: dict[str, Any]
) -> None:
    """Store a finished unit."""
    path = path_of(root, unit)
    blob = save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
    write_bytes(path.with_suffix(".safetensors"), blob)
    content = {
        "key": unit.key,
        "experiment": unit.experiment.id,
        "arm": unit.arm,
        "level": unit.level,
        "rows": rows,
        "tensors": hashlib.sha256(blob).hexdigest(),
    }
    whole = {"sha256": content_hash(content), "content": content, "provenance": provenance}
    write_text(path, json.dumps(whole, separators=(",", ":"), allow_nan=False))


def content_hash(content: dict[str, Any]) -> str:
    """sha256 of the canonical JSON of a record's content."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def read(path: Path) -> Record:
    """Read and verify a record, packed (.gz) or not. Raises RecordError when it was truncated or edited."""
    try:
        packed = path.read_bytes()
        whole = json.loads(gzip.decompress(packed) if path.suffix == ".gz" else packed)
        content, provenance = whole["content"], whole["provenance"]
        intact = whole["sha256"] == content_hash(content)
    except (ValueError, KeyError, TypeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordError(f"{path}: not a complete record ({error.__class__.__name__})") from None
    if not intact:
        raise RecordError(f"{path}: content does not match its sha256")
    rows = [tuple(row) for row in content["rows"]]
    return Record(**(content | {"rows": rows}), provenance=provenance)


def read_tensors(path: Path, record: Record) -> dict[str, np.ndarray]:
    """The tensors beside a record, verified."""
    file = path.with_suffix(".safetensors")
    try:
        blob = file.read_bytes()
    except FileNotFoundError:
        raise RecordError(f"{file}: missing") from None
    if hashlib.sha256(blob).hexdigest() != record.tensors:
        raise RecordError(f"{file}: content does not match the sha256 in its record")
    return dict(sorted(load(blob).items()))  # safetensors gives them in no particular order


def measured(root: Path, unit: Unit) -> bool:
    """Whether the unit's numbers are there: its record verifies, and its tensors do or are absent."""
    path = path_of(root, unit)
    if path.exists() and not path.with_suffix(".safetensors").exists():
        try:
            read(path)
        except RecordError:
            return False
        return True
    return finished(root, unit)


def finished(root: Path, unit: Unit) -> bool:
    """Whether the unit's record exists and verifies; a damaged one is named and will be made again."""
    path = path_of(root, unit)
    if not path.exists():
        return False
    try:
        read_tensors(path, read(path))
    except RecordError as error:
        log.warning("%s; it will be computed again", error)
        return False
    return True
