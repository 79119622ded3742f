"""Networks whose verdicts would be wrong without a word, and some that only look like it: (shape, classes)."""

import random
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

# ruff: noqa: D1

FEATURES = 12


def plain(shape, classes, first=None):
    return nn.Sequential(nn.Flatten(), first or nn.Linear(FEATURES, 8), nn.ReLU(), nn.Linear(8, classes))


def with_weight_norm(shape, classes):
    return plain(shape, classes, parametrizations.weight_norm(nn.Linear(FEATURES, 8)))


def with_spectral_norm(shape, classes):
    return plain(shape, classes, parametrizations.spectral_norm(nn.Linear(FEATURES, 8)))


def with_orthogonal_rows(shape, classes):
    return plain(shape, classes, parametrizations.orthogonal(nn.Linear(FEATURES, 8)))


def with_the_older_weight_norm(shape, classes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return plain(shape, classes, nn.utils.weight_norm(nn.Linear(FEATURES, 8)))


def with_the_older_spectral_norm(shape, classes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return plain(shape, classes, nn.utils.spectral_norm(nn.Linear(FEATURES, 8)))


class Kernel(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(20, FEATURES) * 0.1)
        self.out = nn.Linear(20, classes)

    def forward(self, x):
        return self.out(torch.relu(functional.linear(x.flatten(1), self.kernel)))


def kernel(shape, classes):
    return Kernel(classes)


class Vector(nn.Module):
    """A matrix kept as a vector, or as its rows."""

    def __init__(self, inputs, outputs, rows):
        super().__init__()
        self.theta = nn.ParameterList(
            nn.Parameter(torch.randn(inputs * outputs // rows) * 0.1) for _ in range(rows)
        )
        self.shape = (outputs, inputs)

    def forward(self, x):
        return functional.linear(x, torch.cat(list(self.theta)).view(self.shape))


def matrix_as_a_vector(shape, classes):
    return plain(shape, classes, Vector(FEATURES, 8, 1))


def matrix_as_rows(shape, classes):
    return plain(shape, classes, Vector(FEATURES, 8, 8))


def small_matrix_as_a_vector(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, 8), nn.ReLU(), Vector(8, classes, 1))


def pruned(shape, classes):
    network = plain(shape, classes)
    prune.l1_unstructured(network[1], "weight", amount=0.5)
    return network


def pruned_twice(shape, classes):
    network = pruned(shape, classes)
    prune.random_unstructured(network[1], "weight", amount=0.5)
    return network


class Masked(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.register_buffer("mask", (torch.arange(outputs * inputs) % 2).view(outputs, inputs).float())

    def forward(self, x):
        return functional.linear(x, self.weight * self.mask, self.bias)


def own_mask(shape, classes):
    return plain(shape, classes, Masked(FEATURES, 8))


def parallel(shape, classes):
    return nn.DataParallel(plain(shape, classes))


def parallel_inside(shape, classes):
    return plain(shape, classes, nn.DataParallel(nn.Linear(FEATURES, 8)))


def checkpoint(shape, classes):
    network, own = plain(shape, classes), torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=own) * 0.1)
    return network


def backbone_of_a_checkpoint(shape, classes):
    network, loaded = plain(shape, classes), checkpoint(shape, classes)
    network[1].load_state_dict(loaded[1].state_dict())
    return network


def seed_of_its_own(shape, classes):
    torch.manual_seed(3)
    return plain(shape, classes)


def all_ones(shape, classes):
    network = plain(shape, classes)
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    return network


def last_layer_of_zeros(shape, classes):
    network = plain(shape, classes)
    nn.init.zeros_(network[3].weight)
    return network


class Noisy(nn.Module):
    def __init__(self, inner, draw, always=False):
        super().__init__()
        self.inner, self.draw, self.always = inner, draw, always

    def forward(self, x):
        return self.inner(x + self.draw(x) if self.training or self.always else x)


def numpy_noise(shape, classes):
    return Noisy(plain(shape, classes), lambda x: torch.from_numpy(np.random.rand(*x.shape)).float())


def python_noise(shape, classes):
    return Noisy(plain(shape, classes), lambda x: random.random())


def noise_of_the_system(shape, classes):
    return Noisy(plain(shape, classes), lambda x: np.random.default_rng().random())


def noise_of_its_own(shape, classes):
    own = np.random.default_rng(0)
    return Noisy(plain(shape, classes), lambda x: own.random())


def noise_of_torch(shape, classes):
    return Noisy(plain(shape, classes), torch.rand_like)


def noise_in_evaluation(shape, classes):
    return Noisy(plain(shape, classes), torch.rand_like, always=True)


class InPlace(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.sub_(0.3).div_(0.4))


def input_in_place(shape, classes):
    return InPlace(plain(shape, classes))


def input_clamped(shape, classes):
    return nn.Sequential(nn.Hardtanh(-100.0, 100.0, inplace=True), plain(shape, classes))


class Remembers(nn.Module):
    """Subtracts the last mean, which is no buffer."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.last = inner, 0.0

    def forward(self, x):
        y = self.inner(x) - self.last
        if self.training:
            self.last = y.detach().mean(0)
        return y


def memory(shape, classes):
    return Remembers(plain(shape, classes))


class Counts(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.calls = inner, 0

    def forward(self, x):
        self.calls += 1
        return self.inner(x)


def counter(shape, classes):
    return Counts(plain(shape, classes))


class Detached(nn.Module):
    """A trunk that is never trained, and a head that nobody asks."""

    def __init__(self, classes, trunk):
        super().__init__()
        self.body, self.out = nn.Linear(FEATURES, 8), nn.Linear(8, classes)
        self.auxiliary = nn.Linear(8, 2)
        self.trunk = trunk

    def forward(self, x):
        h = self.body(x.flatten(1))
        return self.out(torch.relu(h.detach() if self.trunk else h))


def detached_trunk(shape, classes):
    return Detached(classes, trunk=True)


def unused_head(shape, classes):
    return Detached(classes, trunk=False)


class Rewrites(nn.Module):
    """Keeps its weights away from zero, pruned ones too."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        with torch.no_grad():
            self.inner[1].weight.add_(0.01)
        return self.inner(x)


def rewriting(shape, classes):
    return Rewrites(plain(shape, classes))


class Table(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.table, self.norm = nn.Embedding(17, 4), nn.LayerNorm((FEATURES, 4))
        self.head = nn.Linear(4 * FEATURES, classes)

    def forward(self, x):
        return self.head(self.norm(self.table(x.flatten(1).long().clamp(0, 16))).flatten(1))


def table(shape, classes):
    return Table(classes)


def breaks(shape, classes):
    network = plain(shape, classes)
    network.register_full_backward_hook(lambda *_: 1 / 0)
    return network


def drawn_scores(trace):
    return {name: np.random.rand(*weight.shape) for name, weight in trace.trained.items()}


def scores_in_place(trace):
    for weight in trace.trained.values():
        np.abs(weight, out=weight)
    return trace.trained


def scores_that_fail(trace):
    return {name: weight / trace.nothing for name, weight in trace.trained.items()}


def scores_of_the_stream(trace):
    return {name: trace.generator.random(weight.shape) for name, weight in trace.trained.items()}
