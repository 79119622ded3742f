"""Families of networks that this project builds itself, one row each; `lthbench/models/<name>.py` makes them."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """`kinds` is the pattern of their names, `normed` whether they always have batch norm, `says` for messages."""

    kinds: str
    says: str
    normed: bool = False


# By the name of the module in lthbench/models, which has a function of that name:
# (network, shape of one example, classes) -> module.
FAMILIES = {
    "perceptron": Family("mlp", "mlp"),
    "conv": Family("conv-[246]", "conv-2/4/6"),
    "resnet": Family(r"resnet-[1-9]\d*", "resnet-20", normed=True),
    "vgg": Family("vgg-(11|13|16|19)", "vgg-16", normed=True),
}


def family_of(kind: str) -> str | None:
    """The family that a kind of network belongs to; None for a library's and a user's own."""
    return next((name for name, family in FAMILIES.items() if re.fullmatch(family.kinds, kind)), None)
