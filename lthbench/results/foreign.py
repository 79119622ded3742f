"""Reading a tidy table and its provenance that somebody else may have written: bounded and checked."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from lthbench.errors import UserError
from lthbench.files import read_bytes
from lthbench.results.tidy import COLUMNS, device_kinds
from lthbench.words import MINUS, shown

LARGEST_FILE = 500_000_000  # bytes, unpacked
TYPES: dict[str, Any] = {
    "experiment": str, "arm": str, "level": int, "density": float, "replicate": int, "draw": int,
    "iteration": "Int64", "metric": str, "value": float,
}  # fmt: skip


def unpacked(path: Path) -> bytes:
    """The bytes of a file of bounded size, packed or not."""
    return read_bytes(path, LARGEST_FILE, UserError, "give a file that lthbench wrote")


def read_foreign(path: Path) -> pd.DataFrame:
    """A tidy table as `lthbench.results.tidy.read` gives it, from a file that nobody vouches for."""
    try:
        table = pd.read_csv(io.BytesIO(unpacked(path).replace(MINUS.encode(), b"-")), dtype=TYPES)
        lacking = [column for column in COLUMNS if column not in table]
    except (ValueError, TypeError, OverflowError, csv.Error) as error:
        raise UserError(f"{path}: not a tidy table: {shown(error, 120)}") from None
    if lacking:
        raise UserError(f"{path}: not a tidy table: it has no column {', '.join(lacking)}")
    return table


def provenance_of(path: Path) -> list[dict[str, Any]]:
    """The content of a provenance.json, as far as it is one. Raises ValueError or RecursionError for no JSON."""
    return json.loads(unpacked(path))


def foreign_kinds(path: Path) -> dict[str, list[str]]:
    """The kinds of device from a provenance.json; none where there is no such file."""
    if not path.exists():
        return {}
    try:
        return device_kinds(provenance_of(path))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: not the provenance of a run ({type(error).__name__}); remove it") from None
