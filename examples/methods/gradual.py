"""Gradual magnitude pruning (Zhu & Gupta 2017): prune while training, quickly at first, along a cubic schedule.

lthbench test gradual:find
"""

import lthbench

EVERY = 50  # iterations between two prunings
BEGIN, END = 0.1, 0.7  # of the training


def find(problem):
    """One training. (Adam's moments start anew after each pruning: `problem.train` keeps none.)"""
    module, mask, last = problem.module(), None, problem.recipe.iterations
    for start in range(0, last, EVERY):
        problem.train(module, mask=mask, iterations=min(EVERY, last - start), start=start)
        done = min(1, max(0, (start + EVERY) / last - BEGIN) / (END - BEGIN))
        sparsity = (1 - problem.density) * (1 - (1 - done) ** 3)
        whole, final = problem.counts(0), problem.counts(problem.level)
        share = (1 - sparsity - problem.density) / (1 - problem.density)
        keep = {name: round(final[name] + share * (whole[name] - final[name])) for name in final}
        size = {name: weight.detach().abs() for name, weight in module.named_parameters()}
        mask = problem.keep_largest(size, keep, mask)
    return lthbench.Ticket(mask)
