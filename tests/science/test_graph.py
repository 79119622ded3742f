"""Which iterations and rates a recorded step visits, with stand-ins for CUDA (for real: test_gpu.py)."""

import dataclasses
import logging
import warnings
from contextlib import contextmanager

import gpu_lab as gpu
import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.errors import UserError
from lthbench.training import graph, loop
from lthbench.training.graph import WARM_UP, Step, captured

RATES = np.linspace(0.1, 0.9, 12)  # none of them exact in float32


class Graph:
    """A graph whose replay runs as many iterations as it holds."""

    def __init__(self, device: "Device", holds: int = 0) -> None:
        self.device, self.holds = device, holds

    def replay(self) -> None:
        self.device.replay(self)


class Device:
    """Stand-ins for streams and graphs: recording runs nothing, replaying runs the step that was recorded.

    As torch does, recording makes its stream the current one, and leaves it so where the end of it fails.
    """

    def __init__(self, monkeypatch, fails: str = "", waits: bool = False) -> None:
        self.seen: list[tuple[int, float, str]] = []
        self.how, self.fails, self.waits, self.step = "eager", fails, waits, None
        self.current = self.default = self.stream()
        self.debug, self.recordings, self.launches, self.holds = 0, 0, 0, 0
        for name, value in (
            ("Stream", self.stream), ("current_stream", lambda *_: self.current), ("CUDAGraph", self.graph),
            ("stream", self.on), ("set_stream", self.set_stream), ("graph", self.recording),
            ("get_sync_debug_mode", lambda: self.debug), ("set_sync_debug_mode", self.set_debug),
        ):  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, value)

    def stream(self, *_):
        return type("Stream", (), {"wait_stream": lambda *_: None})()

    def set_stream(self, stream) -> None:
        self.current = stream

    def set_debug(self, mode) -> None:
        self.debug = {"default": 0, "warn": 1}.get(mode, mode)

    @contextmanager
    def on(self, stream):
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def graph(self):
        return Graph(self)

    def replay(self, graph) -> None:
        self.how = "replayed"
        self.launches += 1
        for _ in range(graph.holds):
            self.step.step()
        self.how = "eager"

    @contextmanager
    def recording(self, graph, stream):
        before, self.how = self.step.t.clone(), "recorded"
        self.recordings += 1
        self.holds = 0
        outside, self.current = self.current, stream
        try:
            yield
        finally:
            self.step.t.copy_(before)
            self.how = "eager"
            if self.fails == "at the end":
                raise RuntimeError("capture_end: operation failed\nmore words")
        self.current = outside
        graph.holds = self.holds

    def one(self, t, rate) -> None:
        if self.how == "recorded":
            if self.fails == "in the step":
                raise RuntimeError("operation not permitted when stream is capturing\nmore words")
            self.holds += 1
            return
        if self.waits and self.debug:
            warnings.warn("called a synchronizing CUDA operation (Triggered internally at ...)", stacklevel=1)
            warnings.warn("something else", stacklevel=1)
        self.seen.append((int(t), float(rate), self.how if isinstance(t, torch.Tensor) else "host"))

    def run(self, capturable: bool, begun: int = 0) -> list[str]:
        """Iterations begun .. 11; how each was run."""
        self.step = captured(self.one, RATES, lab.CPU, lambda: capturable)
        for t in range(begun, 12):
            self.step(t)
            assert self.current is self.default
            assert self.debug == 0
        assert [t for t, _, _ in self.seen] == list(range(begun, 12))
        assert [rate for _, rate, _ in self.seen] == [float(np.float32(rate)) for rate in RATES[begun:]]
        return [how for _, _, how in self.seen]


@pytest.mark.parametrize("begun", [0, 5])
def test_every_iteration_runs_once_at_its_own_rate(monkeypatch, begun: int) -> None:
    how = Device(monkeypatch).run(capturable=True, begun=begun)
    assert how == ["eager"] * WARM_UP + ["replayed"] * (12 - begun - WARM_UP)


@pytest.mark.parametrize("begun", [0, 5])
def test_what_cannot_be_recorded_runs_from_the_host_at_the_same_rates(monkeypatch, begun: int) -> None:
    """The same rates to the last bit, so that a resumed training, which warms up again, goes on bitwise."""
    how = Device(monkeypatch).run(capturable=False, begun=begun)
    assert how == ["eager"] * WARM_UP + ["host"] * (12 - begun - WARM_UP)


@pytest.mark.parametrize(
    ("fails", "said"),
    [("in the step", "operation not permitted when stream is capturing"),
     ("at the end", "capture_end: operation failed")],
)  # fmt: skip
def test_a_recording_that_fails_is_said_once_and_the_iteration_still_runs(
    monkeypatch, caplog, fails, said
) -> None:
    device = Device(monkeypatch, fails)
    with caplog.at_level(logging.WARNING, logger="lthbench"):
        how = device.run(capturable=True)  # looks at the current stream after every iteration
    assert how == ["eager"] * WARM_UP + ["host"] * (12 - WARM_UP)
    assert [record.message for record in caplog.records] == [
        f"cuda graph: the step cannot be recorded and runs from the host ({said})"
    ]
    assert device.step.broken is not None  # random generators may still point at it
    assert device.recordings == 1


def test_a_step_that_waits_for_the_device_is_never_recorded(monkeypatch, caplog) -> None:
    """A recording that fails can spoil a process: what is doomed is seen before, in the last warm-up."""
    device = Device(monkeypatch, waits=True)
    with caplog.at_level(logging.WARNING, logger="lthbench"), pytest.warns(UserWarning, match="something else"):
        how = device.run(capturable=True)
    assert how == ["eager"] * WARM_UP + ["host"] * (12 - WARM_UP)
    assert device.recordings == 0
    (said,) = [record.message for record in caplog.records]
    assert said.startswith(
        "cuda graph: the step cannot be recorded and runs from the host (it waits for the device, "
    )
    assert "test_graph.py, line " in said


def test_what_draws_numbers_is_not_recorded_and_nothing_is_said_of_it(monkeypatch, caplog) -> None:
    with caplog.at_level(logging.WARNING, logger="lthbench"), pytest.warns(UserWarning, match="something else"):
        Device(monkeypatch, waits=True).run(capturable=False)
    assert caplog.records == []


@pytest.mark.parametrize("begun", [0, 4])
@pytest.mark.parametrize(("together", "looks"), [(3, 6), (3, 4), (4, 6), (12, 6), (2, 1)])
def test_several_iterations_in_one_graph_visit_the_same(
    monkeypatch, together: int, looks: int, begun: int
) -> None:
    """Never across a look: the iterations before it are replayed one by one where they are too few."""
    monkeypatch.setenv(graph.TOGETHER, str(together))
    device = Device(monkeypatch)
    device.step, t, visited = captured(device.one, RATES, lab.CPU, lambda: True), begun, []
    while t < 12:
        until = t - t % looks + looks
        t += device.step.ahead(t, until - t)
        assert t <= until
        visited.append(t)
    assert [t for t, _, _ in device.seen] == list(range(begun, 12))
    assert [rate for _, rate, _ in device.seen] == [float(np.float32(rate)) for rate in RATES[begun:]]
    assert set(range(looks, 13, looks)) - set(range(begun + 1)) <= set(visited)
    replayed = 12 - begun - WARM_UP
    assert (device.launches < replayed) == (together <= looks and replayed >= together)


def test_without_being_asked_a_graph_holds_one_iteration(monkeypatch) -> None:
    monkeypatch.delenv(graph.TOGETHER, raising=False)
    device = Device(monkeypatch)
    assert device.run(capturable=True)[WARM_UP:] == ["replayed"] * (12 - WARM_UP)
    assert device.step.ahead.__self__.together == 1


@pytest.mark.parametrize("text", ["0", "-1", "ten", "1001"])
def test_a_number_of_iterations_that_is_none(monkeypatch, text: str) -> None:
    monkeypatch.setenv(graph.TOGETHER, text)
    with pytest.raises(UserError, match=f"LTHBENCH_GRAPH_STEPS={text}: iterations in one graph"):
        graph.steps_together()


@pytest.mark.parametrize("kind", ["perceptron, Adam", "module, crops and flips"])
def test_a_training_of_several_iterations_a_graph_is_the_training(monkeypatch, kind: str) -> None:
    """The whole loop, looks and rewind point among it, with stand-ins for the device's own."""
    task, folds = gpu.kind(kind, keep_at=7)
    task = dataclasses.replace(task, rates=task.rates.astype(np.float32).astype(np.float64))
    plain = loop.train(task, folds)
    for together in (1, 3):
        monkeypatch.setenv(graph.TOGETHER, str(together))
        with torch.no_grad():
            course = loop.begin(task, folds)
            device = Device(monkeypatch)
            device.one, device.step = None, captured(course.step.one, task.rates, lab.CPU, lambda: True)
            device.step.recorded = lambda t, n, d=device: Graph(d, n)
            loop.advance(dataclasses.replace(course, step=device.step), 0, task.training.iterations)
            ended = loop.result(task, folds, course.engine, course.state, course.owners)
        lab.same_training(ended, plain)
        assert device.launches == {1: 17, 3: 11}[together]


def test_on_the_host_a_step_takes_the_rate_of_its_iteration() -> None:
    seen: list[tuple] = []
    step = Step(lambda t, rate: seen.append((t, rate)), RATES)
    for t in (3, 0, 11):
        step(t)
    assert seen == [(3, RATES[3]), (0, RATES[0]), (11, RATES[11])]
