"""github.com/facebookresearch/open_lth: its global magnitude pruning, over as many rounds as the reference has.

git clone https://github.com/facebookresearch/open_lth theirs
sed -i 's/abc.ABC, torch.nn.Module/torch.nn.Module/' theirs/models/base.py  # for a new PyTorch
PYTHONPATH=theirs:examples/methods lthbench test open_lth_global:find
"""

from itertools import pairwise

import lthbench
from lthbench.data.torchvision_ops import import_torchvision

import_torchvision()  # theirs imports it, which a CPU build of PyTorch may not let pass
import pruning.registry  # noqa: E402, F401  (before the module below: they import one another)
from pruning.sparse_global import PruningHparams, Strategy  # noqa: E402


def find(problem):
    """Every round trains by the recipe, and gives the trained network to their Strategy.prune."""
    mask = None
    left = [sum(problem.counts(level).values()) for level in range(problem.level + 1)]
    for before, after in pairwise(left):
        worn = None if mask is None else as_booleans(mask)
        module = problem.train(problem.module(), mask=worn)
        module.prunable_layer_names = list(problem.shapes)  # what their networks say of themselves
        mask = Strategy.prune(PruningHparams("sparse_global", pruning_fraction=1 - after / before), module, mask)
    return lthbench.Ticket(as_booleans(mask))


def as_booleans(mask):
    return {name: kept.bool() for name, kept in mask.items()}
