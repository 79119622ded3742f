"""The data of a block of replicates: every example once, and which rows each replicate uses for what."""

from pathlib import Path

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
    if experiment.network.kind == "mlp":
        whole = (normalise(whole, data.mean, data.std) if whole.dtype == torch.uint8 else whole).flatten(1)
    inputs = whole if large else whole.to(device)
    mean, std = (torch.tensor(values, dtype=torch.float32, device=device) for values in (data.mean, data.std))
    return Examples(inputs, torch.from_numpy(np.concatenate(y)).to(device), mean, std)


def load(
    experiment: Experiment, master: int, replicates: tuple[int, ...], cache: Path | None, device: torch.device
) -> Folds:
    """The folds of a block, resident on the device where they fit."""
    sources = replicates if drawn(experiment) else replicates[:1]
    sets = [replicate_arrays(experiment, master, replicate, cache) for replicate in sources]
    y_train = [labels(experiment, master, r, arrays) for r, arrays in zip(sources, sets, strict=True)]
    rows: dict[str, list[np.ndarray]] = {"train": [], "validation": [], "test": []}
    for index, replicate in enumerate(replicates):
        own = index if len(sets) > 1 else 0
        generator = stream(master, experiment.streams, replicate, "split")
        train, validation = train_validation_split(len(y_train[own]), experiment.data.validation, generator)
        before = sum(len(y) for y in y_train[:own])
        rows["train"].append(train + before)
        rows["validation"].append(validation + before)
        before = sum(len(arrays.y_test) for arrays in sets[:own])
        rows["test"].append(np.arange(len(sets[own].y_test)) + before)
    hashes = [arrays.sha256 for arrays in sets]
    return Folds(
        examples=examples(experiment, [arrays.x_train for arrays in sets], y_train, device),
        held_out=examples(
            experiment, [arrays.x_test for arrays in sets], [arrays.y_test for arrays in sets], device
        ),
        **{name: torch.from_numpy(np.stack(each)).to(device) for name, each in rows.items()},
        classes=sets[0].classes,
        sha256=tuple(hashes if len(hashes) > 1 else hashes * len(replicates)),
    )
