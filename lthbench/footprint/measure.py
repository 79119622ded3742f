"""Measure the tickets of a finished run: numbers of one machine, never part of a verdict."""

from collections.abc import Callable

import numpy as np
import torch

from lthbench.data.cache import cache_root
from lthbench.errors import UserError
from lthbench.footprint import latency, storage
from lthbench.footprint.format import SAYS, Footprint, Latency, Measured, Rung, Sizes
from lthbench.models import registry
from lthbench.models.mlp import MlpModule
from lthbench.plan.run import Run
from lthbench.plan.unit import Unit
from lthbench.recipe.arms import ARMS
from lthbench.recipe.experiment import Experiment
from lthbench.results import store
from lthbench.results.processor import processor
from lthbench.tickets.export import Ticket
from lthbench.tickets.export import ticket as ticket_of
from lthbench.training.reference import module_of

BATCHES = (1, 256)
MOST_TIMED = 4  # levels of an experiment
MASKS = ("iterative", "one-shot", "at-init")


def measure(run: Run, tell: Callable[[str], None], repetitions: int = latency.REPETITIONS) -> Footprint:
    """Every experiment of a run whose tickets are stored. Raises UserError where there is none."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        units = run.units()
        experiments = {unit.experiment.id: unit.experiment for unit in units}
        measured = [
            one_experiment(run, units, experiment, tell, repetitions) for experiment in experiments.values()
        ]
    finally:
        torch.set_num_threads(threads)
    kept = [experiment for experiment in measured if experiment is not None]
    if not kept:
        raise UserError(f"{run.results}: no ticket with its tensors is there; train first: {run.command('run')}")
    return Footprint(
        machine=processor(), torch=torch.__version__, threads=1, repetitions=repetitions, experiments=kept
    )


def tickets_of(run: Run, units: list[Unit], experiment: Experiment) -> list[Unit]:
    """The finished units of replicate 0 of the first pruned arm that has any, by level."""
    for arm, made in ARMS.items():
        of_arm = [u for u in units if (u.experiment.id, u.arm) == (experiment.id, arm) and 0 in u.replicates]
        there = [u for u in of_arm if store.finished(run.results, u)]
        if made.mask in MASKS and there:
            return sorted(there, key=lambda unit: unit.level)
    return []


def one_experiment(
    run: Run, units: list[Unit], experiment: Experiment, tell: Callable[[str], None], repetitions: int
) -> Measured | None:
    """One experiment; None where it has no ticket, or none with its tensors."""
    tickets = tickets_of(run, units, experiment)
    if not tickets:
        return None
    timed = {tickets[i].level for i in np.linspace(0, len(tickets) - 1, min(len(tickets), MOST_TIMED)).astype(int)}
    rungs = []
    for unit in tickets:
        ticket = ticket_of(unit, units, run.results, cache_root(), 0)
        rungs.append(one_ticket(experiment, unit.level, ticket, repetitions if unit.level in timed else 0))
        masks = matrices_of(ticket)
        tell(f"{experiment.id} {unit.arm}@{unit.level}")
    return Measured(
        experiment=experiment.id,
        arm=tickets[0].arm,
        weights=sum(mask.size for mask in masks.values()),
        break_even={name: storage.break_even(name, masks) for name in rungs[0].sizes if name != "dense"},
        rungs=rungs,
    )


def one_ticket(experiment: Experiment, level: int, ticket: Ticket, repetitions: int) -> Rung:
    """Bytes of one ticket, and its latency where repetitions are asked for."""
    masks = matrices_of(ticket)
    values = {name: ticket.tensors[f"start/{name}"].numpy() for name in masks}
    return Rung(
        level=level,
        density=ticket.facts["density"],
        sizes={name: sizes(name, values, masks) for name in SAYS if storage.fits(name, masks)},
        latency=latencies(experiment, ticket, repetitions) if repetitions else (),
    )


def masks_of(ticket: Ticket) -> dict[str, np.ndarray]:
    """The masks of a ticket as its module's parameters lie; where filters were pruned, of biases and norms too."""
    masks = {name: tensor for name, tensor in ticket.tensors.items() if name.startswith("mask/")}
    return {name.removeprefix("mask/"): tensor.numpy() for name, tensor in masks.items()}


def matrices_of(ticket: Ticket) -> dict[str, np.ndarray]:
    """The masks of its weights alone."""
    return {name: mask for name, mask in masks_of(ticket).items() if mask.ndim > 1}


def sizes(name: str, values: storage.Matrices, masks: storage.Matrices) -> Sizes:
    """One format of one ticket."""
    file, zipped = storage.file_sizes(name, values, masks)
    return Sizes(arithmetic=storage.exact_bytes(name, masks), file=file, zipped=zipped)


def latencies(experiment: Experiment, ticket: Ticket, repetitions: int) -> tuple[Latency, ...]:
    """All variants at every batch size; what values the weights hold does not matter to a clock."""
    shape = tuple(ticket.facts["example_shape"])
    model = registry.model(experiment.network, shape, ticket.facts["classes"])
    module = module_of(model, model.initial_state(np.random.default_rng(0)))
    one = (int(np.prod(shape)),) if isinstance(module, MlpModule) else shape
    generator = torch.Generator().manual_seed(0)
    networks = latency.variants(module, masks_of(ticket), torch.randn(2, *one, generator=generator))
    found = []
    for batch in BATCHES:
        times = latency.medians(networks, torch.randn(batch, *one, generator=generator), repetitions)
        for name, each in times.items():
            median, low, high = (float(f"{value:.4g}") for value in each)
            found.append(Latency(batch=batch, network=name, median=median, low=low, high=high))
    return tuple(found)
