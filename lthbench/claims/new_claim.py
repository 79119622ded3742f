"""`lthbench new-claim`: a claim file from a handful of answers, checked as every claim file is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lthbench.claims.load import ClaimFileError, Registry, load, registered_power
from lthbench.claims.schema import Claim, Registration, endpoint_words
from lthbench.errors import UserError
from lthbench.files import write_text
from lthbench.stats.multiplicity import fixed_level
from lthbench.stats.power import floor_n, power, smallest_n
from lthbench.words import choices, shown

FORM = "'MINUEND - SUBTRAHEND TEST DELTA [expect EFFECT SD]', as in 'ticket@5 - dense@0 non-inferiority 1'"
HYPOTHESIS = re.compile(
    r"(?P<minuend>\S+) - (?P<subtrahend>\S+) (?P<test>[a-z-]+) (?P<delta>\S+)"
    r"( expect (?P<effect>\S+) (?P<sd>\S+))?"
)
ID = re.compile("[A-Z0-9]+-[0-9]+[a-z]?")
ASSUMED = "assumed by the author of this claim, before any run"
FEWEST = 8  # replicates, where no other claim of the suite says how many


@dataclass(frozen=True)
class Answers:
    """What the author of a claim says; empty where the folder has only one choice.

    `hypotheses` are of the form FORM. `tuned` is (master seed, replicates) of the study that gave the expected
    effects; without one they are assumed.
    """

    id: str
    sentence: str
    hypotheses: tuple[str, ...]
    margin_from: str
    title: str = ""
    suite: str = ""
    experiment: str = ""
    kind: str = "secondary"
    endpoint: str = "final_test_accuracy"
    replicates: int = 0
    tuned: tuple[int, int] | None = None
    source: str = ""
    where: str = ""


def write(folder: Path, answers: Answers, replace: bool = False) -> Registry:
    """Write the claim's file, load the folder with it. UserError, and nothing changed, where it is not valid."""
    if not ID.fullmatch(answers.id):
        raise UserError(f"'{shown(answers.id)}' is no id of a claim; write capitals, hyphen, number: MY-1")
    registry = load(folder)
    path = folder / f"{answers.id}.yaml"
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if before is not None and not replace:
        raise UserError(f"{path}: is there already; edit it, or write it anew with --replace")
    values = claim_of(registry, answers)
    try:
        write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110))
        return load(folder)
    except (ClaimFileError, OSError) as error:
        path.unlink(missing_ok=True)
        if before is not None:
            write_text(path, before)
        raise UserError(f"{error}; nothing was written") from None


def claim_of(registry: Registry, answers: Answers) -> dict[str, Any]:
    """The claim as its file says it, with the power that its expected effects give."""
    suite = the_one(answers.suite, [s for s, each in registry.suites.items() if each.trains], "suite")
    own = answers.source or "registered here, by the authors of this folder"
    values = {
        "id": answers.id,
        "title": answers.title or answers.sentence,
        "sentence": answers.sentence,
        "kind": answers.kind,
        "sources": [source_of(own, answers)],
        "conditions": [],
        "contradictions": [],
        "suites": {suite: registration_of(registry, suite, answers)},
    }
    return values


def source_of(paper: str, answers: Answers) -> dict[str, str]:
    """Where the sentence is from, in our own words: a quotation is written into the file by hand."""
    said = {"paper": paper, "where": answers.where or "this file", "says": answers.sentence[:300]}
    return said | {"verified": "memory"}


def registration_of(registry: Registry, suite: str, answers: Answers) -> dict[str, Any]:
    """How the suite decides it."""
    others = [rule.replicates for claim, rule in registry.registrations(suite) if claim.id != answers.id]
    expected = [hypothesis_of(i, text, answers) for i, text in enumerate(answers.hypotheses, start=1)]
    values: dict[str, Any] = {
        "title": answers.title or answers.sentence,
        "experiment": the_one(answers.experiment, list(registry.experiments), "experiment"),
        "reduced_scale": True,
        "replicates": answers.replicates or max(others, default=FEWEST),
        "hypotheses": expected,
    }
    if answers.tuned:
        values["tuning"] = {"master_seed": answers.tuned[0], "replicates": answers.tuned[1]}
    if all("expected" in each for each in expected):
        values["power"] = round(powered(registry, suite, answers, values), 3)
    return values


def powered(registry: Registry, suite: str, answers: Answers, values: dict[str, Any]) -> float:
    """The probability that every hypothesis passes at the expected effects."""
    try:
        rule = Registration.model_validate(values)
    except ValueError as error:
        raise UserError(f"{answers.id}: {shown(str(error).splitlines()[-2].strip(), 300)}") from None
    return registered_power(rule, level_of(registry, suite, answers))


def level_of(registry: Registry, suite: str, answers: Answers) -> float:
    """The level of the last look once the claim is there: a primary one shares it with the others."""
    each = registry.suites[suite]
    alpha = each.alpha - (each.first_look.alpha if each.first_look else 0)
    primaries = {*registry.primaries(suite), answers.id}
    return fixed_level(len(primaries), alpha) if answers.kind == "primary" else alpha


def hypothesis_of(number: int, text: str, answers: Answers) -> dict[str, Any]:
    """A hypothesis as its file says it."""
    parts = HYPOTHESIS.fullmatch(" ".join(text.split()))
    if parts is None:
        raise UserError(f"--hypothesis '{shown(text, 80)}': write {FORM}")
    sides = {name: side_of(parts[name]) for name in ("minuend", "subtrahend")}
    said = f"{parts['minuend']} minus {parts['subtrahend']}, {endpoint_words(answers.endpoint)}"
    values = {
        "id": f"H{number}", "says": said, "endpoint": answers.endpoint, "contrast": sides, "test": parts["test"],
        "delta": number_of(parts["delta"], text), "margin_from": answers.margin_from, "margin_rule": "none",
    }  # fmt: skip
    if parts["effect"]:
        expected = {"effect": number_of(parts["effect"], text), "sd": number_of(parts["sd"], text)}
        assumed = {} if answers.tuned else {"planned_from": ASSUMED, "verified": "assumed"}
        values["expected"] = expected | assumed
    return values


def side_of(text: str) -> str | float:
    """A cell, or a number to be compared with."""
    try:
        return float(text)
    except ValueError:
        return text


def number_of(text: str, whole: str) -> float:
    """A number of a hypothesis."""
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--hypothesis '{shown(whole, 80)}': '{shown(text)}' is no number; write {FORM}") from None


def the_one(asked: str, there: list[str], what: str) -> str:
    """What was asked for, or the only one there is."""
    if asked and asked not in there:
        raise UserError(f"--{what} {shown(asked)}: there is none; {choices(asked, there)}")
    if not asked and len(there) != 1:
        raise UserError(f"--{what}: the folder has {len(there)} ({', '.join(there)}); say which")
    return asked or there[0]


def planning_words(registry: Registry, suite: str, claim: Claim) -> Iterator[str]:
    """The smallest p that n can give; per hypothesis the power at n and the n for 90 %, or what is missing."""
    rule, each = claim.suites[suite], registry.suites[suite]
    level = registry.level(suite, claim, each.alpha - (each.first_look.alpha if each.first_look else 0))
    n = rule.replicates
    fewest = f"fewer than {floor_n(level)} replicates can decide nothing"
    yield f"n = {n} at level {level:.3g}: the smallest p is {2.0**-n:.2g}; {fewest}"
    for line in rule.hypotheses:
        if line.expected is None:
            yield f"{line.id}: power unknown without an expected effect and its SD; measure them on tuning seeds"
            continue
        e = line.expected
        needed = smallest_n(line.rule, e.effect, e.sd, level)
        enough = f"n for 90 %: {needed}" if needed else "no n up to 40 has 90 %"
        at_n = power(line.rule, e.effect, e.sd, n, level)
        yield f"{line.id}: power {at_n:.2f} to PASS at effect {e.effect:g}, SD {e.sd:g} {line.unit}; {enough}"
