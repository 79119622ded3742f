"""Pruning whole filters: exact counts, nothing left of a filter that is gone, refusals, the arms, the gate."""

import dataclasses

import numpy as np
import pytest
from pruning_lab import IMAGE, SGD, TIED, filterwise, made, noise, random_scores, remaining, task_for

from lthbench.claims.schema import Cell
from lthbench.drive.execute import run_chunk
from lthbench.judging.gates.cells import Cells
from lthbench.judging.gates.masks import ladder_gate, mask_gates
from lthbench.judging.table import Table
from lthbench.models.errors import ModelError
from lthbench.models.mlp import Mlp
from lthbench.plan.unit import plan_experiment
from lthbench.pruning import filters, masks
from lthbench.pruning.counts import ladder
from lthbench.pruning.filters import Filters
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results import store, tidy
from lthbench.tickets.networks import part
from lthbench.training import loop, reference

# (id, network, shape of one example, keep, filters of every weight that may lose some).
NETWORKS = [
    ("mlp", Network("mlp", (12, 7)), (1, 6, 6), (), {"fc1.weight": 12, "fc2.weight": 7}),
    ("mlp-batch-norm", Network("mlp", (12, 7), batch_norm=True), (36,), (), {"fc1.weight": 12, "fc2.weight": 7}),
    ("mlp-module", Network("mlp", (12, 7), activation="tanh", dropout=0.2), (36,), (),
     {"fc1.weight": 12, "fc2.weight": 7}),
    ("conv-2", Network("conv-2", width=0.1), IMAGE, (),
     {"conv1.weight": 6, "conv2.weight": 6, "fc1.weight": 26, "fc2.weight": 26}),
    ("conv-4", Network("conv-4", width=0.1), IMAGE, ("fc*",),
     {"conv1.weight": 6, "conv2.weight": 6, "conv3.weight": 13, "conv4.weight": 13}),
    ("conv-6", Network("conv-6", width=0.1), IMAGE, ("fc*", "conv1.*"),
     {"conv2.weight": 6, "conv3.weight": 13, "conv4.weight": 13, "conv5.weight": 26, "conv6.weight": 26}),
    ("vgg-11", Network("vgg-11", width=0.05), IMAGE, (),
     {f"conv{i}.weight": n for i, n in enumerate((3, 6, 13, 13, 26, 26, 26, 26), start=1)}),
    ("resnet-8", Network("resnet-8", width=0.5), IMAGE, TIED,
     {"stage1.0.conv1.weight": 8, "stage2.0.conv1.weight": 16, "stage3.0.conv1.weight": 32}),
    ("timm", Network("timm/test_resnet"), (3, 32, 32),
     ("conv1.6.weight", "layer*.conv2.*", "layer3.0.conv3.*", "*.downsample.*"),
     {"conv1.0.weight": 16, "conv1.3.weight": 16, "layer1.0.conv1.weight": 32, "layer2.0.conv1.weight": 48,
      "layer3.0.conv1.weight": 48, "layer4.0.conv1.weight": 96}),
    ("torchvision", Network("torchvision/squeezenet1_1"), (3, 32, 32), ("features.1?.*", "features.[4-9].*"),
     {"features.0.weight": 64, "features.3.squeeze.weight": 16, "features.3.expand1x1.weight": 64,
      "features.3.expand3x3.weight": 64}),
]  # fmt: skip
CASES = [pytest.param(*case[1:], id=case[0]) for case in NETWORKS]
TRAINED = [case for case in CASES if case.id not in ("timm", "torchvision", "conv-4", "conv-6")]
# Filters after one and two rounds at 30 %, counted by hand.
LEFT = {
    3: [2, 1], 6: [4, 3], 7: [5, 3], 8: [6, 4], 12: [8, 6], 13: [9, 6], 16: [11, 8], 26: [18, 13], 32: [22, 15],
    48: [34, 24], 64: [45, 31], 96: [67, 47],
}  # fmt: skip


@pytest.mark.parametrize(("network", "shape", "keep", "counts"), CASES)
def test_every_round_leaves_whole_filters_in_exact_numbers(network, shape, keep, counts) -> None:
    seen, fed = made(network, shape)
    pruning = filterwise(keep=keep)
    found = filters.find(seen, fed, pruning)
    assert found.count == counts
    mask, sizes = masks.ones(seen.prunable), masks.counts(masks.ones(seen.prunable))
    for level in (1, 2):
        rung = ladder(sizes, pruning, level, counts)
        pruned = found.prune(random_scores(seen, level), mask, rung)
        assert remaining(found, pruned) == {name: LEFT[n][level - 1] for name, n in counts.items()}
        assert masks.counts(pruned) == rung
        assert all(not (pruned[name] & ~mask[name]).any() for name in mask)  # nothing comes back
        assert all(pruned[name].all() for name in mask if name not in counts)  # kept, and the output layer
        assert {name: kept.shape for name, kept in pruned.items()} == seen.prunable
        mask = pruned


def test_the_score_of_a_filter_is_the_sum_over_its_weights_in_either_layout() -> None:
    weights = np.array([[1, -1, 1, 1], [0, 0, 0, 3.5], [-9, 0, 0, 0]])  # L1: 4, 3.5, 9; L2: 2, 3.5, 9
    for axis, scores in ((0, np.abs(weights)), (1, np.abs(weights).T)):
        found = Filters(axis, {"w": 3}, {}, {"w": scores.shape})
        pruned = found.prune({"w": scores}, masks.ones({"w": scores.shape}), {"w": 8})["w"]
        assert pruned.all(1 - axis).tolist() == [True, False, True]


def test_of_equal_filters_the_first_go() -> None:
    found = Filters(0, {"w": 5}, {}, {"w": (5, 2, 3, 3)})
    mask = found.prune({"w": np.ones((5, 2, 3, 3))}, masks.ones({"w": (5, 2, 3, 3)}), {"w": 2 * 18})
    assert found.alive("w", mask["w"]).tolist() == [False, False, False, True, True]


def test_the_last_filter_stays() -> None:
    found = Filters(0, {"w": 1}, {}, {"w": (1, 4)})
    with pytest.raises(ModelError, match=r"no filter of w would remain; .* pruning.keep"):
        found.prune({"w": np.ones((1, 4))}, masks.ones({"w": (1, 4)}), {"w": 0})


def test_random_masks_take_as_many_filters_elsewhere() -> None:
    seen, fed = made(Network("conv-2", width=0.5), IMAGE)
    found = filters.find(seen, fed, filterwise(0.5))
    like = found.prune(random_scores(seen), masks.ones(seen.prunable), ladder(
        masks.counts(masks.ones(seen.prunable)), filterwise(0.5), 1, found.count))  # fmt: skip
    first, second = (found.random_like(like, np.random.default_rng(seed)) for seed in (0, 1))
    again = found.random_like(dict(reversed(like.items())), np.random.default_rng(0))
    assert remaining(found, first) == remaining(found, second) == remaining(found, like)
    assert masks.fingerprint(first) == masks.fingerprint(again)
    for name in found.count:
        assert not np.array_equal(first[name], like[name])
        assert not np.array_equal(first[name], second[name])


def halved(seen, found: Filters) -> dict:
    sizes = masks.counts(masks.ones(seen.prunable))
    rung = ladder(sizes, filterwise(0.5), 1, found.count)
    return found.with_companions(found.prune(random_scores(seen), masks.ones(seen.prunable), rung))


@pytest.mark.parametrize(("network", "shape", "keep", "counts"), TRAINED)
def test_a_pruned_filter_leaves_nothing_behind_while_training(network, shape, keep, counts) -> None:
    seen, fed = made(network, shape)
    found = filters.find(seen, fed, filterwise(keep=keep))
    mask = halved(seen, found)
    task, folds = task_for(seen, [mask, masks.ones(seen.prunable)]), noise(fed)
    trained = loop.train(task, folds)
    for state in (trained.states[0], reference.train_one(task, folds, 0).states[0]):
        for name in counts:
            alive = found.alive(name, mask[name])
            layer = name.removesuffix("weight")
            norm = layer.replace("conv", "bn").replace("fc", "bn")
            own = [layer + "bias", norm + "weight", norm + "bias"]
            present = [other for other in own if other in seen.parameters]
            assert len(present) == (1 if layer + "bias" in seen.parameters else 2)
            for vector in present:
                assert not state[vector][~alive].any()
                assert state[vector][alive].all()
            rows = np.moveaxis(state[name], found.axis, 0).reshape(len(alive), -1)
            assert not rows[~alive].any()
            assert rows[alive].all()
    assert all(trained.states[1][name].all() for name in seen.parameters)  # the dense network beside it


def test_a_perceptrons_companions_are_named_for_both_of_its_forms() -> None:
    assert list(filters.find(Mlp((9, 5, 4), False), (9,), filterwise()).with_companions(
        {"fc1.weight": np.ones((9, 5), bool)})) == ["fc1.weight", "fc1.bias"]  # fmt: skip
    normed = filters.find(Mlp((9, 5, 4), True), (9,), filterwise())
    mask = {"fc1.weight": np.tile([True, False, True, True, False], (9, 1))}
    silent = normed.with_companions(mask)
    assert silent.keys() == {"fc1.weight", "bn1.weight", "bn1.bias"}
    assert silent["bn1.bias"].tolist() == silent["bn1.weight"].tolist() == [True, False, True, True, False]


def refusal(network: Network, shape: tuple[int, ...] = IMAGE, keep: tuple[str, ...] = ()) -> str:
    seen, fed = made(network, shape)
    with pytest.raises(ModelError) as caught:
        filters.find(seen, fed, filterwise(keep=keep))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tied_channels_are_refused_with_the_patterns_that_mend_it() -> None:
    said = refusal(Network("resnet-14", width=0.25))
    listed = (
        "conv.weight, stage1.*.conv2.weight, stage2.*.conv2.weight, stage2.0.downsample.conv.weight, "
        "stage3.*.conv2.weight, stage3.0.downsample.conv.weight"
    )
    assert said.startswith(f"pruning.unit filter: {listed}: channels shared")
    assert said.endswith("add to pruning.keep")
    seen, fed = made(Network("resnet-14", width=0.25), IMAGE)
    found = filters.find(seen, fed, filterwise(keep=tuple(listed.split(", "))))
    assert list(found.count) == [f"stage{s}.{b}.conv1.weight" for s in (1, 2, 3) for b in (0, 1)]


def test_keeping_one_of_two_tied_weights_is_not_enough() -> None:
    keep = tuple(name for name in TIED if name != "conv.weight")
    assert "filter: conv.weight: channels shared" in refusal(Network("resnet-8", width=0.25), keep=keep)


@pytest.mark.parametrize(
    ("between", "names", "why"),
    [
        ("depthwise", "first.weight, between.weight", "channels shared"),
        ("grouped", "first.weight, between.weight", "computed together"),
        ("group-norm", "first.weight", "computed together"),
        ("sigmoid", "first.weight", "leave something behind"),
        ("bare-norm", "first.weight", "leave something behind"),
    ],
)
def test_filters_that_cannot_go_alone_are_refused_by_name(between, names, why) -> None:
    network = Network("pruning_lab:odd", options={"between": between})
    said = refusal(network, keep=("aside.*",))
    assert said.startswith(f"pruning.unit filter: {names}: ")
    assert why in said
    seen, fed = made(network, IMAGE)
    kept = filters.find(seen, fed, filterwise(keep=("aside.*", *names.split(", "))))
    assert kept.count == {"second.weight": 5}


def test_weights_without_filters_and_networks_without_a_way_through_are_refused() -> None:
    said = refusal(Network("pruning_lab:odd", options={"between": "nothing"}))
    assert said.startswith("pruning.unit filter: aside.weight: what evaluation does not use")
    assert "use unit weight" in refusal(Network("mlp", (5,)), keep=("fc1.*",))
    assert "cannot be followed" in refusal(Network("torchvision/shufflenet_v2_x0_5"), (3, 32, 32))


def test_the_ladder_counts_filters_and_leaves_other_weights_alone() -> None:
    sizes = {"a.weight": 60, "b.weight": 40, "out.weight": 30}
    pruning = filterwise(0.5, layer_rates={"b*": 0.2}, output_rate=0.5)
    assert ladder(sizes, pruning, 2, {"a.weight": 6, "b.weight": 10}) == {
        "a.weight": 10, "b.weight": 24, "out.weight": 30,
    }  # fmt: skip
    with pytest.raises(ValueError, match="filters: needed"):
        ladder(sizes, pruning, 1)


CELLS = {
    ("dense", 0), ("ticket", 1), ("ticket", 2), ("rewound", 1), ("lr-rewound", 2), ("fine-tuned", 1),
    ("reinit", 2), ("reinit-rescaled", 2), ("shuffled", 2), ("random-mask", 2), ("one-shot", 2),
    ("pruned-at-init", 2), ("untrained", 1),
}  # fmt: skip


def experiment(batch_norm: bool, **pruning) -> Experiment:
    return Experiment(
        "filters", "", Network("mlp", (16, 12), batch_norm),
        DataSpec("mnist1d", train=200, validation=40, test=60),
        dataclasses.replace(SGD, batch=20, iterations=20), filterwise(rewind=5, **pruning),
        draws={"random-mask": 2}, barrier_points=3,
    )  # fmt: skip


@pytest.fixture(scope="module", params=[False, True], ids=["biases", "batch-norm"])
def ran(request, tmp_path_factory):
    """All arms of a small experiment: its units, and where their records are."""
    root, cache = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("cache")
    units = plan_experiment(experiment(request.param), CELLS, 2, 2, 0)
    run_chunk(units, root, cache, "cpu", lambda unit, how: None)
    return units, root


def tensors(ran, arm: str, level: int) -> dict[str, np.ndarray]:
    units, root = ran
    path = store.path_of(root, next(u for u in units if (u.arm, u.level) == (arm, level)))
    return store.read_tensors(path, store.read(path))


def test_every_arm_wears_whole_filters_and_the_gates_count_them(ran) -> None:
    units, root = ran
    table, _ = tidy.collect(root, units)
    every = [Cell("filters", unit.arm, unit.level) for unit in units]
    cells = Cells(units[0].experiment, every, Table(table), 2)
    gates = ladder_gate(cells) + mask_gates(cells)
    assert [gate.detail for gate in gates if not gate.passed] == []
    assert [gate.name for gate in gates if "random-mask" in gate.name] == ["filters: mask of random-mask@2"]
    one, two = (11, 8), (8, 6)
    worn = [("ticket", 1, one), ("fine-tuned", 1, one), ("untrained", 1, one)]
    worn += [
        (arm, 2, two) for arm in ("ticket", "one-shot", "pruned-at-init", "random-mask", "reinit", "shuffled")
    ]
    for arm, level, left in worn:
        stored = tensors(ran, arm, level)
        found = Filters(1, {"fc1.weight": 16, "fc2.weight": 12}, {}, {})
        for index in range(2):
            mask = part(stored, "mask", index)
            assert mask.keys() == {"fc1.weight", "fc2.weight", "out.weight"}  # weights only, as ever
            assert tuple(remaining(found, mask).values()) == left
            assert mask["out.weight"].all()


def test_tickets_are_nested_and_follow_the_l1_norm(ran) -> None:
    first, second = tensors(ran, "ticket", 1), tensors(ran, "ticket", 2)
    dense = tensors(ran, "dense", 0)
    for index in range(2):
        one, two = part(first, "mask", index), part(second, "mask", index)
        assert all(not (two[name] & ~one[name]).any() for name in one)
        for name, left in (("fc1.weight", 11), ("fc2.weight", 8)):
            norms = np.abs(part(dense, "final", index)[name].astype(float)).sum(0)
            assert set(np.flatnonzero(one[name].all(0))) == set(np.argsort(norms)[-left:])


def test_final_states_hold_nothing_of_a_pruned_filter(ran) -> None:
    for arm, level in (("ticket", 2), ("rewound", 1), ("lr-rewound", 2), ("fine-tuned", 1)):
        stored = tensors(ran, arm, level)
        for index in range(2):
            state, mask = part(stored, "final", index), part(stored, "mask", index)
            for name, parameter in state.items():
                layer = name.split(".")[0].replace("bn", "fc")
                if parameter.ndim == 1 and layer != "out" and not name.endswith((".mean", ".var")):
                    assert np.array_equal(parameter != 0, mask[f"{layer}.weight"].any(0))


def test_tables_tell_filters_of_the_dense_network_only(ran) -> None:
    units, root = ran
    table, _ = tidy.collect(root, units)
    rows = table[table["metric"].str.startswith("filters:")]
    assert set(rows["arm"]) == {"dense"}
    assert rows.groupby("metric")["value"].unique().map(list).to_dict() == {
        "filters:fc1.weight": [16], "filters:fc2.weight": [12],
    }  # fmt: skip
    assert sorted(rows["replicate"]) == [0, 0, 1, 1]
    counted = table[table["metric"].str.startswith("nonzero:")]["metric"]
    assert set(counted) == {"nonzero:fc1.weight", "nonzero:fc2.weight", "nonzero:out.weight"}


@pytest.mark.parametrize(
    ("metric", "by"),
    [("nonzero:fc1.weight", -1), ("nonzero:out.weight", -1), ("filters:fc1.weight", 1), (None, 0)],
)
def test_the_ladder_gate_notices_what_is_wrong(ran, metric, by) -> None:
    units, root = ran
    table, _ = tidy.collect(root, units)
    if metric is None:  # a table without filters is not one of whole filters
        table = table[~table["metric"].str.startswith("filters:")]
    else:
        arm = "dense" if metric.startswith("filters") else "ticket"
        table.loc[(table["arm"] == arm) & (table["metric"] == metric), "value"] += by
    every = [Cell("filters", "dense", 0), Cell("filters", "ticket", 1)]
    (gate,) = ladder_gate(Cells(units[0].experiment, every, Table(table), 2))
    assert not gate.passed


def test_pruning_single_weights_tells_no_filters(tmp_path) -> None:
    single = dataclasses.replace(
        experiment(False), pruning=Pruning("layer-wise", 0.3), training=Training("adam", 0.01, 20, 5, 5)
    )
    units = plan_experiment(single, {("dense", 0)}, 1, 1, 0)
    run_chunk(units, tmp_path, tmp_path, "cpu", lambda unit, how: None)
    table, _ = tidy.collect(tmp_path, units)
    assert not table["metric"].str.startswith("filters:").any()


def test_tied_channels_are_refused_before_anything_is_trained(tmp_path) -> None:
    nothing = dataclasses.replace(experiment(False), pruning=filterwise(keep=("fc*",)))
    units = plan_experiment(nothing, {("dense", 0)}, 1, 1, 0)
    with pytest.raises(ModelError, match="leaves no filters"):
        run_chunk(units, tmp_path, tmp_path, "cpu", lambda unit, how: None)


def test_arms_that_learn_masks_of_single_weights_are_refused(tmp_path) -> None:
    units = plan_experiment(experiment(False), {("dense", 0), ("edge-popup", 1)}, 1, 1, 0)
    with pytest.raises(ModelError, match=r"edge-popup: .* use pruning.unit weight"):
        run_chunk(units, tmp_path, tmp_path, "cpu", lambda unit, how: None)
