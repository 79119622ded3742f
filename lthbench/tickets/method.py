"""A method that finds tickets, of the user's: what it is given (a Problem) and what it gives back (a Ticket)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from lthbench.errors import UserError
from lthbench.models.mlp import Arrays
from lthbench.plan.unit import Unit
from lthbench.pruning import counts, masks
from lthbench.pruning.masks import Mask
from lthbench.recipe.experiment import Pruning, Training
from lthbench.recipe.streams import stream
from lthbench.tickets.fitted import initial_state
from lthbench.tickets.plain import (
    as_array,
    as_engine,
    as_torch,
    known_names,
    masks_of,
    own_name,
    own_tensors,
    refresh,
    tensors_of,
    under_own_names,
)
from lthbench.training import loop
from lthbench.training.reference import load, module_of, state_of
from lthbench.training.run import Folds, Model, Task
from lthbench.training.schedule import augmentation, batch_order, learning_rates
from lthbench.words import did_you_mean

Data = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Ticket:
    """What a method found.

    `mask`: for every prunable weight by name (`problem.shapes` has them) a bool array or tensor in the weight's
    shape as torch keeps it, (out, in, ...kernel). True stays.
    `weights`: where the ticket starts, under the names of the module's `state_dict`, buffers too; what is not
    named starts at the initialisation. None: all of it does.
    `iterations`: optimizer steps that finding it took, beside those of `problem.train`, which are counted.
    """

    mask: Mapping[str, Any]
    weights: Mapping[str, Any] | None = None
    iterations: int = 0


class Problem:
    """What a method is asked: find a ticket of `keep` weights in this network, on these data, by this recipe.

    `recipe` says how networks are trained and `pruning` how the reference is pruned; `level` is the number of
    rounds that the reference takes to the same density. `seed` is the replicate's: draw random numbers from
    it, or from the global generators of torch, numpy and `random`, which are seeded with it. There is no test set.
    `file` is the ticket file that the experiment names, if it does.
    """

    recipe: Training
    pruning: Pruning
    level: int
    file: str
    seed: int
    device: torch.device

    def __init__(self, unit: Unit, model: Model, folds: Folds, index: int) -> None:
        """The problem of replicate `index` of a unit."""
        experiment = unit.experiment
        self.recipe, self.pruning, self.level = experiment.training, experiment.pruning, unit.level
        self.device = folds.device
        self.iterations = 0  # optimizer steps that `train` made so far
        self.file = experiment.ticket
        self._unit, self._model, self._index = unit, model, index
        self._folds = replace(folds, held_out=folds.examples, test=folds.validation)
        self._initial = initial_state(unit, model, index)
        self.seed = int(self._stream(f"method/{unit.level}").integers(2**32))

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The prunable weights and their shapes, (out, in, ...kernel)."""
        return {name: kept.shape for name, kept in as_torch(self._model, masks.ones(self._model.prunable)).items()}

    def counts(self, level: int) -> dict[str, int]:
        """How many weights the reference keeps after so many rounds: by weight, or under "all" if it is global."""
        sizes = {name: int(np.prod(shape)) for name, shape in self.shapes.items()}
        return counts.ladder(sizes, self.pruning, level)

    @property
    def keep(self) -> int:
        """How many weights the ticket must keep."""
        return sum(self.counts(self.level).values())

    @property
    def density(self) -> float:
        """The fraction of the prunable weights that the ticket must keep."""
        return self.keep / sum(self.counts(0).values())

    @cached_property
    def training_data(self) -> Data:
        """Inputs (n, ...) as the network takes them, and labels (n,): copies, on the device."""
        return self._data(self._folds.train)

    @cached_property
    def validation_data(self) -> Data:
        """The same of the examples that are held back from training."""
        return self._data(self._folds.validation)

    def module(self) -> nn.Module:
        """A new module at the replicate's initialisation, on the device; change it as you like."""
        with torch.random.fork_rng(devices=[]):  # a module draws its own start, which is not used
            return module_of(self._model, self._initial).to(self.device)

    def train(
        self,
        module: nn.Module,
        mask: Mapping[str, Any] | None = None,
        iterations: int | None = None,
        start: int = 0,
    ) -> nn.Module:
        """Train a module in place by the recipe, as all arms are trained, and return it.

        It is one of `module()`, wrapped or pruned by torch.nn.utils.prune if you like. Weights outside the `mask`
        are zero and stay so. After iteration `start` of the recipe, with its rates and batches, `iterations` steps
        are made (default: to the recipe's end). Raises UserError for what does not fit the network.
        """
        last = self.recipe.iterations if iterations is None else start + iterations
        if not 0 <= start <= last <= self.recipe.iterations:
            raise UserError(
                f"problem.train: iterations {start} to {last} are not within the recipe's "
                f"{self.recipe.iterations}; call it again to train for longer"
            )
        plain = self.module()
        own, theirs = own_tensors(plain), tensors_of(module)
        copy_all(self._same_network(own, theirs), own)
        said = "problem.train: mask"
        given = self.own_names(masks_of(module), said) | self.own_names(mask or {}, said)
        worn = as_engine(self._model, checked_masks(given, self.shapes, said, whole=False))
        load(plain, self._trained(state_of(plain), worn, start, last))
        copy_all({name: own[own_name(self._known, name)] for name in theirs}, theirs)
        refresh(module)
        self.iterations += last - start
        return module

    def keep_largest(
        self,
        scores: Mapping[str, Any],
        keep: int | Mapping[str, int] | None = None,
        mask: Mapping[str, Any] | None = None,
    ) -> Mask:
        """The mask of the largest scores among the weights of a `mask` (default: all of them).

        `scores` has an array or tensor per weight of `shapes`. `keep` is how many weights stay of each, or of all
        together; default: as many as the reference keeps. Ties stay where they come last.
        """
        wanted = self.counts(self.level) if keep is None else keep
        remaining = {"all": wanted} if isinstance(wanted, int) else dict(wanted)
        said = "problem.keep_largest: mask"
        given = self.own_names(mask or {}, said)
        worn = {name: np.ones(shape, dtype=bool) for name, shape in self.shapes.items()}
        worn |= checked_masks(given, self.shapes, said, whole=False)
        whole = [name for name in worn if counts.kept(name, self.pruning)]
        called = self.own_names(scores, "problem.keep_largest: scores")
        missing = [name for name in worn if name not in called]
        if missing:
            raise UserError(
                f"problem.keep_largest: scores lack {', '.join(missing[:3])}; problem.shapes has all names"
            )
        return masks.prune({name: as_array(called[name]) for name in worn}, worn, remaining, whole)

    def own_names(self, named: Mapping[str, Any], said: str) -> dict[str, Any]:
        """Tensors or arrays under the network's own names, whatever wrappers, pruning and sharing made of them."""
        return under_own_names(self._known, named, said)

    @cached_property
    def _known(self) -> dict[str, str]:
        """The network's own name of each tensor, by every name it may be called."""
        return known_names(self.module())

    def _same_network(
        self, own: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """A module's tensors under the network's own names. UserError where it is another network."""
        named = self.own_names(theirs, "problem.train")
        odd = sorted(own.keys() ^ named.keys())
        if odd:
            computed = any(".parametrizations." in f".{name}" for name in odd)
            out = "; parametrize.remove_parametrizations first" if computed else ""
            raise UserError(
                f"problem.train: not the network of problem.module() (not in both: {', '.join(odd[:3])}){out}"
            )
        return named

    @torch.no_grad()
    def _trained(self, state: Arrays, mask: Mask, start: int, last: int) -> Arrays:
        """A state, trained from after iteration `start` to the end of iteration `last`."""
        training = replace(self.recipe, evaluate_every=self.recipe.iterations)  # no look in between is needed
        order, augmented = self._batches
        task = Task(
            model=self._model,
            training=training,
            states=[state],
            masks=[masks.ones(self._model.prunable) | mask],
            owners=[self._index],
            orders=[order],
            rates=learning_rates(training),
            augmentation=[] if augmented is None else [augmented],
            seeds=[int(self._stream("dropout").integers(2**63))],
            start=start,
        )
        course = loop.begin(task, self._folds)
        loop.advance(course, start, last)
        return loop.unstack(course.state.net, 1)[0]

    @cached_property
    def _batches(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The batch order and augmentation that all arms of the replicate see."""
        examples = self._folds.train.shape[1]
        order = batch_order(examples, self.recipe, self._stream("order"))
        return order, augmentation(self.recipe, self._stream("augment"))

    def _data(self, rows: torch.Tensor) -> Data:
        own = rows[self._index]
        return self._folds.examples.inputs(own), self._folds.examples.labels(own)

    def _stream(self, name: str) -> np.random.Generator:
        unit = self._unit
        return stream(unit.master, unit.experiment.streams, unit.replicates[self._index], name)


Method = Callable[[Problem], Ticket]


@torch.no_grad()
def copy_all(source: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors by name. Raises UserError where the shapes differ."""
    for name, tensor in target.items():
        if tensor.shape != source[name].shape:
            raise UserError(
                f"problem.train: {name} has shape {tuple(source[name].shape)}, not {tuple(tensor.shape)}"
            )
        tensor.copy_(source[name])


def checked_masks(
    mask: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], said: str, whole: bool = True
) -> Mask:
    """Masks as bool arrays of their own; UserError, which begins with `said`, where one cannot be a mask.

    `whole`: every weight has to have one.
    """
    missing = [name for name in shapes if name not in mask] if whole else []
    if missing:
        raise UserError(f"{said} lacks {', '.join(missing[:3])}; give one for every weight of problem.shapes")
    checked = {}
    for name, kept in mask.items():
        if name not in shapes:
            raise UserError(f"{said} names {name}, which is no prunable weight; {did_you_mean(name, shapes)}")
        array = as_array(kept)
        if array.dtype != bool:
            raise UserError(f"{said} of {name} is {array.dtype}; give booleans, True for a weight that stays")
        if array.shape != shapes[name]:
            raise UserError(
                f"{said} of {name} has shape {array.shape}, not {shapes[name]}; "
                "weights lie as in torch, (out, in, ...)"
            )
        checked[name] = array
    return checked
