"""A network whose weights stay as they were drawn and whose mask is learned: one score per prunable weight.

`edge-popup` (Ramanujan et al. 2020, 1911.13299, section 3): every layer wears its k weights of largest |score|.
`bernoulli` (Zhou et al. 2019, 1905.01067, section 5.1): every weight is worn with probability sigmoid(score).
A mask has no gradient of its own: it is taken to be |score|'s or the probability's, as in the authors' released
code, so a score moves by what its weight contributed, whether or not the weight was worn (straight through).
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from lthbench.models.module import Arrays, ModuleModel, load_state, module_model, state_of, tensors

Counts = Mapping[str, int]


class Supermask(nn.Module):
    """A network under a learned mask. `counts` weights of each layer are worn; without counts, a random number.

    Parameters are the scores, named `scores/fc1/weight`; the network's own parameters and buffers are buffers,
    named `network/fc1/weight`: the optimizer cannot move them. Batch norm keeps its statistics up to date.
    """

    def __init__(self, network: nn.Module, prunable: tuple[str, ...], counts: Counts | None) -> None:
        super().__init__()
        self.network = (network,)  # a tuple hides it: torch would list its weights as parameters of this module
        self.prunable, self.counts, self.names = prunable, counts, tuple(tensors(network))
        for name, tensor in tensors(network).items():
            self.register_buffer(frozen(name), tensor.detach())
            if name in prunable:
                self.register_parameter(score(name), nn.Parameter(torch.zeros_like(tensor)))

    def train(self, mode: bool = True) -> "Supermask":
        """Training or evaluation mode, of the network too."""
        self.network[0].train(mode)
        return super().train(mode)

    def mask(self, name: str) -> Tensor:
        """Ones and zeros in the weight's shape, differentiable by its scores.

        In training a Bernoulli mask is drawn afresh at every call (from torch's default generator). In evaluation
        it is the likeliest one, the weights with probability above 1/2, so that one mask is measured, stored and
        exported; Zhou et al. average the accuracy of ten draws instead.
        """
        scores = getattr(self, score(name))
        if self.counts is not None:
            soft = scores.abs()
            hard = largest(soft.detach(), self.counts[name])
        else:
            soft = scores.sigmoid()
            hard = torch.rand_like(soft) < soft if self.training else scores > 0
        return hard + (soft - soft.detach())

    def worn(self) -> dict[str, Tensor]:
        """The network's parameters and buffers under the mask."""
        state: dict[str, Tensor] = {name: getattr(self, frozen(name)) for name in self.names}
        return state | {name: state[name] * self.mask(name) for name in self.prunable}

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the masked network: (batch, ...) to (batch, classes)."""
        return torch.func.functional_call(self.network[0], self.worn(), (x,))


def score(name: str) -> str:
    """The parameter that holds a weight's scores (torch allows no dots)."""
    return "scores/" + name.replace(".", "/")


def frozen(name: str) -> str:
    """The buffer that holds a parameter or buffer of the network."""
    return "network/" + name.replace(".", "/")


def largest(values: Tensor, count: int) -> Tensor:
    """True at exactly `count` of the largest values, of equal ones at the last: the rule of `masks.keep_largest`.

    Selecting is ten times as fast as sorting. What is not a number (a diverged run) counts as the largest.
    """
    flat = values.flatten().nan_to_num(torch.inf)
    if not count:
        return torch.zeros_like(values, dtype=torch.bool)
    least = smallest(flat, len(flat) - count)
    above, equal = flat > least, flat == least
    missing = count - above.sum()
    if flat.device.type == "cpu" and missing == equal.sum():  # nearly always; a GPU would have to wait
        return (above | equal).view(values.shape)
    return (above | (equal & (equal.cumsum(0) > equal.sum() - missing))).view(values.shape)


def smallest(flat: Tensor, below: int) -> Tensor:
    """The value that has `below` values before it in ascending order; on the CPU numpy selects faster."""
    if flat.device.type == "cpu":
        return flat.new_tensor(np.partition(flat.numpy(), below)[below])
    return flat.kthvalue(below + 1).values


def supermask(model: ModuleModel, counts: Counts | None) -> ModuleModel:
    """The network as the engines see it while its mask is learned; it starts from `start`, not by itself."""
    return module_model(partial(build, model, counts), "own")


def build(model: ModuleModel, counts: Counts | None) -> Supermask:
    """A new module to train."""
    return Supermask(model.build(), tuple(model.prunable), counts)


def start(model: ModuleModel, state: Arrays, generator: np.random.Generator | None) -> Arrays:
    """Frozen weights and first scores.

    Without a generator scores are 0, probability 1/2, as in Zhou et al.'s code. With one they are uniform within
    +-1/sqrt(fan in), in the order of the weights' names: torch's kaiming_uniform_ with a = sqrt(5), as in
    Ramanujan et al.'s code.
    """
    started = {frozen(name): value for name, value in state.items()}
    for name, shape in sorted(model.prunable.items()):
        first = np.zeros(shape, np.float32)
        if generator is not None:
            bound = np.float32(1 / np.sqrt(np.prod(shape[1:])))
            first = bound * (2 * generator.random(shape, dtype=np.float32) - 1)
        started[score(name)] = first
    return started


@torch.no_grad()
def finished(learned: ModuleModel, state: Arrays) -> tuple[dict[str, np.ndarray], Arrays]:
    """The mask that was learned, and the network under it, in the network's own names and layout."""
    module = learned.build()
    load_state(module, state)
    assert isinstance(module, Supermask)
    module.eval()
    mask = {name: module.mask(name).numpy().astype(bool) for name in module.prunable}
    load_state(module.network[0], {name: tensor.numpy() for name, tensor in module.worn().items()})
    return mask, state_of(module.network[0])
