"""A card for each claim: its verdict and why, the lines that decide, what was run or given, what qualifies it."""

import re
from dataclasses import dataclass

import pandas as pd

from lthbench.claims import frozen
from lthbench.claims.load import cells
from lthbench.claims.schema import (
    Cell,
    Claim,
    MarginRule,
    Published,
    Registration,
    Source,
    Suite,
    endpoint_words,
    margin_words,
)
from lthbench.judging.table import Table
from lthbench.judging.verdict import SYMBOLS, ClaimVerdict, LineResult, verdict_word
from lthbench.judging.words import clip_words, collapse_words, compared, level_interval, sizes
from lthbench.recipe.arms import ARMS
from lthbench.recipe.experiment import Experiment
from lthbench.report import numbers, sentences
from lthbench.report.figures.early_stop import early_stop_words
from lthbench.report.figures.forest import ForestRow, forest_row
from lthbench.report.figures.intervals import beside_plot, interval_plot
from lthbench.report.figures.sides import arms, came_out, endpoint, sides
from lthbench.report.figures.style import Picture, slug
from lthbench.report.figures.summaries import density_of, of_experiment
from lthbench.report.front import title_words
from lthbench.report.frozen import before_data, spans
from lthbench.report.given import Counter, counters, group_words, sweep_words, what_was_given
from lthbench.report.section import Material

ARXIV = re.compile(r"arXiv:? ?(?P<id>\d{4}\.\d{4,5})(?: ?(?P<version>v\d+))?", re.IGNORECASE)
MOST_SAID = 3  # hypotheses in words on a card


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
    at_level: str  # the interval at the level that decides
    dz: str
    p_pass: str
    pass_level: str
    p_fail: str
    fail_level: str
    expected: str
    expected_sd: str
    decision: str
    note: str  # clipping; given results: the groups, and which test their form allowed
    direction: str  # what lies above and below no difference
    came_out: str  # in words: which arm was better, by how much
    symbol: str


@dataclass(frozen=True)
class Quote:
    """A source as printed; `href` leads to the paper where an arXiv id is named."""

    text: str
    says: str
    paper: str
    where: str
    verified: str
    href: str


@dataclass(frozen=True)
class Card:
    """One claim's part of the report."""

    verdict: ClaimVerdict
    claim: Claim
    anchor: str
    reasons: list[str]
    collapses: list[str]
    published: list[Published]  # those that no sentence on magnitude speaks of
    what_ran: list[tuple[str, list[tuple[str, str]]]]
    experiments: list[str]
    otherwise: str
    hypotheses: list[LineRow]
    beside: list[LineRow]
    gates_passed: bool
    picture: Picture | None
    counters: list[Counter]
    registered: str = ""  # n and power of our own runs
    planned: tuple[str, ...] = ()  # per hypothesis, where there was no tuning study
    by_hand: str = ""
    caveats: tuple[str, ...] = ()
    sweeps: tuple[str, ...] = ()
    title: str = ""  # what was claimed, after what became of it
    said: tuple[str, ...] = ()  # the hypotheses in words, the deciding one first
    caveat: str = ""
    quote: Quote | None = None
    sources: tuple[Quote, ...] = ()  # all of them, the one quoted included
    beside_picture: Picture | None = None
    forest: ForestRow | None = None


def cards(material: Material) -> list[Card]:
    """A card for each claim of the report, in its order."""
    rules = {claim.id: rule for claim, rule in material.registry.registrations(material.verdicts.suite)}
    return [card(material, verdict, rules[verdict.id]) for verdict in material.verdicts.claims]


def card(material: Material, verdict: ClaimVerdict, rule: Registration) -> Card:
    """One claim's card; `rule` is what decided it."""
    registry, verdicts = material.registry, material.verdicts
    claim = registry.claims[verdict.id]
    names = list(dict.fromkeys([verdict.experiment, *(cell.experiment for cell in cells(rule))]))
    rules = {line.id: line.margin_rule for line in rule.hypotheses}
    own = rule if rule.trains and material.own else None
    # Caveats and the reading by hand are about the released numbers, not about a stranger's.
    released = rule if not rule.trains and verdicts.origin == "published" else None
    papers = published_values(claim, rule, verdict)
    sources = tuple(quoted(source) for source in claim.sources)
    return Card(
        verdict=verdict,
        claim=claim,
        anchor=slug(verdict.id),
        reasons=sentences.reasons(verdict),
        collapses=collapse_words(verdict.collapses, verdict.experiment),
        published=not_compared(claim, rule, verdict, verdicts.suite if own else None),
        what_ran=what_ran(material, own, verdict, names) if own else what_was_given(registry, verdicts, rule),
        experiments=names,
        otherwise=sentences.otherwise(verdict, verdicts.suite, verdicts.exploratory),
        hypotheses=[line_row(line, verdicts.exploratory, rules.get(line.id)) for line in verdict.hypotheses],
        beside=[line_row(line, verdicts.exploratory) for line in verdict.beside],
        gates_passed=all(gate.passed for gate in verdict.gates),
        picture=interval_plot(verdict, verdicts.exploratory, papers),
        counters=counters(registry, claim, verdicts),
        registered=registered(registry.suites[verdicts.suite], rule) + hash_words(material, verdict)
        if material.own
        else "",
        planned=planned(own) if own else (),
        by_hand=released.by_hand if released else "",
        caveats=tuple(released.caveats) if released else (),
        sweeps=tuple(words for line in verdict.hypotheses if (words := sweep_words(line))),
        title=title_words(verdict, verdicts.exploratory),
        said=said(verdict, verdicts.exploratory),
        caveat=caveat(material, claim, verdict, released),
        quote=next((source for source in sources if source.text), sources[0] if sources else None),
        sources=sources,
        beside_picture=beside_plot(verdict, verdicts.exploratory, papers),
        forest=forest_row(verdict),
    )


def hash_words(material: Material, verdict: ClaimVerdict) -> str:
    """The hash of the registration, whether it is the frozen one, and whether that was before the data."""
    registration = frozen.registered(material.registry, material.verdicts.suite, verdict.id)
    if registration is None or not verdict.freeze:
        return ""
    data = before_data(registration, spans(material.provenance))
    return f" Registration {verdict.registration[: frozen.SHOWN]}, {verdict.freeze}: {data}."


def quoted(source: Source) -> Quote:
    """A source with the address of its paper."""
    found = ARXIV.search(source.paper)
    href = f"https://arxiv.org/abs/{found['id']}{found['version'] or ''}" if found else ""
    return Quote(source.quote, source.says, source.paper, source.where, source.verified, href)


def said(verdict: ClaimVerdict, exploratory: bool) -> tuple[str, ...]:
    """How each hypothesis came out, the one that the verdict hangs on first; of many only some."""
    lines = [verdict.deciding, *(line for line in verdict.hypotheses if line is not verdict.deciding)]
    words = [
        f"{line.id} {SYMBOLS.get(line.decision, '')} {verdict_word(line.decision, exploratory)}. "
        f"{endpoint(line).capitalize()}: {came_out(line) or line.undecidable or 'no number for every replicate'}; "
        f"margin {numbers.short(line.delta)} {line.unit}."
        for line in lines
    ]
    more = len(words) - MOST_SAID
    if more <= 1:
        return tuple(words)
    decisions = [line.decision for line in lines[MOST_SAID:]]
    counted = ", ".join(f"{decisions.count(d)} {verdict_word(d, exploratory)}" for d in dict.fromkeys(decisions))
    return (*words[:MOST_SAID], f"{numbers.count(more).capitalize()} more hypotheses: {counted}.")


def caveat(material: Material, claim: Claim, verdict: ClaimVerdict, released: Registration | None) -> str:
    """The one thing to know beside a verdict: what the data say otherwise, what was left out, what is disputed."""
    reversal = early_stop_words(verdict, material.tidy) if material.own else ""
    fallen = [c for c in verdict.collapses if c.collapsed]
    choices = (
        ("", [reversal] if reversal else []),
        ("", collapse_words(fallen, verdict.experiment)[:1] if fallen else []),
        ("About these data: ", released.caveats if released else []),
        ("Not tested here: ", verdict.not_tested),
        ("In the literature against it: ", claim.contradictions),
        ("It holds under: ", claim.conditions),
    )
    return next((start + texts[0] for start, texts in choices if texts), "")


def not_compared(claim: Claim, rule: Registration, verdict: ClaimVerdict, suite: str | None) -> list[Published]:
    """The published numbers that ours are not held against; of a suite of ours, those that can belong to it."""
    lines = [*verdict.hypotheses, *verdict.beside]
    measured = compared(claim, rule, lines) if rule.trains else []
    there = [effect for effect in claim.published if suite is None or not effect.suites or suite in effect.suites]
    return [effect for effect in there if effect not in [other for other, _ in measured]]


def published_values(claim: Claim, rule: Registration, verdict: ClaimVerdict) -> dict[str, list[float]]:
    """By line: the published values that ours are held against, in the line's unit."""
    measured = compared(claim, rule, [*verdict.hypotheses, *verdict.beside]) if rule.trains else []
    values: dict[str, list[float]] = {}
    for effect, line in measured:
        values.setdefault(line.id, []).append(effect.value)
    return values


def registered(suite: Suite, rule: Registration) -> str:
    """How many replicates were registered, with what power; of an exploratory suite, what it goes without."""
    if suite.exploratory:
        band = "an accuracy band but" if suite.dense_bands else "no accuracy band and"
        return f"n = {rule.replicates}, with {band} no promised power."
    look = f" (first look at {suite.first_look.replicates})" if suite.first_look else ""
    power = (
        "no promised power" if rule.power is None else f"power {numbers.rate(rule.power)} at the expected effects"
    )
    return f"Registered: n = {rule.replicates}{look}, {power}, from {rule.planned_from}."


def planned(registration: Registration) -> tuple[str, ...]:
    """Where each expected effect was read, where there was no tuning study."""
    return tuple(
        f"{h.id}: {h.expected.planned_from} ({h.expected.verified})"
        for h in registration.hypotheses
        if h.expected is not None and h.expected.planned_from
    )


def what_ran(
    material: Material, registration: Registration, verdict: ClaimVerdict, names: list[str]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """The experiments in words, with the cells the claim looks at."""
    experiments, tidy = material.registry.experiments, material.tidy
    wanted = {name: [cell for cell in cells(registration) if cell.experiment == name] for name in names}
    return [
        (name, experiment_rows(experiments[name], looked_at, verdict.replicates, tidy))
        for name, looked_at in wanted.items()
        if looked_at
    ]


def experiment_rows(
    experiment: Experiment, wanted: list[Cell], replicates: int, tidy: pd.DataFrame
) -> list[tuple[str, str]]:
    """One experiment; `replicates` is what the claim's look saw, which may be fewer than are registered."""
    density = density_of(of_experiment(tidy, experiment.id))
    arms = list(dict.fromkeys(cell.arm for cell in wanted))
    levels = {cell.level: density.get((cell.arm, cell.level)) for cell in wanted if cell.level}
    draws = [f"{experiment.draws.get(arm, 1)} of {arm}" for arm in arms if ARMS[arm].stream]
    rows = []
    if levels:
        rows.append(("Levels", "; ".join(level_words(*item) for item in sorted(levels.items()))))
    gaps = not_run(wanted, replicates, tidy)
    if gaps:
        rows.append(("Not run", gaps))
    rows.append(("Arms", "; ".join(f"{arm}: {ARMS[arm].says}" for arm in arms)))
    paired = (
        f"{replicates}, paired: in each, the arms share data, split, initialisation and batch order, "
        "but for what an arm's name says is changed"
    )
    averaged = f"; draws averaged inside a replicate before any test: {', '.join(draws)}" if draws else ""
    return [*rows, ("Replicates", paired + averaged)]


def not_run(wanted: list[Cell], n: int, tidy: pd.DataFrame) -> str:
    """The cells that lack some of n replicates; empty when all are there."""
    table = Table(tidy)
    counts = {cell: len(table.replicates(cell, "final_test_accuracy", n)) for cell in wanted}
    return "; ".join(f"{cell.arm}@{cell.level}: {k} of {n} replicates" for cell, k in counts.items() if k < n)


def level_words(level: int, density: float | None) -> str:
    """A level and the density it stands for."""
    return f"level {level}" + (f" = {numbers.percent(density)} of the weights" if density is not None else "")


def line_row(line: LineResult, exploratory: bool = False, margin_rule: MarginRule | None = None) -> LineRow:
    """A line as printed."""
    e = line.evidence or {}
    against, favour = sides(line)
    expected = line.expected
    return LineRow(
        id=line.id,
        says=line.says,
        endpoint=endpoint_words(line.endpoint),
        contrast=line.contrast.replace(" - ", " − "),
        test=line.test,
        asks=sentences.required(line),
        margin_from=margin_words(line.margin_from or "", margin_rule),
        n=sizes(line),
        mean=numbers.signed(e.get("mean")),
        sd=numbers.fixed(e.get("sd")),
        interval=f"{numbers.signed(e.get('low'))} to {numbers.signed(e.get('high'))}" if e else numbers.NOTHING,
        at_level=level_interval(line),
        dz=numbers.NOTHING if line.groups else numbers.fixed(e.get("dz")),
        p_pass=numbers.p_value(e.get("p_pass")),
        pass_level=numbers.level(line.pass_level),
        p_fail=numbers.p_value(e.get("p_fail")),
        fail_level=numbers.level(line.fail_level),
        expected=numbers.signed(expected["effect"]) if expected else "",
        expected_sd=numbers.fixed(expected["sd"]) if expected else "",
        decision=verdict_word(line.decision, exploratory),
        note="; ".join(filter(None, (clip_words(line).strip(" ()"), two_recipes(line), group_words(line)))),
        direction=f"above 0: {favour.says}; below: {against.says}",
        came_out=came_out(line),
        symbol=SYMBOLS.get(line.decision, ""),
    )


def two_recipes(line: LineResult) -> str:
    """What a line means that compares one arm in two experiments."""
    first, second = arms(line)
    homes = [side.rpartition(":")[0] for side in line.contrast.split(" - ")]
    if not first or first != second or homes[0] == homes[1]:
        return ""
    return f"one arm, {first}, in two experiments: it says how they differ, and nothing about the claim by itself"
