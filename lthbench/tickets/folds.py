"""The data of a block of replicates: every example once, and which rows each replicate uses for what."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lthbench.data import registry
from lthbench.data.arrays import Arrays
from lthbench.data.images import normalise
from lthbench.data.split import train_validation_split
from lthbench.recipe.experiment import Experiment
from lthbench.recipe.streams import stream, stream_seed
from lthbench.training.run import Examples, Folds

LARGEST_RESIDENT = 8 * 2**30  # bytes; a larger data set stays in main memory


def data_scope(experiment: Experiment) -> str:
    """The draw of the data belongs to the data set: experiments on the same one see the same draws."""
    data = experiment.data
    return f"{data.name}/{data.train}/{data.test}"


def drawn(experiment: Experiment) -> bool:
    """Whether every replicate has examples (or labels) of its own; else all share one copy of the data."""
    data = experiment.data
    subset = data.name != "npz" and (data.train, data.test) != (None, None)
    return subset or data.name in ("mnist1d", "digits") or experiment.shuffled_labels


def replicate_arrays(experiment: Experiment, master: int, replicate: int, cache: Path | None) -> Arrays:
    """The data set of one replicate."""
    draw = stream_seed(master, data_scope(experiment), replicate, "data") % 2**32
    return registry.load(experiment.data, draw, cache)


def labels(experiment: Experiment, master: int, replicate: int, arrays: Arrays) -> np.ndarray:
    """Training labels of one replicate, permuted where the experiment says so."""
    if experiment.shuffled_labels:
        return stream(master, experiment.streams, replicate, "labels").permutation(arrays.y_train)
    return arrays.y_train


def examples(experiment: Experiment, x: list[np.ndarray], y: list[np.ndarray], device: torch.device) -> Examples:
    """Examples on the device. Perceptrons get normalised flat features; other networks the data as they are."""
    data = experiment.data
    large = sum(part.nbytes for part in x) > LARGEST_RESIDENT
    whole = torch.from_numpy(x[0] if len(x) == 1 else np.concatenate(x))
    inputs = whole if large else whole.to(device)  # as bytes: a quarter of what normalised images would be
    if experiment.network.kind == "mlp":
        inputs = (normalise(inputs, data.mean, data.std) if inputs.dtype == torch.uint8 else inputs).flatten(1)
    mean, std = (torch.tensor(values, dtype=torch.float32, device=device) for values in (data.mean, data.std))
    return Examples(inputs, torch.from_numpy(np.concatenate(y)).to(device), mean, std)


@dataclass(frozen=True)
class Sets:
    """The data sets of some replicates on a device: one for each where they are drawn, else one for all.

    `train` and `test` count the examples of each set, which lie one after the other.
    """

    examples: Examples
    held_out: Examples
    train: tuple[int, ...]
    test: tuple[int, ...]
    classes: int
    sha256: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """What the inputs take."""
        return sum(part.x.numel() * part.x.element_size() for part in (self.examples, self.held_out))


def load_sets(
    experiment: Experiment, master: int, replicates: tuple[int, ...], cache: Path | None, device: torch.device
) -> Sets:
    """Read, or make, the data sets of some replicates and put them on the device where they fit."""
    sources = replicates if drawn(experiment) else replicates[:1]
    sets = [replicate_arrays(experiment, master, replicate, cache) for replicate in sources]
    y_train = [labels(experiment, master, r, arrays) for r, arrays in zip(sources, sets, strict=True)]
    return Sets(
        examples(experiment, [arrays.x_train for arrays in sets], y_train, device),
        examples(experiment, [arrays.x_test for arrays in sets], [arrays.y_test for arrays in sets], device),
        train=tuple(len(y) for y in y_train),
        test=tuple(len(arrays.y_test) for arrays in sets),
        classes=sets[0].classes,
        sha256=tuple(arrays.sha256 for arrays in sets),
    )


def load(
    experiment: Experiment,
    master: int,
    replicates: tuple[int, ...],
    cache: Path | None,
    device: torch.device,
    sets: Sets | None = None,
) -> Folds:
    """The folds of a block, resident on the device where they fit; `sets` where they are there already."""
    sets = sets or load_sets(experiment, master, replicates, cache, device)
    rows: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for index, replicate in enumerate(replicates):
        own = index if len(sets.train) > 1 else 0
        generator = stream(master, experiment.streams, replicate, "split")
        train, validation = train_validation_split(sets.train[own], experiment.data.validation, generator)
        before = sum(sets.train[:own])
        rows["train"].append(train + before)
        rows["validation"].append(validation + before)
        rows["test"].append(np.arange(sets.test[own]) + sum(sets.test[:own]))
    return Folds(
        examples=sets.examples,
        held_out=sets.held_out,
        **{name: torch.from_numpy(np.stack(each)).to(device) for name, each in rows.items()},
        classes=sets.classes,
        sha256=sets.sha256 if len(sets.sha256) > 1 else sets.sha256 * len(replicates),
    )


MOST_KEPT = {"cuda": 8 * 2**30}  # bytes of data sets beside the one in use; none in main memory, of which
# every process takes its own


class Kept:
    """The data of the units that a process trained last, on their device, for the next unit.

    Experiments on one data set, and blocks of replicates where they share its examples, share one copy.
    """

    def __init__(self) -> None:
        self.sets: dict[Any, Sets] = {}  # the latest last
        self.folds: tuple[Any, Folds] | None = None

    def folds_of(
        self,
        experiment: Experiment,
        master: int,
        replicates: tuple[int, ...],
        cache: Path | None,
        device: torch.device,
    ) -> Folds:
        """As `load`."""
        key = (sets_key(experiment, master, replicates), experiment.streams, master, replicates, cache, device)
        if self.folds is None or self.folds[0] != key:
            self.folds = None  # free the old ones first
            sets = self.sets_of(experiment, master, replicates, cache, device)
            self.folds = key, load(experiment, master, replicates, cache, device, sets)
        return self.folds[1]

    def sets_of(
        self,
        experiment: Experiment,
        master: int,
        replicates: tuple[int, ...],
        cache: Path | None,
        device: torch.device,
    ) -> Sets:
        """As `load_sets`. Data sets that there is no room for beside another are forgotten first, oldest first."""
        key = (sets_key(experiment, master, replicates), cache, device)
        sets = self.sets.pop(key, None)
        if sets is None:
            while sum(other.bytes for other in self.sets.values()) > MOST_KEPT.get(device.type, 0):
                del self.sets[next(iter(self.sets))]
            sets = load_sets(experiment, master, replicates, cache, device)
        self.sets[key] = sets
        return sets

    def forget(self) -> None:
        """The next unit reads its data anew: files may have changed."""
        self.sets.clear()
        self.folds = None


def sets_key(experiment: Experiment, master: int, replicates: tuple[int, ...]) -> tuple[Any, ...]:
    """What `load_sets` gives depends on, the device aside. Perceptrons get examples in another form."""
    drawn_for = (master, replicates) if drawn(experiment) else ()
    shuffled = experiment.streams if experiment.shuffled_labels else ""
    return (experiment.data, experiment.network.kind == "mlp", shuffled, *drawn_for)
