"""Conv-2, Conv-4 and Conv-6: small relatives of VGG (1803.03635, Figure 2)."""

from collections import OrderedDict

from torch import nn

from lthbench.models.parts import activation, image, scaled
from lthbench.recipe.experiment import Network

PAIRS = (64, 128, 256)  # channels of each pair of convolutions
HIDDEN = (256, 256)


def conv(network: Network, shape: tuple[int, ...], classes: int) -> nn.Module:
    """(batch, channels, height, width) to (batch, classes).

    Pairs of 3x3 convolutions, each followed by 2x2 max-pooling, then two hidden layers: `conv1` .. `conv6`, `fc1`,
    `fc2`, `out`, all with biases. Dropout follows `fc1` and `fc2`. `width` multiplies channels and hidden layers.
    """
    pairs = int(network.kind.removeprefix("conv-")) // 2
    channels, height, width = image(network, shape, pairs)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for pair, size in enumerate(PAIRS[:pairs], start=1):
        for i in (2 * pair - 1, 2 * pair):
            layers[f"conv{i}"] = nn.Conv2d(channels, scaled(network, size), 3, padding=1)
            layers[f"conv_act{i}"] = activation(network)
            channels = scaled(network, size)
        layers[f"pool{pair}"] = nn.MaxPool2d(2)
        height, width = height // 2, width // 2
    layers["flatten"] = nn.Flatten()
    features = channels * height * width
    for i, size in enumerate(HIDDEN, start=1):
        layers[f"fc{i}"] = nn.Linear(features, scaled(network, size))
        layers[f"fc_act{i}"] = activation(network)
        if network.dropout:
            layers[f"drop{i}"] = nn.Dropout(network.dropout)
        features = scaled(network, size)
    layers["out"] = nn.Linear(features, classes)
    return nn.Sequential(layers)
