"""M5, M6: what can be pruned, how much of it, and which weights go."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lthbench.models.mlp import Mlp, mlp
from lthbench.pruning import masks
from lthbench.pruning.counts import density, ladder, pruned_count, rate_per_round
from lthbench.pruning.criteria import Trace, scores
from lthbench.recipe.experiment import Network, Pruning

LENET = mlp(Network("mlp", (300, 100)), 784, 10)
LENET_SIZES = masks.counts(masks.ones(LENET.prunable))
PAPER = Pruning("layer-wise", 0.2, output_rate=0.1)
PRINTED = [100, 80.0, 64.1, 51.3, 41.1, 32.9, 26.3, 21.1, 16.9, 13.5, 10.8, 8.7, 7.0, 5.6, 4.5, 3.6, 2.9, 2.3, 1.9,
           1.5, 1.2]  # fmt: skip
PROPERTY = settings(max_examples=80, deadline=None, derandomize=True)


def magnitudes(weights) -> dict:
    """The paper's criterion, by itself."""
    shapes = {name: value.shape for name, value in weights.items()}
    trace = Trace({}, weights, masks.ones(shapes), lambda: {}, np.random.default_rng(0))
    return scores("magnitude", trace)


# M5


def test_lenet_has_266200_prunable_weights() -> None:
    assert LENET_SIZES == {"fc1.weight": 235_200, "fc2.weight": 30_000, "out.weight": 1_000}
    assert sum(LENET_SIZES.values()) == 266_200


@pytest.mark.parametrize("batch_norm", [False, True])
def test_neither_biases_nor_batch_norm_are_prunable(batch_norm) -> None:
    model = Mlp((784, 300, 100, 10), batch_norm)
    assert list(model.prunable) == ["fc1.weight", "fc2.weight", "out.weight"]
    rest = {"fc1.bias", "fc2.bias"} if not batch_norm else {"bn1.weight", "bn1.bias", "bn2.weight", "bn2.bias"}
    assert model.parameters.keys() - model.prunable.keys() == rest | {"out.bias"}
    assert not model.buffers.keys() & model.parameters.keys()
    assert len(model.buffers) == (4 if batch_norm else 0)


def test_pruning_touches_nothing_but_the_weight_matrices() -> None:
    model = Mlp((6, 5, 4, 3), True)
    state = model.initial_state(np.random.default_rng(0))
    mask = masks.prune(magnitudes(state), masks.ones(model.prunable), {"all": 1})
    assert mask.keys() == model.prunable.keys()
    pruned = masks.apply(mask, state)
    assert sum(np.count_nonzero(pruned[name]) for name in model.prunable) == 1
    for name in state.keys() - mask.keys():
        assert pruned[name].tobytes() == state[name].tobytes()
        assert name.endswith((".bias", ".mean")) or (pruned[name] == 1).all()


# M6: counts


def test_lenets_ladder_is_the_printed_one() -> None:
    for level, printed in enumerate(PRINTED):
        assert 100 * density(LENET_SIZES, PAPER, level) == pytest.approx(printed, abs=0.1), level
    exact = {3: 51.28, 7: 21.07, 9: 13.52, 15: 3.58, 18: 1.85, 20: 1.19}
    for level, percent in exact.items():
        assert 100 * density(LENET_SIZES, PAPER, level) == pytest.approx(percent, abs=0.006), level


def test_the_output_layer_is_pruned_at_its_own_rate() -> None:
    assert ladder(LENET_SIZES, PAPER, 1) == {"fc1.weight": 188_160, "fc2.weight": 24_000, "out.weight": 900}
    assert ladder(LENET_SIZES, Pruning("layer-wise", 0.2), 1)["out.weight"] == 800
    assert ladder(LENET_SIZES, PAPER, 0) == LENET_SIZES


def test_global_pruning_counts_all_weights_together() -> None:
    rule = Pruning("global", 0.2)
    assert ladder(LENET_SIZES, rule, 1) == {"all": 212_960}
    for level, printed in {8: 16.8, 9: 13.4, 12: 6.9, 15: 3.5, 20: 1.15}.items():
        assert 100 * density(LENET_SIZES, rule, level) == pytest.approx(printed, abs=0.05)


@PROPERTY
@given(st.integers(0, 10**6), st.floats(0.01, 0.99))
def test_a_round_removes_its_rate_to_the_nearest_weight(survivors, rate) -> None:
    removed = pruned_count(survivors, rate)
    assert 0 <= removed <= survivors
    assert abs(removed - survivors * rate) <= 0.5 + 1e-6


def test_halves_are_rounded_up() -> None:
    assert [pruned_count(n, 0.5) for n in (1, 2, 3, 4, 5)] == [1, 1, 2, 2, 3]


@PROPERTY
@given(st.floats(0.05, 0.99), st.integers(1, 12))
def test_rates_per_round_compose(overall, rounds) -> None:
    rate = rate_per_round(overall, rounds)
    assert 1 - (1 - rate) ** rounds == pytest.approx(overall, rel=1e-9)


def test_the_papers_formula_for_the_rate_per_round_does_not_compose() -> None:
    rate = rate_per_round(0.9, 10)
    assert rate == pytest.approx(0.206, abs=5e-4)
    sizes = {"out.weight": 10**6}
    assert density(sizes, Pruning("global", rate), 10) == pytest.approx(0.1, abs=1e-4)
    printed = 0.9 ** (1 / 10)
    assert density(sizes, Pruning("global", printed), 10) < 1e-4


# M6: which weights


@PROPERTY
@given(st.data())
def test_the_smallest_go_and_ties_go_in_storage_order(draw) -> None:
    n = draw.draw(st.integers(1, 30))
    scores = draw.draw(arrays(np.float32, n, elements=st.integers(0, 4).map(float)))
    mask = draw.draw(arrays(bool, n))
    remaining = draw.draw(st.integers(0, int(mask.sum())))
    kept = masks.keep_largest(scores, mask, remaining)
    alive = sorted(np.flatnonzero(mask).tolist(), key=lambda i: (scores[i], i))
    assert np.flatnonzero(kept).tolist() == sorted(alive[len(alive) - remaining :])
    assert kept.sum() == remaining


def test_all_equal_weights_are_still_counted_exactly() -> None:
    kept = masks.keep_largest(np.ones(1000, np.float32), np.ones(1000, bool), 137)
    assert kept.sum() == 137
    np.testing.assert_array_equal(kept, np.arange(1000) >= 863)


@pytest.mark.parametrize("remaining", [-1, 6])
def test_more_than_there_are_cannot_be_kept(remaining) -> None:
    with pytest.raises(ValueError, match="of 5 weights"):
        masks.keep_largest(np.ones(8), np.arange(8) < 5, remaining)


@PROPERTY
@given(st.data())
def test_pruning_is_by_magnitude_nested_and_exact(draw) -> None:
    shapes = {"fc1.weight": (4, 5), "out.weight": (5, 3)}
    steps = st.integers(-6, 6).map(float)
    weights = {name: draw.draw(arrays(np.float32, shape, elements=steps)) for name, shape in shapes.items()}
    scope = draw.draw(st.sampled_from(["layer-wise", "global"]))
    rule = Pruning(scope, draw.draw(st.floats(0.1, 0.6)))
    mask, sizes = masks.ones(shapes), {name: int(np.prod(shape)) for name, shape in shapes.items()}
    for level in range(1, 4):
        wanted = ladder(sizes, rule, level)
        smaller = masks.prune(magnitudes(weights), mask, wanted)
        if scope == "global":
            assert sum(masks.counts(smaller).values()) == wanted["all"]
            groups = [list(shapes)]
        else:
            assert masks.counts(smaller) == wanted
            groups = [[name] for name in shapes]
        for names in groups:
            kept = np.concatenate([np.abs(weights[n])[smaller[n]] for n in names])
            gone = np.concatenate([np.abs(weights[n])[mask[n] & ~smaller[n]] for n in names])
            assert not kept.size or not gone.size or gone.max() <= kept.min()
        for name in shapes:
            assert smaller[name].shape == shapes[name]
            assert not np.any(smaller[name] & ~mask[name])
        mask, weights = smaller, {name: -value for name, value in weights.items()}


def test_large_negative_weights_stay() -> None:
    weights = {"out.weight": np.array([[-9.0, 0.1], [2.0, -0.2]], np.float32)}
    mask = masks.prune(magnitudes(weights), masks.ones({"out.weight": (2, 2)}), {"out.weight": 2})
    np.testing.assert_array_equal(mask["out.weight"], [[True, False], [True, False]])


def test_weights_pruned_before_do_not_come_back_however_large() -> None:
    mask = {"out.weight": np.array([[False, True, True, True]])}
    weights = {"out.weight": np.array([[100.0, 1.0, 2.0, 3.0]], np.float32)}
    for remaining in ({"out.weight": 2}, {"all": 2}):
        kept = masks.prune(magnitudes(weights), mask, remaining)["out.weight"]
        np.testing.assert_array_equal(kept, [[False, False, True, True]])


def test_global_pruning_compares_across_layers() -> None:
    weights = {"fc1.weight": np.full((2, 2), 0.1, np.float32), "out.weight": np.full((2, 1), 5, np.float32)}
    mask = masks.prune(magnitudes(weights), masks.ones({"fc1.weight": (2, 2), "out.weight": (2, 1)}), {"all": 2})
    assert masks.counts(mask) == {"fc1.weight": 0, "out.weight": 2}


# M6, in a run


def test_every_level_of_a_run_has_the_exact_count(ran) -> None:
    sizes = {name: int(np.prod(shape)) for name, shape in ran.model.prunable.items()}
    for unit in ran.units:
        wanted = ladder(sizes, ran.experiment.pruning, unit.level)
        for mask in ran.seen[unit.name].task.masks:
            found = masks.counts(mask)
            assert wanted == (found if "all" not in wanted else {"all": sum(found.values())}), unit.name


def test_one_shot_has_exactly_the_iterative_counts(plain) -> None:
    for s in (0, 1):
        one_shot, ticket = (plain.stored("mask", arm, 2, s) for arm in ("one-shot", "ticket"))
        assert masks.counts(one_shot) == masks.counts(ticket)
        assert not lab.same(one_shot, ticket)


def test_each_level_prunes_the_smallest_of_the_trained_survivors(ran) -> None:
    for arm in ("ticket", "rewound"):
        for s in (0, 1):
            for level in (1, 2):
                mask = ran.stored("mask", arm, level, s)
                before = ("dense", 0) if level == 1 else (arm, level - 1)
                trained = ran.stored("final", *before, s)
                worn = ran.stored("mask", *before, s) or masks.ones(ran.model.prunable)
                for names in ran.compared():
                    kept = np.concatenate([np.abs(trained[n])[mask[n]] for n in names])
                    gone = np.concatenate([np.abs(trained[n])[worn[n] & ~mask[n]] for n in names])
                    assert gone.max() <= kept.min()
                for name, kept in mask.items():
                    assert not np.any(kept & ~worn[name])
                    assert any(name in names for names in ran.compared()) or kept.all()


@PROPERTY
@given(arrays(bool, (3, 5)), st.integers(0, 14))
def test_the_fingerprint_sees_every_single_weight(mask, place) -> None:
    other = mask.copy()
    other.flat[place] ^= True
    first = masks.fingerprint({"fc1.weight": mask})
    assert first == masks.fingerprint({"fc1.weight": mask.copy()})
    assert first != masks.fingerprint({"fc1.weight": other})


def test_any_layer_may_have_a_rate_of_its_own() -> None:
    """1803.03635, Figure 2: Conv networks prune conv layers 10 %, fully-connected ones 20 %, the output 10 %."""
    sizes = {"conv1.weight": 1000, "fc1.weight": 1000, "out.weight": 1000, "kept.weight": 1000}
    rates = {"conv1.weight": 0.1, "kept.weight": 0.0}
    pruning = Pruning("layer-wise", 0.2, output_rate=0.1, layer_rates=rates)
    rung = {"conv1.weight": 810, "fc1.weight": 640, "out.weight": 810, "kept.weight": 1000}
    assert ladder(sizes, pruning, 2) == rung


def test_a_setting_that_does_nothing_changes_no_recipe() -> None:
    """Results made before `layer_rates` existed keep their names."""
    assert "layer_rates" not in lab.plain().recipe()["pruning"]
    own = dataclasses.replace(lab.LAYERWISE, layer_rates={"fc1.weight": 0.1})
    assert lab.plain(pruning=own).recipe()["pruning"]["layer_rates"] == {"fc1.weight": 0.1}


@pytest.mark.parametrize(
    ("scope", "rates"), [("global", {"fc1.weight": 0.1}), ("layer-wise", {"fc1.weight": 1.0})]
)
def test_impossible_layer_rates_are_refused(scope: str, rates: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="layer_rates"):
        Pruning(scope, 0.2, layer_rates=rates)  # type: ignore[arg-type]


def test_a_rate_for_a_layer_that_is_not_there_is_refused() -> None:
    wrong = dataclasses.replace(lab.LAYERWISE, layer_rates={"conv1.weight": 0.1})
    with pytest.raises(ValueError, match=r"no weight fits 'conv1.weight'"):
        lab.plain(pruning=wrong)
