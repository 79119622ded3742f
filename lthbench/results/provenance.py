"""Who measured a unit, with what and for how long: kept beside the numbers, never among them."""

import platform
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lthbench.plan.unit import Unit, recipe_of
from lthbench.recipe.engine import __version__, engine
from lthbench.recipe.experiment import digest
from lthbench.results.processor import processor
from lthbench.training.device import described
from lthbench.training.run import Folds


def provenance(unit: Unit, folds: Folds, seconds: float) -> dict[str, Any]:
    """The provenance of a unit trained on these folds in so many seconds."""
    device = folds.device
    return {
        "lthbench": __version__,
        "commit": commit(),
        "engine": engine(),
        "recipe": digest(recipe_of(unit.experiment)),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "device": called(device),
        **described(device),
        "seconds": round(seconds, 3),
        "data_sha256": list(folds.sha256),
        **({"code": dict(unit.code)} if unit.code else {}),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def called(device: torch.device) -> str:
    """The device's own name, by which rates and provenance know it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


@cache
def commit() -> str | None:
    """The git commit of the checkout the package runs from, with + for uncommitted changes; None elsewhere."""
    root = Path(__file__).parents[2]
    if not (root / "pyproject.toml").is_file():
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
