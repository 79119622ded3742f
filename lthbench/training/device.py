"""What a process does to its device before training, and says about it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from lthbench.errors import UserError

COMPILE = "LTHBENCH_COMPILE"  # as DETERMINISTIC; a backend of torch.compile, or 1 for its usual one
FUSE = "LTHBENCH_FUSE_MASK"  # as DETERMINISTIC; a backend as well: mask and Adam in one kernel
FLOAT32 = 1e-6  # relative error of a product in float32: 2e-7 to 4e-7 here; in TF32 3e-4, in bfloat16 2e-3
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
        torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = not exact
        choose_products(torch.device(name))
    return torch.device(name)


def choose_products(device: torch.device, onednn: bool = False) -> None:
    """Set how this process multiplies float32 matrices from now on.

    GPU: with TF32, or exactly where deterministic kernels were asked for. CPU: by oneDNN, where it keeps to
    float32, or by the default, MKL. All through one function of torch's, which cannot read what two have set.

    Evidence (EPYC, Zen 5, one thread, torch 2.13, GFLOP/s of MKL and oneDNN): 60x784 by 784x300 88 and 196, its
    weight gradient 92 and 177, 6 stacked 100x300 by 300x100 84 and 163. Error against float64 2.5e-7 and 3.7e-7.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("highest" if deterministic() else "high")
    elif device.type == "cpu":
        torch.set_float32_matmul_precision("medium" if onednn and onednn_keeps_to_float32() else "highest")


@cache
def onednn_keeps_to_float32() -> bool:
    """Whether oneDNN is as exact as float32 here, by trying.

    PyTorch hands over to it at the precision "medium", which would also permit bfloat16 (processors with matrix
    tiles use it).
    """
    torch.set_float32_matmul_precision("medium")
    return product_error() <= FLOAT32


def product_error() -> float:
    """Relative error of a matrix product as the process computes it now, against float64."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(64, 512, generator=generator), torch.randn(512, 64, generator=generator)
    exact = a.double() @ b.double()
    return float((a @ b - exact).norm() / exact.norm())


@contextmanager
def sound_convolutions(device: torch.device, channels_last: bool) -> Iterator[None]:
    """Where gradients of convolutions are computed: on a CPU not by oneDNN, if images lie channels last.

    Its gradient of a 1x1 convolution with stride 2 then writes past its buffer, where the channels that come in
    are no multiple of 8 (torch 2.13, processors with AVX2 and without AVX-512). PyTorch's own kernels are slower.
    """
    onednn = torch.backends.mkldnn
    before = onednn.enabled
    onednn.enabled = before and not (channels_last and device.type == "cpu")  # type: ignore[assignment]
    try:
        yield
    finally:
        onednn.enabled = before  # type: ignore[assignment]


def deterministic() -> bool:
    """Whether deterministic kernels were asked for."""
    return os.environ.get(DETERMINISTIC, "") not in ("", "0")


def compiler() -> str:
    """The backend of torch.compile that modules shall be compiled by; empty for none, as usual.

    Its kernels are fused, so sums may come in another order: results are close to, not bits of, those without it.
    """
    return backend(COMPILE)


def fuser() -> str:
    """The backend that mask and Adam shall be made one kernel by; empty for none, as usual. As for `compiler`."""
    return backend(FUSE)


def backend(variable: str) -> str:
    """The backend of torch.compile that an environment variable names."""
    asked = os.environ.get(variable, "")
    return {"0": "", "1": "inductor"}.get(asked, asked)


def described(device: torch.device) -> dict[str, Any]:
    """For the provenance: what the numbers may depend on besides the code."""
    asked = {"compiled": compiler(), "fused_mask": fuser()}
    return kernels(device) | {name: by for name, by in asked.items() if by}


def kernels(device: torch.device) -> dict[str, Any]:
    """How a device multiplies and sums."""
    if device.type == "cpu":
        onednn = torch.get_float32_matmul_precision() == "medium"
        return {"threads": torch.get_num_threads(), "products": "oneDNN" if onednn else "default"}
    return {
        "threads": torch.get_num_threads(),
        "tf32": torch.get_float32_matmul_precision() != "highest",
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
