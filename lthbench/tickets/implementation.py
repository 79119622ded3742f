"""An implementation of the experiment, of the user's: what its `run(problem, arm)` is given, and asking it.

Their code trains every arm itself. It is called once for every arm of every replicate, parents first, in one
process per replicate, so that what it returned for an earlier arm is at hand. A run that was interrupted goes on
after the last arm that was finished.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lthbench.errors import UserError, place_of_function
from lthbench.models import registry
from lthbench.models.errors import told
from lthbench.pruning import counts, masks
from lthbench.recipe.arms import ARMS, closure
from lthbench.recipe.experiment import Experiment, Pruning, Training
from lthbench.recipe.streams import stream, stream_seed
from lthbench.results.returned import Arm, Cell, Measured, Record, Result, stored, taken, write
from lthbench.tickets import folds as data
from lthbench.tickets.method import Data
from lthbench.tickets.plain import as_torch
from lthbench.tickets.search import seeded
from lthbench.training.reference import module_of
from lthbench.training.run import Examples, Folds
from lthbench.training.schedule import batch_order


@dataclass(frozen=True)
class Problem:
    """The experiment of one replicate. Tensors are copies of the caller's own; labels are class numbers.

    `train`, `validation`, `test`: inputs (n, ...) as the network takes them, and labels (n,). `recipe` says how
    every arm is trained, `pruning` how weights are pruned, `counts(level)` how many are left. `order` (iterations,
    batch) are the rows of `train` in each batch, the same for all arms; `module()` is the network at the
    replicate's initial weights. Who uses both gets the reference's numbers, but for rounding. Who draws their own,
    from `seed` (one for all arms of the replicate), gets numbers of the same kind. `earlier` holds the results of
    the replicate's other arms by (name, level, draw). `folder` is this arm's own, and still there when an
    interrupted run goes on.
    """

    experiment: Experiment
    replicate: int
    seed: int
    train: Data
    validation: Data
    test: Data
    order: torch.Tensor
    earlier: Mapping[Cell, Result]
    folder: Path
    prunable: Mapping[str, tuple[int, ...]]
    build: Callable[[int | None], nn.Module]

    @property
    def recipe(self) -> Training:
        """Optimizer, learning rate, batch, iterations, when to evaluate: of every arm."""
        return self.experiment.training

    @property
    def pruning(self) -> Pruning:
        """Scope and rates."""
        return self.experiment.pruning

    def module(self, seed: int | None = None) -> nn.Module:
        """A new module at the replicate's initial weights, or at fresh ones of the same kind drawn from `seed`."""
        return self.build(seed)

    def counts(self, level: int) -> dict[str, int]:
        """How many weights stay after so many rounds: by weight, or under "all" if pruning is global."""
        sizes = {name: int(np.prod(shape)) for name, shape in self.prunable.items()}
        return counts.ladder(sizes, self.pruning, level)


Run = Callable[[Problem, Arm], Result | Mapping[str, Any]]


@dataclass(frozen=True)
class Question:
    """One replicate of one experiment that an implementation is asked for: which arms, in which order.

    `run` is named `package.module:function`, or is a command. Records go below `folder`.
    """

    run: str
    experiment: Experiment
    arms: tuple[Arm, ...]
    master: int
    replicate: int
    folder: Path
    cache: Path | None = None

    def folder_of(self, arm: Arm) -> Path:
        """Where the record of an arm and its own files lie."""
        return self.folder / f"replicate-{self.replicate}" / f"{arm.name}-{arm.level}-draw-{arm.draw}"


def arms_of(cells: set[tuple[str, int]], draws: Mapping[str, int]) -> tuple[Arm, ...]:
    """The arms to ask for, what they are made from before them; control arms in all their draws."""
    return tuple(
        Arm(name, level, draw)
        for name, level in closure(cells | {("dense", 0)})
        for draw in range(draws.get(name, 1) if ARMS[name].stream else 1)
    )


def function(name: str) -> Run:
    """An implementation by its name `package.module:function`. Raises UserError where there is none."""
    module, _, attribute = name.partition(":")
    try:
        own = getattr(importlib.import_module(module), attribute, None)
    except (Exception, SystemExit) as error:  # the user's code may fail in any way
        raise UserError(
            f"implementation {name}: cannot import {module} ({told(error)}); it must be installed here or lie on "
            "PYTHONPATH"
        ) from None
    if not callable(own):
        raise UserError(f"implementation {name}: {module} has no function {attribute}")
    return own


def answers(question: Question, run: Run, tell: Callable[[Arm], None] = lambda arm: None) -> dict[Cell, Record]:
    """The records of all arms of a replicate, those that are there and those asked for now.

    Raises UserError for an answer that cannot be used; what the user's code raises comes through.
    """
    records: dict[Cell, Record] = {}
    folds: Folds | None = None
    for arm in question.arms:
        record = stored(question.folder_of(arm))
        if record is None:
            folds = folds or folds_of(question)
            record = asked(question, run, arm, folds, {cell: record.result for cell, record in records.items()})
            write(question.folder_of(arm), record)
        records[arm.cell] = record
        tell(arm)
    return records


def folds_of(question: Question) -> Folds:
    """The data of the replicate."""
    device = torch.device("cpu")
    return data.load(question.experiment, question.master, (question.replicate,), question.cache, device)


def asked(question: Question, run: Run, arm: Arm, folds: Folds, earlier: Mapping[Cell, Result]) -> Record:
    """Ask for one arm; global random numbers are seeded before, for code that draws from them."""
    problem = problem_of(question, arm, folds, earlier)
    problem.folder.mkdir(parents=True, exist_ok=True)
    scope, drawn = question.experiment.streams, f"own/{arm.name}/{arm.level}/{arm.draw}"
    with seeded(stream_seed(question.master, scope, question.replicate, drawn) % 2**32):
        answer = run(problem, arm)
    files = sum(1 for file in problem.folder.rglob("*") if file.is_file())
    said = f"{question.run}{place_of_function(run)} for {arm.name}@{arm.level}"
    result = taken(answer, said)
    return Record(result, measured(problem, result, said) | {"files": float(files)})


def problem_of(question: Question, arm: Arm, folds: Folds, earlier: Mapping[Cell, Result]) -> Problem:
    """What the implementation is given: nothing of it is shared with another call."""
    experiment, scope = question.experiment, question.experiment.streams
    model = registry.model(experiment.network, folds.shape, folds.classes)

    def build(seed: int | None) -> nn.Module:
        own = stream(question.master, scope, question.replicate, "init")
        return module_of(model, model.initial_state(own if seed is None else np.random.default_rng(seed)))

    generator = stream(question.master, scope, question.replicate, "order")
    order = batch_order(folds.train.shape[1], experiment.training, generator)
    return Problem(
        experiment=experiment,
        replicate=question.replicate,
        seed=stream_seed(question.master, scope, question.replicate, "own") % 2**31,
        train=rows_of(folds.examples, folds.train[0]),
        validation=rows_of(folds.examples, folds.validation[0]),
        test=rows_of(folds.held_out, folds.test[0]),
        order=torch.from_numpy(np.array(order, dtype=np.int64)),
        earlier=dict(earlier),
        folder=question.folder_of(arm),
        prunable={name: kept.shape for name, kept in as_torch(model, masks.ones(model.prunable)).items()},
        build=build,
    )


def rows_of(examples: Examples, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Copies of some examples, as the network takes them."""
    return examples.inputs(rows).clone(), examples.labels(rows).clone()


@torch.no_grad()
def measured(problem: Problem, result: Result, said: str) -> Measured:
    """Accuracies and loss of the weights that were returned, measured by us; sizes of the data they are over.

    Raises UserError where the weights do not fit the network.
    """
    sizes = {
        "test_examples": float(len(problem.test[1])),
        "validation_examples": float(len(problem.validation[1])),
    }
    if result.weights is None:
        return sizes
    module = problem.module()
    fill(module, result.weights, f"{said}: weights")
    module.eval()
    accuracy, _ = score(module, *problem.test)
    validation, loss = score(module, *problem.validation)
    return sizes | {"test_accuracy": accuracy, "validation_accuracy": validation, "validation_loss": loss}


def score(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Accuracy in percent and mean cross-entropy."""
    logits = torch.cat([module(part) for part in x.split(1000)])
    correct = int((logits.argmax(-1) == y).sum())
    return 100 * correct / len(y), float(functional.cross_entropy(logits, y))


def fill(module: nn.Module, state: Mapping[str, Any], said: str) -> None:
    """Put a returned state into a module. Raises UserError where names or shapes differ."""
    own = module.state_dict()
    lacking = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    odd = [name for name in state if name not in own]
    if lacking or odd:
        raise UserError(f"{said}: not the state dict of problem.module() ({', '.join([*lacking, *odd][:3])})")
    for name, value in state.items():
        if tuple(np.shape(value)) != tuple(own[name].shape):
            raise UserError(f"{said}: {name} has shape {np.shape(value)}, not {tuple(own[name].shape)}")
        own[name].copy_(torch.from_numpy(np.array(value)))
