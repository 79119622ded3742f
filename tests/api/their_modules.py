"""Networks on 1 x 8 x 8 pictures, or on 16 token ids, as people have them; and a plain method."""

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import lthbench

HIDDEN = 12


def inner(classes):
    """A small perceptron."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))


class Tied(nn.Module):
    """Two layers that share a matrix, known under two names."""

    def __init__(self, classes):
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight
        self.head = nn.Linear(64, classes)

    def forward(self, x):
        return self.head(self.second(self.first(x.flatten(1)).relu()).relu())


def plain(shape, classes):
    return inner(classes)


def tied(shape, classes):
    return Tied(classes)


def grouped(shape, classes):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 8, 3, groups=4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, classes),
    )


class Attention(nn.Module):
    """Rows of the picture as eight words, with LayerNorm before and after."""

    def __init__(self, classes):
        super().__init__()
        self.before, self.after = nn.LayerNorm(8), nn.LayerNorm(8)
        self.heads = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(64, classes)

    def forward(self, x):
        words = self.before(x.flatten(0, 1))
        return self.head(self.after(words + self.heads(words, words, words)[0]).flatten(1))


def attention(shape, classes):
    return Attention(classes)


def parametrized(shape, classes):
    module = inner(classes)
    parametrizations.weight_norm(module[1])
    return module


def parametrized_by_hand(shape, classes):
    class Symmetric(nn.Module):
        def forward(self, weight):
            return weight.triu() + weight.triu(1).transpose(-1, -2)

    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, classes))
    parametrize.register_parametrization(module[1], "weight", Symmetric())
    return module


def pruned(shape, classes):
    module = inner(classes)
    prune.l1_unstructured(module[1], "weight", amount=0.5)
    return module


def parallel(shape, classes):
    return nn.DataParallel(inner(classes))


def compiled(shape, classes):
    return torch.compile(inner(classes), backend="eager")


def double(shape, classes):
    return inner(classes).double()


def double_inside(shape, classes):
    return Outputs(inner(classes).double(), lambda module, x: module(x.double()).float())


class Outputs(nn.Module):
    """A network with an output of its own."""

    def __init__(self, module, forward):
        super().__init__()
        self.module, self.way = module, forward

    def forward(self, x):
        return self.way(self.module, x)


def tuple_output(shape, classes):
    return Outputs(inner(classes), lambda module, x: (module[:-1](x), module(x)))


def dict_output(shape, classes):
    return Outputs(inner(classes), lambda module, x: {"features": module[:-1](x), "logits": module(x)})


def list_output(shape, classes):
    return Outputs(inner(classes), lambda module, x: ["nothing", None])


def wrapped_output(shape, classes):
    return Outputs(dict_output(shape, classes), lambda module, x: module(x)["logits"])


def token_ids(shape, classes):
    return nn.Sequential(nn.Embedding(30, 4), nn.Flatten(), nn.Linear(64, classes))


class Words(nn.Module):
    """The same with ids of words cast where they come in."""

    def __init__(self, classes):
        super().__init__()
        self.layers = token_ids((16,), classes)

    def forward(self, x):
        return self.layers(x.long())


def token_ids_cast(shape, classes):
    return Words(classes)


def find(problem):
    """One-shot magnitude pruning."""
    module = problem.train(problem.module())
    return lthbench.Ticket(
        problem.keep_largest({name: weight.detach().abs() for name, weight in module.named_parameters()})
    )
