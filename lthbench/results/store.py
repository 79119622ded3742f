"""Unit records: content-addressed, hashed, written in one step, and verified whenever they are read.

`<name>.json` holds the measurements and names the hash of `<name>.safetensors` (weights and masks that later
units are made from). The tensors are written first, so a record that exists is complete.

A unit whose tensors are gone is trained once more where something is made from it. On another processor it comes
out otherwise. Its first numbers stay then, because others were judged beside them; the record names the new
tensors and who trained them under `again` in its provenance.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lthbench.files import read_bytes, write_bytes, write_text
from lthbench.plan.unit import Unit
from lthbench.recipe.experiment import canonical
from lthbench.words import shown

log = logging.getLogger("lthbench")
PACKED = ".json.gz"  # the ending of a record that was packed to be committed (merge.py)
LARGEST_RECORD = 500_000_000  # bytes, unpacked; thousands of times the quick suite's
LARGEST_PACKED = 2_000_000_000  # bytes of packed tensors, unpacked; four ResNet-50s and their masks are half a GB
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
    """Store a finished unit. Numbers that a sound record already holds stay."""
    path = path_of(root, unit)
    first = sound(path)
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
    if first is not None and first["sha256"] != whole["sha256"]:
        log.warning(
            "%s: trained again, and came out otherwise than on %s before; its first numbers stay",
            path,
            shown(first["provenance"].get("device", "an unknown machine")),
        )
        again = provenance | {"tensors": content["tensors"]}
        whole = first | {"provenance": first["provenance"] | {"again": again}}
    write_text(path, json.dumps(whole, separators=(",", ":"), allow_nan=False))


def sound(path: Path) -> dict[str, Any] | None:
    """A record as it lies, where one is there and verifies."""
    try:
        return verified(path)[0]
    except (OSError, RecordError):
        return None


def content_hash(content: dict[str, Any]) -> str:
    """sha256 of the canonical JSON of a record's content."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def read(path: Path) -> Record:
    """Read and verify a record, packed (.gz) or not. Raises RecordError when it was truncated or edited."""
    return verified(path)[1]


def verified(path: Path) -> tuple[dict[str, Any], Record]:
    """A record as it lies, and what it says. Raises RecordError when it was truncated or edited."""
    try:
        whole = json.loads(unpacked(path))
        content, provenance = whole["content"], whole["provenance"]
        intact = whole["sha256"] == content_hash(content)
        record = record_of(content, provenance)
    except RecordError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordError(f"{path}: not a complete record ({error.__class__.__name__})") from None
    if not intact:
        raise RecordError(f"{path}: content does not match its sha256")
    return whole, record


def unpacked(path: Path) -> bytes:
    """The bytes of a record, unpacked up to the limit."""
    return read_bytes(path, LARGEST_RECORD, RecordError, "this is no complete record")


def record_of(content: dict[str, Any], provenance: Any) -> Record:
    """A record from plain data, which somebody else may have written. Raises TypeError where a kind is wrong."""
    rows = []
    for replicate, draw, iteration, metric, value in content["rows"]:
        whole = [replicate, draw] + [iteration] * (iteration is not None)
        measured = value is None or isinstance(value, int | float)
        if not all(type(number) is int for number in whole) or not isinstance(metric, str) or not measured:
            raise TypeError("a row is no measurement")
        rows.append((replicate, draw, iteration, metric, value))
    record = Record(**(content | {"rows": rows}), provenance=provenance)
    texts = (record.key, record.experiment, record.arm, record.tensors)
    if not all(isinstance(text, str) for text in texts) or type(record.level) is not int:
        raise TypeError("an address is no address")
    if not isinstance(provenance, dict):
        raise TypeError("provenance has no keys")
    return record


def trained_again(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    """Who trained a unit once more, with other bits than its numbers are from, and the hash of those tensors."""
    again = provenance.get("again")
    return again if isinstance(again, dict) else {}


def read_tensors(path: Path, record: Record) -> dict[str, np.ndarray]:
    """The tensors beside a record, verified."""
    file = path.with_suffix(".safetensors")
    return arrays(file, verified_blob(file, record))


def arrays(file: Path, blob: bytes) -> dict[str, np.ndarray]:
    """The arrays in the bytes of a tensor file; errors name the file."""
    try:
        return dict(sorted(load(blob).items()))  # safetensors gives them in no particular order
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{file}: not a safetensors file ({error.__class__.__name__})") from None


def verified_blob(file: Path, record: Record) -> bytes:
    """The bytes of a record's tensor file, unpacked where it is packed (.gz)."""
    if file.suffix == ".gz":
        blob = read_bytes(file, LARGEST_PACKED, RecordError, "these are no complete tensors")
    else:
        try:
            blob = file.read_bytes()
        except FileNotFoundError:
            raise RecordError(f"{file}: missing") from None
    if hashlib.sha256(blob).hexdigest() not in (record.tensors, trained_again(record.provenance).get("tensors")):
        raise RecordError(f"{file}: content does not match the sha256 in its record")
    return blob


def tensors_of(root: Path, unit: Unit) -> dict[str, np.ndarray]:
    """The tensors of a finished unit, verified."""
    path = path_of(root, unit)
    return read_tensors(path, read(path))


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
    """Whether the unit's record and tensors exist and verify; damaged ones are named and will be made again."""
    path = path_of(root, unit)
    if not (path.exists() and path.with_suffix(".safetensors").exists()):  # a slice may have come without tensors
        return False
    try:
        read_tensors(path, read(path))
    except RecordError as error:
        log.warning("%s; it will be computed again", error)
        return False
    return True
