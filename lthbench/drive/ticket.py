"""A ticket that is there already, in the dock: from its file to a run of its suite."""

import math
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lthbench.claims import one_ticket, own
from lthbench.claims.dock import SUITE, Rung
from lthbench.claims.load import load
from lthbench.drive import dock
from lthbench.drive.dock import Question
from lthbench.errors import UserError
from lthbench.plan.run import Run
from lthbench.pruning.counts import ladder
from lthbench.recipe.experiment import Experiment, Pruning
from lthbench.recipe.ticket import Starts, starts_of
from lthbench.words import choices

if TYPE_CHECKING:
    from torch import nn

    from lthbench.training.run import Model

HALVINGS = 60  # of the interval of rates
ALIKE = 1.25  # two initialisations are of one scale if their root mean squares differ by less than this factor


def prepared(question: Question, seed: int, out: Path, device: str = "auto") -> Run:
    """The run that says whether a ticket wins; below `out` it writes the ticket in our format, and claim files.

    The ticket is fitted to its network before anything is trained.
    """
    registry = load()
    if question.suite not in registry.suites:
        raise UserError(f"unknown suite '{question.suite}'; {choices(question.suite, registry.suites)}")
    file = kept(question, out)
    starts = starts_of(str(file))
    names = one_ticket.asked(question.claims, starts)
    claims = [name for name in names if question.claims or dock.registers(registry, name, question.suite)]
    experiment, chance = dock.experiment_of(registry, question, claims[0])
    experiment, rung = with_ticket(experiment, file, starts)
    name = Path(question.ticket or file).name
    in_files = own.beside(replace(experiment, ticket=f"../tickets/{file.name}"), out / "claims")
    files = one_ticket.files(
        registry, question.suite, claims, in_files, chance, rung, question.replicates, name, starts
    )
    return Run(load(dock.written(out / "claims", files)), SUITE, seed, out=out, device=device)


def kept(question: Question, out: Path) -> Path:
    """The ticket in our format, below `out`."""
    from lthbench.tickets.imports import import_ticket  # here: torch

    theirs = Path(question.ticket or "")
    try:
        ticket = import_ticket(theirs).ticket
    except UserError as error:
        if not theirs.is_file():
            raise
        raise UserError(
            f"{error}\n`lthbench import {theirs} --out ticket.safetensors` makes a ticket of it"
        ) from None
    file = out.resolve() / "tickets" / f"{theirs.stem}.safetensors"
    ticket.write(file)
    return file


def with_ticket(experiment: Experiment, file: Path, starts: Starts) -> tuple[Experiment, Rung]:
    """The experiment with the ticket in every replicate, and a reference that is pruned to exactly its density."""
    from lthbench.tickets.fitted import fitted  # here: torch
    from lthbench.tickets.from_file import METHOD

    model, module = network_of(experiment)
    fit = fitted(file, module)
    sizes = {name: prod(shape) for name, shape in model.prunable.items()}
    left = sum(int(mask.sum()) for mask in fit.mask.values())
    pruning, level = pruned_to(left, sizes, replace(experiment.pruning, rewind=0))
    changed = replace(
        experiment,
        id=SUITE,  # streams of its own: never those that the ticket was found with
        method=METHOD,
        ticket=str(file),
        own_start=starts == "ticket",
        pruning=pruning,
        paired_with="",
        mask_from="",
        weights=sum(sizes.values()),
    )
    return changed, Rung(level, left / sum(sizes.values()))


def pruned_to(left: int, sizes: dict[str, int], pruning: Pruning) -> tuple[Pruning, int]:
    """A recipe and a number of rounds after which so many weights are left: the given one at another rate.

    The output layer keeps its share of the rate.
    """
    level = max(1, round(math.log(max(left, 1) / sum(sizes.values())) / math.log(1 - pruning.rate)))

    def at(rate: float) -> Pruning:
        output = None if pruning.output_rate is None else min(rate * pruning.output_rate / pruning.rate, 0.999)
        return replace(pruning, rate=rate, output_rate=output)

    def after(rate: float) -> int:
        return sum(ladder(sizes, at(rate), level).values())

    if after(pruning.rate) == left:
        return pruning, level
    low, high = 1e-9, 1 - 1e-9
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if after(middle) > left else (low, middle)
    nearest = min((low, high), key=lambda rate: abs(after(rate) - left))
    return at(nearest), level


def says(run: Run, question: Question) -> Iterator[str]:
    """What was read, what the run will do, and what its verdicts will speak of."""
    from lthbench.tickets.fitted import fitted  # here: torch
    from lthbench.tickets.imports import density_lines, import_ticket, start_lines

    units = run.units()
    experiment = units[0].experiment
    file, (_, module) = Path(experiment.ticket), network_of(experiment)
    yield from density_lines(fitted(file, module).mask)  # weights that the network shares count once
    yield from start_lines(import_ticket(file).ticket)
    yield from scales(experiment)
    yield from speaks_of(run)
    rounds = max(unit.level for unit in units)
    yield (
        f"{sum(unit.networks for unit in units)} networks are trained; the reference is pruned iteratively to the "
        f"same density, in {rounds} round{'s' * (rounds > 1)}."
    )
    yield run.registry.suites[run.suite].registered


def speaks_of(run: Run) -> Iterator[str]:
    """What the verdicts of a run speak of."""
    yield one_ticket.SPEAKS_OF[starts_of(run.units()[0].experiment.ticket)]


def scales(experiment: Experiment) -> Iterator[str]:
    """What makes the file's start another kind than the network's own: its scale, or that it was trained."""
    from lthbench.tickets.fitted import fitted  # here: torch
    from lthbench.tickets.imports import import_ticket

    file, (_, drawn) = Path(experiment.ticket), network_of(experiment)
    initial, weights = fitted(file, drawn).initial, drawn.state_dict()
    for name, weight in initial.items():
        if weight.dim() < 2:
            continue
        ratio = float(weight.square().mean().sqrt() / weights[name].square().mean().sqrt())
        if not 1 / ALIKE < ratio < ALIKE:
            yield (
                f"{name}: the file starts it {ratio:.3g} times as large as this network draws it, so that reinit "
                "is another kind of initialisation, not only another draw"
            )
    iteration = import_ticket(file).ticket.facts.get("start_iteration", 0)
    if iteration:
        yield f"it starts where a dense training was after {iteration} iterations; reinit starts from new weights"


def network_of(experiment: Experiment) -> tuple["Model", "nn.Module"]:
    """The network as engines see it, and as a module with weights drawn from a fixed seed."""
    from lthbench.models.registry import model as model_of  # here: torch
    from lthbench.training.reference import module_of

    arrays = dock.arrays_of(experiment.data)
    model = model_of(experiment.network, arrays.x_train.shape[1:], arrays.classes)
    return model, module_of(model, model.initial_state(np.random.default_rng(0)))
