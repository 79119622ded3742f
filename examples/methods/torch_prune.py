"""torch.nn.utils.prune by hand, as its tutorial shows: train, prune the smallest weights of all layers together.

lthbench test torch_prune:find
"""

from torch.nn.utils import prune

import lthbench


def find(problem):
    """Once, and globally: layers may become of other densities than the reference's."""
    module = problem.train(problem.module())
    weights = [(module.get_submodule(name.removesuffix(".weight")), "weight") for name in problem.shapes]
    size = sum(getattr(layer, name).numel() for layer, name in weights)
    prune.global_unstructured(weights, prune.L1Unstructured, amount=size - problem.keep)
    return lthbench.Ticket({name: module.get_buffer(f"{name}_mask").bool() for name in problem.shapes})
