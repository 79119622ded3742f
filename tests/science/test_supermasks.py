"""Learned masks: the weights stay, the scores move, the counts are exact, and nothing else is new."""

import dataclasses
import time

import numpy as np
import pytest
import science_lab as lab
import torch
from torch import nn

from lthbench.claims.schema import Cell
from lthbench.errors import OutOfTime
from lthbench.judging.gates.cells import Cells
from lthbench.judging.gates.masks import ladder_gate, mask_gates
from lthbench.judging.table import Table
from lthbench.models import supermask
from lthbench.models.module import module_model
from lthbench.pruning import masks
from lthbench.pruning.counts import ladder
from lthbench.recipe.arms import ARMS, check_cell, parents
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.recipe.streams import stream
from lthbench.results.tidy import collect
from lthbench.tickets import supermasks
from lthbench.tickets.unit import make_task
from lthbench.training import loop, reference
from lthbench.training.checkpoint import Checkpoint

DIGITS = DataSpec("digits", test=400, validation=100)
LEARN = Training("adam", 0.005, batch=50, iterations=300, evaluate_every=50)
CELLS = {("edge-popup", 2), ("supermask", 1), ("untrained", 2), ("untrained-constant", 2)}


def digits(**changes) -> Experiment:
    network = Network("mlp", (64, 32), batch_norm=True)
    pruning = Pruning("layer-wise", 0.3, output_rate=0.15)
    return dataclasses.replace(Experiment("digits", "", network, DIGITS, LEARN, pruning), **changes)


@pytest.fixture(scope="module")
def learned(tmp_path_factory, cache):
    return lab.run(digits(), CELLS, tmp_path_factory.mktemp("learned"), cache)


def model_of(ran):
    return dataclasses.replace(ran.model, sizes=(64, *ran.model.sizes[1:]))


def initial(ran, replicate: int) -> dict:
    return model_of(ran).initial_state(stream(0, "digits", replicate, "init"))


def scored(ran, arm: str, level: int, iterations: int):
    """The training task of a unit with scores, and its data."""
    training = dataclasses.replace(ran.experiment.training, iterations=iterations, evaluate_every=iterations // 2)
    experiment = dataclasses.replace(ran.experiment, training=training)
    unit = next(u for u in lab.planned(experiment, {(arm, level)}) if u.arm == arm)
    folds = ran.load_folds()
    return supermasks.with_scores(unit, make_task(unit, model_of(ran), folds, {})), folds


# The arms


@pytest.mark.parametrize("arm", ["edge-popup", "supermask"])
def test_they_need_no_other_cell_and_start_from_the_initial_weights(arm) -> None:
    assert parents(arm, 1) == []
    assert ARMS[arm].weights == "init"


def test_a_density_that_is_learned_has_one_level() -> None:
    check_cell("supermask", 1, 0)
    check_cell("edge-popup", 9, 0)
    with pytest.raises(ValueError, match="level 1 only"):
        check_cell("supermask", 2, 0)


@pytest.mark.parametrize(("arm", "level"), [("edge-popup", 2), ("supermask", 1)])
def test_weights_never_move(learned, arm, level) -> None:
    for s in range(2):
        mask, final = (learned.stored(prefix, arm, level, s) for prefix in ("mask", "final"))
        start = initial(learned, s)
        for name in start:
            if name in mask:
                np.testing.assert_array_equal(final[name], np.where(mask[name], start[name], 0))
            elif name.endswith((".mean", ".var")):
                assert not np.array_equal(final[name], start[name])  # batch statistics are no weights
            else:
                assert final[name].tobytes() == start[name].tobytes()


def test_the_count_of_edge_popup_is_the_rung(learned) -> None:
    sizes = {name: int(np.prod(shape)) for name, shape in model_of(learned).prunable.items()}
    for name, wanted in ladder(sizes, learned.experiment.pruning, 2).items():
        assert set(learned.measured(f"nonzero:{name}", "edge-popup", 2).values()) == {wanted}


def test_the_density_of_a_supermask_is_recorded(learned) -> None:
    for s in range(2):
        for name, kept in learned.stored("mask", "supermask", 1, s).items():
            assert learned.measured(f"nonzero:{name}", "supermask", 1)[s, 0, 300] == kept.sum()
            assert 0.1 < kept.mean() < 0.9


def test_a_learned_mask_beats_chance_and_a_random_mask(learned) -> None:
    x, y = lab.fold(learned.load_folds(), "test")
    for arm, level, least in (("edge-popup", 2, 85), ("supermask", 1, 45)):
        accuracy = learned.measured("final_test_accuracy", arm, level)
        for s in range(2):
            mask = learned.stored("mask", arm, level, s)
            drawn = masks.apply(masks.random_like(mask, np.random.default_rng(s)), initial(learned, s))
            chance = lab.percent_correct(model_of(learned), drawn, x[s], y[s])
            assert accuracy[s, 0, 300] > max(least, chance + 20)
            final = learned.stored("final", arm, level, s)
            again = lab.percent_correct(model_of(learned), final, x[s], y[s])
            assert accuracy[s, 0, 300] == pytest.approx(again, abs=1e-9)


def test_signed_constants_have_the_initial_signs_and_one_size_per_layer(learned) -> None:
    seen = learned.watched("untrained-constant", 2)
    for s, state in enumerate(seen.task.states):
        mask, start = learned.stored("mask", "ticket", 2, s), initial(learned, s)
        assert lab.same(seen.task.masks[s], mask)
        for name, kept in mask.items():
            np.testing.assert_array_equal(np.sign(state[name]), np.where(kept, np.sign(start[name]), 0))
            np.testing.assert_allclose(np.abs(state[name][kept]), start[name].std(), rtol=1e-6)


def test_the_gates_count_edge_popup_and_let_learned_densities_be(learned) -> None:
    table = Table(collect(learned.root, learned.units)[0])
    every = [Cell("digits", *cell) for cell in sorted({("dense", 0), ("ticket", 2), *CELLS})]
    cells = Cells(learned.experiment, every, table, 2)
    (gate,) = ladder_gate(cells)
    assert gate.passed, gate.detail
    names = {g.name: g.passed for g in mask_gates(cells)}
    assert names["digits: mask of edge-popup@2"]
    assert not any("supermask" in name for name in names)


# The mask and its gradient


@pytest.mark.parametrize("count", [0, 1, 7, 29, 30])
def test_largest_is_exact_and_breaks_ties_as_pruning_does(count) -> None:
    g = np.random.default_rng(0)
    for values in (g.random((5, 6), np.float32), np.zeros((5, 6), np.float32), g.integers(3, size=(5, 6)) * 1.0):
        wanted = masks.keep_largest(values.ravel(), np.ones(30, bool), count).reshape(5, 6)
        np.testing.assert_array_equal(supermask.largest(torch.from_numpy(values), count).numpy(), wanted)
    diverged = torch.tensor([1.0, torch.nan, torch.inf, 0.0])
    assert supermask.largest(diverged, 3).sum() == 3


def tiny(counts) -> supermask.Supermask:
    """y = x W, W 1 x 4: 0.5, -1, 2, 3, under scores 0.3, -0.9, 0.1, -0.6."""
    module = supermask.build(module_model(lambda: nn.Sequential(nn.Linear(4, 1, bias=False)), "own"), counts)
    with torch.no_grad():
        getattr(module, "network/0/weight").copy_(torch.tensor([[0.5, -1.0, 2.0, 3.0]]))
        getattr(module, "scores/0/weight").copy_(torch.tensor([[0.3, -0.9, 0.1, -0.6]]))
    return module


def test_edge_popup_passes_the_gradient_straight_through() -> None:
    module, x = tiny({"0.weight": 2}), torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    output = module(x)
    assert output.item() == -1.0 * 2 + 3.0 * 4  # the two largest |scores|
    output.sum().backward()
    # d output / d weight x weight, for worn and pruned alike, and the sign is that of |score|'s derivative.
    wanted = torch.tensor([[1 * 0.5, -(2 * -1.0), 3 * 2.0, -(4 * 3.0)]])
    torch.testing.assert_close(getattr(module, "scores/0/weight").grad, wanted, rtol=0, atol=0)
    assert dict(module.named_parameters()).keys() == {"scores/0/weight"}


def test_a_bernoulli_mask_is_drawn_in_training_and_the_likeliest_afterwards() -> None:
    module, x = tiny(None), torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert module.eval()(x).item() == 0.5 * 1 + 2.0 * 3  # scores above zero
    torch.manual_seed(0)
    module.train()
    drawn = torch.stack([module.mask("0.weight") for _ in range(4000)]).detach()
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    probability = torch.sigmoid(torch.tensor([[0.3, -0.9, 0.1, -0.6]]))
    torch.testing.assert_close(drawn.mean(0), probability, rtol=0, atol=0.04)
    module(x).sum().backward()
    wanted = torch.tensor([[0.5, -2.0, 6.0, 12.0]]) * probability * (1 - probability)
    torch.testing.assert_close(getattr(module, "scores/0/weight").grad, wanted)


def test_first_scores_come_from_their_stream(learned) -> None:
    task, _ = scored(learned, "edge-popup", 2, 2)
    for s, state in enumerate(task.states):
        generator = stream(0, "digits", s, "scores")
        for name in ("fc1.weight", "fc2.weight", "out.weight"):
            first = state[supermask.score(name)]
            bound = 1 / np.sqrt(first.shape[1])
            np.testing.assert_allclose(
                first, bound * (2 * generator.random(first.shape, np.float32) - 1), rtol=1e-6
            )
            assert 0.9 * bound < np.abs(first).max() <= bound
    task, _ = scored(learned, "supermask", 1, 2)
    assert all(not state[supermask.score(n)].any() for state in task.states for n in ("fc1.weight", "out.weight"))


def test_global_recipes_give_every_layer_the_same_density() -> None:
    sizes = {"a.weight": 1001, "b.weight": 77, "c.weight": 300, "out.weight": 50}
    pruning = Pruning("global", 0.37, keep=("out*",))
    found = supermasks.counts(sizes, pruning, 3)
    assert found["out.weight"] == 50
    assert sum(found.values()) == ladder(sizes, pruning, 3)["all"]
    densities = [found[name] / sizes[name] for name in ("a.weight", "b.weight", "c.weight")]
    assert max(densities) - min(densities) < 1 / 77


# The training is the one of all arms


@pytest.mark.parametrize(("arm", "level"), [("edge-popup", 2), ("supermask", 1)])
def test_scores_move_and_networks_side_by_side_are_each_alone(learned, arm, level) -> None:
    task, folds = scored(learned, arm, level, 40)
    together = loop.train(task, folds).states
    for s in range(2):
        for name in ("fc1.weight", "out.weight"):
            key = supermask.score(name)
            assert (together[s][key] != task.states[s][key]).mean() > 0.5
        one = dataclasses.replace(
            task,
            **{name: [getattr(task, name)[s]] for name in ("states", "masks", "owners", "orders", "seeds")},
        )
        assert lab.same(loop.train(one, folds).states[0], together[s])


def test_a_supermask_draws_from_its_replicates_stream(learned) -> None:
    task, folds = scored(learned, "supermask", 1, 10)
    first = loop.train(task, folds).states
    torch.manual_seed(99)
    again = loop.train(task, folds).states
    other = loop.train(dataclasses.replace(task, seeds=[1, 2]), folds).states
    for a, b, c in zip(first, again, other, strict=True):
        assert lab.same(a, b)
        assert not lab.same(a, c)


def test_the_loop_equals_the_serial_reference(learned) -> None:
    task, folds = scored(learned, "edge-popup", 2, 20)
    for fast, slow in zip(loop.train(task, folds).states, reference.train(task, folds).states, strict=True):
        for name, value in fast.items():
            np.testing.assert_allclose(value, slow[name], rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(("arm", "level"), [("edge-popup", 2), ("supermask", 1)])
def test_an_interrupted_training_goes_on_bit_for_bit(learned, tmp_path, arm, level) -> None:
    task, folds = scored(learned, arm, level, 60)
    path = tmp_path / "training.partial"
    with pytest.raises(OutOfTime):
        loop.train(task, folds, Checkpoint(path, deadline=time.monotonic()))
    resumed, whole = loop.train(task, folds, Checkpoint(path)), loop.train(task, folds)
    assert all(lab.same(a, b) for a, b in zip(resumed.states, whole.states, strict=True))
    np.testing.assert_array_equal(resumed.validation_loss, whole.validation_loss)


def test_dropout_and_convolutions_are_masked_alike() -> None:
    """A network that is no perceptron, with random layers and buffers of its own."""
    inner = module_model(
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(16, 3)
        ),
        "kaiming",
    )
    learned = supermask.supermask(inner, {"0.weight": 9, "4.weight": 5})
    assert learned.parameters == {"scores/0/weight": (4, 1, 3, 3), "scores/4/weight": (3, 16)}
    state = supermask.start(inner, inner.initial_state(np.random.default_rng(0)), np.random.default_rng(1))
    module = reference.module_of(learned, state)
    module.train()(torch.randn(6, 1, 4, 4)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in module.parameters())
    assert int(getattr(module, "network/1/num_batches_tracked")) == 1
    assert torch.equal(module.eval()(torch.ones(2, 1, 4, 4))[0], module(torch.ones(2, 1, 4, 4))[1])
    mask, _ = supermask.finished(learned, reference.state_of(module))
    assert {name: int(kept.sum()) for name, kept in mask.items()} == {"0.weight": 9, "4.weight": 5}
