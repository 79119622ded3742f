"""One GPU for each process of a machine with several: each takes the one that the fewest others hold.

Processes tell each other by locks on files that the kernel frees when they end. How many run at a time is for
whoever starts them: `gpu` among Snakemake's resources, or `--cores`. Torch-free, and to be called before torch is
imported.
"""

import os
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

DEVICES = Path("/dev")
VISIBLE = "CUDA_VISIBLE_DEVICES"
MOST = 64  # processes on one GPU
held: list[int] = []  # open files whose locks this process holds to its end


def on_gpu(device: str) -> bool:
    """Whether training will use a GPU, as far as can be told without asking PyTorch."""
    if device != "auto":
        return device == "cuda"
    hidden = os.environ.get(VISIBLE) in ("", "-1")
    return any(DEVICES.glob("nvidia[0-9]*")) and not hidden and not version("torch").endswith("+cpu")


def visible() -> list[str]:
    """The GPUs this process may use, by the names that CUDA gives them."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    numbers = sorted(int(path.name[6:]) for path in DEVICES.glob("nvidia[0-9]*") if path.name[6:].isdigit())
    return [str(number) for number in range(len(numbers))]  # CUDA counts those it sees from 0


def take_one(device: str) -> None:
    """From now on this process sees one GPU of several. Where there is no choice, nothing changes."""
    names = visible()
    if not on_gpu(device) or len(names) < 2 or sys.platform == "win32":
        return
    try:
        name = free_one(names, Path(tempfile.gettempdir()) / f"lthbench-gpus-{os.getuid()}")
    except OSError:  # no place for locks: all see all GPUs, as they would without us
        return
    if name:
        os.environ[VISIBLE] = name


def free_one(names: list[str], folder: Path) -> str:
    """The GPU that the fewest processes hold, held by this one too; empty where all are full."""
    import fcntl

    folder.mkdir(mode=0o700, exist_ok=True)
    for place in range(MOST):
        for name in names:
            file = os.open(
                folder / f"{re.sub(r'[^A-Za-z0-9-]', '-', name)}.{place}", os.O_RDWR | os.O_CREAT, 0o600
            )
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            held.append(file)
            return name
    return ""
