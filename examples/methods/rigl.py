"""Regrowth in the manner of RigL (Evci et al. 2020): sparse from the start, dropping and growing as it trains.

    lthbench test rigl:find

The ticket is the last topology, on the initial weights: whether regrowth finds one. RigL itself keeps what it
trained, which is another question.
"""

import math

import torch
from torch.nn import functional

import lthbench

EVERY, SHARE, UNTIL = 100, 0.3, 0.75  # iterations, of the weights at first, of the training


def find(problem):
    """One training of a sparse network. (Adam's moments start anew at each change.)"""
    drawn = torch.Generator().manual_seed(problem.seed)
    mask = problem.keep_largest(
        {name: torch.rand(shape, generator=drawn) for name, shape in problem.shapes.items()}
    )
    module, last = problem.module(), problem.recipe.iterations
    for start in range(0, last, EVERY):
        problem.train(module, mask=mask, iterations=min(EVERY, last - start), start=start)
        if start + EVERY < UNTIL * last:
            share = SHARE / 2 * (1 + math.cos(math.pi * (start + EVERY) / (UNTIL * last)))
            mask = regrown(problem, module, mask, share)
    return lthbench.Ticket(mask)


def regrown(problem, module, mask, share):
    """Drop the share of the smallest weights of every layer, and grow as many where the gradient is largest."""
    counts = {name: int(kept.sum()) for name, kept in mask.items()}
    size = {name: weight.detach().abs() for name, weight in module.named_parameters()}
    stays = problem.keep_largest(size, {name: n - int(share * n) for name, n in counts.items()}, mask)
    x, y = (values[:1000] for values in problem.training_data)
    loss = functional.cross_entropy(module(x), y)
    weights = dict(module.named_parameters())
    gradients = torch.autograd.grad(loss, [weights[name] for name in mask])
    wanted = {}
    for name, gradient in zip(mask, gradients, strict=True):
        wanted[name] = gradient.abs().cpu()
        wanted[name][torch.from_numpy(stays[name])] = math.inf  # what stays comes first
    return problem.keep_largest(wanted, counts)
