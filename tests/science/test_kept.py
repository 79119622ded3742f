"""What a process keeps on the device from one unit to the next: data sets, folds and batch orders."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.drive import execute
from lthbench.plan.unit import plan_experiment
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Network
from lthbench.results import store
from lthbench.tickets import folds as block_data
from lthbench.tickets import unit as units
from lthbench.training import loop

META = torch.device("meta")
CELLS = {("dense", 0), ("dense-copy", 0), ("ticket", 1), ("reinit", 1)}


@pytest.fixture
def images(tmp_path):
    """A data set that all replicates share: 30 + 10 examples of 12 features, nothing drawn."""
    g = np.random.default_rng(0)
    x, y = g.standard_normal((40, 12)).astype(np.float32), np.arange(40) % 3
    np.savez(tmp_path / "own.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    return DataSpec("npz", validation=6, path=str(tmp_path / "own.npz"))


@pytest.fixture
def read(monkeypatch) -> list:
    """The data sets that are read, one after the other."""
    seen, arrays = [], block_data.replicate_arrays

    def watched(experiment, *rest):
        seen.append(experiment.data.name)
        return arrays(experiment, *rest)

    monkeypatch.setattr(block_data, "replicate_arrays", watched)
    execute.forget_folds()
    yield seen
    execute.forget_folds()


def short(**changes):
    """A perceptron's experiment, 20 iterations."""
    return lab.plain(training=dataclasses.replace(lab.ADAM, batch=5, iterations=20), **changes)


def one_by_one(experiment, root) -> None:
    """Each unit by a call of its own, as the workers of a pool do it."""
    planned = plan_experiment(experiment, CELLS, 4, 2, 0)
    for unit in planned:
        execute.run_units([unit], planned, root, None, "cpu", lambda *_: None)


def test_a_data_set_is_read_once_for_all_units_blocks_and_experiments_on_it(images, read, tmp_path) -> None:
    first = short(id="first", data=images)
    one_by_one(first, tmp_path)
    one_by_one(dataclasses.replace(first, id="second", network=Network("mlp", (7, 5))), tmp_path)
    assert read == ["npz"]
    execute.forget_folds()  # the run is over; files may change before the next one
    one_by_one(dataclasses.replace(first, id="third"), tmp_path)
    assert read == ["npz"] * 2


def test_draws_of_the_data_belong_to_their_replicates(read, tmp_path) -> None:
    one_by_one(short(), tmp_path)
    assert read == ["mnist1d"] * 4  # one for each replicate, not one for each unit


def test_what_is_kept_changes_no_number(images, read, tmp_path) -> None:
    experiment = short(data=images)
    one_by_one(experiment, tmp_path / "kept")
    planned = plan_experiment(experiment, CELLS, 4, 2, 0)
    for unit in planned:
        execute.forget_folds()
        execute.run_units([unit], planned, tmp_path / "anew", None, "cpu", lambda *_: None)
        paths = (store.path_of(tmp_path / name, unit) for name in ("kept", "anew"))
        mine, anew = map(store.read, paths)
        assert (mine.rows, mine.tensors) == (anew.rows, anew.tensors)


def test_batch_orders_are_drawn_once_for_a_block(images, read, tmp_path, monkeypatch) -> None:
    """And once more for a copy, which has an order of its own, and for who comes after it."""
    drawn, order = [], units.batch_order
    monkeypatch.setattr(units, "batch_order", lambda *given: drawn.append(given) or order(*given))
    one_by_one(short(data=images), tmp_path)
    copies = [unit.arm == "dense-copy" for unit in plan_experiment(short(data=images), CELLS, 4, 2, 0)[:4]]
    changes = 1 + sum(this != following for this, following in pairwise(copies))
    assert len(drawn) == 4 * changes  # replicates


def test_other_data_sets_stay_on_a_gpu_and_not_in_main_memory(images, read, monkeypatch) -> None:
    """Main memory: every process has its own."""
    other = dataclasses.replace(images, validation=5)
    both = [lab.plain(data=images), lab.plain(data=other)] * 2
    for device, most, times in ((lab.CPU, {}, 4), (META, {"meta": 10**6}, 2), (META, {"meta": 0}, 4)):
        monkeypatch.setattr(block_data, "MOST_KEPT", most)
        kept, before = block_data.Kept(), len(read)
        for experiment in both:
            kept.folds_of(experiment, 0, (0, 1), None, device)
        assert len(read) - before == times


def test_images_go_to_the_device_as_bytes(monkeypatch) -> None:
    """A quarter of what travels otherwise, and the device normalises them."""
    seen, normalise = [], block_data.normalise
    monkeypatch.setattr(
        block_data, "normalise", lambda x, *of: seen.append((x.device, x.dtype)) or normalise(x, *of)
    )
    data = DataSpec("mnist", mean=(0.1,), std=(0.3,))
    pixels, labels = np.zeros((5, 1, 4, 4), np.uint8), np.arange(5)
    made = block_data.examples(lab.plain(data=data), [pixels], [labels], META)
    assert seen == [(META, torch.uint8)]
    assert (made.x.device, made.x.dtype, tuple(made.x.shape)) == (META, torch.float32, (5, 16))


@pytest.mark.parametrize("network_first", [True, False])
def test_rows_take_four_bytes_and_are_those_of_the_orders(network_first: bool) -> None:
    folds = lab.image_folds((3, 8, 8))
    training = dataclasses.replace(lab.SGD, batch=4, flip=True, pad_crop=1)
    task = lab.any_task(
        lab.registry.model(Network("conv-2", width=0.1), (3, 8, 8), 10), training, folds, (1, 0, 1)
    )
    data = loop.batches(task, folds, network_first)
    assert data.rows.dtype == torch.int32
    axis = 1 if network_first else 2
    for s, owner in enumerate(task.owners):
        wanted = folds.train[owner].numpy()[task.orders[s]]
        np.testing.assert_array_equal(data.rows.select(axis, s).numpy(), wanted)
        np.testing.assert_array_equal(data.augmentation.select(axis, s).numpy(), task.augmentation[s])
