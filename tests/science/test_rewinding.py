"""M3, M4: a level starts from mask * rewind point, buffers included; M13: one recipe for all arms."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab

from lthbench.recipe.streams import stream
from lthbench.training.schedule import learning_rates


def masked(mask, state):
    return {name: value * mask[name] if name in mask else value for name, value in state.items()}


def init_of(ran, replicate):
    return ran.model.initial_state(stream(0, ran.experiment.id, replicate, "init"))


def dense_after(ran, k, block):
    """The dense network after k iterations: trained anew by a recipe that ends there, masks left out."""
    unit, full = ran.unit("dense", 0, block), ran.watched("dense", 0, block).task
    short = dataclasses.replace(full.training, iterations=k, evaluate_every=k)
    fresh = [init_of(ran, r) for r in unit.replicates]
    task = dataclasses.replace(full, training=short, states=fresh, rates=learning_rates(short))
    return lab.unmasked(task, ran.load_folds(block))


def shapes(model):
    return type(model), model.prunable, model.parameters, model.buffers


@pytest.mark.parametrize("block", [0, 1])
def test_dense_starts_from_the_init_stream(ran, block) -> None:
    for arm in ("dense", "dense-copy"):
        seen = ran.watched(arm, 0, block)
        for s, replicate in enumerate(ran.unit(arm, 0, block).replicates):
            assert lab.same(seen.start[s], init_of(ran, replicate))


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("block", [0, 1])
def test_the_ticket_starts_from_its_mask_times_the_initial_weights(ran, level, block) -> None:
    seen = ran.watched("ticket", level, block)
    for s, replicate in enumerate(ran.unit("ticket", level, block).replicates):
        mask = ran.stored("mask", "ticket", level, s, block)
        assert lab.equal(seen.start[s], masked(mask, init_of(ran, replicate)))
        trained = ran.stored("final", "ticket", level, s, block)
        assert not np.array_equal(trained["fc1.weight"], seen.start[s]["fc1.weight"])
        assert seen.task.start == 0


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("block", [0, 1])
def test_the_rewound_ticket_starts_from_dense_after_k_iterations(ran, level, block) -> None:
    seen, k = ran.watched("rewound", level, block), ran.experiment.pruning.rewind
    for s, state in enumerate(dense_after(ran, k, block)):
        assert lab.same(ran.stored("rewind", "dense", 0, s, block), state)
        assert lab.equal(seen.start[s], masked(ran.stored("mask", "rewound", level, s, block), state))


def test_the_rewind_point_is_neither_the_start_nor_the_end(ran) -> None:
    rewind = ran.stored("rewind", "dense", 0, 0)
    assert not np.array_equal(rewind["fc1.weight"], init_of(ran, 0)["fc1.weight"])
    assert not np.array_equal(rewind["fc1.weight"], ran.stored("final", "dense", 0, 0)["fc1.weight"])


def test_batch_norm_buffers_are_rewound(normed) -> None:
    fresh = init_of(normed, 0)
    trained, rewind = normed.stored("final", "ticket", 1, 0), normed.stored("rewind", "dense", 0, 0)
    for name in normed.model.buffers:
        for arm in ("ticket", "one-shot", "reinit", "reinit-rescaled", "shuffled", "random-mask"):
            started = normed.watched(arm, 2).start[0][name]
            assert started.tobytes() == fresh[name].tobytes(), (arm, name)
            assert not np.array_equal(started, trained[name])
        started = normed.watched("rewound", 2).start[0][name]
        assert started.tobytes() == rewind[name].tobytes()
        assert not np.array_equal(started, normed.stored("final", "rewound", 1, 0)[name])
        assert not np.array_equal(started, fresh[name])


def test_batch_norms_own_parameters_are_rewound_too(normed) -> None:
    fresh, rewind = init_of(normed, 0), normed.stored("rewind", "dense", 0, 0)
    trained = normed.stored("final", "ticket", 1, 0)
    for name in set(normed.model.parameters) - set(normed.model.prunable):
        assert not np.array_equal(trained[name], fresh[name])  # training moved it
        assert normed.watched("ticket", 2).start[0][name].tobytes() == fresh[name].tobytes()
        assert normed.watched("rewound", 2).start[0][name].tobytes() == rewind[name].tobytes()


def test_schedule_and_order_are_rewound_with_the_network(ran) -> None:
    k, rates = ran.experiment.pruning.rewind, learning_rates(ran.experiment.training)
    dense = ran.watched("dense", 0)
    for level in (1, 2):
        seen = ran.watched("rewound", level)
        assert seen.rates == rates[k:].tolist()
        for s in range(2):
            for mine, whole in zip(seen.fed(s), dense.fed(s), strict=True):
                np.testing.assert_array_equal(mine, whole[k:])


def test_all_other_arms_train_every_iteration_at_the_same_rates(ran) -> None:
    rates = learning_rates(ran.experiment.training).tolist()
    assert len(rates) == ran.experiment.training.iterations
    for unit in ran.units:
        if unit.arm != "rewound":
            assert ran.seen[unit.name].rates == rates, unit.name


def test_every_arm_carries_and_trains_with_the_one_recipe(ran) -> None:
    assert {unit.arm for unit in ran.units} == {*lab.DRAWS, "dense", "dense-copy", "ticket", "rewound", "one-shot",
                                               "reinit-rescaled"}  # fmt: skip
    for unit in ran.units:
        assert unit.experiment is ran.experiment
        assert ran.seen[unit.name].task.training == ran.experiment.training
        assert shapes(ran.seen[unit.name].task.model) == shapes(ran.model)


def test_all_arms_of_a_replicate_see_the_same_batches_but_dense_copy(ran) -> None:
    k = ran.experiment.pruning.rewind
    for block in (0, 1):
        dense = ran.watched("dense", 0, block)
        for unit in (u for u in ran.units if u.block == block):
            seen = ran.seen[unit.name]
            for s, owner in enumerate(seen.task.owners):
                x, y = dense.fed(owner)
                mine_x, mine_y = seen.fed(s)
                start = k if unit.arm == "rewound" else 0
                if unit.arm == "dense-copy":
                    assert not np.array_equal(mine_x, x)
                else:
                    np.testing.assert_array_equal(mine_x, x[start:])
                    np.testing.assert_array_equal(mine_y, y[start:])


def test_a_draw_belongs_to_its_replicate(ran) -> None:
    for arm, draws in lab.DRAWS.items():
        unit = ran.unit(arm, 2)
        assert unit.draws == draws
        assert list(ran.watched(arm, 2).task.owners) == [0, 0, 1, 1]
        assert {key[:2] for key in ran.measured("final_test_accuracy", arm, 2)} == {
            (replicate, draw) for replicate in (0, 1) for draw in (0, 1)
        }


def test_cost_counts_the_iterations_really_trained(ran) -> None:
    for unit in ran.units:
        steps = len(ran.seen[unit.name].rates)
        assert unit.iterations == steps * len(ran.seen[unit.name].task.owners)
