"""M8: nothing is selected on test data, and the validation examples are never trained on."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.claims.schema import ENDPOINTS
from lthbench.results import store
from lthbench.tickets import folds as block_data
from lthbench.tickets.unit import run_unit
from lthbench.training import loop, reference

TEST_METRICS = ("early_stop_test_accuracy", "final_test_accuracy")


def garbage(folds, name, what="xy"):
    """Nonsense in the inputs, the labels or both of one fold; no other fold has those examples."""
    g = torch.Generator().manual_seed(3)
    part = "held_out" if name == "test" else "examples"
    examples, rows = getattr(folds, part), getattr(folds, name).flatten()
    x, y = examples.x.clone(), examples.y.clone()
    if "x" in what:
        x[rows] = 50 * torch.randn(x[rows].shape, generator=g)
    if "y" in what:
        y[rows] = torch.randint(0, 10, y[rows].shape, generator=g)
    return dataclasses.replace(folds, **{part: dataclasses.replace(examples, x=x, y=y)})


def rerun(ran, folds, root) -> dict:
    """Rows and tensors of every unit of block 0, trained on other folds from the lab's own parents."""
    found = {}
    for unit in (u for u in ran.units if u.block == 0):
        run_unit(unit, root, folds, ran.above(unit))
        record = store.read(store.path_of(root, unit))
        found[unit.name] = record.rows, store.read_tensors(store.path_of(root, unit), record)
    return found


def measured(ran, root) -> dict:
    paths = {u.name: store.path_of(root, u) for u in ran.units if u.block == 0}
    records = {name: store.read(path) for name, path in paths.items()}
    return {name: (r.rows, store.read_tensors(paths[name], r)) for name, r in records.items()}


def test_test_data_changes_no_weight_mask_curve_or_early_stop(ran, tmp_path) -> None:
    true = measured(ran, ran.root)
    other = rerun(ran, garbage(ran.load_folds(), "test"), tmp_path)
    assert other.keys() == true.keys()
    changed = 0
    for name, (rows, tensors) in true.items():
        assert lab.same(other[name][1], tensors)

        def free(all_rows):
            barrier = ("line_error", "barrier")
            return [r for r in all_rows if r[3] not in TEST_METRICS and not r[3].startswith(barrier)]

        assert free(other[name][0]) == free(rows)
        assert {"early_stop_test_accuracy", "validation_loss", "validation_accuracy"} <= {r[3] for r in rows}
        changed += other[name][0] != rows
    assert changed == len(true)  # the garbage did reach the test metrics


def test_validation_data_changes_no_weight_or_mask(ran, tmp_path) -> None:
    true = measured(ran, ran.root)
    other = rerun(ran, garbage(ran.load_folds(), "validation"), tmp_path)
    for name, (rows, tensors) in true.items():
        assert lab.same(other[name][1], tensors)

        def final(all_rows):
            return [r for r in all_rows if r[3] in ("final_test_accuracy", "final_train_accuracy", "mask_crc32")]

        assert final(other[name][0]) == final(rows)
        assert other[name][0] != rows


@pytest.mark.parametrize("shuffled_labels", [False, True])
def test_validation_examples_are_not_trained_on(ran, shuffled_labels) -> None:
    experiment = dataclasses.replace(ran.experiment, shuffled_labels=shuffled_labels)
    folds = block_data.load(experiment, 0, (0, 1), ran.cache, lab.CPU)
    x = {name: lab.fold(folds, name)[0].numpy() for name in lab.FOLDS}
    for replicate in (0, 1):
        arrays = block_data.replicate_arrays(experiment, 0, replicate, ran.cache)
        train, validation = ({row.tobytes() for row in x[part][replicate]} for part in ("train", "validation"))
        assert (len(train), len(validation)) == (300, 60)
        assert not train & validation
        assert train | validation == {row.tobytes() for row in arrays.x_train.reshape(360, -1)}
        np.testing.assert_array_equal(x["test"][replicate], arrays.x_test.reshape(200, -1))
        np.testing.assert_array_equal(lab.fold(folds, "test")[1][replicate], arrays.y_test)
        assert not train & {row.tobytes() for row in x["test"][replicate]}


def test_every_batch_comes_from_the_training_fold(ran) -> None:
    folds = ran.load_folds()
    for arm, level in (("dense", 0), ("ticket", 2), ("random-mask", 2)):
        seen = ran.watched(arm, level)
        for s, owner in enumerate(seen.task.owners):
            rows, labels = (part[owner].numpy() for part in lab.fold(folds, "train"))
            examples = {row.tobytes(): int(label) for row, label in zip(rows, labels, strict=True)}
            x, y = seen.fed(s)
            for row, label in zip(x.reshape(-1, 40), y.ravel(), strict=True):
                assert examples[row.tobytes()] == label


def test_the_early_stop_is_the_first_minimum_of_the_validation_loss(ran) -> None:
    for unit in ran.units:
        losses = ran.measured("validation_loss", unit.arm, unit.level, unit.block)
        stops = ran.measured("early_stop_test_accuracy", unit.arm, unit.level, unit.block)
        for replicate, draw, stop in stops:
            curve = {t: loss for (r, d, t), loss in losses.items() if (r, d) == (replicate, draw)}
            assert min(curve, key=lambda t: (curve[t], t)) == stop


@pytest.mark.parametrize(
    "endpoint",
    [
        "final_test_accuracy",
        "final_train_accuracy",  # of generalisation_gap, too
        "early_stop_test_accuracy",
        "validation_accuracy",  # of validation_curve_area
        "barrier",
        "early_stop_iteration",
    ],
)
def test_every_endpoint_a_claim_may_name_is_measured(plain, endpoint) -> None:
    assert endpoint in ENDPOINTS or endpoint == "validation_accuracy"
    arm = "dense-copy" if endpoint == "barrier" else "dense"
    assert {key[0] for key in plain.measured(endpoint, arm, 0)} == {0, 1}


@pytest.mark.parametrize("engine", [loop, reference])
def test_test_accuracy_at_the_early_stop_is_that_of_the_network_then(ran, engine) -> None:
    """An overfitting task: the loss turns early, and a run that ends there has the same test accuracy."""
    hot = dataclasses.replace(ran.experiment.training, learning_rate=8 * ran.experiment.training.learning_rate)
    task = dataclasses.replace(ran.watched("dense", 0).task, training=hot)
    noisy = garbage(ran.load_folds(), "validation", "y")
    whole = engine.train(task, noisy)
    assert (whole.early_stop_iteration < 40).any()
    for s, stop in enumerate(whole.early_stop_iteration):
        assert stop == whole.iterations[whole.validation_loss[:, s].argmin()]
        short = dataclasses.replace(task, training=dataclasses.replace(hot, iterations=int(stop)))
        assert engine.train(short, noisy).final_test_accuracy[s] == whole.early_stop_test_accuracy[s]
