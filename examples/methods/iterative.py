"""Iterative magnitude pruning (Frankle & Carbin 2019), which is lthbench's own reference, as a method of yours.

lthbench test iterative:find
"""

import lthbench


def find(problem):
    """Train, prune the smallest weights, go back to the initialisation; one round per level."""
    mask = None
    for level in range(1, problem.level + 1):
        module = problem.train(problem.module(), mask=mask)
        size = {name: weight.detach().abs() for name, weight in module.named_parameters()}
        mask = problem.keep_largest(size, problem.counts(level), mask)
    return lthbench.Ticket(mask)
