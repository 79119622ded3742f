"""Drive a run: start Snakemake (or, without it, the stages themselves), and follow what happens.

What is finished is read from the unit records on disk, so progress is the same for every way of running.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lthbench import stages
from lthbench.errors import BLOCKED, UserError
from lthbench.execute import die_with_parent
from lthbench.results import store
from lthbench.stages import Run
from lthbench.suite_plan import Chunk
from lthbench.workflow import dag

POLL_SECONDS = 0.25
Tick = Callable[[], None]


@contextmanager
def exclusive(out: Path) -> Iterator[None]:
    """One run per folder at a time. The kernel frees the lock when a run is killed."""
    folder = out / ".snakemake"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lthbench.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{out.resolve()}: another run works in this folder; wait for it, or use --out") from None
    except OSError as error:
        raise UserError(f"{out.resolve()}: cannot write here ({error.strerror}); use --out FOLDER") from None
    try:
        yield
    finally:
        lock.release()


def environment() -> dict[str, str]:
    """Jobs run with one thread each and find this python and this package."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    paths = [str(dag.PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | dict.fromkeys(names, "1") | {"PYTHONPATH": os.pathsep.join(paths)}


def snakemake_command(run: Run, cores: int, claims_dir: Path | None) -> list[str]:
    """The command a reader can repeat by hand."""
    # By file, not by the claim's name: that is a target of the first suite which registers it.
    report = run.report.relative_to(run.out) / "index.html"
    target = run.suite if run.scope == "all" else report.as_posix()
    config = [f"seed={run.seed}", f"device={run.device}"]
    if run.replicates:
        config.append(f"replicates={run.replicates}")
    if claims_dir:
        config.append(f"claims_dir={claims_dir.resolve()}")
    return [
        sys.executable, "-m", "snakemake", "--snakefile", str(dag.snakefile()), "--cores", str(cores),
        "--scheduler", "greedy", "--rerun-incomplete", "--keep-going", "--config", *config, "--", target,
    ]  # fmt: skip


def unlock(run: Run, command: list[str], log: Path) -> None:
    """Take over the lock of a run that was killed (we hold the folder, so its owner is gone)."""
    if any((run.out / ".snakemake" / "locks").glob("*")):
        at = command.index("--config")
        with log.open("ab") as file:
            subprocess.run(
                [*command[:at], "--unlock", *command[at:]],
                cwd=run.out, env=environment(), stdout=file, stderr=file, check=False,
            )  # fmt: skip


def forget_damaged(run: Run) -> None:
    """Let Snakemake see that a chunk is not done any more: records may have been damaged or deleted."""
    for chunk in run.chunks():
        manifest = run.scope_folder / f"{chunk.id}.done.json"
        if manifest.exists() and not all(store.measured(run.results, unit) for unit in chunk.units):
            manifest.unlink()
            # Snakemake does not miss an input while what was made from it is there.
            (run.scope_folder / "tidy.csv").unlink(missing_ok=True)


def follow(process: subprocess.Popen, tick: Tick) -> int:
    """Wait for a child process, calling `tick` now and then; never leave it behind."""
    try:
        while process.poll() is None:
            tick()
            time.sleep(POLL_SECONDS)
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    tick()
    return process.returncode


def with_snakemake(run: Run, cores: int, claims_dir: Path | None, tick: Tick) -> None:
    """Let Snakemake run whatever is missing."""
    command = snakemake_command(run, cores, claims_dir)
    log = run.results / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    unlock(run, command, log)
    forget_damaged(run)
    with log.open("ab") as file:
        file.write(f"$ {' '.join(command)}\n".encode())
        file.flush()
        process = subprocess.Popen(
            command, cwd=run.out, env=environment(), stdout=file, stderr=file, preexec_fn=die_with_parent
        )
        if follow(process, tick):
            raise UserError(failure(run, log), BLOCKED)


def without_snakemake(run: Run, cores: int, claims_dir: Path | None, tick: Tick, report: bool = True) -> None:
    """The same line in this process, chunks in up to `cores` child processes."""
    train_chunks(run, run.first_chunks(), cores, claims_dir, tick)
    if run.looks_twice:
        train_chunks(run, run.chunks()[len(run.first_chunks()) :], cores, claims_dir, tick)
    last = (stages.judge, stages.report) if report else ()
    for stage in (stages.tidy, *last):
        stage(run)


def train_chunks(run: Run, chunks: Sequence[Chunk], cores: int, claims_dir: Path | None, tick: Tick) -> None:
    """Chunks in up to `cores` child processes."""
    waiting = list(chunks)
    working: list[subprocess.Popen] = []
    failed = False
    while waiting or working:
        while waiting and len(working) < cores and not failed:
            working.append(start_chunk(run, waiting.pop(0), claims_dir))
        if failed:
            waiting = []
        tick()
        time.sleep(POLL_SECONDS)
        for process in [p for p in working if p.poll() is not None]:
            working.remove(process)
            failed |= process.returncode != 0
    tick()
    if failed:
        raise UserError(failure(run, run.scope_folder), BLOCKED)


def start_chunk(run: Run, chunk: Chunk, claims_dir: Path | None) -> subprocess.Popen:
    """One chunk in a process of its own."""
    log = run.scope_folder / f"{chunk.id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "lthbench", "stage", "chunk", run.suite, "--scope", run.scope, "--chunk", chunk.id,
        "--seed", str(run.seed), "--device", run.device,
    ]  # fmt: skip
    if run.replicates:
        command += ["--replicates", str(run.replicates)]
    if claims_dir:
        command += ["--claims-dir", str(claims_dir.resolve())]
    with log.open("wb") as file:
        return subprocess.Popen(
            command, cwd=run.out, env=environment(), stdout=file, stderr=file, preexec_fn=die_with_parent
        )


def failure(run: Run, log: Path) -> str:
    """One or two lines on what went wrong: the last words of the newest log that has any."""
    logs = sorted(run.scope_folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs:
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
        if lines and not lines[-1].startswith(("trained", "reused")):
            reason = lines[-1].removeprefix("lthbench: ")
            return f"a job failed: {reason}\nits log is {path}; finished units are kept, the same command goes on"
    return f"the workflow failed; its log is {log}; finished units are kept, the same command goes on"
