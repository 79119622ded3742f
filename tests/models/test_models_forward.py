"""What the networks compute: shapes, layers in the paper's order, dropout and activation in their places."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from networks import CASES, CLASSES, IMAGE, PAPER
from torch import nn
from torch.nn.functional import conv2d, cross_entropy, linear, max_pool2d

from lthbench.models.mlp import Mlp, MlpModule
from lthbench.models.module import ModuleModel
from lthbench.models.registry import build, model
from lthbench.recipe.experiment import Network


def kinds(module: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in module]


@pytest.mark.parametrize(("network", "shape"), CASES)
def test_logits_come_out_and_gradients_reach_every_parameter(network, shape) -> None:
    module = build(network, shape, 7)
    torch.manual_seed(0)
    x = torch.randn(4, *shape)
    assert module.eval()(x).shape == (4, 7)
    cross_entropy(module.train()(x), torch.arange(4)).backward()
    assert [name for name, p in module.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(("network", "shape"), [pytest.param(*one[1:3], id=one[0]) for one in PAPER])
def test_the_papers_networks_compute_at_full_width(network, shape) -> None:
    with torch.no_grad():
        assert build(network, shape, CLASSES).eval()(torch.zeros(2, *shape)).shape == (2, CLASSES)


def test_conv_2_computes_what_figure_2_draws() -> None:
    module = build(Network("conv-2", width=0.25), IMAGE, CLASSES)
    w = dict(module.named_parameters())
    x = torch.randn(3, *IMAGE)
    y = conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=1).relu()
    y = max_pool2d(conv2d(y, w["conv2.weight"], w["conv2.bias"], padding=1).relu(), 2).flatten(1)
    for layer in ("fc1", "fc2"):
        y = linear(y, w[f"{layer}.weight"], w[f"{layer}.bias"]).relu()
    torch.testing.assert_close(module(x), linear(y, w["out.weight"], w["out.bias"]))


def test_vgg_16_is_five_groups_of_convolutions_with_batch_norm() -> None:
    conv = ["Conv2d", "BatchNorm2d", "ReLU"]
    expected = [*conv * 2, "MaxPool2d", *conv * 2, "MaxPool2d", *conv * 3, "MaxPool2d", *conv * 3, "MaxPool2d",
                *conv * 3, "AdaptiveAvgPool2d", "Flatten", "Linear"]  # fmt: skip
    assert kinds(build(Network("vgg-16", width=0.1), IMAGE, CLASSES)) == expected


def test_resnet_stages_double_channels_and_halve_images() -> None:
    module = build(Network("resnet-20"), IMAGE, CLASSES)
    x, sizes = torch.randn(2, *IMAGE), {}
    for name, layer in module.named_children():
        x = layer(x)
        sizes[name] = tuple(x.shape[1:])
    assert [sizes[f"stage{i}"] for i in (1, 2, 3)] == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]
    assert sizes["pool"] == (64, 1, 1)
    assert (
        sum(isinstance(m, nn.Conv2d | nn.Linear) for m in module.modules()) - 2 == 20
    )  # projections do not count


def test_a_residual_block_without_its_convolutions_is_the_shortcut() -> None:
    stage = build(Network("resnet-8"), IMAGE, CLASSES).get_submodule("stage2")
    block = stage[0].eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.randn(2, 16, 8, 8)
    projected = conv2d(x, block.downsample.conv.weight, stride=2) / np.sqrt(1 + block.downsample.bn.eps)
    torch.testing.assert_close(block(x), projected.relu())


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_perceptron_as_a_module_computes_what_the_mlp_computes(batch_norm) -> None:
    network = Network("mlp", (9, 7), batch_norm)
    plain = model(network, (1, 4, 5), CLASSES)
    assert plain == Mlp((20, 9, 7, CLASSES), batch_norm)
    state = plain.initial_state(np.random.default_rng(0))
    old, new = MlpModule(plain), build(network, (1, 4, 5), CLASSES)
    old.load(state)
    with torch.no_grad():
        for name, parameter in new.named_parameters():
            parameter.copy_(
                torch.from_numpy(state[name]).T if parameter.dim() == 2 else torch.from_numpy(state[name])
            )
    x = torch.randn(6, 1, 4, 5)
    torch.testing.assert_close(new(x), old(x.flatten(1)), rtol=0, atol=0)


@pytest.mark.parametrize("change", [{"dropout": 0.5}, {"activation": "tanh"}, {"initialisation": "kaiming"}])
def test_only_a_plain_perceptron_is_an_mlp(change) -> None:
    assert isinstance(model(Network("mlp", (6,), initialisation="glorot"), (40,), 10), Mlp)
    assert model(Network("mlp", (5, 8), width=0.5), (40,), 10) == Mlp((40, 3, 4, 10), False)
    assert isinstance(model(Network("mlp", (6,), **change), (40,), 10), ModuleModel)


def test_dropout_follows_the_hidden_fully_connected_layers() -> None:
    conv = build(Network("conv-2", width=0.1, dropout=0.5), IMAGE, CLASSES)
    assert kinds(conv)[-8:] == ["Flatten", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear"]
    assert conv.drop1.p == 0.5
    mlp = build(Network("mlp", (6, 5), batch_norm=True, dropout=0.2), (40,), CLASSES)
    hidden = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert kinds(mlp) == ["Flatten", *hidden, *hidden, "Linear"]


@pytest.mark.parametrize("kind", ["resnet-8", "vgg-11"])
def test_dropout_of_networks_with_average_pooling_comes_before_the_output(kind) -> None:
    assert kinds(build(Network(kind, dropout=0.5), IMAGE, CLASSES))[-3:] == ["Flatten", "Dropout", "Linear"]


@pytest.mark.parametrize("kind", ["conv-2", "resnet-8", "vgg-11"])
def test_dropout_acts_in_training_only(kind) -> None:
    module = build(Network(kind, width=0.25, dropout=0.5), IMAGE, CLASSES)
    x = torch.randn(4, *IMAGE)
    assert not torch.equal(module.train()(x), module(x))
    assert torch.equal(module.eval()(x), module(x))


@pytest.mark.parametrize(
    "network",
    [Network(k, (6,) if k == "mlp" else (), activation="tanh") for k in ("mlp", "conv-4", "resnet-20", "vgg-11")],
)
def test_tanh_replaces_every_relu(network) -> None:
    names = [type(module).__name__ for module in build(network, IMAGE, CLASSES).modules()]
    assert "Tanh" in names
    assert "ReLU" not in names


def test_libraries_are_imported_only_when_asked_for() -> None:
    code = (
        "import sys, lthbench.recipe.experiment\n"
        "assert 'torch' not in sys.modules\n"
        "import lthbench.models.registry as r\n"
        "r.model(lthbench.recipe.experiment.Network('conv-2'), (3, 32, 32), 10)\n"
        "assert not {'torchvision', 'timm'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
