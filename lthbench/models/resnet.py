"""Residual networks for CIFAR with 6n + 2 layers (He et al. 2016, section 4.2).

1803.03635 and 1903.01611 write "Resnet-18" and mean the one of 20 layers.
"""

from collections import OrderedDict

import torch
from torch import nn

from lthbench.models.parts import activation, image, scaled
from lthbench.recipe.experiment import Network

STAGES = (16, 32, 64)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; where the size changes, the shortcut is a 1x1 convolution.

    (batch, inputs, height, width) to (batch, outputs, height / stride, width / stride). The projection has batch
    norm, and its kernel is `downsample.conv.weight`: the 2,560 weights that the paper does not prune.
    """

    def __init__(self, network: Network, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.act1 = activation(network)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act2 = activation(network)
        self.downsample = nn.Sequential()
        if stride != 1:
            self.downsample.add_module("conv", nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            self.downsample.add_module("bn", nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Activation of the convolutions' result plus the shortcut."""
        inner = self.act1(self.bn1(self.conv1(x)))
        return self.act2(self.bn2(self.conv2(inner)) + self.downsample(x))


def resnet(network: Network, shape: tuple[int, ...], classes: int) -> nn.Module:
    """(batch, channels, height, width) to (batch, classes).

    A first convolution, three stages of n blocks with 16, 32 and 64 channels times `width` (the second and third
    stage halve the image), global average pooling and `out`. Dropout comes before `out`.
    """
    depth = int(network.kind.removeprefix("resnet-"))
    inputs, _, _ = image(network, shape)
    channels = scaled(network, STAGES[0])
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
        bn=nn.BatchNorm2d(channels),
        act=activation(network),
    )
    for number, size in enumerate(STAGES, start=1):
        width = scaled(network, size)
        first = Block(network, channels, width, stride=1 if number == 1 else 2)
        others = [Block(network, width, width, stride=1) for _ in range((depth - 2) // 6 - 1)]
        layers[f"stage{number}"] = nn.Sequential(first, *others)
        channels = width
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    if network.dropout:
        layers["drop"] = nn.Dropout(network.dropout)
    layers["out"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)
