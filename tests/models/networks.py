"""Networks of every kind, small enough for tests; what this project promises must hold for each of them."""

from importlib.util import find_spec

import pytest
from torch import nn

from lthbench.recipe.experiment import Network

IMAGE = (3, 32, 32)
CLASSES = 10


def patches(shape: tuple[int, ...], classes: int, channels: int = 4) -> nn.Module:
    """A user's own network: group norm, and a convolution with a stride and a bias."""
    return nn.Sequential(
        nn.Conv2d(shape[0], channels, 4, 4), nn.GroupNorm(2, channels), nn.GELU(), nn.Flatten(),
        nn.Linear(channels * (shape[1] // 4) * (shape[2] // 4), classes),
    )  # fmt: skip


# The paper's networks at full width: (id, network, shape of one example, prunable weights with 10 classes).
PAPER = [
    ("lenet-300-100", Network("mlp", (300, 100)), (1, 28, 28), 266_200),
    ("conv-2", Network("conv-2"), IMAGE, 4_300_992),
    ("conv-4", Network("conv-4"), IMAGE, 2_425_024),
    ("conv-6", Network("conv-6"), IMAGE, 2_261_184),
    ("resnet-20", Network("resnet-20"), IMAGE, 270_896),
    ("resnet-56", Network("resnet-56"), IMAGE, 851_504),
    ("vgg-16", Network("vgg-16"), IMAGE, 14_715_584),
    ("vgg-19", Network("vgg-19"), IMAGE, 20_024_000),
]

# (id, network, shape of one example): everything that is trained as a module, quick to train.
NETWORKS = [
    ("mlp-dropout", Network("mlp", (12, 8), dropout=0.5), (1, 8, 8)),
    ("mlp-tanh-batch-norm", Network("mlp", (12, 8), batch_norm=True, activation="tanh"), (40,)),
    ("mlp-kaiming", Network("mlp", (12, 8), initialisation="kaiming"), (40,)),
    ("mlp-own", Network("mlp", (12, 8), initialisation="own"), (40,)),
    ("conv-2", Network("conv-2", width=0.1), (1, 28, 28)),
    ("conv-4", Network("conv-4", width=0.1), (3, 16, 16)),
    ("conv-6", Network("conv-6", width=0.1), (3, 16, 16)),
    ("conv-2-dropout", Network("conv-2", width=0.1, dropout=0.5), (3, 16, 16)),
    ("conv-2-tanh", Network("conv-2", width=0.1, activation="tanh"), (3, 16, 16)),
    ("resnet-8", Network("resnet-8", width=0.5), (3, 16, 16)),
    ("resnet-20", Network("resnet-20", width=0.25), (3, 16, 16)),
    ("resnet-56", Network("resnet-56", width=0.125), (3, 16, 16)),
    ("vgg-11", Network("vgg-11", width=0.05), (3, 16, 16)),
    ("vgg-16", Network("vgg-16", width=0.05), (3, 16, 16)),
    ("vgg-19", Network("vgg-19", width=0.05), (3, 16, 16)),
    ("timm-mobilenet", Network("timm/mobilenetv3_small_050"), IMAGE),
    ("timm-convnext", Network("timm/test_convnext"), IMAGE),
    (
        "timm-vit",
        Network(
            "timm/vit_tiny_patch16_224",
            options={"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2},
        ),
        (1, 32, 32),
    ),
    ("torchvision-shufflenet", Network("torchvision/shufflenet_v2_x0_5"), IMAGE),
    ("function", Network("networks:patches", options={"channels": 6}), IMAGE),
]


def needs(kind: str) -> pytest.MarkDecorator:
    """The mark of a test for networks of this kind: skipped where the library they come from is not installed."""
    library = kind.partition("/")[0] if "/" in kind else "torch"
    return pytest.mark.skipif(find_spec(library) is None, reason=f"needs {library}")


# For pytest.mark.parametrize(("network", "shape"), CASES).
CASES = [pytest.param(network, shape, id=name, marks=needs(network.kind)) for name, network, shape in NETWORKS]
