"""Tasks of one experiment and block in one stack: one training of all their networks, taken apart afterwards.

Each task keeps a checkpoint of its own, the one that it would have alone. So it does not matter for a training
that goes on with whom it shares a stack, then or before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lthbench.errors import OutOfTime
from lthbench.training.checkpoint import Checkpoint
from lthbench.training.run import Model, Task, Trained
from lthbench.training.stack import view_names

OF_EACH = ("states", "masks", "owners", "orders", "augmentation", "seeds")  # of a task, one for each network
FLAT = ("first", "second", "net", "best", "kept")  # of a training's state: all parameters of all networks
OF_ALL = ("steps",)
BY_LOOK = ("losses", "correct")  # (looks, networks); all others have a row for each network


def joined(tasks: Sequence[Task]) -> Task:
    """All networks of tasks that differ in their networks alone, as one task. Raises ValueError for others."""
    first = tasks[0]
    for task in tasks[1:]:
        alike = (task.training, task.start, task.frozen, task.keep_at, task.model.parameters)
        wanted = (first.training, first.start, first.frozen, None, first.model.parameters)
        if alike != wanted or not np.array_equal(task.rates, first.rates):
            raise ValueError("these trainings cannot share a stack")
    of_each: dict[str, Any] = {name: [each for task in tasks for each in getattr(task, name)] for name in OF_EACH}
    return replace(first, **of_each)


def apart(trained: Trained, sizes: Sequence[int]) -> list[Trained]:
    """What was trained together, by task; a task has so many networks."""

    by_network = [name for name in Trained.__dataclass_fields__ if name not in ("states", "kept", "iterations")]

    def part(start: int, end: int) -> Trained:
        measured = {name: getattr(trained, name) for name in by_network}
        own: dict[str, Any] = {n: None if v is None else v[..., start:end].copy() for n, v in measured.items()}
        return replace(trained, states=trained.states[start:end], **own)

    return [part(*span) for span in spans(sizes)]


def spans(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """First network and the one after the last, of each task."""
    return list(pairwise(accumulate(sizes, initial=0)))


@dataclass(frozen=True)
class Shared:
    """The checkpoints of tasks that share a stack, as `loop.train` uses one; each has its own file."""

    model: Model
    sizes: Sequence[int]
    each: Sequence[Checkpoint]

    def due(self) -> bool:
        """Whether to save now."""
        return any(own.due() for own in self.each)

    def save(self, t: int, tensors: Mapping[str, Tensor]) -> None:
        """Save the state of every task after iteration t. Raises OutOfTime when the deadline has passed."""
        late: OutOfTime | None = None
        for own, part in zip(self.each, parts(self.model, tensors, self.sizes), strict=True):
            try:
                own.save(t, part)
            except OutOfTime as error:
                late = error
        if late is not None:
            raise late

    def load(self, like: Mapping[str, Tensor]) -> tuple[int, dict[str, Tensor]] | None:
        """The saved iteration and state, where that of every task was saved after the same one; else None."""
        saved = [own.load(part) for own, part in zip(self.each, parts(self.model, like, self.sizes), strict=True)]
        there = [each for each in saved if each is not None]
        if len(there) < len(saved) or len({t for t, _ in there}) > 1:
            return None
        return there[0][0], whole(self.model, [tensors for _, tensors in there], self.sizes)


def parts(model: Model, tensors: Mapping[str, Tensor], sizes: Sequence[int]) -> list[dict[str, Tensor]]:
    """The state of a training, by task."""
    return [
        {name: part(model, name, tensor, span, sum(sizes)) for name, tensor in tensors.items()}
        for span in spans(sizes)
    ]


def part(model: Model, name: str, tensor: Tensor, span: tuple[int, int], size: int) -> Tensor:
    """What some networks of a stack of `size` have of one tensor of its state."""
    start, end = span
    if name in OF_ALL:
        return tensor
    if name in FLAT:
        return torch.cat([view[start:end].flatten() for view in view_names(model, tensor, size).values()])
    return tensor[:, start:end] if name in BY_LOOK else tensor[start:end]


def whole(model: Model, by_task: Sequence[Mapping[str, Tensor]], sizes: Sequence[int]) -> dict[str, Tensor]:
    """The inverse of `parts`."""
    together = {}
    for name, first in by_task[0].items():
        own = [tensors[name] for tensors in by_task]
        if name in OF_ALL:
            together[name] = first
        elif name in FLAT:
            views = [view_names(model, flat, size) for flat, size in zip(own, sizes, strict=True)]
            named = [torch.cat([view[key] for view in views]).flatten() for key in model.parameters]
            together[name] = torch.cat(named)
        else:
            together[name] = torch.cat(own, 1 if name in BY_LOOK else 0)
    return together
