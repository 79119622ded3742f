"""Every criterion against numbers worked out by hand, and every way in which one can be wrong."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from lthbench.models import registry
from lthbench.models.mlp import Mlp, MlpModule
from lthbench.models.module import load_state
from lthbench.plan.unit import plan_experiment
from lthbench.pruning import masks
from lthbench.pruning.counts import ladder, steps
from lthbench.pruning.criteria import BUILT_IN, CriterionError, Trace, criterion, scores
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import CRITERIA, Experiment, Network, Pruning, Training
from lthbench.recipe.streams import stream
from lthbench.tickets.networks import flow, mask_for
from lthbench.training.run import Examples, Folds

INITIAL = {"a": np.float32([[1, -4], [3, -2]]), "b": np.float32([[0.5, -0.25, 2]])}
TRAINED = {"a": np.float32([[-3, 4], [1, -9]]), "b": np.float32([[-1, 0.5, 1]])}
GRADIENT = {"a": np.float32([[2, -1], [0, 1]]), "b": np.float32([[3, -3, -2]])}
FLOW = {name: np.abs(each) for name, each in GRADIENT.items()}
ALIVE = {"a": np.array([[True, True], [True, False]]), "b": np.ones((1, 3), bool)}
BY_HAND = {
    "magnitude": {"a": [[3, 4], [1, 9]], "b": [[1, 0.5, 1]]},
    "snip": {"a": [[6, 4], [0, 9]], "b": [[3, 1.5, 2]]},
    "synflow": {"a": [[6, 4], [0, 9]], "b": [[3, 1.5, 2]]},
    "small-final": {"a": [[-3, -4], [-1, -9]], "b": [[-1, -0.5, -1]]},
    "large-init": {"a": [[1, 4], [3, 2]], "b": [[0.5, 0.25, 2]]},
    "small-init": {"a": [[-1, -4], [-3, -2]], "b": [[-0.5, -0.25, -2]]},
    # Ranks among the living: |initial| of a: 1, 3, 2; |trained|: 2, 3, 1. Of b: 2, 1, 3 and 2.5, 1, 2.5.
    "large-init-large-final": {"a": [[1, 3], [1, 0]], "b": [[2, 1, 2.5]]},
    "small-init-small-final": {"a": [[-2, -3], [-2, 0]], "b": [[-2.5, -1, -3]]},
    "magnitude-increase": {"a": [[2, 0], [-2, 7]], "b": [[0.5, 0.25, -1]]},
    "movement": {"a": [[4, 8], [2, 7]], "b": [[1.5, 0.75, 1]]},
}
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)


def trace(**changes) -> Trace:
    base = {"initial": INITIAL, "trained": TRAINED, "mask": ALIVE, "gradient": lambda: GRADIENT,
            "generator": np.random.default_rng(0), "flow": lambda: FLOW}  # fmt: skip
    return Trace(**(base | changes))


def test_every_declared_criterion_is_built_in_and_worked_out_here() -> None:
    assert set(BUILT_IN) == set(CRITERIA) == {*BY_HAND, "random"}


@pytest.mark.parametrize("name", BY_HAND)
def test_scores_are_those_worked_out_by_hand(name) -> None:
    found = scores(name, trace())
    for weight, wanted in BY_HAND[name].items():
        np.testing.assert_array_equal(found[weight], np.array(wanted))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_criterion_leaves_what_it_looks_at_alone(name) -> None:
    copies = [{n: v.copy() for n, v in part.items()} for part in (INITIAL, TRAINED, GRADIENT, ALIVE)]
    scores(name, trace())
    for part, copy in zip((INITIAL, TRAINED, GRADIENT, ALIVE), copies, strict=True):
        assert all(np.array_equal(part[n], copy[n]) for n in part)


def test_random_scores_follow_the_generator_alone() -> None:
    first, again = (scores("random", trace(generator=np.random.default_rng(3))) for _ in range(2))
    other = scores("random", trace(generator=np.random.default_rng(4)))
    backwards = {name: ALIVE[name] for name in ("b", "a")}
    for name in ALIVE:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.any(first[name] == other[name])
    turned = scores("random", trace(mask=backwards, generator=np.random.default_rng(3)))
    assert all(np.array_equal(turned[name], first[name]) for name in ALIVE)


@PROPERTY
@given(st.sampled_from(sorted(BUILT_IN)), st.data())
def test_counts_are_exact_however_scores_are_permuted_inside_a_layer(name, draw) -> None:
    shapes = {"conv.weight": (3, 2, 2), "fc.weight": (4, 3)}
    numbers = st.integers(-4, 4).map(float)  # many ties
    some = [{n: draw.draw(arrays(np.float32, s, elements=numbers)) for n, s in shapes.items()} for _ in range(3)]
    rule = Pruning(draw.draw(st.sampled_from(["layer-wise", "global"])), draw.draw(st.floats(0.1, 0.6)))
    sizes = {n: int(np.prod(s)) for n, s in shapes.items()}
    mask = masks.ones(shapes)
    for level in (1, 2, 3):
        g = np.random.default_rng(draw.draw(st.integers(0, 99)))
        found = scores(name, Trace(some[0], some[1], mask, lambda: some[2], g, lambda: some[2]))
        moved = {n: g.permutation(s.ravel()).reshape(s.shape) for n, s in found.items()}
        wanted = ladder(sizes, rule, level)
        smaller = masks.prune(moved, mask, wanted)
        left = masks.counts(smaller)
        assert wanted == (left if rule.scope == "layer-wise" else {"all": sum(left.values())})
        assert not any(np.any(smaller[n] & ~mask[n]) for n in shapes)
        mask = smaller


# SNIP's gradient, and which weights a criterion is shown

SHAPE, CLASSES = (1, 6, 6), 4
NETWORKS = {
    "perceptron": Network("mlp", (5,)),
    "perceptron with batch norm": Network("mlp", (5, 4), batch_norm=True),
    "module": Network("conv-2", width=0.05),
    "module with batch norm": Network("resnet-8", width=0.25),
}


def made(network: Network, criterion: str, arm: str):
    """A unit of level 1, its network, and data of two replicates of 8 training examples."""
    g = np.random.default_rng(0)
    shape = SHAPE if network.kind != "mlp" else (7,)
    x = torch.from_numpy(g.standard_normal((20, *shape)).astype(np.float32))
    examples = Examples(x, torch.from_numpy(g.integers(0, CLASSES, 20)))
    held_out = Examples(-x, torch.from_numpy(g.integers(0, CLASSES, 20)))
    rows = torch.arange(16).view(2, 8)
    folds = Folds(examples, held_out, rows, torch.arange(16, 20).view(2, 2), rows, CLASSES)
    training = Training("sgd", 0.1, batch=4, iterations=2, evaluate_every=1)
    pruning = Pruning("layer-wise", 0.4, criterion=criterion)
    data = DataSpec("mnist1d", train=10, validation=2, test=10)
    experiment = Experiment("criteria", "", network, data, training, pruning)
    units = plan_experiment(experiment, {(arm, 1)}, 2, 2, 0)
    return next(u for u in units if u.arm == arm), registry.model(network, shape, CLASSES), folds


def gradient_by_autograd(model, state, x, y) -> dict:
    module = MlpModule(model) if isinstance(model, Mlp) else model.build()
    module.load(state) if isinstance(model, Mlp) else load_state(module, state)
    functional.cross_entropy(module.train()(x), y).backward()
    if isinstance(model, Mlp):
        return {n: module.named_tensors()[n].grad.T.numpy() for n in model.prunable}
    return {n: p.grad.numpy() for n, p in module.named_parameters() if n in model.prunable}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("arm", ["pruned-at-init", "one-shot"])
def test_snip_prunes_by_the_gradient_that_autograd_gives(network, arm) -> None:
    unit, model, folds = made(network, "snip", arm)
    trained = [model.initial_state(np.random.default_rng(9 + s)) for s in (0, 1)]
    above = {("dense", 0): {f"final/{n}": np.stack([state[n] for state in trained]) for n in trained[0]}}
    sizes = {n: int(np.prod(shape)) for n, shape in model.prunable.items()}
    for s in (0, 1):
        at_init = model.initial_state(stream(0, "criteria", s, "init"))
        state = at_init if arm == "pruned-at-init" else trained[s]
        x, y = folds.examples.x[folds.train[s]], folds.examples.y[folds.train[s]]
        gradient = gradient_by_autograd(model, state, x, y)
        by_hand = {n: np.abs(state[n] * gradient[n]) for n in model.prunable}
        mask = mask_for(unit, model, folds, above, s, 0)
        assert masks.counts(mask) == ladder(sizes, unit.experiment.pruning, 1)
        for (
            name,
            kept,
        ) in mask.items():  # up to rounding: the largest that goes is no larger than the smallest kept
            assert by_hand[name][~kept].max() <= by_hand[name][kept].min() * (1 + 1e-3) + 1e-9
            assert np.ptp(by_hand[name]) > 0


@pytest.mark.parametrize(
    ("name", "looks_at"),
    [("magnitude", "trained"), ("large-init", "initial"), ("movement", "both"), ("small-final", "trained")],
)
def test_initial_and_trained_weights_are_not_mixed_up(name, looks_at) -> None:
    unit, model, folds = made(NETWORKS["perceptron"], name, "one-shot")
    trained = [model.initial_state(np.random.default_rng(9 + s)) for s in (0, 1)]
    above = {("dense", 0): {f"final/{n}": np.stack([state[n] for state in trained]) for n in trained[0]}}
    for s in (0, 1):
        initial = model.initial_state(stream(0, "criteria", s, "init"))
        by_hand = {
            "trained": {n: np.abs(trained[s][n]) * (-1 if name == "small-final" else 1) for n in model.prunable},
            "initial": {n: np.abs(initial[n]) for n in model.prunable},
            "both": {n: np.abs(trained[s][n] - initial[n]) for n in model.prunable},
        }[looks_at]
        for name_, kept in mask_for(unit, model, folds, above, s, 0).items():
            assert by_hand[name_][~kept].max() <= by_hand[name_][kept].min()


def test_the_criterion_random_of_a_cell_has_a_stream_of_its_own() -> None:
    found = {}
    for arm in ("pruned-at-init", "one-shot"):
        unit, model, folds = made(NETWORKS["perceptron"], "random", arm)
        dense = model.initial_state(np.random.default_rng(0))
        above = {("dense", 0): {f"final/{n}": np.stack([v, v]) for n, v in dense.items()}}
        for s in (0, 1):
            first, again = (mask_for(unit, model, folds, above, s, 0) for _ in range(2))
            assert masks.fingerprint(first) == masks.fingerprint(again)
            found[arm, s] = masks.fingerprint(first)
            noise = stream(0, "criteria", s, f"criterion/{arm}/1")
            drawn = {n: noise.random(model.prunable[n]) for n in sorted(model.prunable)}
            for name, kept in first.items():
                assert drawn[name][~kept].max() <= drawn[name][kept].min()
    assert len(set(found.values())) == 4


# SynFlow: a rung reached in 100 rounds, and no look at any example

TWO_LAYERS = Mlp((2, 2, 1), batch_norm=False)
STATE = {
    "fc1.weight": np.float32([[1, -2], [-3, 0.5]]), "fc1.bias": np.float32([0, 0]),
    "out.weight": np.float32([[2], [-4]]), "out.bias": np.float32([0]),
}  # fmt: skip


def test_flow_is_the_one_worked_out_by_hand() -> None:
    """Output = 2 (1 + 3) + 4 (2 + 0.5): each partial derivative is what flows in times what flows on."""
    found = flow(TWO_LAYERS, (2,), STATE, masks.ones(TWO_LAYERS.prunable))
    np.testing.assert_array_equal(found["fc1.weight"], [[2, 4], [2, 4]])
    np.testing.assert_array_equal(found["out.weight"], [[4], [2.5]])
    mask = masks.ones(TWO_LAYERS.prunable)
    mask["fc1.weight"][1, 0] = False
    found = flow(TWO_LAYERS, (2,), STATE, mask)
    np.testing.assert_array_equal(found["out.weight"], [[1], [2.5]])


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_what_flows_through_each_layer_is_the_same_and_finite(network) -> None:
    """The law SynFlow rests on: without shortcuts, every layer's scores sum to what comes out at the end."""
    model = registry.model(network, SHAPE if network.kind != "mlp" else (7,), CLASSES)
    state = model.initial_state(np.random.default_rng(1))
    state = {name: value * np.float32(1e9) if name in model.prunable else value for name, value in state.items()}
    shape = SHAPE if network.kind != "mlp" else (7,)
    found = flow(model, shape, state, masks.ones(model.prunable))
    totals = {name: float(np.sum(np.abs(state[name].astype(np.float64)) * found[name])) for name in found}
    assert all(np.isfinite(each).all() and each.dtype == np.float64 for each in found.values())
    if not network.kind.startswith("resnet"):
        assert np.allclose(list(totals.values()), totals["out.weight" if "out.weight" in totals else min(totals)])


def test_a_unit_passes_on_as_much_as_it_gets() -> None:
    state = TWO_LAYERS.initial_state(np.random.default_rng(0))
    found = flow(TWO_LAYERS, (2,), state, masks.ones(TWO_LAYERS.prunable))
    score = {name: np.abs(state[name]) * found[name] for name in found}
    np.testing.assert_allclose(score["fc1.weight"].sum(0), score["out.weight"].sum(1))


@pytest.mark.parametrize(
    ("network", "scope"),
    [("perceptron", "global"), ("perceptron with batch norm", "layer-wise"), ("module with batch norm", "global")],
)
def test_synflow_is_pruned_in_a_hundred_rounds_without_data(network, scope) -> None:
    unit, model, folds = made(NETWORKS[network], "synflow", "pruned-at-init")
    pruning = replace(unit.experiment.pruning, scope=scope)
    unit = replace(unit, experiment=replace(unit.experiment, pruning=pruning))
    nothing = replace(folds.examples, x=torch.full_like(folds.examples.x, torch.nan))
    sizes = {n: int(np.prod(shape)) for n, shape in model.prunable.items()}
    state = model.initial_state(stream(0, "criteria", 0, "init"))
    by_hand = masks.ones(model.prunable)
    for k in range(1, 101):  # written out once more, round by round
        found = flow(model, folds.shape, state, by_hand)
        score = {name: np.abs(state[name].astype(np.float64)) * found[name] for name in by_hand}
        end = ladder(sizes, pruning, 1)
        start = {"all": sum(sizes.values())} if scope == "global" else sizes
        by_hand = masks.prune(score, by_hand, {n: round(start[n] * (end[n] / start[n]) ** (k / 100)) for n in end})
    mask = mask_for(unit, model, replace(folds, examples=nothing), {}, 0, 0)
    assert masks.fingerprint(mask) == masks.fingerprint(by_hand)
    left = masks.counts(mask)
    assert ladder(sizes, pruning, 1) == (left if scope == "layer-wise" else {"all": sum(left.values())})


def test_each_of_several_rounds_leaves_the_same_fraction() -> None:
    assert steps({"a": 1000, "b": 8, "c": 0}, {"a": 1, "b": 8, "c": 0}, 3) == [
        {"a": 100, "b": 8, "c": 0},
        {"a": 10, "b": 8, "c": 0},
        {"a": 1, "b": 8, "c": 0},
    ]
    assert steps({"a": 10}, {"a": 3}, 1) == [{"a": 3}]


# A user's own


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes the user's module; returns the name of one of its functions."""

    def write(source: str, function: str = "score") -> str:
        (tmp_path / "users_criteria.py").write_text(source)
        return f"users_criteria:{function}"

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    sys.modules.pop("users_criteria", None)


def test_a_users_criterion_is_called_with_the_same_trace(own) -> None:
    name = own("def score(trace):\n    return {n: w - trace.initial[n] for n, w in trace.trained.items()}\n")
    Pruning("global", 0.2, criterion=name)
    found = scores(name, trace())
    np.testing.assert_array_equal(found["a"], [[-4, 8], [-2, -7]])
    np.testing.assert_array_equal(found["b"], [[-1.5, 0.75, -1]])


def test_a_users_scores_may_be_lists_and_may_name_more(own) -> None:
    name = own(
        "def score(trace):\n    return {n: m.astype(int).tolist() for n, m in trace.mask.items()} | {'x': 0}\n"
    )
    found = scores(name, trace())
    assert {n: v.shape for n, v in found.items()} == {"a": (2, 2), "b": (1, 3)}


def test_scores_of_pruned_weights_do_not_matter(own) -> None:
    name = own(
        "import numpy as np\n"
        "def score(trace):\n    return {n: np.where(m, 1.0, np.nan) for n, m in trace.mask.items()}\n"
    )
    assert np.isnan(scores(name, trace())["a"]).sum() == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def other(trace): ...", "users_criteria has no function score"),
        (
            "import nothing_of_this_name",
            r"cannot import users_criteria \(ModuleNotFoundError: No module named 'nothing.*py, line 1\); ins",
        ),
        ("def score(t): return {'a': t.mask['a'] * 1.0}", r"score gives no scores of shape \(1, 3\) for b"),
        ("def score(t): return {n: m.ravel() * 1.0 for n, m in t.mask.items()}", r"of shape \(2, 2\) for a"),
        (
            "def score(t): return {n: m * float('nan') for n, m in t.mask.items()}",
            "scores that are not numbers for a",
        ),
        ("def score(t): return None", "score returns a NoneType"),
        ("score = 5", "users_criteria has no function score"),
    ],
)
def test_what_is_wrong_with_a_users_criterion_is_said(own, source, said) -> None:
    with pytest.raises(CriterionError, match=said):
        scores(own(source + "\n"), trace())


def test_a_criterion_that_gives_something_odd_is_named_with_its_file_and_line(own) -> None:
    name = own("import math\n\n\ndef score(trace):\n    return None\n")
    with pytest.raises(CriterionError, match=r"score returns a NoneType, .* \(.*users_criteria.py, line 4\)$"):
        scores(name, trace())


SHAPES_SEEN = """def score(trace):
    parts = (trace.initial, trace.trained, trace.mask, trace.gradient())
    assert len({tuple(part[name].shape for name in trace.mask) for part in parts}) == 1
    return {name: abs(weight) / abs(weight).sum(1, keepdims=True) for name, weight in trace.trained.items()}
"""


@pytest.mark.parametrize("network", [NETWORKS["perceptron"], Network("mlp", (5,), activation="tanh")])
def test_a_users_criterion_sees_outputs_first_whichever_engine_trains(own, network) -> None:
    """Each weight as a share of what its output reads: on the other axis other weights would go."""
    unit, model, folds = made(network, own(SHAPES_SEEN), "pruned-at-init")
    turn = np.transpose if isinstance(model, Mlp) else np.asarray
    assert turn(np.empty(model.prunable["fc1.weight"])).shape == (5, 7)
    for s in (0, 1):
        state = model.initial_state(stream(0, "criteria", s, "init"))
        for name, mask in mask_for(unit, model, folds, {}, s, 0).items():
            assert mask.shape == model.prunable[name]
            size, kept = np.abs(turn(state[name])), turn(mask)
            share = size / size.sum(1, keepdims=True)
            assert share[~kept].max() < share[kept].min()


def test_a_package_that_is_not_there_is_said() -> None:
    with pytest.raises(CriterionError, match=r"cannot import no_such_package .*install it here"):
        criterion("no_such_package:score")


@pytest.mark.parametrize("name", ["magnitud", "package", "a:b:c", "pack age:f", ":f"])
def test_an_unknown_criterion_is_refused_where_it_is_declared(name) -> None:
    with pytest.raises(ValueError, match=r"criterion '.*' is unknown; use magnitude, random, snip"):
        Pruning("global", 0.2, criterion=name)


def test_a_network_that_diverged_is_pruned_to_exact_counts_all_the_same() -> None:
    lost = {name: np.full_like(value, np.nan) for name, value in TRAINED.items()}
    for name in ("magnitude", "snip", "movement"):
        found = scores(name, trace(trained=lost))
        mask = masks.prune(found, ALIVE, {"a": 2, "b": 1})
        assert masks.counts(mask) == {"a": 2, "b": 1}
