"""The smaller network computes what the masked one does, and costs what can be counted by hand."""

import numpy as np
import pytest
import torch
from networks import IMAGE, needs
from torch import nn

from lthbench.models.errors import ModelError
from lthbench.models.mlp import Mlp, MlpModule, mlp
from lthbench.models.registry import build, model
from lthbench.models.shrink import cost, shrink
from lthbench.pruning import filters, masks
from lthbench.pruning.counts import ladder
from lthbench.recipe.experiment import Network, Pruning


class Concatenated(nn.Module):
    """As in a DenseNet: a norm and a convolution read what several convolutions wrote, side by side."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(channels, 5, 3, padding=1), nn.Conv2d(5, 7, 3, padding=1, bias=False)
        self.norm, self.three = nn.BatchNorm2d(12), nn.Conv2d(12, 6, 3, stride=4)
        self.head = nn.Linear(6, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.one(x)
        both = self.norm(torch.cat([first, self.two(first.relu())], 1)).relu()
        return self.head(self.three(both).relu().mean((2, 3)))


def concatenated(shape: tuple[int, ...], classes: int) -> nn.Module:
    return Concatenated(shape[0], classes)


RESNET = ("conv.weight", "*.conv2.weight", "*.downsample.conv.weight")
# (id, network, shape of one example, keep).
NETWORKS = [
    ("mlp-dropout", Network("mlp", (12, 8), dropout=0.5), (1, 8, 8), ()),
    ("conv-2", Network("conv-2", width=0.1), (1, 28, 28), ()),
    ("conv-4-tanh", Network("conv-4", width=0.1, activation="tanh"), (3, 16, 16), ()),
    ("conv-6", Network("conv-6", width=0.1), (3, 16, 16), ("fc*",)),
    ("vgg-11", Network("vgg-11", width=0.05), (3, 16, 16), ()),
    ("vgg-16", Network("vgg-16", width=0.05), (3, 16, 16), ()),
    ("resnet-8", Network("resnet-8", width=0.5), (3, 16, 16), RESNET),
    ("resnet-20", Network("resnet-20", width=0.25), (3, 16, 16), RESNET),
    ("timm", Network("timm/test_resnet"), IMAGE,
     ("conv1.6.weight", "layer*.conv2.*", "layer3.0.conv3.*", "*.downsample.*")),
    ("torchvision-resnet", Network("torchvision/resnet18"), IMAGE,
     ("conv1.*", "layer*.conv2.*", "*.downsample.0.*")),
    ("concatenated", Network("test_shrink:concatenated"), IMAGE, ()),
]  # fmt: skip
CASES = [pytest.param(*case[1:], id=case[0], marks=needs(case[1].kind)) for case in NETWORKS]


def scramble(module: nn.Module) -> nn.Module:
    """Random biases, norms and running statistics, as after some training."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.dim() == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return module.eval()


def half_mask(seen, shape: tuple[int, ...], keep: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Half of all filters that may go are gone; the masks of their biases and norms are there as well."""
    pruning = Pruning("layer-wise", 0.5, keep=keep, unit="filter")
    found, dense = filters.find(seen, shape, pruning), masks.ones(seen.prunable)
    generator = np.random.default_rng(7)
    scores = {name: generator.random(mask.shape) for name, mask in dense.items()}
    return found.with_companions(found.prune(scores, dense, ladder(masks.counts(dense), pruning, 1, found.count)))


def masked(module: nn.Module, mask: dict[str, np.ndarray]) -> nn.Module:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in mask:
                kept = mask[name].T if isinstance(module, MlpModule) else mask[name]
                parameter.mul_(torch.from_numpy(kept))
    return module


def check_same(module: nn.Module, mask: dict[str, np.ndarray], shape: tuple[int, ...]) -> nn.Module:
    """The smaller network, checked against the masked one."""
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(4))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    small = shrink(module, mask, x[:2])
    with torch.no_grad():
        expected, found = module(x), small.eval()(x)
    assert float(expected.std()) > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)  # a copy was cut, not the module
    assert cost(small, x[:1]).parameters < cost(module, x[:1]).parameters
    assert cost(small, x[:1]).multiply_adds < cost(module, x[:1]).multiply_adds
    return small


@pytest.mark.parametrize(("network", "shape", "keep"), CASES)
def test_the_smaller_network_computes_what_the_masked_one_does(network, shape, keep) -> None:
    torch.manual_seed(0)
    seen = model(network, shape, 10)
    mask = half_mask(seen, shape, keep)
    module = masked(scramble(build(network, shape, 10)), mask)
    small = check_same(module, mask, shape)
    left = {name: int(np.moveaxis(kept, 0, -1).any(tuple(range(kept.ndim - 1))).sum())
            for name, kept in mask.items() if kept.ndim > 1}  # fmt: skip
    assert {name: len(parameter) for name, parameter in small.named_parameters() if name in left} == left


@pytest.mark.parametrize("batch_norm", [False, True])
def test_perceptrons_shrink_too(batch_norm) -> None:
    torch.manual_seed(0)
    seen = mlp(Network("mlp", (12, 8), batch_norm), 30, 10)
    mask = half_mask(seen, (30,), ())
    small = check_same(masked(scramble(MlpModule(seen)), mask), mask, (30,))
    shapes = {
        name: tuple(p.shape) for name, p in small.named_parameters() if name.endswith("weight") and p.dim() > 1
    }
    assert shapes == {"fc1.weight": (6, 30), "fc2.weight": (4, 6), "out.weight": (10, 4)}
    sizes = {name: len(buffer) for name, buffer in small.named_buffers() if buffer.dim()}
    assert set(sizes.values()) == ({6, 4} if batch_norm else set())


def test_a_flattened_channel_takes_all_its_pixels_along() -> None:
    network, shape = Network("conv-2", width=0.1), (1, 28, 28)
    mask = half_mask(model(network, shape, 10), shape, ("fc*",))
    small = shrink(build(network, shape, 10), mask, torch.zeros(2, *shape))
    assert small.get_submodule("fc1").weight.shape == (26, 3 * 14 * 14)
    assert small.get_submodule("fc1").in_features == 3 * 14 * 14
    assert small.get_submodule("conv2").weight.shape == (3, 3, 3, 3)


def test_a_smaller_network_trains_and_the_module_keeps_its_mode() -> None:
    network, shape = Network("vgg-11", width=0.05), (3, 16, 16)
    module = build(network, shape, 10).train()
    small = shrink(module, half_mask(model(network, shape, 10), shape, ()), torch.zeros(2, *shape))
    assert module.training
    assert small.training
    small(torch.randn(4, *shape)).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())


def test_without_pruned_filters_nothing_changes() -> None:
    module = MlpModule(Mlp((6, 5, 3), True))
    small = shrink(module.requires_grad_(False), {"fc1.weight": np.ones((6, 5), bool)}, torch.zeros(2, 6))
    assert {n: t.tolist() for n, t in small.state_dict().items()} == {
        n: t.tolist() for n, t in module.state_dict().items()
    }


def test_frozen_networks_shrink() -> None:
    mask = np.tile([True, False, True], (6, 1))
    small = shrink(MlpModule(Mlp((6, 3, 4), True)).requires_grad_(False), {"fc1.weight": mask}, torch.zeros(2, 6))
    assert small.get_submodule("out").weight.shape == (4, 2)


def test_masks_that_are_not_of_whole_filters_are_refused() -> None:
    module, x = MlpModule(Mlp((6, 5, 3), False)), torch.zeros(2, 6)
    mask = np.ones((6, 5), bool)
    mask[2, 3] = False
    with pytest.raises(ModelError, match=r"fc1.weight: single weights are masked"):
        shrink(module, {"fc1.weight": mask}, x)
    mask = np.ones((6, 5), bool)
    mask[2] = False  # an input, not a filter: perceptrons are (in, out)
    with pytest.raises(ModelError, match="single weights"):
        shrink(module, {"fc1.weight": mask}, x)
    with pytest.raises(ModelError, match=r"fc1.weight: no filter remains"):
        shrink(module, {"fc1.weight": np.zeros((6, 5), bool)}, x)


def test_tied_filters_are_not_cut() -> None:
    network, shape = Network("resnet-8", width=0.25), (3, 16, 16)
    mask = np.ones((4, 3, 3, 3), bool)
    mask[1] = False
    with pytest.raises(ModelError, match=r"conv.weight: channels shared"):
        shrink(build(network, shape, 10), {"conv.weight": mask}, torch.zeros(2, *shape))


def test_cost_is_what_li_et_al_print() -> None:
    """1608.08710, Table 1: VGG-16 3.13e8 and ResNet-56 1.25e8 multiply-adds (theirs has no projections)."""
    x = torch.zeros(1, *IMAGE)
    vgg, resnet = (cost(build(Network(kind), IMAGE, 10), x) for kind in ("vgg-16", "resnet-56"))
    assert vgg.multiply_adds == pytest.approx(3.13e8, rel=0.003)
    assert vgg.parameters == pytest.approx(1.5e7, rel=0.02)
    assert resnet.multiply_adds == pytest.approx(1.25e8, rel=0.02)
    assert resnet.parameters == pytest.approx(8.5e5, rel=0.01)


def test_cost_is_counted_per_example_and_leaves_no_trace() -> None:
    module = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.BatchNorm2d(6), nn.ConvTranspose2d(6, 2, 2), nn.Flatten(),
        nn.Linear(2 * 4 * 4, 5),
    ).train()  # fmt: skip
    found = cost(module, torch.randn(3, 4, 7, 7))
    assert found.multiply_adds == 6 * 3 * 3 * (2 * 9) + 6 * 3 * 3 * (2 * 4) + 32 * 5
    assert found.parameters == (6 * 2 * 9 + 6) + 12 + (6 * 2 * 4 + 2) + (32 * 5 + 5)
    assert module.training
    assert not any(layer._forward_hooks for layer in module.modules())
    assert int(module[1].num_batches_tracked) == 0
