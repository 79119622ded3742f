"""torch-pruning (pip install torch-pruning): whole channels are cut out, and what is left is given as a mask.

lthbench test torch_pruning_channels:find
"""

import copy

import torch
import torch_pruning

import lthbench


def find(problem):
    """Train, cut the channels of the smallest norms while enough weights are left, and say which stayed.

    No number of channels leaves just the weights that are asked for: of the last channel too many the smallest go
    one by one.
    """
    module = problem.train(problem.module())
    example = problem.training_data[0][:1]
    outputs = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)][-1:]
    low, high = 0.0, 1.0
    for _ in range(20):  # the share of channels that leaves as many weights as are asked for
        share = (low + high) / 2
        cut = kept(problem, module, example, outputs, share)
        left = sum(int(mask.sum()) for mask in cut.values())
        low, high = (share, high) if left >= problem.keep else (low, share)
    cut = kept(problem, module, example, outputs, low)
    size = {name: module.get_parameter(name).detach().abs() for name in problem.shapes}
    return lthbench.Ticket(problem.keep_largest(size, problem.keep, cut))


def kept(problem, module, example, outputs, share):
    """The weights that are left after so many channels are cut, as masks of the whole network.

    Every weight is marked with its place first: what torch-pruning leaves of the marks is what it keeps.
    """
    small = copy.deepcopy(module)
    last = dict(zip(module.modules(), small.modules(), strict=True))
    pruner = torch_pruning.pruner.BasePruner(
        small, example, importance=torch_pruning.importance.MagnitudeImportance(p=2), global_pruning=True,
        pruning_ratio=share, ignored_layers=[last[layer] for layer in outputs],
    )  # fmt: skip
    groups = list(pruner.step(interactive=True))
    for name in problem.shapes:
        weight = small.get_parameter(name)
        weight.data = torch.arange(1.0, weight.numel() + 1, dtype=torch.float64).view(weight.shape)
    for group in groups:
        group.prune()
    masks = {}
    for name, shape in problem.shapes.items():
        left = small.get_parameter(name).detach().long().flatten() - 1
        masks[name] = torch.zeros(int(torch.tensor(shape).prod()), dtype=torch.bool)
        masks[name][left] = True
        masks[name] = masks[name].view(shape)
    return masks
