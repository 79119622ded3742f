"""The paper's networks have the paper's weights, and the recipes of its Figure 2 its densities."""

from math import prod

import pytest
from networks import IMAGE, PAPER

from lthbench.models.module import ModuleModel
from lthbench.models.registry import model
from lthbench.pruning.counts import density, ladder
from lthbench.recipe.experiment import Network, Pruning, check_patterns

DOWNSAMPLE = ["stage2.0.downsample.conv.weight", "stage3.0.downsample.conv.weight"]
LENET = Pruning("layer-wise", 0.2, output_rate=0.1)
CONV = Pruning("layer-wise", 0.2, output_rate=0.1, layer_rates={"conv*": 0.1})
CONV6 = Pruning("layer-wise", 0.2, output_rate=0.1, layer_rates={"conv*": 0.15})
RESNET = Pruning("global", 0.2, keep=("*downsample*", "out.weight"))
VGG = Pruning("global", 0.2, keep=("out.weight",))

# Percent of weights left after so many rounds, as printed in 1803.03635 (Conv-6: of the network as drawn there).
LADDERS = {
    "lenet-300-100": (LENET, {1: 80.0, 3: 51.3, 7: 21.1, 9: 13.5, 12: 7.0, 15: 3.6, 16: 2.9, 18: 1.9, 20: 1.2}),
    "conv-2": (CONV, {6: 26.5, 10: 11.0, 11: 8.8, 13: 5.7, 14: 4.6, 17: 2.4, 18: 1.9}),
    "conv-4": (CONV, {7: 23.9, 10: 13.3, 11: 11.1, 12: 9.2, 13: 7.7, 15: 5.4, 21: 2.0}),
    "conv-6": (CONV6, {7: 26.6, 10: 15.3, 11: 12.7, 12: 10.6}),
    "resnet-20": (RESNET, {4: 41.7, 6: 27.1, 7: 21.9, 8: 17.8, 9: 14.4, 10: 11.8}),
    "vgg-19": (VGG, {12: 6.9, 15: 3.5, 17: 2.3, 19: 1.5}),
}


def sizes(network: Network, shape: tuple[int, ...] = IMAGE) -> dict[str, int]:
    """Prunable weights by name."""
    return {name: prod(dimensions) for name, dimensions in model(network, shape, 10).prunable.items()}


def part(found: dict[str, int], *starts: str) -> int:
    return sum(count for name, count in found.items() if name.startswith(starts))


@pytest.mark.parametrize(("network", "shape", "weights"), [pytest.param(*one[1:], id=one[0]) for one in PAPER])
def test_prunable_weights_are_as_many_as_the_paper_draws(network, shape, weights) -> None:
    assert sum(sizes(network, shape).values()) == weights


@pytest.mark.parametrize(
    ("kind", "convolutions", "names"), [("conv-2", 38_592, 2), ("conv-4", 259_776, 4), ("conv-6", 1_144_512, 6)]
)
def test_conv_networks_prune_kernels_two_hidden_layers_and_the_output(kind, convolutions, names) -> None:
    found = sizes(Network(kind))
    layers = [*(f"conv{i}" for i in range(1, names + 1)), "fc1", "fc2", "out"]
    assert list(found) == [f"{layer}.weight" for layer in layers]
    assert part(found, "conv") == convolutions
    assert (found["fc2.weight"], found["out.weight"]) == (256 * 256, 2_560)


@pytest.mark.parametrize(("kind", "blocks", "three"), [("resnet-20", 3, 267_696), ("resnet-56", 9, 848_304)])
def test_resnets_prune_kernels_projections_and_the_output(kind, blocks, three) -> None:
    found = sizes(Network(kind))
    inner = [f"stage{s}.{b}.conv{c}.weight" for s in (1, 2, 3) for b in range(blocks) for c in (1, 2)]
    assert found.keys() == {"conv.weight", *inner, *DOWNSAMPLE, "out.weight"}
    assert sum(found[name] for name in DOWNSAMPLE) == 2_560
    assert found["out.weight"] == 640
    assert sum(found[name] for name in ["conv.weight", *inner]) == three


@pytest.mark.parametrize(
    ("kind", "count", "weights"),
    [("vgg-11", 8, 9_217_728), ("vgg-13", 10, 9_402_048), ("vgg-16", 13, 14_710_464), ("vgg-19", 16, 20_018_880)],
)
def test_vggs_prune_kernels_and_the_output(kind, count, weights) -> None:
    found = sizes(Network(kind))
    assert list(found) == [*(f"conv{i}.weight" for i in range(1, count + 1)), "out.weight"]
    assert part(found, "conv") == weights
    assert found["out.weight"] == 5_120


@pytest.mark.parametrize(("network", "shape"), [pytest.param(*one[1:3], id=one[0]) for one in PAPER])
def test_neither_biases_nor_batch_norm_are_prunable(network, shape) -> None:
    looked_at = model(network, shape, 10)
    rest = looked_at.parameters.keys() - looked_at.prunable.keys()
    norms = {name.removesuffix(".running_mean") for name in looked_at.buffers if name.endswith("running_mean")}
    assert rest == {n for n in rest if n.endswith(".bias") or n.removesuffix(".weight") in norms}
    assert bool(norms) == network.kind.startswith(("resnet", "vgg"))
    assert "out.bias" in rest


@pytest.mark.parametrize("name", LADDERS)
def test_ladders_are_the_printed_ones(name) -> None:
    pruning, printed = LADDERS[name]
    network, shape = next(one[1:3] for one in PAPER if one[0] == name)
    found = sizes(network, shape)
    check_patterns(pruning, list(found))
    for level, percent in printed.items():
        assert 100 * density(found, pruning, level) == pytest.approx(percent, abs=0.06), level


def test_resnets_labels_match_only_if_projections_and_output_are_counted_and_unpruned() -> None:
    found = sizes(Network("resnet-20"))
    kernels = {name: n for name, n in found.items() if name not in DOWNSAMPLE and name != "out.weight"}
    everything = Pruning("global", 0.2)
    for level, percent in {4: 41.7, 7: 21.9, 10: 11.8}.items():
        assert abs(100 * density(found, everything, level) - percent) > 0.5
        assert abs(100 * density(kernels, everything, level) - percent) > 0.5


def test_conv_rates_are_those_of_the_layers_the_patterns_name() -> None:
    found = sizes(Network("conv-2"))
    left = ladder(found, CONV, 1)
    assert {name: round(left[name] / found[name], 3) for name in found} == {
        "conv1.weight": 0.9, "conv2.weight": 0.9, "fc1.weight": 0.8, "fc2.weight": 0.8, "out.weight": 0.9
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["conv-2", "conv-4", "conv-6", "resnet-20", "vgg-16"])
def test_one_channel_and_28_pixels_change_only_what_they_must(kind) -> None:
    large, small = (model(Network(kind), shape, 10) for shape in (IMAGE, (1, 28, 28)))
    changed = {name for name in large.parameters if large.parameters[name] != small.parameters[name]}
    first = "conv.weight" if kind.startswith("resnet") else "conv1.weight"
    assert changed == ({first, "fc1.weight"} if kind.startswith("conv") else {first})


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            Network("conv-2", width=0.1),
            {"conv1.weight": (6, 3, 3, 3), "fc2.weight": (26, 26), "out.weight": (10, 26)},
        ),
        (Network("resnet-8", width=2), {"conv.weight": (32, 3, 3, 3), "out.weight": (10, 128)}),
        (Network("vgg-11", width=0.5), {"conv1.weight": (32, 3, 3, 3), "out.weight": (10, 256)}),
        (Network("vgg-11", width=1e-6), {"conv1.weight": (1, 3, 3, 3), "out.weight": (10, 1)}),
        (Network("mlp", (5,), width=0.5, dropout=0.1), {"fc1.weight": (3, 3072), "out.weight": (10, 3)}),
    ],
)
def test_width_multiplies_hidden_widths_halves_up_and_never_below_one(network, expected) -> None:
    looked_at = model(network, IMAGE, 10)
    assert isinstance(looked_at, ModuleModel)
    assert {name: looked_at.prunable[name] for name in expected} == expected
