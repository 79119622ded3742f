"""A training step on the host, or recorded once as a CUDA graph and replayed.

Small networks on a GPU wait for kernel launches; replaying a graph launches a whole step at once. Batches, rates
and the iteration number lie on the device, so a replay needs nothing from the host.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

log = logging.getLogger("lthbench")
SYNCHRONIZES = "synchronizing CUDA operation"  # in the words of torch's warning
WARM_UP = 3  # real iterations run before recording: libraries choose their kernels, memory is set up
One = Callable[[int | Tensor, float | Tensor], None]


@dataclass(frozen=True)
class Step:
    """A step at iteration t (from 0) with the rate of that iteration, launched from the host."""

    one: One
    rates: np.ndarray

    def __call__(self, t: int) -> None:
        """Iteration t."""
        self.one(t, float(self.rates[t]))


class captured:  # noqa: N801 - used like a function
    """The same step as a CUDA graph: eager on a side stream at first, then recorded, then replayed.

    Where the last of the first iterations waited for the device, which no graph can record, or recording fails for
    another reason, the step goes on from the host and says so.
    """

    def __init__(self, one: One, rates: np.ndarray, device: torch.device, capturable: Callable[[], bool]) -> None:
        rates = rates.astype(np.float32)  # as the device reads them: host and replay agree
        self.one, self.eager, self.capturable = one, Step(one, rates), capturable
        self.rates = torch.from_numpy(rates).to(device)
        self.t = torch.zeros(1, dtype=torch.int64, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.side, self.calls, self.failed = torch.cuda.Stream(device), 0, False
        self.waits: list[str] = []  # where the step waits for the device
        self.broken: torch.cuda.CUDAGraph | None = None  # a failed recording's: random generators may point at it

    def __call__(self, t: int) -> None:
        """Iteration t; calls come in order."""
        self.calls += 1
        if self.failed:
            self.eager(t)
        elif self.calls < WARM_UP:
            self.warm_up(t)
        elif self.calls == WARM_UP:
            with waiting() as self.waits:
                self.warm_up(t)
        else:
            if self.graph is None and self.capturable():
                self.record(t)
            if self.graph is None:
                self.eager(t)
            else:
                self.graph.replay()

    def warm_up(self, t: int) -> None:
        """One real iteration on the stream that will be recorded."""
        self.side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.side):
            self.t.fill_(t)
            self.step()
        torch.cuda.current_stream().wait_stream(self.side)

    def step(self) -> None:
        """One iteration that reads its number and its rate on the device, and counts on."""
        self.one(self.t, self.rates.index_select(0, self.t).view(()))
        self.t.add_(1)

    def record(self, t: int) -> None:
        """Record the step, unless it is known that this cannot be; recording runs nothing."""
        if self.waits:
            self.give_up(f"it waits for the device, {self.waits[0]}")
            return
        self.t.fill_(t)
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self.side):
                self.step()
        except RuntimeError as error:
            self.broken = graph
            self.give_up(str(error).split("\n")[0])
            return
        finally:
            torch.cuda.set_stream(before)  # torch leaves its own where the end of a recording fails
        self.graph = graph

    def give_up(self, why: str) -> None:
        """From now on every iteration is launched from the host."""
        self.failed = True
        log.warning("cuda graph: the step cannot be recorded and runs from the host (%s)", why)


@contextmanager
def waiting() -> Iterator[list[str]]:
    """Collect where code waits for the device, file and line, as torch warns; other warnings are given on."""
    places: list[str] = []
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            yield places
    finally:
        torch.cuda.set_sync_debug_mode(before)
    for each in seen:
        if SYNCHRONIZES in str(each.message):
            places.append(f"{each.filename}, line {each.lineno}")
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
