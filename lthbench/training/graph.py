"""A training step on the host, or recorded once as a CUDA graph and replayed.

Small networks on a GPU wait for kernel launches; replaying a graph launches a whole step at once. Batches, rates
and the iteration number lie on the device, so a replay needs nothing from the host.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lthbench.errors import UserError

log = logging.getLogger("lthbench")
TOGETHER = "LTHBENCH_GRAPH_STEPS"  # an environment variable, so that child processes inherit it
MOST_TOGETHER = 1000
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

    def ahead(self, t: int, most: int) -> int:
        """Iteration t, and no further: how many iterations were done."""
        self(t)
        return 1


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
        self.several: torch.cuda.CUDAGraph | None = None  # of so many iterations together:
        self.together = steps_together()
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

    def ahead(self, t: int, most: int) -> int:
        """Iteration t, and where several are recorded together those after it, `most` at the most; how many."""
        if self.graph is None or not 1 < self.together <= most:
            self(t)
            return 1
        if self.several is None:
            self.several = self.recorded(t, self.together)
            if self.several is None:
                return self.ahead(t, 1)
        self.calls += self.together
        self.several.replay()
        return self.together

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
        self.graph = self.recorded(t, 1)

    def recorded(self, t: int, iterations: int) -> torch.cuda.CUDAGraph | None:
        """So many iterations as a graph that goes on from iteration t; None, and said, where that fails."""
        self.t.fill_(t)
        graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, stream=self.side):
                for _ in range(iterations):
                    self.step()
        except RuntimeError as error:
            self.broken, self.graph = graph, None
            self.give_up(str(error).split("\n")[0])
            return None
        finally:
            torch.cuda.set_stream(before)  # torch leaves its own where the end of a recording fails
        return graph

    def give_up(self, why: str) -> None:
        """From now on every iteration is launched from the host."""
        self.failed = True
        log.warning("cuda graph: the step cannot be recorded and runs from the host (%s)", why)


def steps_together() -> int:
    """How many iterations a graph shall hold, by LTHBENCH_GRAPH_STEPS; 1 unless it is asked for."""
    text = os.environ.get(TOGETHER, "")
    if text and not (text.isdigit() and 1 <= int(text) <= MOST_TOGETHER):
        raise UserError(f"{TOGETHER}={text}: iterations in one graph; give 1 to {MOST_TOGETHER}")
    return int(text or 1)


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
