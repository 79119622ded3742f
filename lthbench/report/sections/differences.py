"""The section "Where our results differ from the papers": written from verdicts and claim files."""

from dataclasses import dataclass

from lthbench.claims.schema import Claim
from lthbench.judging.verdict import ClaimVerdict, LineResult, verdict_word
from lthbench.report import sentences
from lthbench.report.figures.style import slug
from lthbench.report.numbers import NOTHING, count, interval
from lthbench.report.section import Material, Part
from lthbench.report.sections.published import Pair, pairs_of
from lthbench.stats.rule import Rule


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
class DifferencesPart(Part):
    """The whole section."""

    standings: list[Standing]
    said: list[str]

    @property
    def differing(self) -> list[Standing]:
        """The claims that differ in something."""
        return [standing for standing in self.standings if standing.differences]


def differences_part(material: Material) -> DifferencesPart | None:
    """The section; None where results of others are judged by rules of their own, without a suite."""
    registry, verdicts = material.registry, material.verdicts
    if not registry.suites[verdicts.suite].trains:
        return None
    pairs = [pairs_of(registry, verdicts.suite, verdict) for verdict in verdicts.claims]
    standings = [
        standing(registry.claims[verdict.id], verdict, own, verdicts.exploratory)
        for verdict, own in zip(verdicts.claims, pairs, strict=True)
    ]
    compared = [pair for own in pairs for pair in own]
    return DifferencesPart(standings, summary(standings, compared, verdicts.exploratory))


def standing(claim: Claim, verdict: ClaimVerdict, pairs: list[Pair], exploratory: bool = False) -> Standing:
    """How one claim stands to its sentence and to the numbers published for it."""
    known = [line for line in verdict.hypotheses if line.evidence is not None]
    along = [line for line in known if as_claimed(line)]
    contained = sum(pair.contained for pair in pairs)
    against = verdict_differences(verdict, known, exploratory)
    differences = [*against, *filter(None, map(pair_difference, pairs))]
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
    return Rule(line.test, line.delta).holds((line.evidence or {})["mean"])


def verdict_differences(verdict: ClaimVerdict, known: list[LineResult], exploratory: bool = False) -> list[str]:
    """What the verdict and its hypotheses say against the sentence."""
    if verdict.verdict == "PASS":
        return []
    meaning, passes = sentences.MEANINGS[verdict.verdict], verdict_word("PASS", exploratory)
    against = [
        f"{line.id} ({line.says}): {interval(line.evidence)} {line.unit}, "
        + verdict_word(line.decision, exploratory)
        + ("" if as_claimed(line) else "; the estimate lies against the sentence")
        + f" ({passes} asks for {sentences.required(line)})"
        for line in known
        if line.decision != "PASS" or not as_claimed(line)
    ]
    return [f"The verdict is {verdict_word(verdict.verdict, exploratory)}: {meaning}.", *against]


def pair_difference(pair: Pair) -> str:
    """How a published number and ours differ; empty where ours contains it."""
    if pair.contained:
        return ""
    signs = {"same": "the same sign", "opposite": "the opposite sign", "not resolved": "a sign not resolved"}
    return (
        f"{pair.quantity}: published {pair.published}, ours {pair.ours}: {signs[pair.sign]}, {pair.ratio} times "
        "the published size, which lies outside our 95 % interval."
    )


def possible(claim: Claim, verdict: ClaimVerdict) -> list[str]:
    """What the claim file names as a condition or contradiction: reasons to look at, none shown here."""
    scale = ["The scale is reduced, where sizes need not agree."]
    gates = [f"A gate failed: {gate.name}." for gate in verdict.gates if not gate.passed]
    return [
        *(scale if verdict.reduced_scale else []),
        *gates,
        *(f"Condition: {text}" for text in claim.conditions),
        *(f"Contradiction: {text}" for text in claim.contradictions),
    ]


def summary(standings: list[Standing], pairs: list[Pair], exploratory: bool = False) -> list[str]:
    """The whole in numbers."""
    words = [standing.verdict.verdict for standing in standings]
    others = ", ".join(
        f"{words.count(word)} {verdict_word(word, exploratory)}" for word in sentences.MEANINGS if word in words
    )
    said = [f"Verdicts of the {count(len(standings))} claims here: {others}."]
    if pairs:
        signs = [pair.sign for pair in pairs]
        said.append(
            f"Published numbers compared: {len(pairs)}. In our 95 % interval: {sum(p.contained for p in pairs)}. "
            f"Ours has the same sign for {signs.count('same')}, the opposite for {signs.count('opposite')}, and "
            f"leaves it open for {signs.count('not resolved')}."
        )
    return said
