"""The step of every kind of network could be recorded as a CUDA graph: it never waits, nor reads the host.

Looked at on `meta` tensors; injected faults show that the look would notice.
"""

import dataclasses

import gpu_lab as gpu
import pytest
import science_lab as lab
import torch
from torch import nn

from lthbench.data import images
from lthbench.models.module import module_model
from lthbench.training import loop, perceptron
from lthbench.training.module import Modules

EVERY = pytest.mark.parametrize("kind", [*gpu.KINDS, *gpu.PAPERS, *gpu.VARIANTS])


@pytest.fixture(autouse=True, scope="module")
def kernels_on_meta():
    """Two fused optimizers have no shapes-only kernel in torch where the rate is a tensor; they return nothing."""
    library = torch.library.Library("aten", "IMPL", "Meta")
    for name in ("_fused_sgd_.tensor_lr", "_fused_adam_.tensor_lr"):
        library.impl(name, lambda *_, **__: None)
    yield
    library._destroy()


@EVERY
def test_the_step_and_a_look_can_be_recorded(kind: str) -> None:
    recording = gpu.recorded(*gpu.kind(kind, keep_at=7))
    assert recording.refused == []
    assert recording.count.total() > 20


@EVERY
def test_no_kernel_of_the_step_sorts_where_sums_come_in_order(kind: str) -> None:
    assert gpu.recorded(*gpu.kind(kind)).unordered == []


def test_all_counters_of_batch_norm_are_added_to_at_once() -> None:
    """Not 21 small additions for each network of a ResNet-20. The same network with none of them has as many."""
    task, folds = gpu.kind("resnet-20")
    each = dataclasses.replace(task, model=dataclasses.replace(task.model, norms_once=False))
    together, apart = (gpu.recorded(each, folds).count for each in (task, each))
    counters = sum(name.endswith("num_batches_tracked") for name in task.model.buffers)
    assert (counters, len(task.states)) == (21, 3)
    assert apart["add_"] - together["add_"] == 3 * 21
    assert together["_foreach_add_"] - apart["_foreach_add_"] == 1


@pytest.mark.parametrize("kind", ["resnet-20", "vgg-11", "module, batch norm"])
def test_counters_added_to_at_once_count_what_each_layer_does(kind: str) -> None:
    task, folds = gpu.kind(kind)
    assert task.model.norms_once
    apart = dataclasses.replace(task, model=dataclasses.replace(task.model, norms_once=False))
    lab.same_training(loop.train(task, folds), loop.train(apart, folds))


# Faults


class Waits(nn.Module):
    """Asks the device for a number."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.out = nn.Linear(10, 8), nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.fc1(x))
        return self.out(hidden if float(hidden.sum().detach()) < 1e30 else 2 * hidden)


class OfTheHost(Waits):
    """Multiplies by numbers that lie in main memory."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.fc1(x)) * torch.ones(8))


class Counts(Waits):
    """Has a shape that depends on what the numbers are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.fc1(x))
        return self.out(hidden) + hidden[hidden > 0].sum()


def noticed(task, folds) -> str:
    """Why it cannot be recorded: as noted, or as torch refused the operation on `meta`."""
    try:
        return "; ".join(gpu.recorded(task, folds).refused)
    except (RuntimeError, NotImplementedError) as error:
        return f"refused: {error}"


@pytest.mark.parametrize(
    ("kind", "fault", "said"),
    [
        ("perceptron", (perceptron, "backward", "device=labels.device", "device='cpu'"), "host|same device|cpu"),
        ("module, crops and flips", (images, "pad_crop", "height, device=x.device", "height"), "host|cpu"),
        ("perceptron", (loop, "pick", "table.index_select(0, t)[0]", "table[int(t)]"), "waits|meta tensors"),
    ],
    ids=["labels compared with numbers of the host", "rows of crops counted on the host", "iteration read back"],
)
def test_a_fault_put_into_the_loop_is_noticed(kind: str, fault, said: str) -> None:
    task, folds = gpu.kind(kind)
    assert noticed(task, folds) == ""
    with gpu.faulty(*fault):
        why = noticed(task, folds)
    assert any(word in why for word in said.split("|")), why


@pytest.mark.parametrize(
    ("network", "said"),
    [(Waits, "waits|meta tensors"), (OfTheHost, "host|cpu"), (Counts, "waits|meta|dynamic")],
)
def test_a_network_that_cannot_be_recorded_is_noticed(network, said: str) -> None:
    why = noticed(*gpu.task_of(module_model(network, "glorot"), gpu.VECTOR, gpu.SGD))
    assert any(word in why for word in said.split("|")), why


def test_the_old_gradient_of_the_labels_is_noticed() -> None:
    """Putting -1 at the labels' places sorts on a GPU where sums have to come in order."""
    right = "d = torch.softmax(lying, -1).sub_(right.to(lying.dtype)).mul_(1 / batch)"
    wrong = (
        "d = torch.softmax(lying, -1); n = labels.numel(); "
        "d.view(n, classes)[torch.arange(n, device=d.device), labels.reshape(-1)] -= 1; d.mul_(1 / batch)"
    )
    with gpu.faulty(perceptron, "backward", right, wrong):
        assert set(gpu.recorded(*gpu.kind("perceptron")).unordered) <= gpu.UNORDERED
        assert gpu.recorded(*gpu.kind("perceptron")).unordered


def test_networks_that_draw_numbers_are_not_recorded() -> None:
    task, folds = gpu.kind("module")
    course = loop.begin(dataclasses.replace(task, seeds=(1, 2, 3)), folds)
    assert isinstance(course.engine, Modules)
    assert not course.engine.capturable  # as long as it is not known that none draws
    loop.advance(course, 0, 1)
    assert course.engine.capturable
