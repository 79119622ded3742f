"""Measuring side by side: compared cases run in turn, A B A B ..., so that a slow moment hits them all."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from lthbench.recipe.engine import __version__
from tools.benchmarks.cases import Case, Prepared, Setting


@dataclass
class Times:
    """Milliseconds per unit, round by round: by the clock, and of processor time."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@dataclass
class Measured:
    """A case and its floor, measured in the same rounds."""

    case: Case
    prepared: Prepared
    times: Times = field(default_factory=Times)
    floor: Times = field(default_factory=Times)


def timed(run: Callable[[], object], times: Times, per: float, device: torch.device) -> None:
    """Run once and note how long it took."""
    settle(device)
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    settle(device)
    times.wall.append((time.perf_counter() - wall) / per * 1e3)
    times.cpu.append((time.process_time() - cpu) / per * 1e3)


def settle(device: torch.device) -> None:
    """Wait until a GPU has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(cases: Iterable[Case], setting: Setting, rounds: int) -> list[Measured]:
    """Measure the cases of one group in turn; a first round is not counted."""
    group = [Measured(case, case.make(setting)) for case in cases]
    for number in range(rounds + 1):
        for member in group:
            prepared = member.prepared
            timed(prepared.run, member.times, prepared.per, setting.device)
            timed(prepared.floor, member.floor, prepared.floor_per, setting.device)
            if number == 0:
                member.times, member.floor = Times(), Times()
    return group


def summary(measured: Measured, others: Mapping[str, Measured]) -> dict[str, Any]:
    """The numbers of a case, for the table and for JSON; ratios are medians of ratios taken round by round."""
    wall, floor = measured.times.wall, measured.floor.wall
    numbers: dict[str, Any] = {
        "case": measured.case.name,
        "unit": measured.case.unit,
        "ms": statistics.median(wall),
        "ms_min": min(wall),
        "ms_max": max(wall),
        "cpu_ms": statistics.median(measured.times.cpu),
        "floor": measured.case.floor_is,
        "floor_ms": statistics.median(floor),
        "floor_cpu_ms": statistics.median(measured.floor.cpu),
        "times_the_floor": ratio(wall, floor),
        "compared_with": None,
        "ratio": None,
        "cpu_ratio": None,
        "rounds": len(wall),
    }
    if measured.case.against in others:
        other = others[measured.case.against].times
        numbers |= {
            "compared_with": measured.case.against,
            "ratio": ratio(other.wall, wall),
            "cpu_ratio": ratio(other.cpu, measured.times.cpu),
        }
    return numbers


def ratio(above: list[float], below: list[float]) -> float:
    """The median of the ratios of two series measured in the same rounds."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def machine(device: torch.device) -> dict[str, Any]:
    """Where and with what it was measured."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if device.type == "cuda" else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "lthbench": __version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def processor() -> str:
    """The processor's name, as Linux tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = dict(line.split(":", 1) for line in file.read().split("\n\n")[0].splitlines() if ":" in line)
        fields = {name.strip(): value.strip() for name, value in lines.items()}
        return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()
