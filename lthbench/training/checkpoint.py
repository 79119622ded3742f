"""Checkpoints inside a long training: saved now and then and at a deadline, resumed bit for bit.

A checkpoint belongs to one unit (its file is named by the unit's key) and is deleted when the unit is finished.
"""

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lthbench.errors import OutOfTime
from lthbench.files import write_bytes

log = logging.getLogger("lthbench")
EVERY = 300.0  # seconds between savings: what a killed run can lose
ITERATION, SECONDS = "saved.iteration", "saved.seconds"  # beside the training's own tensors
LOOK = 1  # iterations between two looks at the clock; a large network takes seconds for one


class Saves(Protocol):
    """What a training is saved by: a checkpoint, or those of several tasks together (together.py)."""

    def due(self) -> bool:
        """Whether to save now."""

    def save(self, t: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Save the state after iteration t; raises OutOfTime when the deadline has passed."""

    def load(self, like: Mapping[str, torch.Tensor]) -> tuple[int, dict[str, torch.Tensor]] | None:
        """The saved iteration and state, or None."""


@dataclass
class Checkpoint:
    """Where a training is saved, when it must stop (`time.monotonic()` value), and how often it is saved."""

    path: Path
    deadline: float | None = None
    every: float = EVERY
    saved_at: float = field(default_factory=time.monotonic)
    calls: int = 0
    share: float = 1.0  # of the time that counts for it, where others train beside it
    seconds_before: float = 0.0  # spent by earlier runs on this training, as far as it was saved
    since: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether to save now; asked after every iteration, so it is cheap."""
        self.calls += 1
        if self.calls % LOOK:
            return False
        now = time.monotonic()
        return now - self.saved_at >= self.every or self.late(now)

    def late(self, now: float) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and now >= self.deadline

    def save(self, t: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Save the state after iteration t in one step. Raises OutOfTime when the deadline has passed."""
        arrays = {name: np.array(tensor.detach().cpu().numpy(), order="C") for name, tensor in tensors.items()}
        seconds = self.seconds_before + self.share * (time.monotonic() - self.since)
        blob = save(arrays | {ITERATION: np.array(t), SECONDS: np.array(seconds)})
        write_bytes(self.path, hashlib.sha256(blob).digest() + blob)
        self.saved_at = time.monotonic()
        if self.late(self.saved_at):
            raise OutOfTime(f"stopped after iteration {t}; the same command goes on from there")

    def load(self, like: Mapping[str, torch.Tensor]) -> tuple[int, dict[str, torch.Tensor]] | None:
        """The saved iteration and state, or None. A file that is damaged or does not fit is named and ignored."""
        saved = self.read()
        if saved is None:
            return None
        iteration, seconds, tensors = saved
        shapes = {name: tuple(tensor.shape) for name, tensor in like.items()}
        if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != shapes:
            log.warning("%s: checkpoint of another kind of training; the unit starts again", self.path)
            return None
        self.seconds_before = seconds
        return iteration, tensors

    def read(self) -> tuple[int, float, dict[str, torch.Tensor]] | None:
        """What the file holds: iteration, seconds and state; None where there is none, or a damaged one."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        digest, blob = content[:32], content[32:]
        if hashlib.sha256(blob).digest() != digest:
            log.warning("%s: damaged checkpoint; the unit starts again", self.path)
            return None
        try:
            arrays = load(blob)
            iteration, seconds = int(arrays.pop(ITERATION)), float(arrays.pop(SECONDS))
        except (SafetensorError, ValueError, KeyError, TypeError):
            log.warning("%s: not a checkpoint; the unit starts again", self.path)
            return None
        return iteration, seconds, {name: torch.from_numpy(array) for name, array in arrays.items()}

    def remove(self) -> None:
        """Forget it: the unit is finished."""
        self.path.unlink(missing_ok=True)
