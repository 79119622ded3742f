"""What the report says, in order, before it becomes HTML or Markdown: both are written from this."""

from dataclasses import dataclass

from lthbench.claims.schema import Suite
from lthbench.judging.diagnosis import UNWELL
from lthbench.judging.diagnosis import of as diagnose
from lthbench.judging.verdict import ClaimVerdict, Verdicts, verdict_word
from lthbench.report import sentences
from lthbench.report.cards import Card, cards
from lthbench.report.figures.forest import forest_plot, forest_rows, reach
from lthbench.report.figures.style import Picture
from lthbench.report.front import ORDER, Front, front
from lthbench.report.given import SAID, origin_words
from lthbench.report.section import Material, Part, Section
from lthbench.report.sections import (
    calibration,
    curves,
    differences,
    gates,
    popular,
    provenance,
    published,
    ticket_cost,
)
from lthbench.report.sections.curves import CurvesPart
from lthbench.stats.rule import ROWS

SHARED = 3  # cards with the same caveat
SECTIONS = (  # after the claims, in the order of the page
    Section("curves", "experiments and curves", curves.curves_part),
    Section("gates", "gates", gates.gates_part),
    Section("published", "published numbers beside ours", published.published_part),
    Section("differences", "where our results differ", differences.differences_part),
    Section("popular", "popular accounts", popular.popular_part),
    Section("ticket-cost", "what a ticket costs", ticket_cost.ticket_cost),
    Section("calibration", "how often a verdict would be wrong", calibration.calibration_part),
    Section("provenance", "cost and provenance", provenance.provenance_part),
)


@dataclass(frozen=True)
class Content:
    """The whole report: its head, a card for each claim, and the sections; one that is not there is None."""

    verdicts: Verdicts
    suite: Suite
    origin: str
    banner: str
    overall: str
    levels: str
    tuning: bool
    claims: list[Card]
    sections: tuple[tuple[Section, Part | None], ...]
    front: Front
    forest: Picture | None = None
    reach: tuple[float, float] = (-2.0, 2.0)  # of the forest's scale, in margins
    diagnosis: str = ""  # which known bug the numbers resemble, where a claim failed or is blocked

    def word(self, verdict: str) -> str:
        """A verdict or decision as it is printed."""
        return verdict_word(verdict, self.verdicts.exploratory)

    @property
    def tests(self) -> dict[str, str]:
        """What each test asks for, in words."""
        return {test: sentences.test_words(test, self.verdicts.exploratory) for test in ROWS}

    @property
    def shown(self) -> str:
        """What it takes to be shown."""
        return f"{sentences.SHOWN}{sentences.UNPAIRED[self.verdicts.origin]} {sentences.AT_LEVEL}"

    def rank(self, verdict: ClaimVerdict) -> int:
        """Its place when the worst come first."""
        return ORDER.index(verdict.verdict)

    def unwell(self, verdict: ClaimVerdict) -> bool:
        """Whether the diagnosis belongs beside this claim."""
        return bool(self.diagnosis) and verdict.verdict in UNWELL

    @property
    def run(self) -> list[Card]:
        """The claims with a verdict, in their order."""
        return [card for card in self.claims if card.verdict.verdict != "NOT RUN"]

    @property
    def not_run(self) -> list[Card]:
        """The claims without one."""
        return [card for card in self.claims if card.verdict.verdict == "NOT RUN"]

    @property
    def shared_caveats(self) -> list[tuple[str, str]]:
        """Caveats that several cards would repeat, with the ids of their claims: said once, before the cards."""
        ids: dict[str, list[str]] = {}
        for card in self.run:
            ids.setdefault(card.caveat, []).append(card.verdict.id)
        return [(caveat, ", ".join(own)) for caveat, own in ids.items() if caveat and len(own) >= SHARED]

    @property
    def all_reduced(self) -> bool:
        """Whether every claim is of a reduced scale, so that it need be said only once."""
        return all(card.verdict.reduced_scale for card in self.claims)

    def part(self, anchor: str) -> Part | None:
        """What a section says."""
        return next(part for section, part in self.sections if section.anchor == anchor)

    def anchor_of(self, experiment: str) -> str:
        """Where an experiment is described; the section where it was not measured."""
        part = self.part("curves")
        known = {e.id: e.anchor for e in part.experiments} if isinstance(part, CurvesPart) else {}
        return known.get(experiment, "curves")

    def pictures(self) -> list[Picture]:
        """Every figure of the report."""
        own = [picture for card in self.claims for picture in (card.picture, card.beside_picture) if picture]
        return [*filter(None, [self.forest]), *own] + [
            picture for _, part in self.sections if part for picture in part.pictures
        ]


def banner(verdicts: Verdicts) -> str:
    """What has to be known before anything is read."""
    own = sentences.exploratory_words(verdicts.registered) if verdicts.exploratory else ""
    return " ".join(filter(None, (own, SAID[verdicts.origin])))


def gather(material: Material) -> Content:
    """Everything the report says."""
    registry, verdicts = material.registry, material.verdicts
    suite = registry.suites[verdicts.suite]
    return Content(
        verdicts=verdicts,
        suite=suite,
        origin=origin_words(verdicts),
        banner=banner(verdicts),
        overall=sentences.overall(verdicts),
        levels=sentences.levels(suite, len(registry.primaries(suite.id))),
        tuning=verdicts.master_seed >= sentences.TUNING_SEEDS,
        claims=cards(material),
        sections=tuple((section, section.build(material)) for section in SECTIONS),
        front=front(material),
        forest=forest_plot(verdicts),
        reach=reach(forest_rows(verdicts)),
        diagnosis=(diagnose(verdicts) or "") if material.own else "",
    )
