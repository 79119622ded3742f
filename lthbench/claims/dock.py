"""Registered claims put to a user's method that finds tickets: the same contrasts, `found` in the ticket's place.

The suite is exploratory. Contrasts, tests and margins are a registered suite's; one claim is added, that the
method is as good as iterative pruning. The claims' files are written out, to be read and to be run again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lthbench.claims import own
from lthbench.claims.load import Registry
from lthbench.claims.schema import Line, Registration, parse_cell
from lthbench.errors import UserError
from lthbench.recipe import given
from lthbench.recipe.experiment import Experiment
from lthbench.words import as_registered, choices

SUITE = "dock"
AS_GOOD = "IMP-1"
DEFAULT = ("FC-1", "FC-6", "FC-7", AS_GOOD)
IN_PLACE_OF = {
    "ticket": "found",
    "reinit": "found-reinit",
    "shuffled": "found-shuffled",
    "random-mask": "found-random-mask",
}
AT_SCALE = re.compile(r" of [0-9]+-[0-9]+ % of the weights")  # the paper's, not the method's
TICKET = re.compile(r"\b([Ii]terative )?[Tt]ickets?\b")


@dataclass(frozen=True)
class Rung:
    """Where a method is tried: after so many rounds of the reference, with this fraction of the weights left."""

    level: int
    density: float


def registered_level(registry: Registry, source: str, claim: str) -> int:
    """The level at which a suite registers a claim about tickets."""
    lines = registration_of(registry, source, claim).hypotheses
    cells = [cell for line in lines for cell in line.contrast.cells("")]
    return next((cell.level for cell in cells if cell.arm == "ticket"), 1)


def registration_of(registry: Registry, source: str, claim: str) -> Registration:
    """The entry of a claim for a suite that trains; UserError where there is none."""
    name = as_registered(claim, [*registry.claims, AS_GOOD])
    if name == AS_GOOD:
        name = DEFAULT[0]
    if name not in registry.claims:
        raise UserError(f"there is no claim '{claim}'; {choices(claim, [*registry.claims, AS_GOOD])}")
    known = {suite: entry for suite, entry in registry.claims[name].suites.items() if entry.trains}
    if source not in known:
        raise UserError(f"{name}: suite '{source}' does not register it; {choices(source, known)}")
    return known[source]


def files(
    registry: Registry,
    source: str,
    claims: Sequence[str],
    experiment: Experiment,
    chance: float,
    rung: Rung,
    replicates: int,
) -> dict[str, Any]:
    """The files of the suite, by name: what a method is tried on, at which level, by which claims.

    Raises UserError for a claim that says nothing about a method.
    """
    known = [*registry.claims, AS_GOOD]
    names = list(dict.fromkeys(as_registered(name, known) for name in claims))
    bands = registry.suites[source].dense_bands
    suite = {
        "id": SUITE,
        "title": f"{called(experiment)} on {experiment.title}",
        "says": f"Exploratory: margins of suite {source}, tried on tickets that nothing was registered for.",
        "claims": names,
        "exploratory": True,
        "registered": registered(registry, source, names, experiment, rung),
        "block": 1,  # every replicate alone, as a method trains its networks
        "chance": round(chance, 4),
        "dense_bands": {id: band.model_dump() for id, band in bands.items() if id == experiment.id},
    }
    written = {
        f"suites/{SUITE}.yaml": suite,
        f"experiments/{experiment.id}.yaml": own.concise(with_draws(experiment)),
    }
    for name in names:
        make = as_good if name == AS_GOOD else claim_of
        written[f"{name}.yaml"] = make(registry, name, source, experiment, rung, replicates)
    return written


def registered(registry: Registry, source: str, claims: Sequence[str], experiment: Experiment, rung: Rung) -> str:
    """What of a test the suite registered, and what nobody did, in sentences."""
    measured = {name: measured_with(registry, source, name, experiment, rung) for name in claims}
    said = []
    if not changed(registry, source, claims[0], experiment):
        there = registration_of(registry, source, claims[0]).experiment
        said.append(f"Network, data and recipe are those of suite {source} ({there}).")
    for other in dict.fromkeys(measured.values()):
        names = [name for name, words in measured.items() if words == other]
        whose = "Margins" if names == list(claims) else f"Margins of {', '.join(names)}"
        of = f"measured with {other}" if other else "registered for them"
        said.append(f"{whose} are those of suite {source}, {of}.")
    if AS_GOOD in claims:
        said.append(f"{AS_GOOD} has the margin of {DEFAULT[0]}.")
    if experiment.id in registry.suites[source].dense_bands:
        said.append("Dense accuracy has to lie in the band registered there.")
        return " ".join([*said, "Nothing was registered for these tickets: no expected effect, no power."])
    return " ".join([*said, "Nothing else was registered: no accuracy band, no expected effect, no power."])


def changed(registry: Registry, source: str, claim: str, experiment: Experiment) -> list[str]:
    """What was otherwise where the suite registers a claim: another network, other data, another recipe."""
    there = registry.experiments[registration_of(registry, source, claim).experiment]
    parts = {"network": "another network", "data": "other data", "training": "another recipe"}
    return [words for part, words in parts.items() if getattr(experiment, part) != getattr(there, part)]


def measured_with(registry: Registry, source: str, claim: str, experiment: Experiment, rung: Rung) -> str:
    """With what else a claim's margin was measured, in words; empty where all was the same."""
    there = registry.experiments[registration_of(registry, source, claim).experiment]
    same = rung.level == registered_level(registry, source, claim)
    same = same and experiment.pruning.rate == there.pruning.rate
    return ", ".join([*changed(registry, source, claim, experiment), *["another density"] * (not same)])


def called(experiment: Experiment) -> str:
    """What to call the method in titles."""
    return given.plain(experiment.method)


def with_draws(experiment: Experiment) -> Experiment:
    """The experiment with as many draws of the method's controls as of the ticket's."""
    drawn = {IN_PLACE_OF[arm]: count for arm, count in experiment.draws.items() if arm in IN_PLACE_OF}
    return replace(experiment, draws=experiment.draws | drawn)


def claim_of(
    registry: Registry, name: str, source: str, experiment: Experiment, rung: Rung, replicates: int
) -> dict[str, Any]:
    """A registered claim with `found` in the ticket's place."""
    known, claim = registration_of(registry, source, name), registry.claims[name]
    level = registered_level(registry, source, name)
    measured = measured_with(registry, source, name, experiment, rung)
    hypotheses = [hypothesis_of(line, name, source, measured, rung) for line in known.hypotheses]
    beside = [line_of(line, name, rung) for line in known.beside if alike(line, level)]
    return claim.model_dump(exclude={"suites", "published", "qualifies"}, exclude_none=True) | {
        # Of other tickets: shown, and compared with nothing.
        "published": [effect.model_dump(exclude={"hypothesis", "suites"}) for effect in claim.published],
        "suites": {SUITE: entry(claim.title, experiment, rung, replicates, once(hypotheses), beside)},
    }


def entry(
    title: str,
    experiment: Experiment,
    rung: Rung,
    replicates: int,
    hypotheses: list[dict[str, Any]],
    beside: list[dict[str, Any]],
) -> dict[str, Any]:
    """A claim's entry for the suite."""
    of = f"tickets of {called(experiment)}, {100 * rung.density:.3g} % of the weights"
    starts = ["that a ticket trains from its initialisation: these start from weights of the method's own"]
    return {
        "title": f"{AT_SCALE.sub('', title)} ({of})",
        "experiment": experiment.id,
        "reduced_scale": True,
        "replicates": replicates,
        "hypotheses": hypotheses,
        "beside": beside,
        "not_tested": starts if experiment.own_start else [],
    }


def hypothesis_of(line: Any, name: str, source: str, measured: str, rung: Rung) -> dict[str, Any]:
    """A hypothesis with its margin, and how it was measured: with something else, or for the suite's tickets."""
    said = f", where it was measured with {measured}" if measured else f"; for its tickets: {line.margin_from}"
    return line_of(line, name, rung) | {
        "margin_from": f"taken over from suite {source}{said}",
        "margin_rule": "none",
    }


def line_of(line: Line, name: str, rung: Rung) -> dict[str, Any]:
    """A contrast with `found` in the ticket's place, and its test."""
    sides = (line.contrast.minuend, line.contrast.subtrahend)
    return {
        "id": line.id,
        "says": TICKET.sub("found ticket", line.says),
        "endpoint": line.endpoint,
        "contrast": dict(zip(("minuend", "subtrahend"), (side_of(s, name, rung) for s in sides), strict=True)),
        "test": line.test,
        "delta": line.delta,
    }


def side_of(term: str | float, name: str, rung: Rung) -> str | float:
    """A side of a contrast at the method's level. UserError for an arm that no method's ticket stands in for."""
    if not isinstance(term, str):
        return term
    cell = parse_cell(term, SUITE)
    if cell.level == 0 and cell.experiment == SUITE:
        return term
    if cell.experiment != SUITE or cell.arm not in IN_PLACE_OF:
        raise UserError(f"{name}: compares {term}, which says nothing about a method; leave it out")
    return f"{IN_PLACE_OF[cell.arm]}@{rung.level}"


def alike(line: Line, level: int) -> bool:
    """Whether a line beside the verdict can be taken over: of the arms there are, at the claim's own level."""
    cells = line.contrast.cells(SUITE)
    return all(
        cell.experiment == SUITE and (cell.level == 0 or (cell.arm in IN_PLACE_OF and cell.level == level))
        for cell in cells
    )


def once(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hypotheses that differed in their level alone are one now: the first of them."""
    first: dict[str, dict[str, Any]] = {}
    for line in lines:
        first.setdefault(f"{line['endpoint']} {line['contrast']}", line)
    return list(first.values())


def as_good(
    registry: Registry, name: str, source: str, experiment: Experiment, rung: Rung, replicates: int
) -> dict[str, Any]:
    """The claim that a method is as good as iterative magnitude pruning, by the margin of "matches dense"."""
    matches = registration_of(registry, source, DEFAULT[0]).hypotheses[0]
    measured = measured_with(registry, source, name, experiment, rung)
    hypothesis = hypothesis_of(matches, name, source, measured, rung) | {
        "id": "H1",
        "says": "final test accuracy of the found ticket is not below iterative pruning's by the margin or more",
        "endpoint": "final_test_accuracy",
        "contrast": {"minuend": f"found@{rung.level}", "subtrahend": f"ticket@{rung.level}"},
        "test": "non-inferiority",
    }
    area = hypothesis | {
        "id": "area",
        "says": "area under the validation-accuracy curve, found ticket minus ticket's",
    }
    area |= {"endpoint": "validation_curve_area"}
    beside = [{key: value for key, value in area.items() if not key.startswith("margin")}]
    title = "The method's tickets are as good as those of iterative magnitude pruning"
    suites = {SUITE: entry(title, experiment, rung, replicates, [hypothesis], beside)}
    return {"id": name, "title": title, **AS_GOOD_CLAIM, "suites": suites}


AS_GOOD_CLAIM = {
    "sentence": (
        "A ticket that the method finds reaches at least the test accuracy of the ticket that iterative magnitude "
        "pruning finds in the same network, with the same number of weights and the same training."
    ),
    "kind": "secondary",
    "sources": [
        {
            "paper": "Frankle et al. 2021, Pruning Neural Networks at Initialization, arXiv 2009.08576",
            "where": "abstract and section 4",
            "says": "Methods that prune early are held against magnitude pruning, which they do not reach.",
            "verified": "memory",
        }
    ],
    "conditions": ["the same number of weights in all; layers may be of other densities than the reference's"],
    "contradictions": [],
}
