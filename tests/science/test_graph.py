"""Which iterations and rates a recorded step visits, with stand-ins for CUDA (for real: test_gpu.py)."""

import logging
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.training.graph import WARM_UP, Step, captured

RATES = np.linspace(0.1, 0.9, 12)  # none of them exact in float32


class Device:
    """Stand-ins for streams and graphs: recording runs nothing, replaying runs the step that was recorded."""

    def __init__(self, monkeypatch, fails: bool = False) -> None:
        self.seen: list[tuple[int, float, str]] = []
        self.how, self.fails, self.step = "eager", fails, None
        for name, value in (("Stream", self.stream), ("current_stream", self.stream), ("CUDAGraph", self.graph),
                            ("stream", nullcontext), ("graph", self.recording)):  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, value)

    def stream(self, *_):
        return type("Stream", (), {"wait_stream": lambda *_: None})()

    def graph(self):
        return type("Graph", (), {"replay": lambda _: self.replay()})()

    def replay(self) -> None:
        self.how = "replayed"
        self.step.step()
        self.how = "eager"

    @contextmanager
    def recording(self, graph, stream):
        before, self.how = self.step.t.clone(), "recorded"
        try:
            yield
        finally:
            self.step.t.copy_(before)
            self.how = "eager"

    def one(self, t, rate) -> None:
        if self.how == "recorded":
            if self.fails:
                raise RuntimeError("operation not permitted when stream is capturing\nmore words")
            return
        self.seen.append((int(t), float(rate), self.how if isinstance(t, torch.Tensor) else "host"))

    def run(self, capturable: bool, begun: int = 0) -> list[str]:
        """Iterations begun .. 11; how each was run."""
        self.step = captured(self.one, RATES, lab.CPU, lambda: capturable)
        for t in range(begun, 12):
            self.step(t)
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


def test_a_recording_that_fails_is_said_once_and_the_iteration_still_runs(monkeypatch, caplog) -> None:
    with caplog.at_level(logging.WARNING, logger="lthbench"):
        how = Device(monkeypatch, fails=True).run(capturable=True)
    assert how == ["eager"] * WARM_UP + ["host"] * (12 - WARM_UP)
    assert [record.message for record in caplog.records] == [
        "cuda graph: the step cannot be recorded and runs from the host "
        "(operation not permitted when stream is capturing)"
    ]


def test_on_the_host_a_step_takes_the_rate_of_its_iteration() -> None:
    seen: list[tuple] = []
    step = Step(lambda t, rate: seen.append((t, rate)), RATES)
    for t in (3, 0, 11):
        step(t)
    assert seen == [(3, RATES[3]), (0, RATES[0]), (11, RATES[11])]
