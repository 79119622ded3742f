"""The section "Published numbers beside ours": written from verdicts and claim files."""

from dataclasses import dataclass
from typing import Any

from lthbench.claims.load import Registry
from lthbench.claims.schema import Claim, Published, Registration
from lthbench.judging.verdict import ClaimVerdict, LineResult
from lthbench.judging.words import compared, size, sizes
from lthbench.report.figures.style import slug
from lthbench.report.numbers import NOTHING, interval, signed
from lthbench.report.section import Material, Part

SIZES = {"in": "yes", "below": "no, ours is larger", "above": "no, ours is smaller"}


@dataclass(frozen=True)
class Pair:
    """One published number and what we measured of it, as printed."""

    claim: str
    anchor: str
    quantity: str
    source: str
    published: str
    ours: str
    n: str
    ratio: str
    inside: str
    sign: str
    contained: bool
    reduced_scale: bool


@dataclass(frozen=True)
class Alone:
    """A published number that nothing here is held against, and why."""

    claim: str
    quantity: str
    source: str
    published: str
    reason: str


@dataclass(frozen=True)
class PublishedPart(Part):
    """The whole section."""

    pairs: list[Pair]
    alone: list[Alone]

    @property
    def reduced_scale(self) -> bool:
        """Whether any of our numbers comes from a reduced scale."""
        return any(pair.reduced_scale for pair in self.pairs)


def published_part(material: Material) -> PublishedPart | None:
    """The section; None where results of others are judged by rules of their own, without a suite."""
    registry, verdicts = material.registry, material.verdicts
    if not registry.suites[verdicts.suite].trains:
        return None
    pairs = [pair for verdict in verdicts.claims for pair in pairs_of(registry, verdicts.suite, verdict)]
    alone = [row for verdict in verdicts.claims for row in alone_of(registry, verdicts.suite, verdict)]
    here = {verdict.id for verdict in verdicts.claims}
    for claim in registry.claims.values():
        if claim.id not in here:
            where = ", ".join(claim.suites)
            reason = f"{claim.id} is not in this report (suites: {where})"
            alone += [lonely(claim.id, effect, reason) for effect in claim.published]
    return PublishedPart(pairs, alone)


def pairs_of(registry: Registry, suite: str, verdict: ClaimVerdict) -> list[Pair]:
    """The published numbers of one claim that a line of ours measures."""
    claim = registry.claims[verdict.id]
    measured = compared(claim, claim.suites[suite], lines(verdict))
    return [pair(verdict, effect, line) for effect, line in measured]


def alone_of(registry: Registry, suite: str, verdict: ClaimVerdict) -> list[Alone]:
    """The other published numbers of one claim."""
    claim = registry.claims[verdict.id]
    registration = claim.suites[suite]
    measured = [effect for effect, _ in compared(claim, registration, lines(verdict))]
    return [
        lonely(claim.id, effect, why_alone(effect, claim, registration, verdict, suite))
        for effect in claim.published
        if effect not in measured
    ]


def lines(verdict: ClaimVerdict) -> list[LineResult]:
    """Hypotheses and the lines beside them."""
    return [*verdict.hypotheses, *verdict.beside]


def source(effect: Published) -> str:
    """Where a number was read, and how far that was verified."""
    return f"{effect.where}; verified: {effect.verified}"


def pair(verdict: ClaimVerdict, effect: Published, line: LineResult) -> Pair:
    """One row of the table."""
    evidence = line.evidence or {}
    return Pair(
        claim=f"{verdict.id} {line.id}",
        anchor=slug(verdict.id),
        quantity=effect.quantity,
        source=source(effect),
        published=f"{signed(effect.value)} {effect.unit}",
        ours=interval(line.evidence),
        n=sizes(line),
        ratio=ratio(evidence["mean"], effect.value),
        inside=SIZES[size(effect.value, evidence)],
        sign=sign(effect.value, evidence),
        contained=size(effect.value, evidence) == "in",
        reduced_scale=verdict.reduced_scale,
    )


def sign(published: float, evidence: dict[str, Any]) -> str:
    """Whether ours has the published one's sign: the same, opposite, or not resolved (our interval holds 0)."""
    if evidence["low"] <= 0 <= evidence["high"]:
        return "not resolved"
    return "same" if evidence["mean"] * published > 0 else "opposite"


def ratio(ours: float, published: float) -> str:
    """Ours divided by the published one, two digits that count; none where the published one is 0."""
    return f"{ours / published:.2g}".replace("-", "−") if published else NOTHING


def lonely(claim: str, effect: Published, reason: str) -> Alone:
    """A number without a partner."""
    return Alone(claim, effect.quantity, source(effect), f"{signed(effect.value)} {effect.unit}", reason)


def why_alone(
    effect: Published, claim: Claim, registration: Registration, verdict: ClaimVerdict, suite: str
) -> str:
    """Why a published number is not compared with anything."""
    line = {line.id: line for line in lines(verdict)}.get(effect.hypothesis or "")
    if not claim.counts_for(effect, registration):
        one = len(effect.suites) == 1
        named = f"suite {effect.suites[0]} measures" if one else f"suites {', '.join(effect.suites)} measure"
        return f"only what {named} corresponds to it"
    if effect.hypothesis is None:
        return "no hypothesis measures it"
    if line is None:
        return f"suite {suite} has no {effect.hypothesis}"
    if effect.verified not in ("paper", "data"):
        return f"not verified in the paper or its data ({effect.verified}), so not held against ours"
    if line.evidence is None:
        return "not every replicate was run"
    return f"ours is in {line.unit}"
