"""What a process does to its device before training, and says about it."""

import os
from typing import Any

import torch

from lthbench.errors import UserError

DETERMINISTIC = "LTHBENCH_DETERMINISTIC"  # an environment variable, so that child processes inherit it


def prepare(name: str) -> torch.device:
    """The device called `auto`, `cpu` or `cuda`, set up for training.

    CPU: one thread, so that sums do not depend on how many there are; same inputs, same bits. GPU: float32 with
    TF32 products (10 bits of mantissa, sums in float32) and the fastest kernels, whose sums may come in any order;
    with LTHBENCH_DETERMINISTIC=1, deterministic kernels and no TF32, which cost time. Raises UserError for a GPU
    that is not there.
    """
    torch.set_num_threads(1)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: no CUDA device (or a CPU build of torch); use --device cpu")
    if name == "cuda":
        exact = deterministic()
        if exact:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(exact, warn_only=True)  # torch warns where it has no such kernel
        torch.backends.cudnn.benchmark = not exact
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = not exact
    return torch.device(name)


def deterministic() -> bool:
    """Whether deterministic kernels were asked for."""
    return os.environ.get(DETERMINISTIC, "") not in ("", "0")


def described(device: torch.device) -> dict[str, Any]:
    """For the provenance: what the numbers may depend on besides the code."""
    if device.type == "cpu":
        return {"threads": torch.get_num_threads()}
    return {
        "threads": torch.get_num_threads(),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
