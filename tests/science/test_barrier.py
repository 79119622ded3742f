import dataclasses

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.models import registry
from lthbench.models.mlp import Mlp, MlpModule
from lthbench.pruning import masks
from lthbench.recipe.experiment import Network
from lthbench.recipe.streams import stream
from lthbench.tickets.barrier import barrier, between, errors_on_line
from lthbench.training import loop
from lthbench.training import module as module_engine
from lthbench.training.run import Task
from lthbench.training.schedule import batch_order, learning_rates
from lthbench.training.stack import stack


def finals(ran, block=0) -> list:
    return [ran.stored("final", "dense", 0, s, block) for s in range(len(ran.unit("dense", 0, block).replicates))]


@pytest.fixture(scope="module")
def skilled():
    """Two well-trained networks of an easy problem, with its data."""
    g = np.random.default_rng(4)
    centres = 2 * g.standard_normal((10, 40))
    y = {part: g.integers(0, 10, (2, n)) for part, n in (("train", 300), ("validation", 60), ("test", 200))}
    x = {part: (centres[n] + g.standard_normal((*n.shape, 40))).astype(np.float32) for part, n in y.items()}
    folds = lab.folds_of(x, y, 10)
    model, training = Mlp((40, 16, 12, 10), False), dataclasses.replace(lab.ADAM, iterations=150)
    states = [model.initial_state(g) for _ in range(2)]
    orders = [batch_order(300, training, g) for _ in range(2)]
    wide = [masks.ones(model.prunable)] * 2
    task = Task(model, training, states, wide, [0, 1], orders, learning_rates(training))
    trained = loop.train(task, folds)
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
    x, y = lab.fold(plain.load_folds(), "test")
    line = plain.measured("line_error:0", "dense-copy", 0)
    last = plain.measured("line_error:1", "dense-copy", 0)
    dense = plain.measured("final_test_accuracy", "dense", 0)
    copy = plain.measured("final_test_accuracy", "dense-copy", 0)
    for s, replicate in enumerate((0, 1)):
        assert line[replicate, 0, None] == pytest.approx(100 - dense[replicate, 0, 40])
        assert last[replicate, 0, None] == pytest.approx(100 - copy[replicate, 0, 40])
        counted = lab.percent_correct(plain.model, finals(plain)[s], x[s], y[s])
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
            module(lab.fold(folds, "train")[0][s])
            module.eval()
            x, y = lab.fold(folds, "test")
            right = (module(x[s]).argmax(1) == y[s]).sum()
        exact.append(100 - 100 * int(right) / 200)
    np.testing.assert_allclose(true[0], exact, atol=0.5 + 1e-9)


@pytest.mark.parametrize(("size", "parts"), [(24, [24]), (8, [8, 8, 8]), (10, [8, 8, 8]), (23, [12, 12])])
def test_statistics_of_a_module_are_the_mean_over_parts_of_equal_size(monkeypatch, size, parts) -> None:
    """No part is a single example, of which batch norm knows no variance."""
    monkeypatch.setattr(module_engine, "STATISTICS_BATCH", size)
    folds = lab.image_folds((10,))
    model = registry.model(Network("mlp", (8,), batch_norm=True, activation="tanh"), (10,), 10)
    states = [model.initial_state(np.random.default_rng(s)) for s in (0, 1)]
    net = stack(model, states, lab.CPU)
    for buffer in net.buffers.values():
        buffer.fill_(7)
    engine = loop.engine_for(model, net, (0, 0))
    with torch.no_grad():
        engine.recompute_statistics(net, folds.examples, folds.train)
    for s in (0, 1):
        z = lab.fold(folds, "train")[0][s].numpy() @ states[s]["fc1.weight"].T
        each = np.split(z, np.cumsum(parts)[:-1])
        mean, var = np.mean([p.mean(0) for p in each], 0), np.mean([p.var(0, ddof=1) for p in each], 0)
        np.testing.assert_allclose(net.buffers["bn1.running_mean"][s], mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(net.buffers["bn1.running_var"][s], var, rtol=1e-4)
        assert engine.modules[s].bn1.momentum == 0.1


def test_dense_copy_differs_from_dense_in_nothing_but_the_order(ran) -> None:
    dense, copy = ran.watched("dense", 0), ran.watched("dense-copy", 0)
    for s in (0, 1):
        assert lab.same(dense.start[s], copy.start[s])
        assert lab.same(dense.start[s], ran.model.initial_state(stream(0, ran.experiment.id, s, "init")))
        first, second = dense.task.orders[s], copy.task.orders[s]
        assert not np.array_equal(first, second)
        size = ran.experiment.training.batch
        for order in (first, second):
            np.testing.assert_array_equal(np.sort(order.ravel()[: 300 // size * size]), np.arange(300))
