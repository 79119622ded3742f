"""What can be known of the loop on a GPU without one: what a graph would refuse, and which streams race.

`Recording` watches operations on `meta` tensors, which have shapes and a device and no numbers. `Races` watches
real operations on the CPU between stand-ins for streams; memory that is freed too early it does not see.
tests/science/test_gpu.py asks a GPU itself.
"""

import dataclasses
import inspect
import itertools
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

import science_lab as lab
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lthbench.models import registry
from lthbench.recipe.experiment import Network, Training
from lthbench.training import graph, loop, module
from lthbench.training.module import Modules
from lthbench.training.run import Folds, Model, Task

META = torch.device("meta")
# Every iteration has a rate of its own, so that a replayed step that reads the wrong one shows.
SGD = Training(
    "sgd", 0.02, batch=8, iterations=20, evaluate_every=5, momentum=0.9, weight_decay=1e-3, warmup=10,
    milestones=(13, 17), decay=0.5,
)  # fmt: skip
ADAM = Training("adam", 0.002, batch=8, iterations=20, evaluate_every=5, warmup=10)
MOVED = dataclasses.replace(SGD, flip=True, pad_crop=2)
VECTOR, IMAGE, LARGE = (10,), (3, 8, 8), (3, 32, 32)
# Smooth activations where there is no batch norm: kinks make exact engines part for good.
KINDS = {
    "perceptron": (Network("mlp", (8, 6)), VECTOR, SGD),
    "perceptron, batch norm": (Network("mlp", (8, 6), batch_norm=True), VECTOR, SGD),
    "perceptron, Adam": (Network("mlp", (8, 6)), VECTOR, ADAM),
    "module": (Network("conv-2", width=0.1, activation="tanh"), IMAGE, SGD),
    "module, Adam": (Network("conv-2", width=0.1, activation="tanh"), IMAGE, ADAM),
    "module, crops and flips": (Network("conv-2", width=0.1, activation="tanh"), IMAGE, MOVED),
    "module, batch norm": (Network("mlp", (8, 6), batch_norm=True, activation="tanh"), VECTOR, SGD),
    "residual": (Network("resnet-8", width=0.25), IMAGE, dataclasses.replace(MOVED, learning_rate=0.002)),
}
PAPERS = {  # those of the papers that no kind above stands for
    "conv-4": (Network("conv-4", width=0.1), LARGE, ADAM),
    "conv-6": (Network("conv-6", width=0.1), LARGE, ADAM),
    "resnet-20": (Network("resnet-20", width=0.25), IMAGE, MOVED),
    "vgg-11": (Network("vgg-11", width=0.1), LARGE, MOVED),
}


BF16, CHANNELS_LAST = {"precision": "bf16"}, {"memory_format": "channels-last"}
VARIANTS = {  # a kind, and what its recipe changes
    "perceptron, bf16": ("perceptron", BF16),
    "perceptron, batch norm, bf16": ("perceptron, batch norm", BF16),
    "module, crops and flips, bf16": ("module, crops and flips", BF16),
    "module, crops and flips, channels last": ("module, crops and flips", CHANNELS_LAST),
    "residual, bf16": ("residual", BF16),
    "residual, channels last": ("residual", CHANNELS_LAST),
    "residual, both": ("residual", BF16 | CHANNELS_LAST),
}


def task_of(model: Model, shape: tuple[int, ...], training: Training, **more: Any) -> tuple[Task, Folds]:
    """Three networks on two replicates of noise, none of which draws numbers while it trains."""
    folds = lab.image_folds(shape, sizes=(64, 40, 40))
    return dataclasses.replace(lab.any_task(model, training, folds, (1, 0, 1), 0.7, **more), seeds=()), folds


def kind(name: str, **more: Any) -> tuple[Task, Folds]:
    """The task of one of the kinds, or of a variant of one."""
    plain, changes = VARIANTS.get(name, (name, {}))
    network, shape, training = (KINDS | PAPERS)[plain]
    training = dataclasses.replace(training, **changes)
    return task_of(registry.model(network, shape, 10), shape, training, **more)


class Rounding(TorchFunctionMode):
    """A stand-in for torch.autocast, which knows no meta tensors: products and convolutions of bfloat16."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (functional.linear, functional.conv2d, torch.conv2d):
            args = [each.bfloat16() if isinstance(each, torch.Tensor) else each for each in args]
        return function(*args, **(kwargs or {}))


def moved(folds: Folds, device: torch.device, resident: bool = True) -> Folds:
    """The folds on a device; the inputs, where they are not resident, in main memory."""

    def part(examples):
        tensors = {f.name: getattr(examples, f.name).to(device) for f in dataclasses.fields(examples)}
        return dataclasses.replace(examples, **tensors | ({} if resident else {"x": examples.x}))

    rows = {name: getattr(folds, name).to(device) for name in lab.FOLDS}
    return dataclasses.replace(folds, examples=part(folds.examples), held_out=part(folds.held_out), **rows)


@contextmanager
def faulty(owner: ModuleType | type, name: str, right: str, wrong: str) -> Iterator[None]:
    """A function or method with one fault put into its source, wherever the loop uses it."""
    function = getattr(owner, name)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(right) == 1, f"{name} has changed; put the fault elsewhere"
    names = dict(vars(inspect.getmodule(function)))
    exec(source.replace(right, wrong), names)
    with patch.object(owner, name, names[name]):
        if getattr(loop, name, None) is function:
            with patch.object(loop, name, names[name]):
                yield
        else:
            yield


# What a graph would refuse

# Kernels that sort, or do not exist, where sums have to come in order (torch.use_deterministic_algorithms).
UNORDERED = {
    "index_put", "index_put_", "_index_put_impl_", "index_add", "index_add_", "index_copy_", "scatter_add",
    "scatter_add_", "put", "put_", "cumsum", "histc", "bincount", "kthvalue", "median", "embedding_dense_backward",
    "_adaptive_avg_pool2d_backward", "reflection_pad2d_backward", "replication_pad2d_backward",
    "upsample_bilinear2d_backward",
}  # fmt: skip
WAITS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)


class Recording(TorchDispatchMode):
    """Notes what a CUDA graph cannot record: a number or a shape that the host waits for, a tensor of the host.

    `refused` says what and why, `unordered` which kernels sort under determinism, `count` how often each ran.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.unordered: list[str] = []
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
        self.count[name] += 1
        if name in UNORDERED:
            self.unordered.append(name)
        by_mask = any(each.dtype in (torch.bool, torch.uint8) for each in given[1:])
        if name.startswith("index") and not name.startswith(("index_select", "index_copy")):
            waits = by_mask
        else:
            waits = any(tag in function.tags for tag in WAITS)
        if waits:
            self.refused.append(f"{name} waits for the device")
        hosts = [each for each in given if each.device.type == "cpu"]
        # A number of the host goes along with a launch; more than one is copied.
        if any(each.dim() for each in hosts) or (hosts and name in ("copy_", "_to_copy")):
            self.refused.append(f"{name} reads the host")
        out = function(*args, **kwargs)
        if any(isinstance(each, torch.Tensor) and each.device.type == "cpu" for each in tree_leaves(out)):
            self.refused.append(f"{name} makes a tensor of the host")
        return out


class Stream:
    """A stand-in for a stream: what ran on it, and what of other streams it waited for, as a vector clock."""

    numbers = itertools.count()

    def __init__(self, *_: object) -> None:
        self.number = next(self.numbers)
        self.clock = {self.number: 0}

    def wait_stream(self, other: "Stream") -> None:
        for number, time in other.clock.items():
            self.clock[number] = max(self.clock.get(number, 0), time)


@contextmanager
def stand_ins() -> Iterator[None]:
    """Streams in torch's place; debugging sees nothing, and no graph can be made."""
    current = [Stream()]

    @contextmanager
    def on(stream):
        current.append(stream)
        try:
            yield
        finally:
            current.pop()

    with patch.multiple(
        torch.cuda,
        Stream=Stream,
        current_stream=lambda *_: current[-1],
        stream=on,
        get_sync_debug_mode=lambda: 0,
        set_sync_debug_mode=lambda mode: None,
    ):
        yield


def recorded(task: Task, folds: Folds, look: int = 5) -> Recording:
    """The step as it would be recorded, and a look at the validation set, on `meta`. One step warms up before."""
    with torch.no_grad(), stand_ins(), patch.object(module, "rounding", lambda device: Rounding()):
        course = loop.begin(task, moved(folds, META))
        step = graph.captured(course.step.one, task.rates, META, lambda: True)
        step.step()
        with Recording() as recording:
            step.step()
            loop.look(course, look)
    tensors = course.state.tensors()
    assert {tensor.device for name, tensor in tensors.items() if name != "random"} == {META}
    return recording


# Which streams race


@dataclasses.dataclass(frozen=True)
class Touch:
    """One operation's use of some bytes of a storage."""

    start: int
    end: int
    writes: bool
    stream: int
    time: int
    name: str

    def conflicts(self, other: "Touch", clock: dict[int, int]) -> bool:
        """Whether both use the same bytes, one of them writes, and the other's stream did not wait."""
        overlap = self.start < other.end and other.start < self.end
        return overlap and (self.writes or other.writes) and clock.get(self.stream, 0) < self.time


class Races(TorchDispatchMode):
    """Notes each use of bytes that another stream uses too without having waited, where one of both writes."""

    def __init__(self) -> None:
        super().__init__()
        self.touched: dict[int, list[Touch]] = {}  # by address of the storage
        self.found: list[str] = []
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs, schema, stream = kwargs or {}, function._schema, torch.cuda.current_stream()
        stream.clock[stream.number] += 1
        self.operations += 1
        values = [*args, *(kwargs.get(argument.name) for argument in schema.arguments[len(args) :])]
        used = [
            (tensor, argument.alias_info is not None and argument.alias_info.is_write)
            for argument, value in zip(schema.arguments, values, strict=True)
            for tensor in tree_leaves(value)
            if isinstance(tensor, torch.Tensor)
        ]
        out = function(*args, **kwargs)
        if not any(each.alias_info is not None and not each.alias_info.is_write for each in schema.returns):
            for tensor, writes in used:  # a view touches nothing
                self.touch(tensor, writes, stream, schema.name)
        there = {tensor.untyped_storage().data_ptr() for tensor, _ in used}
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in there:
                self.touched[tensor.untyped_storage().data_ptr()] = []  # new memory, perhaps at an old address
                self.touch(tensor, True, stream, schema.name)
        return out

    def touch(self, tensor: torch.Tensor, writes: bool, stream: Stream, name: str) -> None:
        """Compare with what was done to these bytes before, and note it."""
        if not tensor.numel():
            return
        length = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
        start = tensor.data_ptr()
        mine = Touch(
            start, start + length * tensor.element_size(), writes, stream.number, stream.clock[stream.number], name
        )
        before = self.touched.setdefault(tensor.untyped_storage().data_ptr(), [])
        for other in before:
            if other.conflicts(mine, stream.clock):
                did = "wrote" if other.writes else "read"
                self.found.append(f"{name} {'writes' if writes else 'reads'} what {other.name} {did} beside it")
        same = (mine.start, mine.end, mine.writes, mine.stream)
        before[:] = [o for o in before if (o.start, o.end, o.writes, o.stream) != same] + [mine]


def raced(task: Task, folds: Folds, iterations: int = 6) -> Races:
    """Some iterations, warm-ups and a look among them, with a stream for each network."""
    with torch.no_grad(), stand_ins():
        course = loop.begin(task, folds)
        if isinstance(course.engine, Modules):
            course.engine.streams = [Stream() for _ in course.engine.modules]
        step = graph.captured(course.step.one, task.rates, lab.CPU, lambda: False)
        with Races() as races:
            loop.advance(dataclasses.replace(course, step=step), 0, iterations)
    return races
