"""A user's method in the dock: from what is asked to a run of its suite, tried before anything is trained."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from lthbench.claims import dock, own
from lthbench.claims.dock import Rung
from lthbench.claims.load import Registry, load
from lthbench.data.arrays import Arrays
from lthbench.data.cache import cache_root
from lthbench.data.registry import load as read_data
from lthbench.drive.preflight.run import before
from lthbench.drive.trial import tried
from lthbench.errors import UserError
from lthbench.plan.run import Run
from lthbench.pruning.counts import density
from lthbench.recipe import given
from lthbench.recipe.arms import ARMS
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import FUNCTION, Experiment, Network, check_patterns
from lthbench.words import choices

FEWEST = 8
DEEPEST = 60  # rounds


@dataclass(frozen=True)
class Question:
    """What a method is asked to stand: registered claims, on a registered network and data or on the user's own.

    `method` and `network` are named as recipes name them, `data` a data set by name or an .npz file; None is what
    the suite registers. `density` is a fraction of the weights; None is the registered level. `iterations`,
    `learning_rate` and `batch` change the registered recipe. `keep` are weights of the user's network that are
    never pruned, by name or pattern. `ticket` is a file, in a method's place (ticket.py).
    An implementation is named beside the question (implementation.py).
    """

    method: str
    claims: Sequence[str] = ()
    suite: str = "quick"
    network: Network | None = None
    data: str | None = None
    density: float | None = None
    iterations: int | None = None
    learning_rate: float | None = None
    batch: int | None = None
    replicates: int = FEWEST
    own_start: bool = False
    ticket: str | None = None
    keep: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.method and self.ticket:
            raise UserError("say what is tested: a method (package.module:function), or a ticket (--ticket FILE)")
        if self.keep and self.network is None:
            raise UserError("--keep names weights of your own network; add --network, or leave it out")
        if self.ticket and (self.own_start or self.density is not None):
            raise UserError(
                f"{self.ticket}: a ticket's file says its density and start; leave density and own start out"
            )


def prepared(question: Question, seed: int, out: Path, device: str = "auto") -> Run:
    """The run that answers a question. Its claim files are written below `out`, and stay if nothing is refused.

    The network and the data are looked at first, then the method is tried on them.
    """
    if not FUNCTION.match(question.method):
        raise UserError(f"method '{question.method}' is no function; write package.module:function")
    registry = load()
    if question.suite not in registry.suites:
        raise UserError(f"unknown suite '{question.suite}'; {choices(question.suite, registry.suites)}")
    claims = question.claims or [name for name in dock.DEFAULT if registers(registry, name, question.suite)]
    experiment, chance = experiment_of(registry, question, claims[0])
    rung = rung_of(experiment, question.density, dock.registered_level(registry, question.suite, claims[0]))
    in_files = own.beside(experiment, out / "claims")
    files = dock.files(registry, question.suite, claims, in_files, chance, rung, question.replicates)
    folder = written(out / "claims", files)
    try:
        run = Run(load(folder), dock.SUITE, seed, out=out, device=device)
        before(run)
        tried(experiment, rung.level, seed, cache_root(), "cpu")
    except BaseException:
        shutil.rmtree(folder)
        raise
    return run


def registers(registry: Registry, name: str, suite: str) -> bool:
    """Whether a suite has a claim, or what it is made from."""
    return name == dock.AS_GOOD or suite in registry.claims[name].suites


def experiment_of(registry: Registry, question: Question, claim: str) -> tuple[Experiment, float]:
    """What is trained, and the accuracy of guessing in percent: as registered as the question leaves it."""
    source = dock.registration_of(registry, question.suite, claim).experiment
    registered = registry.experiments[source]
    changes: dict[str, Any] = {
        name: value
        for name in ("iterations", "learning_rate", "batch")
        if (value := getattr(question, name)) is not None
    }
    method: dict[str, Any] = {"method": question.method, "own_start": question.own_start}
    if question.network is None and question.data is None and not changes:
        return replace(registered, **method), registry.suites[question.suite].chance
    if question.iterations is not None:
        changes |= {"evaluate_every": cadence(question.iterations), "milestones": (), "warmup": 0}
    network, pruning = question.network or registered.network, replace(registered.pruning, rewind=0)
    if question.network is not None:
        pruning = replace(pruning, layer_rates={}, keep=tuple(question.keep))  # rates name another's layers
    data = registered.data if question.data is None else own.data_of(question.data)[0]
    experiment = Experiment(
        id=dock.SUITE,
        title=f"{given.plain(network.kind)} on {Path(question.data or data.name).name}",
        network=network,
        data=data,
        training=replace(registered.training, **changes),
        pruning=pruning,
        draws=registered.draws,
        **method,
    )
    sizes = sizes_of(experiment)
    try:
        check_patterns(pruning, list(sizes))
    except ValueError as error:
        raise UserError(str(error)) from None
    return replace(experiment, weights=sum(sizes.values())), 100 / arrays_of(data).classes


def arrays_of(data: DataSpec) -> Arrays:
    """The data set, as one replicate sees it."""
    return read_data(data, 0, cache_root())


def sizes_of(experiment: Experiment) -> dict[str, int]:
    """How many weights each prunable one has."""
    from lthbench.models.registry import model  # here: torch

    arrays = arrays_of(experiment.data)
    prunable = model(experiment.network, arrays.x_train.shape[1:], arrays.classes).prunable
    return {name: prod(shape) for name, shape in prunable.items()}


def cadence(iterations: int) -> int:
    """How often to look at the validation set: about thirty times, a divisor of the iterations."""
    return next(every for every in range(max(1, iterations // 30), 0, -1) if iterations % every == 0)


def rung_of(experiment: Experiment, wanted: float | None, registered: int) -> Rung:
    """The level of the reference that leaves the wanted fraction of the weights, as nearly as a round can."""
    sizes = sizes_of(experiment)
    if wanted is None:
        return Rung(registered, density(sizes, experiment.pruning, registered))
    if not 0 < wanted < 1:
        raise UserError(f"--density {wanted:g}: a fraction of the weights, for example 0.1")
    rungs = [Rung(level, density(sizes, experiment.pruning, level)) for level in range(1, DEEPEST)]
    return min(rungs, key=lambda rung: abs(rung.density - wanted))


def written(folder: Path, files: dict[str, Any]) -> Path:
    """The files in a folder of their own; UserError where it holds claim files that are not ours."""
    if folder.exists():
        if not (folder / "suites" / f"{dock.SUITE}.yaml").is_file():
            raise UserError(f"{folder}: not made by `lthbench test`; choose another folder with --out")
        shutil.rmtree(folder)
    own.write_usable(folder, files)
    return folder


def says(run: Run, question: Question) -> Iterator[str]:
    """What a run will do, and what of it a suite registered."""
    units = run.units()
    experiment = units[0].experiment
    level = next(unit.level for unit in units if ARMS[unit.arm].of_method)
    left = density(sizes_of(experiment), experiment.pruning, level)
    name = given.plain(question.method)
    yield (
        f"{name} was tried on a tiny problem and can be used. It is asked for {100 * left:.3g} % of "
        f"the weights (level {level}); {sum(unit.networks for unit in units)} networks are trained beside its own."
    )
    yield run.registry.suites[run.suite].registered
