"""github.com/rahulvigneswaran/Lottery-Ticket-Hypothesis-in-Pytorch, whole, as an implementation.

git clone https://github.com/rahulvigneswaran/Lottery-Ticket-Hypothesis-in-Pytorch theirs
pip install tensorboardX seaborn tqdm torchvision
PYTHONPATH=theirs:examples/implementations lthbench test --implementation lth_in_pytorch:run --claim FC-1,FC-6

Its main() runs as it is, initialisation and optimizer included. It gets the replicate's network and data in place
of its own, and weights, masks and accuracies are noted as it goes.
"""

import contextlib
import importlib
import os
from argparse import Namespace
from functools import cache, partial
from unittest import mock

import torch
from torch.utils.data import TensorDataset

DEEPEST = 9  # rounds that claims of the suite look at
KINDS = {"dense": "lt", "ticket": "lt", "reinit": "reinit"}
done = {}  # what main() came to, by replicate, kind and draw: one call trains all levels


def run(problem, arm):
    """The arm at its level."""
    if arm.name not in KINDS:
        raise NotImplementedError(f"it has no arm {arm.name}; ask for --claim FC-1 or FC-6")
    asked = (problem.replicate, KINDS[arm.name], arm.draw)
    if asked not in done or len(done[asked]) <= arm.level:
        done[asked] = levels(problem, KINDS[arm.name], most=max(arm.level, DEEPEST))
    return done[asked][arm.level]


def levels(problem, kind, most):
    """What main() trains, level by level."""
    theirs, fc1 = imported(str(problem.folder))
    notes, epochs = [], max(1, round(problem.recipe.iterations * problem.recipe.batch / len(problem.train[0])))
    train, test, seen = theirs.train, theirs.test, {"epochs": 0}

    def training(model, loader, optimizer, criterion):
        if seen["epochs"] % epochs == 0:
            notes.append({"start": state(model)})
        loss = train(model, loader, optimizer, criterion)
        seen["epochs"] += 1
        if seen["epochs"] % epochs == 0:
            names = [name for name, _ in model.named_parameters() if "weight" in name]
            accuracy = test(model, seen["loader"], criterion)
            mask = {name: torch.as_tensor(kept != 0) for name, kept in zip(names, theirs.mask, strict=True)}
            notes[-1] |= {"weights": state(model), "mask": mask, "final_test_accuracy": accuracy}
        return loss

    def testing(model, loader, criterion):
        seen["loader"] = loader
        return test(model, loader, criterion)

    arguments = Namespace(
        lr=problem.recipe.learning_rate, batch_size=problem.recipe.batch, start_iter=0, end_iter=epochs,
        print_freq=1, valid_freq=1, resume=False, prune_type=kind, gpu="0", dataset="mnist", arch_type="fc1",
        prune_percent=100 * problem.pruning.rate, prune_iterations=most + 1,
    )  # fmt: skip
    data = {True: TensorDataset(*problem.train), False: TensorDataset(*problem.test)}
    theirs.resample = False
    with (
        mock.patch.multiple(theirs, train=training, test=testing, plt=mock.MagicMock()),
        mock.patch.object(theirs, "tqdm", partial(theirs.tqdm, disable=True)),
        mock.patch.object(theirs.datasets, "MNIST", lambda root, train, **more: data[train]),
        mock.patch.object(fc1, "fc1", problem.module),
        contextlib.chdir(problem.folder),
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        theirs.main(arguments)
    return notes


@cache
def imported(folder):
    """Their modules; importing main.py opens a log in the folder one is in."""
    with contextlib.chdir(folder):
        return importlib.import_module("main"), importlib.import_module("archs.mnist.fc1")


def state(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
