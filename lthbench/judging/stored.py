"""Reading a verdicts.json that somebody else may have written: bounded, checked, one line when unusable."""

from pathlib import Path

from pydantic import ValidationError

from lthbench.claims.load import first_error
from lthbench.errors import UserError
from lthbench.files import read_text
from lthbench.judging.verdict import Verdicts, from_json

LARGEST_FILE = 50_000_000
WAY_OUT = "give a verdicts.json that lthbench wrote"
REHEARSAL = "rehearsal-"  # how suites and experiments of a rehearsal are called (lthbench/drive/rehearse.py)


def read_verdicts(path: Path) -> Verdicts:
    """The verdicts of a file. Raises UserError that names the file and what is wrong."""
    return verdicts_of(text_of(path), path)


def text_of(path: Path) -> str:
    """The text of a file of bounded size."""
    return read_text(path, LARGEST_FILE, UserError, WAY_OUT)


def verdicts_of(text: str, path: Path) -> Verdicts:
    """The text of a verdicts.json as verdicts; `path` is for messages."""
    try:
        verdicts = from_json(text)
    except ValidationError as error:
        raise UserError(f"{path}: not the verdicts of a run ({first_error(error)}); {WAY_OUT}") from None
    if verdicts.suite.startswith(REHEARSAL):
        raise UserError(f"{path}: a rehearsal, whose numbers mean nothing; give the verdicts of a run")
    return verdicts
