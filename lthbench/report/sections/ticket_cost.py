"""What a ticket costs: finding it (arithmetic on the recipe), storing it and running it (footprint.json)."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lthbench.claims.load import Registry
from lthbench.claims.popular import Statement
from lthbench.footprint.format import NETWORKS, SAYS, Footprint, Measured, Rung
from lthbench.judging.verdict import Verdicts
from lthbench.recipe.arms import ARMS, closure
from lthbench.recipe.experiment import Experiment
from lthbench.report.figures.summaries import density_of, of_experiment
from lthbench.report.numbers import NOTHING, percent, whole
from lthbench.report.section import Material, Part
from lthbench.report.sections.popular import ids
from lthbench.report.sections.provenance import iterations

SEARCHED = ("iterative", "one-shot", "at-init", "method")


@dataclass(frozen=True)
class Search:
    """What finding one ticket takes, as printed; a training is one of the dense network."""

    cell: str
    density: str
    to_find: str
    own: str
    trainings: str
    with_own: str


@dataclass(frozen=True)
class Grid:
    """A table: what it is of, headings, and rows of text."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class TicketCost(Part):
    """The whole section; without measurements only the search."""

    search: list[Search]
    storage: list[Grid]
    latency: list[Grid]
    machine: str
    sentences: dict[str, list[str]]  # of popular accounts, by what measures them


def ticket_cost(material: Material) -> TicketCost | None:
    """The section of a suite that was trained here; None where it looks at no pruned network."""
    registry, footprint = material.registry, material.footprint
    search = searches(registry, material.verdicts, material.tidy) if material.own else []
    if not search:
        return None
    networks = footprint.experiments if footprint else []
    return TicketCost(
        search=search,
        storage=[storage_grid(measured) for measured in networks],
        latency=[grid for measured in networks if (grid := latency_grid(measured)).rows],
        machine=machine_words(footprint) if footprint else "",
        sentences=sentences_of(registry.popular.statements if registry.popular else []),
    )


def searches(registry: Registry, verdicts: Verdicts, tidy: pd.DataFrame) -> list[Search]:
    """One row per ticket that a hypothesis of the report looks at."""
    wanted = {
        cell: None
        for verdict in verdicts.claims
        for line in registry.claims[verdict.id].suites[verdicts.suite].hypotheses
        for cell in line.contrast.cells(registry.claims[verdict.id].suites[verdicts.suite].experiment)
        if ARMS[cell.arm].mask in SEARCHED and not is_there(registry.experiments[cell.experiment], cell.arm)
    }
    return [
        search(registry.experiments[cell.experiment], cell.arm, cell.level, of_experiment(tidy, cell.experiment))
        for cell in sorted(wanted)
    ]


def is_there(experiment: Experiment, arm: str) -> bool:
    """Whether an arm's ticket was not searched for: it came in a file."""
    return bool(experiment.ticket) and ARMS[arm].mask == "method"


def search(experiment: Experiment, arm: str, level: int, rows: pd.DataFrame) -> Search:
    """All networks a ticket is made from are trained in turn: what that takes, from the recipe alone.

    What a user's method took was counted: the mean of the replicates.
    """
    before = [cell for cell in closure({(arm, level)}) if cell != (arm, level)]
    dense, own = experiment.training.iterations, iterations(experiment, arm)
    to_find = sum(iterations(experiment, name) for name, _ in before) if ARMS[arm].mask != "at-init" else 0
    if ARMS[arm].mask == "method":
        counted = rows[rows["arm"].eq(arm) & rows["level"].eq(level) & rows["metric"].eq("search_iterations")]
        to_find = round(counted["value"].mean())
    density = density_of(rows).get((arm, level))
    return Search(
        cell=f"{experiment.id}: {arm}@{level}",
        density=percent(density) if density is not None else NOTHING,
        to_find=whole(to_find),
        own=whole(own),
        trainings=f"{to_find / dense:.3g}",
        with_own=f"{(to_find + own) / dense:.3g}",
    )


def storage_grid(measured: Measured) -> Grid:
    """Bytes of every ticket in every format."""
    formats = list(measured.rungs[0].sizes)
    names = [SAYS[name][0] for name in formats]
    heads = ("weights remaining", *names, *(f"{name}, zipped" for name in names))
    rows = [
        (
            percent(rung.density),
            *(share(rung, name, "file") for name in formats),
            *(share(rung, name, "zipped") for name in formats),
        )
        for rung in measured.rungs
    ]
    even = "; ".join(f"{SAYS[name][0]} {percent(value)}" for name, value in measured.break_even.items())
    exact = "; ".join(f"{SAYS[name][0]}: {SAYS[name][1]}" for name in formats)
    return Grid(
        f"{measured.experiment}, {measured.arm} of replicate 0, {whole(measured.weights)} weights: "
        "bytes as safetensors",
        heads,
        tuple(rows),
        f"In brackets: share of dense. Density below which a format takes fewer bytes than dense float32, by "
        f"arithmetic: {even}. Formats: {exact}.",
    )


def share(rung: Rung, name: str, kind: str) -> str:
    """Bytes, and what that is of the dense file."""
    size = getattr(rung.sizes[name], kind)
    return f"{whole(size)} ({100 * size / rung.sizes['dense'].file:.0f} %)"


def latency_grid(measured: Measured) -> Grid:
    """Microseconds per call of every variant, per level and batch size."""
    rows = []
    for rung in measured.rungs:
        for batch in sorted({entry.batch for entry in rung.latency}):
            entries = {entry.network: entry for entry in rung.latency if entry.batch == batch}
            dense = entries["dense"].median
            rows.append(
                (
                    percent(rung.density),
                    str(batch),
                    *(
                        f"{micro(entries[name].median)} ({entries[name].median / dense:.2f} ×)"
                        if name in entries
                        else NOTHING
                        for name in NETWORKS
                    ),
                )
            )
    heads = ("weights remaining", "batch", *NETWORKS.values())
    title = f"{measured.experiment}: microseconds per call, median (times the dense network)"
    return Grid(title, heads, tuple(rows))


def machine_words(footprint: Footprint) -> str:
    """Where and how it was measured."""
    every = [entry for measured in footprint.experiments for rung in measured.rungs for entry in rung.latency]
    noise = max(((entry.high - entry.low) / entry.median for entry in every), default=0.0)
    return (
        f"Measured on {footprint.machine}, {footprint.threads} thread, torch {footprint.torch}: median processor "
        f"time of {footprint.repetitions} repetitions, networks in turn; the middle half of the repetitions spans "
        f"at most {100 * noise:.0f} % of a median. Numbers of one machine: no verdict rests on them."
    )


def micro(value: float) -> str:
    """Microseconds, three digits that count."""
    return whole(value) if value >= 100 else f"{value:.3g}"


def sentences_of(statements: Sequence[Statement]) -> dict[str, list[str]]:
    """The sentences of popular accounts by what measures them."""
    kinds = {kind for statement in statements for kind in statement.accounting}
    return {
        kind: [f"{ids(s)}: {s.says} ({s.judgement}: {s.paper})" for s in statements if kind in s.accounting]
        for kind in sorted(kinds)
    }
