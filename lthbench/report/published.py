"""Published numbers beside ours, and where the two differ: written from verdicts and claim files."""

from dataclasses import dataclass
from typing import Any

from lthbench.claims.load import Registry
from lthbench.claims.schema import Claim, Published, Registration
from lthbench.judging.verdict import ClaimVerdict, LineResult, Verdicts
from lthbench.judging.words import compared, size, sizes
from lthbench.report import sentences
from lthbench.report.numbers import NOTHING, count, interval, signed
from lthbench.report.style import slug

SIZES = {"full size": "yes", "larger": "no, ours is larger", "smaller": "no, ours is smaller"}


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
class Standing:
    """How one claim stands to what was published, as printed."""

    verdict: ClaimVerdict
    anchor: str
    direction: str
    inside: str
    differences: tuple[str, ...]
    possible: tuple[str, ...]


@dataclass(frozen=True)
class PublishedPart:
    """Both sections."""

    pairs: list[Pair]
    alone: list[Alone]
    standings: list[Standing]
    said: list[str]

    @property
    def differing(self) -> list[Standing]:
        """The claims that differ in something."""
        return [one for one in self.standings if one.differences]

    @property
    def reduced_scale(self) -> bool:
        """Whether any of our numbers comes from a reduced scale."""
        return any(pair.reduced_scale for pair in self.pairs)


def published_part(registry: Registry, verdicts: Verdicts) -> PublishedPart | None:
    """The sections of a report; None where results of others are judged by rules of their own, without a suite."""
    if not registry.suites[verdicts.suite].trains:
        return None
    pairs, alone, standings = [], [], []
    here = {verdict.id: verdict for verdict in verdicts.claims}
    for verdict in verdicts.claims:
        claim = registry.claims[verdict.id]
        registration = claim.suites[verdicts.suite]
        found = compared(claim, registration, lines(verdict))
        own = [pair(verdict, effect, line) for effect, line in found]
        pairs += own
        alone += [
            lonely(claim.id, effect, why_alone(effect, claim, registration, verdict, verdicts.suite))
            for effect in claim.published
            if effect not in [one for one, _ in found]
        ]
        standings.append(standing(claim, verdict, own))
    for claim in registry.claims.values():
        if claim.id not in here:
            where = ", ".join(claim.suites)
            reason = f"{claim.id} is not in this report (suites: {where})"
            alone += [lonely(claim.id, effect, reason) for effect in claim.published]
    return PublishedPart(pairs, alone, standings, summary(standings, pairs))


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
        contained=size(effect.value, evidence) == "full size",
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
    line = {one.id: one for one in lines(verdict)}.get(effect.hypothesis or "")
    if effect.suite is not None and claim.suites.get(effect.suite) is not registration:
        return f"only what suite {effect.suite} measures corresponds to it"
    if effect.hypothesis is None:
        return "no hypothesis is registered for it"
    if line is None:
        return f"{effect.hypothesis} is not registered in suite {suite}"
    if effect.verified not in ("paper", "data"):
        return f"not verified in the paper or its data ({effect.verified}), so not held against ours"
    if line.evidence is None:
        return "not every replicate was run"
    return f"ours is in {line.unit}"


def standing(claim: Claim, verdict: ClaimVerdict, pairs: list[Pair]) -> Standing:
    """How one claim stands to its sentence and to the numbers published for it."""
    known = [line for line in verdict.hypotheses if line.evidence is not None]
    along = [line for line in known if as_claimed(line)]
    contained = sum(one.contained for one in pairs)
    differences = [*verdict_differences(verdict, known), *filter(None, map(pair_difference, pairs))]
    return Standing(
        verdict=verdict,
        anchor=slug(verdict.id),
        direction=f"{len(along)} of {len(verdict.hypotheses)}" if known else NOTHING,
        inside=f"{contained} of {len(pairs)}" if pairs else NOTHING,
        differences=tuple(differences),
        possible=tuple(possible(claim, verdict)) if differences else (),
    )


def as_claimed(line: LineResult) -> bool:
    """Whether the estimate alone lies where the hypothesis says; no test."""
    mean = (line.evidence or {})["mean"]
    if line.test == "superiority":
        return bool(mean > 0)
    return bool(mean > -line.delta and (line.test == "non-inferiority" or mean < line.delta))


def verdict_differences(verdict: ClaimVerdict, known: list[LineResult]) -> list[str]:
    """What the verdict and its hypotheses say against the sentence."""
    if verdict.verdict == "PASS":
        return []
    meaning = sentences.MEANINGS[verdict.verdict]
    against = [
        f"{line.id} ({line.says}): {interval(line.evidence)} {line.unit}, {line.decision}"
        + ("" if as_claimed(line) else "; the estimate lies against the sentence")
        + f" (PASS asks for {sentences.required(line)})"
        for line in known
        if line.decision != "PASS" or not as_claimed(line)
    ]
    return [f"The verdict is {verdict.verdict}: {meaning}.", *against]


def pair_difference(one: Pair) -> str:
    """How a published number and ours differ; empty where ours contains it."""
    if one.contained:
        return ""
    signs = {"same": "the same sign", "opposite": "the opposite sign", "not resolved": "a sign not resolved"}
    return (
        f"{one.quantity}: published {one.published}, ours {one.ours}: {signs[one.sign]}, {one.ratio} times the "
        "published size, which lies outside our interval."
    )


def possible(claim: Claim, verdict: ClaimVerdict) -> list[str]:
    """What was registered as a condition or contradiction before the run: reasons to look at, none shown here."""
    scale = ["The scale is reduced: another network, data set or length of training, where sizes need not agree."]
    gates = [f"A gate failed: {gate['name']}." for gate in verdict.gates if not gate["passed"]]
    return [
        *(scale if verdict.reduced_scale else []),
        *gates,
        *(f"Condition: {text}" for text in claim.conditions),
        *(f"Contradiction: {text}" for text in claim.contradictions),
    ]


def summary(standings: list[Standing], pairs: list[Pair]) -> list[str]:
    """The whole in numbers."""
    words = [one.verdict.verdict for one in standings]
    others = ", ".join(f"{words.count(word)} {word}" for word in sentences.MEANINGS if word in words)
    said = [f"Verdicts of the {count(len(standings))} claims here: {others}."]
    if pairs:
        signs = [one.sign for one in pairs]
        said.append(
            f"Published numbers compared: {len(pairs)}. In our 95 % interval: {sum(p.contained for p in pairs)}. "
            f"Ours has the same sign for {signs.count('same')}, the opposite for {signs.count('opposite')}, and "
            f"leaves it open for {signs.count('not resolved')}."
        )
    return said
