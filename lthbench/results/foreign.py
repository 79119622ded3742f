"""Reading a tidy table and its provenance that somebody else may have written: bounded and checked."""

import csv
import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from lthbench.errors import UserError
from lthbench.results.tidy import COLUMNS, device_kinds
from lthbench.words import shown

LARGEST_FILE = 500_000_000  # bytes, unpacked
TYPES: dict[str, Any] = {
    "experiment": str, "arm": str, "level": int, "density": float, "replicate": int, "draw": int,
    "iteration": "Int64", "metric": str, "value": float,
}  # fmt: skip


def unpacked(path: Path) -> bytes:
    """The bytes of a file of bounded size, packed or not."""
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"{path}: larger than {LARGEST_FILE // 10**6} MB; this is no table of a run")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise UserError(f"{path}: not a readable gzip file; make it again") from None
    if len(content) > LARGEST_FILE:
        raise UserError(f"{path}: unpacks to more than {LARGEST_FILE // 10**6} MB; this is no table of a run")
    return content


def read_foreign(path: Path) -> pd.DataFrame:
    """A tidy table as `lthbench.results.tidy.read` gives it, from a file that nobody vouches for."""
    try:
        table = pd.read_csv(io.BytesIO(unpacked(path)), dtype=TYPES)
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
