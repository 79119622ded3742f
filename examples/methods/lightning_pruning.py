"""Lightning's ModelPruning callback with use_lottery_ticket_hypothesis=True, as a method (pip install lightning).

lthbench test lightning_pruning:find                  what the callback leaves behind is where the ticket starts
lthbench test lightning_pruning:mask --claim FC-1,FC-7   only its mask, from the initialisation
"""

import copy
import logging
import warnings

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelPruning
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import lthbench

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Classifier(LightningModule):
    """The network, trained by Lightning with the recipe's optimizer and rate."""

    def __init__(self, network, recipe):
        super().__init__()
        self.network, self.recipe = network, recipe

    def training_step(self, batch, index):
        x, y = batch
        return functional.cross_entropy(self.network(x), y)

    def configure_optimizers(self):
        kind = torch.optim.Adam if self.recipe.optimizer == "adam" else torch.optim.SGD
        return kind(self.parameters(), lr=self.recipe.learning_rate)


def fitted(problem):
    """The module after as many rounds as the reference has: each trains, prunes globally, and resets."""
    model = Classifier(problem.module(), problem.recipe)
    left = [sum(problem.counts(level).values()) for level in range(problem.level + 1)]
    steps = problem.recipe.iterations
    callback = ModelPruning(
        "l1_unstructured",
        amount=lambda epoch: left[epoch] - left[epoch + 1],  # after every epoch, which is one whole training
        parameters_to_prune=[(layer_of(model.network, name), "weight") for name in problem.shapes],
        use_lottery_ticket_hypothesis=True,
        make_pruning_permanent=False,  # the masks are asked for below
    )
    data = TensorDataset(*problem.training_data)
    drawn = torch.utils.data.RandomSampler(data, replacement=True, num_samples=steps * problem.recipe.batch)
    trainer = Trainer(
        max_epochs=problem.level, accelerator="cpu", callbacks=[callback], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about workers and logging
        trainer.fit(model, DataLoader(data, problem.recipe.batch, sampler=drawn))
    return model.network, problem.level * steps


def layer_of(network, name):
    return network.get_submodule(name.removesuffix(".weight"))


def find(problem):
    """The ticket as the callback leaves it: masks, and the weights that it says it reset."""
    network, steps = fitted(problem)
    masks = {name: layer_of(network, name).weight_mask.bool() for name in problem.shapes}
    return lthbench.Ticket(masks, weights=copy.deepcopy(network.state_dict()), iterations=steps)


def mask(problem):
    """Its masks alone: the ticket starts from the initialisation, whatever the callback left."""
    found = find(problem)
    return lthbench.Ticket(found.mask, iterations=found.iterations)
