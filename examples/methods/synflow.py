"""SynFlow's iterated criterion (Tanaka et al. 2020): prune before training, without a single example.

lthbench test synflow:find
"""

import torch

import lthbench

ROUNDS = 100


def find(problem):
    """The synaptic flow |w dR/dw| of the network with absolute weights, R its output for an input of ones."""
    module = problem.module().double().eval()
    for parameter in module.parameters():
        parameter.data.abs_()
    ones = torch.ones_like(problem.training_data[0][:1], dtype=torch.float64)
    weights = {name: weight for name, weight in module.named_parameters() if name in problem.shapes}
    size, mask = sum(weight.numel() for weight in weights.values()), None
    for i in range(1, ROUNDS + 1):
        gradients = torch.autograd.grad(module(ones).sum(), list(weights.values()))
        flow = {name: (g * weights[name]).detach() for name, g in zip(weights, gradients, strict=True)}
        mask = problem.keep_largest(flow, round(size * problem.density ** (i / ROUNDS)), mask)
        for name, weight in weights.items():
            weight.data *= torch.from_numpy(mask[name]).to(weight.device)
    return lthbench.Ticket(mask)
