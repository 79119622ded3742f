"""The multilayer perceptron as an ordinary module, for what `mlp.Mlp` does not do: dropout, tanh, other starts."""

from collections import OrderedDict
from math import prod

from torch import nn

from lthbench.models.parts import activation, scaled
from lthbench.recipe.experiment import Network


def perceptron(network: Network, shape: tuple[int, ...], classes: int) -> nn.Module:
    """(batch, *shape) to (batch, classes): flattened, then `fc1` .. and `out` (1803.03635, Figure 2: LeNet).

    With `batch_norm`, hidden layers are `fc1` without a bias, then `bn1`. Dropout follows every hidden layer.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    features = prod(shape)
    for i, hidden in enumerate(network.hidden, start=1):
        width = scaled(network, hidden)
        layers[f"fc{i}"] = nn.Linear(features, width, bias=not network.batch_norm)
        if network.batch_norm:
            layers[f"bn{i}"] = nn.BatchNorm1d(width)
        layers[f"act{i}"] = activation(network)
        if network.dropout:
            layers[f"drop{i}"] = nn.Dropout(network.dropout)
        features = width
    layers["out"] = nn.Linear(features, classes)
    return nn.Sequential(layers)
