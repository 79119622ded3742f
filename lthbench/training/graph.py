"""A training step on the host, or recorded once as a CUDA graph and replayed.

Small networks on a GPU wait for kernel launches; replaying a graph launches a whole step at once. Batches, rates
and the iteration number lie on the device, so a replay needs nothing from the host.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

log = logging.getLogger("lthbench")
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

    Where recording fails (a module that waits for the device), the step goes on from the host and says so.
    """

    def __init__(self, one: One, rates: np.ndarray, device: torch.device, capturable: Callable[[], bool]) -> None:
        rates = rates.astype(np.float32)  # as the device reads them: host and replay agree
        self.one, self.eager, self.capturable = one, Step(one, rates), capturable
        self.rates = torch.from_numpy(rates).to(device)
        self.t = torch.zeros(1, dtype=torch.int64, device=device)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.side, self.calls, self.failed = torch.cuda.Stream(device), 0, False

    def __call__(self, t: int) -> None:
        """Iteration t; calls come in order."""
        self.calls += 1
        if self.failed:
            self.eager(t)
        elif self.calls <= WARM_UP:
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
        """Record the step; recording runs nothing."""
        self.t.fill_(t)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.side):
                self.step()
        except RuntimeError as error:
            log.warning(
                "cuda graph: the step cannot be recorded and runs from the host (%s)", str(error).split("\n")[0]
            )
            self.failed = True
            return
        self.graph = graph
