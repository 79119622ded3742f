"""Dropout: every network draws from a generator of its own, and nobody else's numbers change."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.models import registry
from lthbench.pruning import masks
from lthbench.recipe.experiment import Network, Pruning, Training
from lthbench.recipe.streams import stream
from lthbench.tickets import networks
from lthbench.tickets.barrier import errors_on_line
from lthbench.tickets.unit import make_task
from lthbench.training import loop, reference

TRAINING = Training("sgd", 0.05, batch=6, iterations=9, evaluate_every=3, momentum=0.9, weight_decay=1e-3)
NETWORKS = {
    "mlp": (Network("mlp", (8, 6), dropout=0.5), (10,)),
    "batch-norm": (Network("mlp", (8, 6), batch_norm=True, dropout=0.3), (10,)),
    "conv": (Network("conv-2", width=0.1, dropout=0.5), (1, 8, 8)),
}
BOTH = pytest.mark.parametrize(("network", "shape"), NETWORKS.values(), ids=NETWORKS)


def prepared(network, shape, owners=(1, 0, 1), **more):
    folds = lab.image_folds(shape)
    return lab.any_task(registry.model(network, shape, 10), TRAINING, folds, owners, 0.7, **more), folds


def close(first: dict, second: dict) -> None:
    """To rounding: the optimizer's kernel rounds the last few numbers of a stack in another way."""
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-6, err_msg=name)


@BOTH
def test_networks_side_by_side_are_each_alone(network, shape) -> None:
    task, folds = prepared(network, shape)
    together = loop.train(task, folds)
    for s in range(3):
        trained = loop.train(lab.alone(task, s), folds)
        close(trained.states[0], together.states[s])
        np.testing.assert_allclose(trained.validation_loss[:, 0], together.validation_loss[:, s], rtol=1e-5)


@BOTH
def test_they_are_the_reference_with_the_same_seeds(network, shape) -> None:
    task, folds = prepared(network, shape)
    fast, slow = loop.train(task, folds), reference.train(task, folds)
    for a, b in zip(fast.states, slow.states, strict=True):
        close(a, b)


@BOTH
def test_the_seed_decides_the_numbers_and_the_global_generator_does_not(network, shape) -> None:
    task, folds = prepared(network, shape, seeds=[7, 7, 8])
    same = {name: [getattr(task, name)[0]] * 3 for name in ("states", "masks", "owners", "orders")}
    task = dataclasses.replace(task, **same)
    torch.manual_seed(1)
    first = loop.train(task, folds)
    torch.manual_seed(2)
    lab.same_training(loop.train(task, folds), first)
    close(first.states[0], first.states[1])
    assert np.abs(first.states[0]["out.weight"] - first.states[2]["out.weight"]).max() > 1e-3


@BOTH
def test_training_leaves_torchs_generator_as_it_was(network, shape) -> None:
    task, folds = prepared(network, shape)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    loop.train(task, folds)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluation_drops_nothing() -> None:
    task, folds = prepared(*NETWORKS["batch-norm"])
    trained = loop.train(task, folds)
    for s, owner in enumerate(task.owners):
        for name, reported in (("test", trained.final_test_accuracy), ("train", trained.final_train_accuracy)):
            x, y = (part[owner] for part in lab.fold(folds, name))
            counted = lab.percent_correct(task.model, trained.states[s], x, y)
            assert reported[s] == pytest.approx(counted)


def test_a_network_without_random_layers_ignores_its_seed() -> None:
    folds = lab.image_folds((1, 8, 8))
    model = registry.model(Network("conv-2", width=0.1), (1, 8, 8), 10)
    task = lab.any_task(model, TRAINING, folds)
    lab.same_training(loop.train(task, folds), loop.train(dataclasses.replace(task, seeds=[98, 99]), folds))


def test_who_shares_dropout_is_as_the_table_of_streams_says(module) -> None:
    for unit in module.units:
        name = "dropout/copy" if unit.arm == "dense-copy" else "dropout"
        for seed, owner in zip(module.seen[unit.name].task.seeds, module.seen[unit.name].task.owners, strict=True):
            generator = stream(0, "module", unit.replicates[owner], name)
            assert seed == int(generator.integers(2**63))


def test_who_shares_crops_is_as_the_table_of_streams_says() -> None:
    training = dataclasses.replace(TRAINING, flip=True, pad_crop=1)
    network = Network("conv-2", width=0.05)
    experiment = lab.plain(id="moved", network=network, training=training, pruning=Pruning("global", 0.3))
    folds = lab.image_folds((1, 8, 8))
    model = registry.model(network, (1, 8, 8), 10)
    seen = {}
    for unit in lab.planned(experiment, {("dense-copy", 0)}):
        task = make_task(unit, model, folds, {})
        name = "augment/copy" if unit.arm == "dense-copy" else "augment"
        for s in (0, 1):
            generator = stream(0, "moved", s, name)
            offsets = generator.integers(0, 3, size=(9, 6, 2), dtype=np.uint8)
            np.testing.assert_array_equal(task.augmentation[s][..., :2], offsets)
            seen[unit.arm, s] = task.augmentation[s].tobytes()
    assert len(set(seen.values())) == 4


def test_the_barrier_is_the_same_whatever_the_global_generator_says(module) -> None:
    first, second = ([module.stored("final", "dense", 0, s) for s in order] for order in ((0, 1), (1, 0)))
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        found.append(errors_on_line(module.model, first, second, module.load_folds(), 3))
        assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(*found)


def test_snip_is_the_same_whatever_the_global_generator_says(module) -> None:
    pruning = dataclasses.replace(lab.GLOBAL, criterion="snip")
    snip = dataclasses.replace(module.experiment, pruning=pruning)
    unit = next(u for u in lab.planned(snip, {("pruned-at-init", 1)}) if u.arm == "pruned-at-init")
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        found.append(networks.mask_for(unit, module.model, module.load_folds(), {}, 0, 0))
        assert torch.equal(torch.get_rng_state(), before)
    assert lab.same(*found)
    assert 0 < sum(masks.counts(found[0]).values()) < sum(mask.size for mask in found[0].values())
