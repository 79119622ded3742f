"""What the report says, in order, before it becomes HTML or Markdown: both are written from this."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry, cells
from lthbench.claims.schema import (
    Cell,
    Claim,
    Published,
    Registration,
    Suite,
    endpoint_words,
)
from lthbench.footprint.format import Footprint
from lthbench.judging.diagnosis import UNWELL
from lthbench.judging.diagnosis import of as diagnose
from lthbench.judging.table import Table
from lthbench.judging.verdict import ClaimVerdict, LineResult, Verdicts
from lthbench.judging.words import sizes
from lthbench.recipe.arms import ARMS
from lthbench.recipe.engine import engine
from lthbench.recipe.experiment import Experiment
from lthbench.report import numbers, sentences
from lthbench.report.calibration import CalibrationPart, calibration_part
from lthbench.report.cost import Cost, costs, data_hashes, distinct, stale_recipes
from lthbench.report.density import density_plot
from lthbench.report.early_stop import early_stop_plot
from lthbench.report.given import (
    SAID,
    Counter,
    counters,
    given_pictures,
    group_words,
    origin_words,
    source_lines,
    sweep_words,
    what_was_given,
)
from lthbench.report.intervals import interval_plot
from lthbench.report.learning import learning_plot
from lthbench.report.line import line_plot
from lthbench.report.mutants import MutantPart, mutant_part
from lthbench.report.popular import PopularPart, popular_part
from lthbench.report.published import PublishedPart, published_part
from lthbench.report.style import Picture, slug
from lthbench.report.summaries import density_of, of_experiment
from lthbench.report.ticket_cost import TicketCost, ticket_cost
from lthbench.report.training import training_plot

VERSIONS = ("lthbench", "commit", "torch", "numpy", "python", "threads")


@dataclass(frozen=True)
class LineRow:
    """One line of a table of hypotheses, as printed."""

    id: str
    says: str
    endpoint: str
    contrast: str
    test: str
    asks: str
    margin_from: str
    n: str
    mean: str
    sd: str
    interval: str
    dz: str
    p_pass: str
    pass_level: str
    p_fail: str
    fail_level: str
    expected: str
    expected_sd: str
    decision: str
    note: str  # given results: the groups, and which test their form allowed


@dataclass(frozen=True)
class ClaimPart:
    """One claim's section."""

    verdict: ClaimVerdict
    claim: Claim
    anchor: str
    reasons: list[str]
    published: list[Published]  # those that no sentence on magnitude speaks of
    what_ran: list[tuple[str, list[tuple[str, str]]]]
    experiments: list[str]
    otherwise: str
    hypotheses: list[LineRow]
    beside: list[LineRow]
    gates_passed: bool
    picture: Picture | None
    counters: list[Counter]
    planned_from: str = ""
    planned: tuple[str, ...] = ()  # per hypothesis, where there was no tuning study
    by_hand: str = ""
    caveats: tuple[str, ...] = ()
    sweeps: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExperimentPart:
    """One experiment's curves."""

    id: str
    title: str
    anchor: str
    claims: list[str]
    pictures: list[Picture]


@dataclass(frozen=True)
class Content:
    """The whole report."""

    verdicts: Verdicts
    suite: Suite
    origin: str
    banner: str
    overall: str
    multiplicity: str
    tuning: bool
    claims: list[ClaimPart]
    experiments: list[ExperimentPart]
    costs: list[Cost]
    seconds: float
    versions: list[tuple[str, str]]
    devices: tuple[str, ...]
    engines: tuple[str, ...]
    engine_now: str
    stale_recipes: tuple[str, ...]
    data: tuple[str, ...]
    sources: tuple[str, ...] = ()
    calibration: CalibrationPart | None = None
    published: PublishedPart | None = None
    popular: PopularPart | None = None
    ticket_cost: TicketCost | None = None
    mutants: MutantPart | None = None
    diagnosis: str = ""  # which known bug the numbers resemble, where a claim failed or is blocked

    def unwell(self, verdict: ClaimVerdict) -> bool:
        """Whether the diagnosis belongs beside this claim."""
        return bool(self.diagnosis) and verdict.verdict in UNWELL

    def sections(self) -> list[tuple[str, str]]:
        """Anchor and name of what comes after the claims, as far as it is there."""
        return [
            (anchor, name)
            for anchor, name, there in (
                ("published", "published numbers beside ours", self.published),
                ("differences", "where our results differ", self.published),
                ("curves", "curves", self.experiments),
                ("popular", "popular accounts", self.popular),
                ("ticket-cost", "what a ticket costs", self.ticket_cost),
                ("calibration", "how often a verdict would be wrong", self.calibration),
                ("mutants", "which bugs would be noticed", self.mutants),
                ("provenance", "cost and provenance", True),
            )
            if there
        ]

    def pictures(self) -> list[Picture]:
        """Every figure of the report."""
        own = [part.picture for part in self.claims if part.picture]
        wrong = [self.calibration.picture] if self.calibration and self.calibration.picture else []
        return own + [picture for part in self.experiments for picture in part.pictures] + wrong


def gather(
    registry: Registry,
    verdicts: Verdicts,
    tidy: pd.DataFrame,
    provenance: Sequence[dict[str, Any]],
    footprint: Footprint | None = None,
) -> Content:
    """Everything the report says."""
    suite = registry.suites[verdicts.suite]
    own = verdicts.origin == "own"
    return Content(
        verdicts=verdicts,
        suite=suite,
        origin=origin_words(verdicts),
        banner=SAID[verdicts.origin],
        overall=sentences.overall(verdicts),
        multiplicity=sentences.multiplicity(len(registry.primaries(suite.id)), verdicts.alpha)
        + sentences.two_looks(suite),
        tuning=verdicts.master_seed >= sentences.TUNING_SEEDS,
        claims=[
            claim_part(registry, verdicts, verdict, tidy) if own else given_part(registry, verdicts, verdict)
            for verdict in verdicts.claims
        ],
        experiments=experiment_parts(registry, verdicts, tidy)
        if own
        else given_experiments(registry, verdicts, tidy),
        costs=costs(registry, tidy, provenance) if own else [],
        seconds=sum(float(entry.get("seconds", 0)) for entry in provenance),
        versions=[(key, ", ".join(distinct(provenance, key))) for key in VERSIONS],
        devices=distinct(provenance, "device"),
        engines=distinct(provenance, "engine"),
        engine_now=engine(),
        stale_recipes=stale_recipes(registry, provenance),
        data=data_hashes(provenance),
        sources=tuple(source_lines(provenance)),
        calibration=calibration_part(registry, verdicts),
        published=published_part(registry, verdicts),
        popular=popular_part(registry, verdicts),
        ticket_cost=ticket_cost(registry, verdicts, tidy, footprint),
        mutants=mutant_part(verdicts),
        diagnosis=(diagnose(verdicts) or "") if own else "",
    )


def claim_part(registry: Registry, verdicts: Verdicts, verdict: ClaimVerdict, tidy: pd.DataFrame) -> ClaimPart:
    """One claim's section."""
    claim, suite = registry.claims[verdict.id], verdicts.suite
    registered = claim.suites[suite]
    # What its look saw, which may be fewer replicates than are registered.
    registration = registered.model_copy(update={"replicates": verdict.replicates})
    wanted = cells(registration)
    names = list(dict.fromkeys([verdict.experiment, *(cell.experiment for cell in wanted)]))
    return ClaimPart(
        verdict=verdict,
        claim=claim,
        anchor=slug(verdict.id),
        reasons=sentences.reasons(verdict),
        published=[
            p
            for p in claim.published
            if p.suite in (None, suite) and not any(p.quantity in said for said in verdict.magnitude)
        ],
        planned_from=registration.planned_from,
        planned=tuple(
            f"{h.id}: {h.expected.planned_from} ({h.expected.verified})"
            for h in registration.hypotheses
            if h.expected is not None and h.expected.planned_from
        ),
        what_ran=[
            what_ran(registry.experiments[name], [c for c in wanted if c.experiment == name], registration, tidy)
            for name in names
            if any(cell.experiment == name for cell in wanted)
        ],
        experiments=names,
        otherwise=sentences.otherwise(verdict, suite),
        hypotheses=[line_row(line) for line in verdict.hypotheses],
        beside=[line_row(line) for line in verdict.beside],
        gates_passed=all(gate["passed"] for gate in verdict.gates),
        picture=interval_plot(verdict),
        counters=counters(registry, claim, verdicts),
    )


def given_part(registry: Registry, verdicts: Verdicts, verdict: ClaimVerdict) -> ClaimPart:
    """The section of a claim judged on results that were not trained here."""
    claim = registry.claims[verdict.id]
    registration = claim.suites[verdicts.suite]
    # Caveats and the reading by hand are about the released numbers, not about a stranger's.
    released = verdicts.origin == "published"
    return ClaimPart(
        verdict=verdict,
        claim=claim,
        anchor=slug(verdict.id),
        reasons=sentences.reasons(verdict),
        published=[p for p in claim.published if not any(p.quantity in said for said in verdict.magnitude)],
        what_ran=what_was_given(registry, verdicts, registration),
        experiments=[cell.experiment for cell in cells(registration)],
        otherwise=sentences.otherwise(verdict, verdicts.suite),
        hypotheses=[line_row(line) for line in verdict.hypotheses],
        beside=[line_row(line) for line in verdict.beside],
        gates_passed=all(gate["passed"] for gate in verdict.gates),
        picture=interval_plot(verdict),
        counters=counters(registry, claim, verdicts),
        by_hand=registration.by_hand if released else "",
        caveats=tuple(registration.caveats) if released else (),
        sweeps=tuple(words for line in verdict.hypotheses if (words := sweep_words(line))),
    )


def given_experiments(registry: Registry, verdicts: Verdicts, table: pd.DataFrame) -> list[ExperimentPart]:
    """The curves of results that were not trained here."""
    released = registry.suites[verdicts.suite].experiments if verdicts.origin == "published" else {}
    judged = {verdict.id for verdict in verdicts.claims}
    users = [
        (claim.id, {cell.experiment for cell in cells(registration)})
        for claim, registration in registry.registrations(verdicts.suite)
        if claim.id in judged
    ]
    return [
        ExperimentPart(
            id=name,
            title=f"{released[name].title} ({released[name].network})" if name in released else "As given",
            anchor=f"experiment-{slug(name)}",
            claims=[claim for claim, used in users if name in used],
            pictures=pictures,
        )
        for name, pictures in given_pictures(registry, verdicts, table).items()
        if pictures
    ]


def what_ran(
    experiment: Experiment, wanted: list[Cell], registration: Registration, tidy: pd.DataFrame
) -> tuple[str, list[tuple[str, str]]]:
    """An experiment in words, with the cells one claim looks at."""
    density = density_of(of_experiment(tidy, experiment.id))
    arms = list(dict.fromkeys(cell.arm for cell in wanted))
    levels = {cell.level: density.get((cell.arm, cell.level)) for cell in wanted if cell.level}
    draws = [f"{experiment.draws.get(arm, 1)} of {arm}" for arm in arms if ARMS[arm].stream]
    rows = [
        ("Network", sentences.network_words(experiment.network)),
        ("Data", sentences.data_words(experiment)),
        ("Training", sentences.training_words(experiment.training)),
    ]
    if levels:
        rows.append(("Pruning", sentences.pruning_words(experiment.pruning)))
        rows.append(("Levels", "; ".join(level_words(*item) for item in sorted(levels.items()))))
    gaps = not_run(wanted, registration, tidy)
    if gaps:
        rows.append(("Not run", gaps))
    rows.append(("Arms", "; ".join(f"{arm}: {ARMS[arm].says}" for arm in arms)))
    paired = (
        f"{registration.replicates}, paired: in each, the arms share data, split, initialisation and batch order, "
        "but for what an arm's name says is changed"
    )
    averaged = f"; draws averaged inside a replicate before any test: {', '.join(draws)}" if draws else ""
    return experiment.id, [*rows, ("Replicates", paired + averaged)]


def not_run(wanted: list[Cell], registration: Registration, tidy: pd.DataFrame) -> str:
    """The cells that lack replicates; empty when all are there."""
    table, n = Table(tidy), registration.replicates
    counts = {cell: len(table.replicates(cell, "final_test_accuracy", n)) for cell in wanted}
    return "; ".join(f"{cell.arm}@{cell.level}: {k} of {n} replicates" for cell, k in counts.items() if k < n)


def level_words(level: int, density: float | None) -> str:
    """A level and the density it stands for."""
    return f"level {level}" + (f" = {numbers.percent(density)} of the weights" if density is not None else "")


def line_row(line: LineResult) -> LineRow:
    """A line as printed."""
    e = line.evidence or {}
    expected = line.expected
    return LineRow(
        id=line.id,
        says=line.says,
        endpoint=endpoint_words(line.endpoint),
        contrast=line.contrast.replace(" - ", " − "),
        test=line.test,
        asks=sentences.required(line),
        margin_from=line.margin_from or "",
        n=sizes(line),
        mean=numbers.signed(e.get("mean")),
        sd=numbers.fixed(e.get("sd")),
        interval=f"{numbers.signed(e.get('low'))} to {numbers.signed(e.get('high'))}" if e else numbers.NOTHING,
        dz=numbers.NOTHING if line.groups else numbers.fixed(e.get("dz")),
        p_pass=numbers.p_value(e.get("p_pass")),
        pass_level=numbers.level(line.pass_level),
        p_fail=numbers.p_value(e.get("p_fail")),
        fail_level=numbers.level(line.fail_level),
        expected=numbers.signed(expected["effect"]) if expected else "",
        expected_sd=numbers.fixed(expected["sd"]) if expected else "",
        decision=line.decision,
        note=group_words(line),
    )


def experiment_parts(registry: Registry, verdicts: Verdicts, tidy: pd.DataFrame) -> list[ExperimentPart]:
    """The curves of every experiment in the table that a claim of the report looks at."""
    found = []
    registrations = {v.id: registry.claims[v.id].suites[verdicts.suite] for v in verdicts.claims}
    names = dict.fromkeys(c.experiment for r in registrations.values() for c in cells(r))
    measured = set(tidy["experiment"])
    for name in (name for name in names if name in measured):
        deciding = [
            (cell.arm, cell.level)
            for registration in registrations.values()
            for hypothesis in registration.hypotheses
            for cell in hypothesis.contrast.cells(registration.experiment)
            if cell.experiment == name and cell.level
        ]
        pictures = [
            training_plot(tidy, name),
            early_stop_plot(tidy, name),
            density_plot(tidy, name),
            learning_plot(tidy, name, deciding),
            line_plot(tidy, name),
        ]
        found.append(
            ExperimentPart(
                id=name,
                title=registry.experiments[name].title,
                anchor=f"experiment-{slug(name)}",
                claims=[i for i, r in registrations.items() if any(c.experiment == name for c in cells(r))],
                pictures=[picture for picture in pictures if picture],
            )
        )
    return found
