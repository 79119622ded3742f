import dataclasses

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.models.mlp import Mlp, MlpModule, initial_state
from lthbench.pruning import masks
from lthbench.streams import stream
from lthbench.tickets.barrier import barrier, between, errors_on_line
from lthbench.training import stacked
from lthbench.training.run import Folds, Task
from lthbench.training.schedule import batch_order


def finals(ran, block=0) -> list:
    return [ran.stored("final", "dense", 0, s, block) for s in range(len(ran.unit("dense", 0, block).replicates))]


@pytest.fixture(scope="module")
def skilled():
    """Two well-trained networks of an easy problem, with its data."""
    g = np.random.default_rng(4)
    centres = 2 * g.standard_normal((10, 40))
    y = {part: g.integers(0, 10, (2, n)) for part, n in (("train", 300), ("validation", 60), ("test", 200))}
    folds = Folds(
        **{f"y_{part}": torch.from_numpy(labels) for part, labels in y.items()},
        **{
            f"x_{part}": torch.from_numpy((centres[n] + g.standard_normal((*n.shape, 40))).astype(np.float32))
            for part, n in y.items()
        },
    )
    model, training = Mlp((40, 16, 12, 10), False), dataclasses.replace(lab.ADAM, iterations=150)
    states = [initial_state(model, g) for _ in range(2)]
    orders = [batch_order(300, training, g) for _ in range(2)]
    task = Task(model, training, states, [masks.ones(model.prunable)] * 2, [0, 1], orders)
    trained = stacked.train(task, folds)
    assert trained.final_test_accuracy.min() > 80
    return model, trained.states, folds


def permuted(model, state, seed=0) -> dict:
    """The same function with its hidden units in another order."""
    g, other = np.random.default_rng(seed), dict(state)
    for i, (layer, following) in enumerate(zip(model.layers, model.layers[1:], strict=False), start=1):
        order = g.permutation(model.sizes[i])
        other[f"{layer}.weight"] = other[f"{layer}.weight"][:, order]
        for name in (f"{layer}.bias", f"bn{i}.weight", f"bn{i}.bias", f"bn{i}.mean", f"bn{i}.var"):
            if name in other:
                other[name] = other[name][order]
        other[f"{following}.weight"] = other[f"{following}.weight"][order]
    return other


def test_the_barrier_is_the_peak_over_the_mean_of_the_ends() -> None:
    errors = np.array([[10.0, 10, 30, 5], [40, 12, 15, 5], [20, 20, 10, 5]])
    np.testing.assert_allclose(barrier(errors), [25, 5, 10, 0])


def test_the_line_runs_from_the_first_to_the_second(plain) -> None:
    first, second = finals(plain)
    assert lab.equal(between(first, second, 0.0), first)
    assert lab.equal(between(first, second, 1.0), second)
    np.testing.assert_allclose(between(first, second, 0.25)["out.bias"], 0.75 * first["out.bias"] + 0.25 * second[
        "out.bias"], rtol=1e-6)  # fmt: skip


def test_identical_copies_have_no_barrier(ran) -> None:
    networks = finals(ran)
    errors = errors_on_line(ran.model, networks, networks, ran.load_folds(), 5)
    assert errors.shape == (5, 2)
    assert np.ptp(errors, axis=0).max() <= 0.5  # one test example of 200: rounding on the line
    np.testing.assert_allclose(barrier(errors), 0, atol=0.5)


def test_networks_with_permuted_units_are_equal_but_not_connected(skilled) -> None:
    model, networks, folds = skilled
    errors = errors_on_line(model, networks, [permuted(model, state) for state in networks], folds, 7)
    np.testing.assert_allclose(errors[0], errors[-1], atol=0.5)
    assert (barrier(errors) > 5).all()


def test_independent_networks_are_not_connected(skilled) -> None:
    """Trained from two initialisations on the same centres, measured on the first one's examples."""
    model, (first, second), folds = skilled
    errors = errors_on_line(model, [first, second], [second, first], folds, 5)
    assert errors[[0, -1]].max() < 20
    assert (barrier(errors) > 5).all()


def test_errors_at_the_ends_are_those_of_the_networks(plain) -> None:
    folds = plain.load_folds()
    line = plain.measured("line_error:0", "dense-copy", 0)
    last = plain.measured("line_error:1", "dense-copy", 0)
    dense = plain.measured("final_test_accuracy", "dense", 0)
    copy = plain.measured("final_test_accuracy", "dense-copy", 0)
    for s, replicate in enumerate((0, 1)):
        assert line[replicate, 0, None] == pytest.approx(100 - dense[replicate, 0, 40])
        assert last[replicate, 0, None] == pytest.approx(100 - copy[replicate, 0, 40])
        counted = lab.percent_correct(plain.model, finals(plain)[s], folds.x_test[s], folds.y_test[s])
        assert line[replicate, 0, None] == pytest.approx(100 - counted)


def test_the_recorded_barrier_is_that_of_the_recorded_line(ran) -> None:
    points = [f"line_error:{alpha}" for alpha in ("0", "0.25", "0.5", "0.75", "1")]
    for block in (0, 1):
        for replicate in ran.unit("dense-copy", 0, block).replicates:
            line = [ran.measured(point, "dense-copy", 0, block)[replicate, 0, None] for point in points]
            recorded = ran.measured("barrier", "dense-copy", 0, block)[replicate, 0, None]
            assert recorded == pytest.approx(max(max(line) - (line[0] + line[-1]) / 2, 0))


def test_batch_norm_statistics_are_recomputed_at_every_point(normed) -> None:
    networks, folds = finals(normed), normed.load_folds()
    spoilt = [dict(state) for state in networks]
    for state in spoilt:
        for name in normed.model.buffers:
            state[name] = np.full_like(state[name], 7)
    true = errors_on_line(normed.model, networks, [permuted(normed.model, n) for n in networks], folds, 3)
    np.testing.assert_array_equal(
        errors_on_line(normed.model, spoilt, [permuted(normed.model, n) for n in spoilt], folds, 3), true
    )
    exact = []  # by torch's own module, its statistics set by one pass over the training fold
    for s, state in enumerate(networks):
        module = MlpModule(normed.model)
        module.load(state)
        with torch.no_grad():
            module.train()
            for block in module.modules():
                if isinstance(block, torch.nn.BatchNorm1d):
                    block.momentum = 1.0
            module(folds.x_train[s])
            module.eval()
            right = (module(folds.x_test[s]).argmax(1) == folds.y_test[s]).sum()
        exact.append(100 - 100 * int(right) / 200)
    np.testing.assert_allclose(true[0], exact, atol=0.5 + 1e-9)


def test_dense_copy_differs_from_dense_in_nothing_but_the_order(ran) -> None:
    dense, copy = ran.watched("dense", 0), ran.watched("dense-copy", 0)
    for s in (0, 1):
        assert lab.same(dense.start[s], copy.start[s])
        assert lab.same(dense.start[s], initial_state(ran.model, stream(0, ran.experiment.id, s, "init")))
        first, second = dense.task.orders[s], copy.task.orders[s]
        assert not np.array_equal(first, second)
        size = ran.experiment.training.batch
        for order in (first, second):
            np.testing.assert_array_equal(np.sort(order.ravel()[: 300 // size * size]), np.arange(300))
