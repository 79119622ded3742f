"""The data of a block of replicates, each with its own draw and its own validation split."""

from pathlib import Path

import numpy as np
import torch

from lthbench.data import registry
from lthbench.data.arrays import Arrays
from lthbench.data.split import train_validation_split
from lthbench.recipe import Experiment
from lthbench.streams import seed, stream
from lthbench.training.run import Folds


def data_scope(experiment: Experiment) -> str:
    """The draw of the data belongs to the data set: experiments on the same one see the same draws."""
    data = experiment.data
    return f"{data.name}/{data.train}/{data.test}"


def replicate_arrays(experiment: Experiment, master: int, replicate: int, cache: Path | None) -> Arrays:
    """The data set of one replicate."""
    draw = seed(master, data_scope(experiment), replicate, "data") % 2**32
    return registry.load(experiment.data, draw, cache)


def split(experiment: Experiment, master: int, replicate: int, arrays: Arrays) -> dict[str, np.ndarray]:
    """Train, validation and test arrays of one replicate, features flattened."""
    y_train, x_train = arrays.y_train, arrays.x_train.reshape(len(arrays.x_train), -1)
    if experiment.shuffled_labels:
        y_train = stream(master, experiment.id, replicate, "labels").permutation(y_train)
    generator = stream(master, experiment.id, replicate, "split")
    train, validation = train_validation_split(len(y_train), experiment.data.validation, generator)
    return {
        "x_train": x_train[train],
        "y_train": y_train[train],
        "x_validation": x_train[validation],
        "y_validation": y_train[validation],
        "x_test": arrays.x_test.reshape(len(arrays.x_test), -1),
        "y_test": arrays.y_test,
    }


def load(
    experiment: Experiment, master: int, replicates: tuple[int, ...], cache: Path | None, device: torch.device
) -> Folds:
    """The folds of a block, resident on the device."""
    sets = [replicate_arrays(experiment, master, replicate, cache) for replicate in replicates]
    each = [split(experiment, master, r, arrays) for r, arrays in zip(replicates, sets, strict=True)]
    return Folds(
        **{name: torch.from_numpy(np.stack([one[name] for one in each])).to(device) for name in each[0]},
        classes=sets[0].classes,
        sha256=tuple(arrays.sha256 for arrays in sets),
    )
