"""Which hidden units of one trained perceptron answer as which units of another (Ainsworth et al., 2209.04836).

Hidden units can change places without changing what a network computes. Two networks from other initial weights
have theirs in other places; a mask found on one fits the other after its units are moved (Adnan et al. 2025,
2505.05143). Units are matched by their activations, as there, layer by layer.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from lthbench.models.mlp import Arrays, Mlp
from lthbench.pruning.masks import Mask

BN_EPS = 1e-5


def hidden(model: Mlp, state: Arrays, x: np.ndarray) -> list[np.ndarray]:
    """Activations of every hidden layer, (examples, width) each, of inputs (examples, features)."""
    layers = []
    for i, layer in enumerate(model.layers[:-1], start=1):
        z = x @ state[f"{layer}.weight"]
        if model.batch_norm:
            scale = state[f"bn{i}.weight"] / np.sqrt(state[f"bn{i}.var"] + BN_EPS)
            z = (z - state[f"bn{i}.mean"]) * scale + state[f"bn{i}.bias"]
        else:
            z = z + state[f"{layer}.bias"]
        x = np.maximum(z, 0)
        layers.append(x)
    return layers


def matching(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For every hidden layer, which unit of the first network stands for each unit of the second, (width,).

    Of all one-to-one matchings, the one whose activations lie closest in the sum of squares.
    """
    from scipy.optimize import linear_sum_assignment  # here: a second that training without it does not pay

    return [
        linear_sum_assignment(b.T.astype(np.float64) @ a.astype(np.float64), maximize=True)[1]
        for a, b in zip(first, second, strict=True)
    ]


def moved(arrays: Mapping[str, np.ndarray], model: Mlp, order: Sequence[np.ndarray]) -> Mask:
    """Matrices (in, out) of the first network with every hidden unit where its match in the second is."""
    result = {}
    for i, layer in enumerate(model.layers):
        name = f"{layer}.weight"
        matrix = arrays[name]
        matrix = matrix if i == 0 else matrix[order[i - 1]]
        result[name] = matrix if layer == "out" else matrix[:, order[i]]
    return result
