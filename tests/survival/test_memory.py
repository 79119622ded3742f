"""Memory that runs out is a line that names the unit, and a killed job is called one; what is finished stays."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from survival_lab import PATIENCE, processes_in, records, scope

from lthbench.drive.execute import enough_memory
from lthbench.errors import OutOfMemory

# What the limit is measured against must be imported before it: address space, not what is used.
LIMITED = """
import resource, sys
from lthbench.tickets import unit, folds
from lthbench.data import registry
from lthbench.drive import campaign
from lthbench.drive import ask, cost, rejudge
from lthbench.report import write
import sklearn.datasets, pandas, torch
torch.ones(8, 8) @ torch.ones(8, 8)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 150_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from lthbench.__main__ import main
main()
"""


@pytest.fixture
def large_network(claims_dir: Path) -> None:
    """Two hidden layers of 4000: 16 million weights in each of four networks, a gigabyte with Adam's moments."""
    file = claims_dir / "experiments/tiny.yaml"
    text = file.read_text().replace("[24, 16]", "[4000, 4000]").replace("weights: 2080", "weights: 16296000")
    file.write_text(text)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS holds on Linux")
@pytest.mark.usefixtures("large_network")
def test_a_chunk_that_needs_too_much(tmp_path: Path, claims_dir: Path, environment) -> None:
    command = ["stage", "chunk", "tiny", "--chunk", "tiny.b0", "--claims-dir", str(claims_dir)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *command],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "tiny/b0-dense-0-" in done.stderr
    assert "(4 networks): out of memory; use fewer --cores, a smaller `block`" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS holds on Linux")
@pytest.mark.usefixtures("large_network")
def test_a_campaign_leaves_out_what_needs_too_much(tmp_path: Path, claims_dir: Path, environment) -> None:
    command = [
        "campaign",
        "tiny",
        "--budget",
        "10m",
        "--cores",
        "1",  # the limit is that of the process that trains
        "--out",
        str(tmp_path / "out"),
        "--claims-dir",
        str(claims_dir),
    ]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "tiny is left out: tiny/b0-dense-0-" in done.stdout
    assert "out of memory" in done.stdout
    assert "FC-6 NOT RUN" in done.stdout
    assert "Traceback" not in done.stderr


class OutOfMemoryError(RuntimeError):
    """Called as PyTorch's own."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 30.5 GiB for an array"),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried ..."
        ),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_every_kind_of_too_little_memory(error: Exception) -> None:
    with (
        pytest.raises(OutOfMemory, match=r"^x \(4 networks\): out of memory; use fewer --cores"),
        enough_memory("x (4 networks)"),
    ):
        raise error


def test_other_errors_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), enough_memory("x"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "job", "said"),
    [
        (
            ["--cores", "1"],
            "--chunk",
            r"a job failed: tiny\.b[01] was killed from outside, perhaps because memory ran out",
        ),
        (
            ["--no-snakemake", "--cores", "2"],
            "spawn_main",
            "a worker was killed from outside, perhaps because memory ran out",
        ),
    ],
)
def test_a_job_that_the_kernel_kills(
    how: list[str], job: str, said: str, lthbench, tmp_path: Path, claims_dir: Path, environment, plain_run: Path
) -> None:
    """As the kernel does when memory is short: SIGKILL to the chunk, or to a worker, alone."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "lthbench", "run", "tiny", *how, "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--claims-dir", str(claims_dir)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    chunk: list[int] = []
    while process.poll() is None and not chunk:
        there = processes_in(out) if job == "--chunk" else children_of(process.pid)
        chunk = [pid for pid in there if job in words_of(pid) and "snakemake" not in words_of(pid)]
        time.sleep(0.01)
    assert chunk
    os.kill(chunk[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4, errors
    assert re.search(said, errors)
    assert "use fewer --cores" in errors
    assert "the same command goes on" in errors
    assert len(errors.splitlines()) == 2
    kept = records(out)
    assert lthbench("run", "tiny", *how, "--out", out).returncode in (0, 1, 3)
    assert kept.items() <= records(out).items()
    assert (scope(out) / "tidy.csv").read_bytes() == (scope(plain_run) / "tidy.csv").read_bytes()


def words_of(pid: int) -> str:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
