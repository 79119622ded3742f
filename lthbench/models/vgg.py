"""VGG for CIFAR: batch norm, average pooling and a single linear layer (1803.03635, Figure 2; 1912.05671)."""

from collections import OrderedDict

from torch import nn

from lthbench.models.parts import activation, image, scaled
from lthbench.recipe.experiment import Network

CHANNELS = (64, 128, 256, 512, 512)
CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(network: Network, shape: tuple[int, ...], classes: int) -> nn.Module:
    """(batch, channels, height, width) to (batch, classes).

    Five groups of 3x3 convolutions (`conv1`, `bn1`, ..; no biases, batch norm would undo them) with 2x2
    max-pooling between the groups, global average pooling and `out`. Dropout comes before `out`.
    """
    groups = CONVOLUTIONS[int(network.kind.removeprefix("vgg-"))]
    channels, _, _ = image(network, shape, len(groups) - 1)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    number = 0
    for group, (repeats, size) in enumerate(zip(groups, CHANNELS, strict=True)):
        if group:
            layers[f"pool{group}"] = nn.MaxPool2d(2)
        for _ in range(repeats):
            number += 1
            width = scaled(network, size)
            layers[f"conv{number}"] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            layers[f"bn{number}"] = nn.BatchNorm2d(width)
            layers[f"act{number}"] = activation(network)
            channels = width
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    if network.dropout:
        layers["drop"] = nn.Dropout(network.dropout)
    layers["out"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)
