"""Reading a verdicts.json that somebody else may have written: bounded, checked, one line when unusable."""

from dataclasses import fields
from numbers import Real
from pathlib import Path
from typing import Any

from lthbench.errors import UserError
from lthbench.files import read_text
from lthbench.judging.verdict import EXIT_CODES, ORIGINS, ClaimVerdict, LineResult, Verdicts, from_json
from lthbench.stats.rule import ROWS

LARGEST_FILE = 50_000_000
NUMBERS = ("n", "mean", "sd", "low", "high", "p_pass", "p_fail", "dz")


def read_verdicts(path: Path) -> Verdicts:
    """The verdicts of a file. Raises UserError that names the file and what is wrong."""
    return verdicts_of(text_of(path), path)


def text_of(path: Path) -> str:
    """The text of a file of bounded size."""
    return read_text(path, LARGEST_FILE, UserError, "give a verdicts.json that lthbench wrote")


def verdicts_of(text: str, path: Path) -> Verdicts:
    """The text of a verdicts.json as verdicts; `path` is for messages."""
    try:
        verdicts = from_json(text)
        wrong = check(verdicts)
    except RecursionError:
        wrong = "lists inside one another without end"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = " ".join(str(error).split())[:80]
        wrong = f"{type(error).__name__}: {said}"
    if wrong:
        raise UserError(f"{path}: not the verdicts of a run ({wrong}); give a verdicts.json that lthbench wrote")
    return verdicts


def check(verdicts: Verdicts) -> str:
    """What is wrong with verdicts that have the right keys; empty when nothing is."""
    if verdicts.origin not in ORIGINS:
        return "origin is none of own, published, given"
    for claim in verdicts.claims:
        if claim.verdict not in EXIT_CODES:
            return f"a claim has the verdict {shown(claim.verdict)}"
        if not claim.hypotheses:
            return f"claim {shown(claim.id)} has no hypothesis"
    ids = [claim.id for claim in verdicts.claims]
    lines = [line for claim in verdicts.claims for line in claim.hypotheses + claim.beside]
    return (
        next(filter(None, map(types, [verdicts, *verdicts.claims, *lines])), "")
        or next(filter(None, map(numbers, lines)), "")
        or next(filter(None, (gates(claim) for claim in verdicts.claims)), "")
        or ("" if len(set(ids)) == len(ids) else "a claim is there twice")
    )


def types(one: Any) -> str:
    """Texts are texts and numbers are numbers."""
    for field in fields(one):
        kind, value = str(getattr(field.type, "__name__", field.type)), getattr(one, field.name)
        text = kind == "str" or field.name == "verdict"
        if text and not isinstance(value, str):
            return f"{field.name} is no text"
        if kind in ("int", "float") and not number(value):
            return f"{field.name} is no number"
    return ""


def numbers(line: LineResult) -> str:
    """The evidence of a line is there with its numbers, or not at all."""
    if line.test not in ROWS:
        return f"a hypothesis has the test {shown(line.test)}"
    values: dict[str, Any] = line.evidence if line.evidence is not None else {}
    for name in NUMBERS if values else ():
        if values[name] is not None and not number(values[name]):
            return f"evidence: {name} is no number"
    return ""


def gates(claim: ClaimVerdict) -> str:
    """Gates have a name, a detail, and passed or did not."""
    for gate in claim.gates:
        if not (
            isinstance(gate["name"], str) and isinstance(gate["detail"], str) and gate["passed"] in (True, False)
        ):
            return "a gate is no gate"
    return ""


def number(value: Any) -> bool:
    """A number, and not a truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def shown(value: Any) -> str:
    """A value in a message."""
    return repr(value)[:40]
