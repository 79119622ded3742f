"""`keep` and `layer_rates`: patterns of names of weights that are not pruned, or pruned at a rate of their own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthbench.pruning import masks
from lthbench.pruning.counts import density, kept, ladder, layer_rate
from lthbench.recipe.experiment import Pruning, check_patterns

SIZES = {"conv1.weight": 100, "conv2.weight": 200, "down.0.weight": 40, "fc1.weight": 60, "out.weight": 20}
SHAPES = {name: (n // 10, 10) for name, n in SIZES.items()}
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)


def drawn(seed: int) -> dict[str, np.ndarray]:
    g = np.random.default_rng(seed)
    return {name: g.random(shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("conv*", {"conv1.weight", "conv2.weight"}),
        ("conv?.weight", {"conv1.weight", "conv2.weight"}),
        ("conv[2-9].*", {"conv2.weight"}),
        ("*down*", {"down.0.weight"}),
        ("out.weight", {"out.weight"}),
        ("*", set(SIZES)),
        ("CONV*", set()),  # case counts
        ("conv", set()),  # the whole name
    ],
)
def test_patterns_are_those_of_file_names(pattern, names) -> None:
    pruning = Pruning("global", 0.2, keep=(pattern,))
    assert {name for name in SIZES if kept(name, pruning)} == names
    rates = Pruning("layer-wise", 0.2, layer_rates={pattern: 0.5})
    assert {name for name in SIZES if layer_rate(name, rates) == 0.5} == names


def test_of_several_rates_the_first_that_fits_counts_then_the_outputs_then_the_common_one() -> None:
    rates = {"conv1.*": 0.1, "conv*": 0.3, "out.*": 0.4}
    pruning = Pruning("layer-wise", 0.2, output_rate=0.05, layer_rates=rates, keep=("down*",))
    assert {name: layer_rate(name, pruning) for name in SIZES} == {
        "conv1.weight": 0.1, "conv2.weight": 0.3, "down.0.weight": 0, "fc1.weight": 0.2, "out.weight": 0.4,
    }  # fmt: skip
    plain = Pruning("layer-wise", 0.2, output_rate=0.05)
    assert (layer_rate("out.weight", plain), layer_rate("outer.weight", plain)) == (0.05, 0.2)


def test_what_is_kept_is_kept_before_any_rate() -> None:
    pruning = Pruning("layer-wise", 0.5, layer_rates={"out.weight": 0.5}, keep=("out.*",))
    assert ladder(SIZES, pruning, 3)["out.weight"] == 20


def test_the_ladder_of_global_pruning_counts_what_is_kept_and_prunes_the_rest() -> None:
    pruning = Pruning("global", 0.5, keep=("*down*", "out.weight"))
    assert [ladder(SIZES, pruning, level) for level in range(4)] == [{"all": n} for n in (420, 240, 150, 105)]
    assert density(SIZES, pruning, 1) == pytest.approx(240 / 420)
    assert ladder(SIZES, Pruning("global", 0.5), 1) == {"all": 210}


@PROPERTY
@given(st.integers(0, 999), st.floats(0.1, 0.7), st.sampled_from([("out.*",), ("conv*", "out.*"), ("*down*",)]))
def test_global_pruning_leaves_what_is_kept_alone_and_is_exact_and_ranks_the_rest(seed, rate, keep) -> None:
    pruning, mask = Pruning("global", rate, keep=keep), masks.ones(SHAPES)
    names = [name for name in SIZES if kept(name, pruning)]
    for level in (1, 2, 3):
        scores, rung = drawn(seed + level), ladder(SIZES, pruning, level)
        for name in names:
            scores[name] -= 10  # the smallest of all, and still there
        smaller = masks.prune(scores, mask, rung, names)
        assert {"all": sum(masks.counts(smaller).values())} == rung
        assert list(smaller) == list(mask)
        free = [name for name in SIZES if name not in names]
        stay = np.concatenate([scores[n][smaller[n]] for n in free])
        go = np.concatenate([scores[n][mask[n] & ~smaller[n]] for n in free])
        assert go.max(initial=-1) <= stay.min(initial=9)
        assert all(smaller[name].all() for name in names)
        mask = smaller


def test_kept_weights_that_were_pruned_elsewhere_are_counted_as_they_are() -> None:
    mask = masks.ones({"a": (2, 2), "b": (2, 2)})
    mask["b"][0, 0] = False
    smaller = masks.prune({"a": np.arange(4.0).reshape(2, 2), "b": np.zeros((2, 2))}, mask, {"all": 5}, ["b"])
    assert masks.counts(smaller) == {"a": 2, "b": 3}
    np.testing.assert_array_equal(smaller["a"], [[False, False], [True, True]])


def test_more_than_is_kept_cannot_be_removed() -> None:
    mask = masks.ones({"a": (2, 2), "b": (2, 2)})
    with pytest.raises(ValueError, match="cannot keep -1 of 4 weights"):
        masks.prune({"a": np.zeros((2, 2)), "b": np.zeros((2, 2))}, mask, {"all": 3}, ["b"])


@pytest.mark.parametrize(("key", "value"), [("keep", ("conv1.*", "fc9.*")), ("layer_rates", {"fc9.*": 0.1})])
def test_a_pattern_that_fits_no_weight_is_refused_and_the_weights_are_named(key, value) -> None:
    pruning = Pruning("layer-wise", 0.2, **{key: value})
    with pytest.raises(
        ValueError, match=rf"pruning.{key}: no weight fits 'fc9\.\*'; there are conv1.weight, conv2"
    ):
        check_patterns(pruning, list(SIZES))
    check_patterns(Pruning("layer-wise", 0.2, layer_rates={"conv*": 0.1}, keep=("out.*",)), list(SIZES))
