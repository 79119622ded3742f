"""Crops and flips inside the loop are those of the reference, image by image, and each network has its own."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.models import registry
from lthbench.models.errors import ModelError
from lthbench.recipe.experiment import Network, Pruning, Training
from lthbench.tickets.unit import run_unit
from lthbench.training import loop, reference
from lthbench.training.schedule import augmentation

SHAPE = (3, 8, 8)
PLAIN = Training("sgd", 0.05, batch=6, iterations=8, evaluate_every=4, momentum=0.9, weight_decay=1e-3)
RECIPES = {
    "both": dataclasses.replace(PLAIN, flip=True, pad_crop=2),
    "flip": dataclasses.replace(PLAIN, flip=True),
    "crop": dataclasses.replace(PLAIN, pad_crop=3),
}
NETWORKS = {"conv": Network("conv-2", width=0.05), "batch-norm": Network("resnet-8", width=0.25)}
FOLDS = lab.image_folds(SHAPE)


def shifted(image: np.ndarray, dy: int, dx: int, flipped: int, pad: int) -> np.ndarray:
    """One image, pixel by pixel."""
    moved = np.zeros_like(image)
    height, width = image.shape[1:]
    for i in range(height):
        for j in range(width):
            y, x = i + dy - pad, j + dx - pad
            if 0 <= y < height and 0 <= x < width:
                moved[:, i, width - 1 - j if flipped else j] = image[:, y, x]
    return moved


@pytest.mark.parametrize("training", RECIPES.values(), ids=RECIPES)
def test_batches_are_moved_pixel_by_pixel_as_declared(training) -> None:
    task = lab.any_task(registry.model(NETWORKS["conv"], SHAPE, 10), training, FOLDS, owners=(1, 0, 0))
    data, examples = loop.batches(task, FOLDS), FOLDS.examples
    for t in (0, 5):
        x, y = data.at(t)
        on_device = data.at(torch.tensor([t]))
        assert torch.equal(x, on_device[0])
        assert torch.equal(y, on_device[1])
        for s, owner in enumerate(task.owners):
            rows = FOLDS.train[owner][task.orders[s][t]]
            assert torch.equal(y[:, s], examples.y[rows])
            wanted = [
                shifted(examples.x[row].numpy(), *how.astype(int), training.pad_crop)
                for row, how in zip(rows, task.augmentation[s][t], strict=True)
            ]
            by_reference = reference.augmented(examples.x[rows], task.augmentation[s][t], training.pad_crop)
            np.testing.assert_array_equal(by_reference, np.stack(wanted))
            mean, std = (v.numpy()[:, None, None] for v in (examples.mean, examples.std))
            np.testing.assert_allclose(x[:, s], (np.stack(wanted) / 255 - mean) / std, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("training", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_training_with_augmentation_is_the_references(network, training) -> None:
    task = lab.any_task(registry.model(network, SHAPE, 10), training, FOLDS, owners=(1, 0, 0), density=0.6)
    fast, slow = loop.train(task, FOLDS), reference.train(task, FOLDS)
    for a, b in zip(fast.states, slow.states, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-3, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(fast.validation_loss, slow.validation_loss, rtol=1e-3)


def test_augmentation_changes_the_training_and_nothing_that_is_measured_on() -> None:
    task = lab.any_task(registry.model(NETWORKS["conv"], SHAPE, 10), RECIPES["both"], FOLDS)
    still = dataclasses.replace(task, augmentation=[])
    moved, plain = loop.train(task, FOLDS), loop.train(still, FOLDS)
    assert not lab.same(moved.states[0], plain.states[0])
    x, y = lab.fold(FOLDS, "test")
    for s in (0, 1):
        counted = lab.percent_correct(task.model, moved.states[s], x[s], y[s])
        assert moved.final_test_accuracy[s] == pytest.approx(counted)


def test_the_stream_draws_every_offset_and_both_sides_evenly() -> None:
    training = dataclasses.replace(RECIPES["both"], batch=100, iterations=100, evaluate_every=100)
    drawn = augmentation(training, np.random.default_rng(0))
    assert drawn.shape == (100, 100, 3)
    for axis in (0, 1):
        counts = np.bincount(drawn[..., axis].ravel(), minlength=5)
        assert len(counts) == 5  # 0 .. 2 x pad_crop
        assert np.abs(counts - 2000).max() < 5 * 40
    assert abs(drawn[..., 2].mean() - 0.5) < 5 * 0.005
    assert not np.array_equal(drawn[..., 0], drawn[..., 1])
    flips = dataclasses.replace(training, pad_crop=0)
    assert not augmentation(flips, np.random.default_rng(0))[..., :2].any()
    crops = dataclasses.replace(training, flip=False)
    assert not augmentation(crops, np.random.default_rng(0))[..., 2].any()
    np.testing.assert_array_equal(augmentation(crops, np.random.default_rng(0))[..., :2], drawn[..., :2])
    assert augmentation(PLAIN, np.random.default_rng(0)) is None


@pytest.mark.parametrize("how", ["flip", "crop"])
def test_what_is_no_image_is_not_moved_and_that_is_said(tmp_path, how) -> None:
    experiment = lab.plain(training=RECIPES[how], pruning=Pruning("global", 0.2))
    unit = lab.planned(experiment, set())[0]
    with pytest.raises(ModelError, match=r"plain: flip and pad_crop move images, but mlp sees .* shape \(192,\)"):
        run_unit(unit, tmp_path, lab.flat_folds(FOLDS), {})
    assert not list(tmp_path.iterdir())
