"""Modules compiled by torch.compile, where that is asked for: the same training, and said in the provenance."""

import dataclasses
import shutil

import gpu_lab as gpu
import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.training import device, loop, reference

COMPILED = [
    "module, batch norm",
    pytest.param("module, crops and flips", marks=pytest.mark.slow),
    pytest.param("residual", marks=pytest.mark.slow),
]


@pytest.fixture(autouse=True)
def anew():
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("kind", COMPILED)
def test_a_compiled_step_without_fusion_has_the_same_bits(monkeypatch, kind: str) -> None:
    """What torch.compile makes of forward and backward, run by PyTorch's own kernels."""
    task, folds = gpu.kind(kind, keep_at=7)
    plain = loop.train(task, folds)
    monkeypatch.setenv(device.COMPILE, "aot_eager")
    torch._dynamo.utils.counters.clear()
    lab.same_training(loop.train(task, folds), plain)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1  # for all three networks


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
@pytest.mark.parametrize("kind", ["module, batch norm", "residual"])
def test_fused_kernels_give_what_the_serial_reference_gives(monkeypatch, kind: str) -> None:
    task, folds = gpu.kind(kind)
    slow = reference.train(task, folds)
    monkeypatch.setenv(device.COMPILE, "1")
    fast = loop.train(task, folds)
    for start, mine, theirs in zip(task.states, fast.states, slow.states, strict=True):
        for name in task.model.prunable:
            moved = np.linalg.norm(theirs[name] - start[name])
            assert np.linalg.norm(mine[name] - theirs[name]) < 0.005 * moved, name
    np.testing.assert_allclose(fast.validation_loss, slow.validation_loss, rtol=0.01)


ADAM = ["perceptron, Adam", "module, Adam"]


def near(task, fast, slow) -> None:
    """To a thousandth of the way that the weights went; pruned ones are zero."""
    for start, mask, mine, theirs in zip(task.states, task.masks, fast.states, slow.states, strict=True):
        for name in task.model.prunable:
            moved = np.linalg.norm(theirs[name] - start[name])
            assert 0 < np.linalg.norm(mine[name] - theirs[name]) < 0.001 * moved, name
            assert not mine[name][~mask[name]].any()
    np.testing.assert_allclose(fast.validation_loss, slow.validation_loss, rtol=0.001)


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("kind", ADAM)
def test_mask_and_adam_as_one_are_the_serial_references(monkeypatch, kind: str, decay: float) -> None:
    task, folds = gpu.kind(kind)
    task = dataclasses.replace(task, training=dataclasses.replace(task.training, weight_decay=decay))
    slow = reference.train(task, folds)
    monkeypatch.setenv(device.FUSE, "aot_eager")
    fast = loop.train(task, folds)
    near(task, fast, slow)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
@pytest.mark.parametrize("kind", ADAM)
def test_one_kernel_is_the_serial_references(monkeypatch, kind: str) -> None:
    task, folds = gpu.kind(kind)
    slow = reference.train(task, folds)
    monkeypatch.setenv(device.FUSE, "1")
    torch._dynamo.utils.counters.clear()
    near(task, loop.train(task, folds), slow)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1  # rates and steps are no constants of it


def test_sgd_is_left_as_it_is(monkeypatch) -> None:
    task, folds = gpu.kind("perceptron")
    plain = loop.train(task, folds)
    monkeypatch.setenv(device.FUSE, "1")
    lab.same_training(loop.train(task, folds), plain)


def test_it_is_said_where_it_was_asked_for(monkeypatch) -> None:
    monkeypatch.delenv(device.COMPILE, raising=False)
    assert "compiled" not in device.described(lab.CPU)
    for asked, backend in (("1", "inductor"), ("aot_eager", "aot_eager")):
        monkeypatch.setenv(device.COMPILE, asked)
        assert device.described(lab.CPU)["compiled"] == backend
    monkeypatch.setenv(device.COMPILE, "0")
    assert "compiled" not in device.described(lab.CPU)
