"""Which iterations and rates a recorded step visits, with stand-ins for CUDA (for real: test_gpu.py)."""

import logging
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.training.graph import WARM_UP, Step, captured

RATES = np.linspace(0.1, 0.9, 12)  # none of them exact in float32


class Device:
    """Stand-ins for streams and graphs: recording runs nothing, replaying runs the step that was recorded.

    As torch does, recording makes its stream the current one, and leaves it so where the end of it fails.
    """

    def __init__(self, monkeypatch, fails: str = "", waits: bool = False) -> None:
        self.seen: list[tuple[int, float, str]] = []
        self.how, self.fails, self.waits, self.step = "eager", fails, waits, None
        self.current = self.default = self.stream()
        self.debug, self.recordings = 0, 0
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
        return type("Graph", (), {"replay": lambda _: self.replay()})()

    def replay(self) -> None:
        self.how = "replayed"
        self.step.step()
        self.how = "eager"

    @contextmanager
    def recording(self, graph, stream):
        before, self.how = self.step.t.clone(), "recorded"
        self.recordings += 1
        outside, self.current = self.current, stream
        try:
            yield
        finally:
            self.step.t.copy_(before)
            self.how = "eager"
            if self.fails == "at the end":
                raise RuntimeError("capture_end: operation failed\nmore words")
        self.current = outside

    def one(self, t, rate) -> None:
        if self.how == "recorded":
            if self.fails == "in the step":
                raise RuntimeError("operation not permitted when stream is capturing\nmore words")
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


def test_on_the_host_a_step_takes_the_rate_of_its_iteration() -> None:
    seen: list[tuple] = []
    step = Step(lambda t, rate: seen.append((t, rate)), RATES)
    for t in (3, 0, 11):
        step(t)
    assert seen == [(3, RATES[3]), (0, RATES[0]), (11, RATES[11])]
