"""What the paper's networks have in common: widths, activations, image sizes."""

from torch import nn

from lthbench.models.errors import ModelError
from lthbench.recipe.experiment import Network

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


def activation(network: Network) -> nn.Module:
    """A fresh activation; never in place, so that what a layer returned can still be looked at."""
    return ACTIVATIONS[network.activation]()


def scaled(network: Network, size: int) -> int:
    """A hidden width times `width`: halves rounded up, at least 1."""
    return max(1, int(size * network.width + 0.5))


def image(network: Network, shape: tuple[int, ...], pools: int = 0) -> tuple[int, int, int]:
    """The shape (channels, height, width) of one image; ModelError unless it survives so many halvings."""
    if len(shape) != 3:
        raise ModelError(f"{network.kind}: needs images (channels, height, width); one example here is {shape}")
    least = 2**pools
    if min(shape[1:]) < least:
        raise ModelError(
            f"{network.kind}: halves images {pools} times and needs at least {least}x{least} pixels, "
            f"not {shape[1]}x{shape[2]}"
        )
    return shape[0], shape[1], shape[2]
