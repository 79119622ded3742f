"""A user's mistakes: one line that names the network and the way out."""

import re
import sys
import textwrap

import pytest
from networks import CLASSES, IMAGE, needs

from lthbench.models.errors import ModelError
from lthbench.models.registry import build, model
from lthbench.recipe.experiment import Network

MINE = """
    import torch
    from torch import nn
    def good(shape, classes): return nn.Sequential(nn.Flatten(), nn.Linear(3072, classes))
    def text(shape, classes): return "no module"
    def wide(shape, classes): return nn.Sequential(nn.Flatten(), nn.Linear(3072, classes + 1))
    def narrow(shape, classes): return nn.Sequential(nn.Flatten(), nn.Linear(9, classes))
    def breaks(shape, classes): raise KeyError("a key\\nof mine")
    SHARED = good(None, 10)
    def shared(shape, classes): return SHARED
    class Pair(nn.Module):
        def __init__(self): super().__init__(); self.inner = good(None, 10)
        def forward(self, x): return (self.inner(x), x) if self.training else self.inner(x)
    def pair(shape, classes): return Pair()
    def frozen(shape, classes): return good(shape, classes).requires_grad_(False)
    def double(shape, classes): return nn.Sequential(nn.Flatten(), Cast(), nn.Linear(3072, classes).double())
    class Cast(nn.Module):
        def forward(self, x): return x.double()
    def lazy(shape, classes): return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))
    import itertools
    count = itertools.count()
    def unseeded(shape, classes):
        module = good(shape, classes)
        nn.init.constant_(module[1].weight, next(count))
        return module
"""

MISTAKES = {
    "mine_net:text": r"returned a str, not a torch\.nn\.Module",
    "mine_net:wide": r"in evaluation the output for 2 examples is \(2, 11\), not \(2, 10\)",
    "mine_net:pair": r"in training the output for 2 examples is tuple, not \(2, 10\)",
    "mine_net:narrow": r"cannot take examples of shape \(3, 32, 32\) \(RuntimeError: .*\)$",
    "mine_net:breaks": r"making it failed \(KeyError: .*a key.*of mine.*\)",
    "mine_net:goood": r"mine_net has no function goood; did you mean 'good'\?",
    "mine_net:count": r"mine_net has no function count",
    "mine_net:shared": "returns the same module twice",
    "mine_net:unseeded": r"starts differently under the same torch\.manual_seed",
    "mine_net:frozen": r"frozen or non-float32 parameters: 1\.weight",
    "mine_net:double": r"frozen or non-float32 parameters: 2\.weight",
    "mine_net:lazy": r"lazy layers \(1\.weight\); give their sizes",
    "mine_broken:net": r"importing mine_broken failed \(ZeroDivisionError: .*\)",
    "mine_missing:net": r"there is no not_here_at_all to import; it must be installed in this",
    "no_such_package.net:net": "there is no no_such_package to import; .* PYTHONPATH",
}  # fmt: skip


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Modules of a user's, importable during one test."""
    (tmp_path / "mine_net.py").write_text(textwrap.dedent(MINE))
    (tmp_path / "mine_broken.py").write_text("1 / 0\n")
    (tmp_path / "mine_missing.py").write_text("import not_here_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("mine_net", "mine_broken", "mine_missing"):
        sys.modules.pop(name, None)


def message(network: Network, shape: tuple[int, ...] = IMAGE) -> str:
    """The refusal; it is one line and begins with the network's name."""
    with pytest.raises(ModelError) as caught:
        model(network, shape, CLASSES)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{network.kind}: ")
    return text


@pytest.mark.parametrize("kind", MISTAKES)
@pytest.mark.usefixtures("mine")
def test_mistakes_are_told_in_one_line(kind) -> None:
    text = message(Network(kind))
    assert re.search(MISTAKES[kind], text), text


@pytest.mark.parametrize("kind", ["resnet-21", "resnet-2"])
def test_resnets_have_certain_depths(kind) -> None:
    with pytest.raises(ValueError, match=r"has 6n \+ 2 layers; use resnet-8, 14, 20"):
        Network(kind)


@pytest.mark.usefixtures("mine")
def test_a_users_function_that_is_right_is_taken() -> None:
    assert model(Network("mine_net:good"), IMAGE, CLASSES).prunable == {"1.weight": (10, 3072)}


@pytest.mark.usefixtures("mine")
def test_options_that_a_function_does_not_know() -> None:
    assert "unexpected keyword argument 'depth'" in message(Network("mine_net:good", options={"depth": 3}))


@pytest.mark.parametrize("kind", ["conv-2", "resnet-20", "vgg-11"])
def test_flat_features_are_no_images(kind) -> None:
    assert "needs images (channels, height, width); one example here is (40,)" in message(Network(kind), (40,))


@pytest.mark.parametrize(("kind", "pools", "least"), [("conv-4", 2, 4), ("conv-6", 3, 8), ("vgg-16", 4, 16)])
def test_images_must_survive_the_pools(kind, pools, least) -> None:
    text = message(Network(kind), (1, 28, least - 1))
    assert f"halves images {pools} times and needs at least {least}x{least} pixels, not 28x{least - 1}" in text
    build(Network(kind), (1, least, least), CLASSES)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        pytest.param("torchvision/resnet_18", "resnet18", marks=needs("torchvision/")),
        pytest.param("timm/mobilenetv3_smal_050", "mobilenetv3_small_050", marks=needs("timm/")),
    ],
)
def test_a_name_the_library_does_not_know(wrong, right) -> None:
    assert message(Network(wrong)).endswith(f"; did you mean '{right}'?")
    assert "did you mean" not in message(Network(wrong.partition("/")[0] + "/qqqqqqqqqqqq"))


@needs("torchvision/")
def test_torchvision_detects_nothing_here() -> None:
    assert "no such classifier" in message(Network("torchvision/fasterrcnn_resnet50_fpn"))


@needs("torchvision/")
def test_torchvision_takes_three_channels() -> None:
    text = message(Network("torchvision/shufflenet_v2_x0_5"), (1, 32, 32))
    assert "takes images of 3 channels, these have 1" in text


@needs("torchvision/")
def test_networks_that_return_more_than_logits_in_training() -> None:
    network = Network("torchvision/googlenet", options={"init_weights": False})
    assert "in training the output for 2 examples is GoogLeNetOutputs" in message(network, (3, 64, 64))
    model(Network("torchvision/googlenet", options={"init_weights": False, "aux_logits": False}), (3, 64, 64), 10)


@needs("timm/")
def test_networks_of_another_size_are_pointed_to_their_option() -> None:
    assert message(Network("timm/vit_tiny_patch16_224")).endswith("; some take options: {img_size: 32}")


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=needs(k)) for k in ("timm/resnet10t", "torchvision/resnet18")]
)
def test_libraries_need_images(kind) -> None:
    assert "needs images" in message(Network(kind), (40,))


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        pytest.param("torchvision/resnet18", "weights", marks=needs("torchvision/")),
        pytest.param("timm/resnet10t", "pretrained", marks=needs("timm/")),
        pytest.param("timm/resnet10t", "checkpoint_path", marks=needs("timm/")),
    ],
)
def test_options_cannot_ask_for_trained_weights(kind, key) -> None:
    assert message(Network(kind, options={key: True})).endswith(f": options cannot set {key}")


def test_a_library_that_is_not_installed(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert message(Network("timm/resnet10t")).endswith("; pip install timm")
