"""Gradients of any nn.Module by autograd: S modules whose parameters are views into one stack.

On a GPU the networks of a step run on streams of their own, so that small networks fill the device together.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lthbench.models.module import ModuleModel
from lthbench.training.device import compiler, sound_convolutions
from lthbench.training.run import Examples
from lthbench.training.stack import Stack

STATISTICS_BATCH = 500
COUNTER = "num_batches_tracked"  # of batch norm: how many batches it saw


@dataclass
class Modules:
    """The engine's view of S modules; see `loop.Engine`.

    `random` holds the state of each network's own generator, for layers that draw numbers (dropout); whether there
    are any shows in the first step. `forward` calls each module in training, compiled where that is asked for.
    `counters` are the names of batch norm's counters that a step adds to at once,
    `counting` each network's layers that they belong to. `bf16` and `channels_last`: how gradients are computed,
    and nothing else.
    """

    modules: list[nn.Module]
    forward: list[Callable[[Tensor], Tensor]]
    random: Tensor
    streams: list[torch.cuda.Stream]
    draws: bool
    counters: list[str]
    counting: list[list[nn.modules.batchnorm._BatchNorm]]
    bf16: bool = False
    channels_last: bool = False

    @classmethod
    def over(
        cls,
        model: ModuleModel,
        net: Stack,
        seeds: tuple[int, ...],
        bf16: bool = False,
        channels_last: bool = False,
    ) -> "Modules":
        """Modules whose parameters and buffers are the stack's."""
        size, device = next(iter(net.views.values())).shape[0], net.flat.device
        with torch.random.fork_rng(devices=[]):  # a module draws its own start, which is not used
            modules = [model.build().to(device).train() for _ in range(size)]
        for s, module in enumerate(modules):
            point_at(module, net, s)
        random = torch.stack([generator_state(seed, device) for seed in seeds]) if seeds else torch.empty(0)
        streams = [torch.cuda.Stream(device) for _ in modules] if device.type == "cuda" and size > 1 else []
        layers = [norms(module) if model.norms_once else {} for module in modules]
        backend = compiler()
        forward: list[Callable[[Tensor], Tensor]] = list(modules)
        return cls(
            modules=modules,
            forward=[compiled(module, backend, device) for module in modules] if backend else forward,
            random=random,
            streams=streams,
            draws=bool(seeds),
            counters=[f"{name}.{COUNTER}" for name in layers[0]],
            counting=[list(each.values()) for each in layers],
            bf16=bf16,
            channels_last=channels_last,
        )

    @property
    def capturable(self) -> bool:
        """Random layers draw from generators that are exchanged between networks, which a graph cannot do."""
        return not self.draws

    @property
    def network_first(self) -> bool:
        """Each module gets its own examples."""
        return True

    def gradients(self, net: Stack, gradient: Stack, x: Tensor, y: Tensor) -> None:
        """Gradients of the mean cross-entropies; x (batch, S, ...), y (batch, S)."""
        drawn = False
        for s, module in enumerate(self.modules):
            with self.side_by_side(s, x.device), torch.enable_grad(), self.not_counting(s):
                before = self.take_over(s, x.device)
                parameters = dict(module.named_parameters())
                with sound_convolutions(x.device, self.channels_last):
                    loss = functional.cross_entropy(self.outputs(s, x[:, s]), y[:, s])
                    partials = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
                drawn |= self.hand_back(s, x.device, before)
            with self.side_by_side(s, x.device):
                targets = [gradient.views[name][s] for name in parameters]
                torch._foreach_copy_(
                    targets,
                    [torch.zeros_like(t) if g is None else g for t, g in zip(targets, partials, strict=True)],
                )
        for stream in self.streams:
            torch.cuda.current_stream().wait_stream(stream)
        if self.counters:
            torch._foreach_add_([net.buffers[name] for name in self.counters], 1)
        self.draws &= drawn

    def outputs(self, s: int, x: Tensor) -> Tensor:
        """Outputs of network s in training, float32; x (batch, ...)."""
        laid = torch.channels_last if self.channels_last and x.dim() == 4 else torch.contiguous_format
        with rounding(x.device) if self.bf16 else nullcontext():
            outputs = self.forward[s](x.contiguous(memory_format=laid))
        return outputs.float()

    def logits(self, net: Stack, x: Tensor) -> Tensor:
        """Outputs in evaluation mode: (batch, S, classes). `net` may be another stack than the one in training."""
        outputs = []
        for s, module in enumerate(self.modules):
            module.eval()
            with pointed_at(module, net, s), torch.no_grad():
                outputs.append(module(x[:, s].contiguous()))
            module.train()
        return torch.stack(outputs, 1)

    def recompute_statistics(self, net: Stack, examples: Examples, rows: Tensor) -> None:
        """Set batch norm's running statistics to the mean over batches of the given rows, (S, examples)."""
        for s, module in enumerate(self.modules):
            point_at(module, net, s)
            layers = list(norms(module).values())
            momenta = [norm.momentum for norm in layers]
            for norm in layers:
                norm.momentum = None  # a plain mean over the batches
                norm.reset_running_stats()
            if layers:
                before = self.take_over(s, rows.device)
                for part in rows[s].tensor_split(-(-len(rows[s]) // STATISTICS_BATCH)):
                    module(examples.inputs(part))
                self.hand_back(s, rows.device, before)
            for norm, momentum in zip(layers, momenta, strict=True):
                norm.momentum = momentum

    @contextmanager
    def side_by_side(self, s: int, device: torch.device) -> Iterator[None]:
        """On a GPU, a stream of network s's own."""
        if not self.streams:
            yield
            return
        self.streams[s].wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self.streams[s]):
            yield

    @contextmanager
    def not_counting(self, s: int) -> Iterator[None]:
        """Meanwhile batch norm of network s counts no calls: 21 small additions in every step of a ResNet-20."""
        kept = [(norm._buffers, norm._buffers[COUNTER]) for norm in self.counting[s]]
        for buffers, _ in kept:
            buffers[COUNTER] = None
        try:
            yield
        finally:
            for buffers, counter in kept:
                buffers[COUNTER] = counter

    def take_over(self, s: int, device: torch.device) -> Tensor | None:
        """Let random layers draw from network s's own generator; returns the state it displaces."""
        if not self.draws:
            return None
        generator = default_generator(device)
        displaced = generator.get_state()
        generator.set_state(self.random[s].clone())  # torch reads past a view
        return displaced

    def hand_back(self, s: int, device: torch.device, displaced: Tensor | None) -> bool:
        """Put the displaced state back and remember network s's; whether anything was drawn."""
        if displaced is None:
            return False
        generator = default_generator(device)
        now = generator.get_state()
        drawn = not torch.equal(now, self.random[s])
        self.random[s] = now
        generator.set_state(displaced)
        return drawn


def compiled(module: nn.Module, backend: str, device: torch.device) -> Callable[[Tensor], Tensor]:
    """A module compiled by a backend of torch.compile.

    On a CPU inductor keeps images as they come. It would lay them channels last; see `sound_convolutions`.
    """
    if backend == "inductor" and device.type == "cpu":
        return torch.compile(module, backend=backend, options={"layout_optimization": False})
    return torch.compile(module, backend=backend)


def rounding(device: torch.device) -> AbstractContextManager[object]:
    """Meanwhile products and convolutions take and give bfloat16, backward too. Copies of weights are not kept:

    a graph would replay with old ones.
    """
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def norms(module: nn.Module) -> dict[str, nn.modules.batchnorm._BatchNorm]:
    """The batch norm layers of a module by name."""
    return {name: m for name, m in module.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}


def point_at(module: nn.Module, net: Stack, s: int) -> None:
    """Make the module's parameters and buffers views of network s of the stack."""
    for name, parameter in module.named_parameters():
        parameter.data = net.views[name][s]
    for name, buffer in module.named_buffers():
        buffer.data = net.buffers[name][s]


@contextmanager
def pointed_at(module: nn.Module, net: Stack, s: int) -> Iterator[None]:
    """For a while; torch's functional_call would take a block that occurs twice out of the module for good."""
    tensors = [tensor for _, tensor in (*module.named_parameters(), *module.named_buffers())]
    before = [tensor.data for tensor in tensors]
    point_at(module, net, s)
    try:
        yield
    finally:
        for tensor, data in zip(tensors, before, strict=True):
            tensor.data = data


def default_generator(device: torch.device) -> torch.Generator:
    """The generator that a device's random layers draw from."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator


def generator_state(seed: int, device: torch.device) -> Tensor:
    """The state of a device's random generator after seeding it."""
    generator = torch.Generator(device)
    generator.manual_seed(seed % 2**63)
    return generator.get_state()
