"""The training loop on a CUDA device: graphs, streams, generators, checkpoints. Skipped where there is none."""

import dataclasses
import logging
import os

import numpy as np
import pytest
import science_lab as lab
import torch
from gpu_lab import IMAGE, KINDS, MOVED, SGD, VECTOR
from gpu_lab import moved as on
from test_engines import FOLDS, RECIPES, task
from test_recordable import Waits

from lthbench.errors import OutOfTime
from lthbench.models import registry
from lthbench.models.mlp import Mlp
from lthbench.models.module import module_model
from lthbench.recipe.experiment import Network, Training
from lthbench.training import checkpoint as checkpoints
from lthbench.training import device as devices
from lthbench.training import graph, loop, reference
from lthbench.training.checkpoint import Checkpoint
from lthbench.training.graph import WARM_UP, captured
from lthbench.training.run import Folds, Task, Trained

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts

DROPOUT = (Network("conv-2", width=0.1, activation="tanh", dropout=0.4), IMAGE, MOVED)
EVERY = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def restored():
    """Whatever a test sets for the process is set back."""
    cudnn, precision = torch.backends.cudnn, torch.get_float32_matmul_precision()
    before = cudnn.benchmark, cudnn.allow_tf32
    yield
    torch.use_deterministic_algorithms(False)
    torch.cuda.set_sync_debug_mode("default")
    cudnn.benchmark, cudnn.allow_tf32 = before
    torch.set_float32_matmul_precision(precision)


@pytest.fixture
def exact(monkeypatch):
    """Deterministic kernels and no TF32, as LTHBENCH_DETERMINISTIC=1 asks for."""
    monkeypatch.setenv(devices.DETERMINISTIC, "1")
    assert devices.prepare("cuda").type == "cuda"
    assert torch.are_deterministic_algorithms_enabled()


def on_device(folds: Folds, resident: bool = True) -> Folds:
    """The folds on the GPU; the inputs, where they are not resident, in main memory."""
    return on(folds, torch.device("cuda", torch.cuda.current_device()), resident)


def prepared(network: Network, shape: tuple[int, ...], training: Training, **more) -> tuple[Task, Folds]:
    """Three networks on two replicates; folds on the CPU. Rates are exact in float32, as the GPU reads them."""
    folds = lab.image_folds(shape, sizes=(64, 40, 40))
    made = lab.any_task(registry.model(network, shape, 10), training, folds, (1, 0, 1), 0.7, **more)
    return dataclasses.replace(made, rates=made.rates.astype(np.float32).astype(np.float64)), folds


@pytest.fixture
def graphs(monkeypatch) -> list[captured]:
    """The steps that trainings make, to look at their graphs afterwards."""
    made: list[captured] = []

    def watched(*arguments):
        made.append(captured(*arguments))
        return made[-1]

    monkeypatch.setattr(loop, "captured", watched)
    return made


def flat(states: list, names) -> np.ndarray:
    parts = [state[name].ravel().astype(np.float64) for state in states for name in names]
    return np.concatenate(parts) if parts else np.empty(0)


def near(t: Task, fast: Trained, slow: Trained, tolerance: float = 0.005) -> None:
    """Two trainings ended at the same place, to a fraction of the way they went; curves too."""
    counters = {name for name, value in t.states[0].items() if not np.issubdtype(value.dtype, np.floating)}
    for names in (set(t.model.parameters), set(t.model.buffers) - counters):
        if names:
            start, mine, theirs = (flat(states, sorted(names)) for states in (t.states, fast.states, slow.states))
            assert np.linalg.norm(theirs - start) > 0.1
            assert np.linalg.norm(mine - theirs) < tolerance * np.linalg.norm(theirs - start)
    np.testing.assert_array_equal(flat(fast.states, sorted(counters)), flat(slow.states, sorted(counters)))
    np.testing.assert_allclose(fast.validation_loss, slow.validation_loss, rtol=2 * tolerance)
    np.testing.assert_array_equal(fast.iterations, slow.iterations)
    for name in ("final_test_accuracy", "final_train_accuracy", "early_stop_test_accuracy"):
        assert np.abs(getattr(fast, name) - getattr(slow, name)).max() <= 5.0 + 100 * tolerance, name


# Against the CPU


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_stack_on_a_gpu_starts_as_the_reference_on_a_cpu(exact, recipe: str, batch_norm: bool) -> None:
    """A few steps agree closely; later ones may part where rounding differs."""
    short = dataclasses.replace(RECIPES[recipe], iterations=4, evaluate_every=2, milestones=())
    t = task(short, batch_norm, density=0.5)
    slow, fast = reference.train(t, FOLDS), loop.train(t, on_device(FOLDS))
    for a, b in zip(slow.states, fast.states, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], atol=2e-4)
    np.testing.assert_allclose(slow.validation_loss, fast.validation_loss, atol=2e-3)


@EVERY
def test_twenty_iterations_replayed_are_the_references_on_a_cpu(exact, graphs, kind: str) -> None:
    t, folds = prepared(*KINDS[kind], keep_at=7)
    fast, slow = loop.train(t, on_device(folds)), reference.train(t, folds)
    near(t, fast, slow)
    assert [step.graph is not None and not step.failed for step in graphs] == [True]
    kept = (flat(trained.kept, t.model.parameters) for trained in (fast, slow))
    np.testing.assert_allclose(*kept, atol=2e-3)


@EVERY
def test_fast_kernels_are_close_too(graphs, monkeypatch, kind: str) -> None:
    """As runs are by default: TF32 products (10 bits) and whatever kernel is fastest."""
    monkeypatch.delenv(devices.DETERMINISTIC, raising=False)
    devices.prepare("cuda")
    assert not torch.are_deterministic_algorithms_enabled()
    t, folds = prepared(*KINDS[kind])
    near(t, loop.train(t, on_device(folds)), reference.train(t, folds), tolerance=0.25)
    assert [step.failed for step in graphs] == [False]


@pytest.mark.parametrize("kind", ["perceptron, batch norm", "module, crops and flips"])
def test_examples_in_main_memory_give_the_same(exact, graphs, kind: str) -> None:
    t, folds = prepared(*KINDS[kind])
    travelled, resident = (loop.train(t, on_device(folds, stays)) for stays in (False, True))
    assert len(graphs) == 1  # batches that travel are not recorded
    near(t, travelled, resident, tolerance=1e-5)


@pytest.mark.parametrize("kind", [*KINDS, "dropout"])
def test_pruned_weights_stay_zero_on_a_gpu(kind: str) -> None:
    t, folds = prepared(*(KINDS | {"dropout": DROPOUT})[kind])
    for state, mask in zip(loop.train(t, on_device(folds)).states, t.masks, strict=True):
        for name, kept in mask.items():
            assert not state[name][~kept].any()
        assert any((~kept).any() for kept in mask.values())


# Graphs


@EVERY
def test_a_replayed_graph_is_the_step_bit_for_bit(exact, graphs, monkeypatch, kind: str) -> None:
    t, folds = prepared(*KINDS[kind], keep_at=11)
    resident = on_device(folds)
    replayed = loop.train(t, resident)
    assert graphs[0].graph is not None
    monkeypatch.setattr(
        loop, "captured", lambda one, rates, device, _: captured(one, rates, device, lambda: False)
    )
    lab.same_training(loop.train(t, resident), replayed)
    monkeypatch.setattr(loop, "captured", lambda one, rates, *_: loop.Step(one, rates))
    lab.same_training(loop.train(t, resident), replayed)


@pytest.mark.parametrize("kind", ["perceptron", "perceptron, batch norm", "module, crops and flips", "residual"])
def test_several_iterations_in_one_graph_are_the_same_bits(exact, graphs, monkeypatch, kind: str) -> None:
    t, folds = prepared(*KINDS[kind], keep_at=11)
    resident = on_device(folds)
    each = loop.train(t, resident)
    monkeypatch.setenv(graph.TOGETHER, "3")
    lab.same_training(loop.train(t, resident), each)
    assert [step.several is not None for step in graphs] == [False, True]


@EVERY
def test_the_same_training_twice_has_the_same_bits(exact, kind: str) -> None:
    t, folds = prepared(*KINDS[kind])
    resident = on_device(folds)
    lab.same_training(loop.train(t, resident), loop.train(t, resident))


@pytest.mark.parametrize("kind", ["perceptron", "perceptron, batch norm", "module, crops and flips", "residual"])
def test_nothing_in_the_loop_waits_for_the_device(monkeypatch, kind: str) -> None:
    replays, looks, look = [], [], loop.look

    class Quiet(captured):
        def __call__(self, t: int) -> None:
            if self.graph is None:
                super().__call__(t)
                return
            replays.append(t)
            torch.cuda.set_sync_debug_mode("error")
            try:
                super().__call__(t)
            finally:
                torch.cuda.set_sync_debug_mode("default")

    def quiet_look(course, t):
        looks.append(t)
        torch.cuda.set_sync_debug_mode("error")
        try:
            look(course, t)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(loop, "captured", Quiet)
    monkeypatch.setattr(loop, "look", quiet_look)
    t, folds = prepared(*KINDS[kind])
    loop.train(t, on_device(folds))
    assert replays == list(range(WARM_UP + 1, 20))
    assert looks == [5, 10, 15, 20]


# Random layers


def test_networks_with_dropout_run_without_a_graph_and_as_each_alone(exact, graphs) -> None:
    t, folds = prepared(*DROPOUT)
    resident = on_device(folds)
    together = loop.train(t, resident)
    for s in range(3):
        one = lab.alone(t, s)
        names = list(t.model.parameters)
        mine, theirs = flat([together.states[s]], names), flat(loop.train(one, resident).states, names)
        start = flat([t.states[s]], names)
        assert np.linalg.norm(mine - theirs) < 1e-4 * np.linalg.norm(theirs - start)
    assert len(graphs) == 4
    assert all(step.graph is None and not step.failed and step.calls == 20 for step in graphs)


def test_dropout_follows_the_seed_and_leaves_the_devices_generator_alone(exact) -> None:
    t, folds = prepared(*DROPOUT)
    same = {name: [getattr(t, name)[0]] * 3 for name in ("states", "masks", "owners", "orders", "augmentation")}
    t, resident = dataclasses.replace(t, **same, seeds=[7, 7, 8]), on_device(folds)
    torch.cuda.manual_seed_all(1)
    before = torch.cuda.get_rng_state(), torch.get_rng_state()
    first = loop.train(t, resident)
    for now, then in zip((torch.cuda.get_rng_state(), torch.get_rng_state()), before, strict=True):
        assert torch.equal(now, then)
    torch.cuda.manual_seed_all(2)
    lab.same_training(loop.train(t, resident), first)
    twins = [first.states[s]["out.weight"] for s in range(3)]
    np.testing.assert_allclose(twins[0], twins[1], atol=1e-5)
    assert np.abs(twins[0] - twins[2]).max() > 1e-3


# Checkpoints


@pytest.mark.parametrize("stop", [1, WARM_UP, WARM_UP + 1, 11])
@pytest.mark.parametrize("kind", [*KINDS, "dropout"])
def test_stopped_and_resumed_is_not_stopped(exact, tmp_path, monkeypatch, kind: str, stop: int) -> None:
    """A resumed training warms up and records again. Rates as the recipe has them, not rounded to float32."""
    t, folds = prepared(*(KINDS | {"dropout": DROPOUT})[kind], keep_at=7)
    t = dataclasses.replace(t, rates=t.rates * (1 + 1e-9))
    resident = on_device(folds)
    whole = loop.train(t, resident)
    monkeypatch.setattr(checkpoints, "LOOK", stop)
    with pytest.raises(OutOfTime):
        loop.train(t, resident, Checkpoint(tmp_path / "x.partial", deadline=0.0))
    monkeypatch.undo()
    lab.same_training(loop.train(t, resident, Checkpoint(tmp_path / "x.partial")), whole)


def test_a_stack_on_a_gpu_is_on_the_gpu() -> None:
    """Guards the tests above: nothing of a training is left on the CPU but what is copied back."""
    t, folds = prepared(*KINDS["perceptron, batch norm"])
    course = loop.begin(t, on_device(folds))
    assert isinstance(t.model, Mlp)
    assert isinstance(course.step, captured)
    assert {tensor.device.type for name, tensor in course.state.tensors().items() if name != "random"} == {"cuda"}


# What cannot be recorded: last, for a recording that fails is the hardest on the process


@pytest.mark.parametrize("owners", [(1,), (1, 0, 1)])
def test_a_step_that_cannot_be_recorded_says_so_and_goes_on(exact, graphs, caplog, owners) -> None:
    folds = lab.image_folds(VECTOR, sizes=(64, 40, 40))
    t = lab.any_task(module_model(Waits, "glorot"), SGD, folds, owners, 0.7)
    with caplog.at_level(logging.WARNING, logger="lthbench"):
        fast = loop.train(t, on_device(folds))
    (said,) = [record.message for record in caplog.records]
    assert "cannot be recorded" in said
    assert "test_recordable.py, line " in said
    assert [(step.failed, step.broken) for step in graphs] == [(True, None)]  # seen before, so not even tried
    near(t, fast, reference.train(t, folds))


def test_all_is_well_after_a_recording_that_failed(exact, graphs, monkeypatch) -> None:
    """As if nobody had seen it coming: the current stream and the random generator are as before."""
    monkeypatch.setattr(graph, "SYNCHRONIZES", "said in other words")
    folds, stream = lab.image_folds(VECTOR, sizes=(64, 40, 40)), torch.cuda.current_stream()
    loop.train(lab.any_task(module_model(Waits, "glorot"), SGD, folds), on_device(folds))
    assert [(step.failed, step.broken is not None) for step in graphs] == [(True, True)]
    assert torch.cuda.current_stream() == stream
    t, folds = prepared(*DROPOUT)
    first, again = (loop.train(t, on_device(folds)) for _ in range(2))
    lab.same_training(first, again)
    near_perceptron, folds = prepared(*KINDS["perceptron"])
    near(near_perceptron, loop.train(near_perceptron, on_device(folds)), reference.train(near_perceptron, folds))
    assert graphs[-1].graph is not None
