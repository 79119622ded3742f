"""Start Snakemake, and follow what happens.

What is finished is read from the unit records on disk, so progress is the same for every way of running.
"""

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import platformdirs

from lthbench.data.cache import cache_root
from lthbench.drive import dag, stages
from lthbench.drive.execute import die_with_parent
from lthbench.drive.pool import ONE_THREAD, Tick
from lthbench.errors import BLOCKED, UserError
from lthbench.plan.run import Run
from lthbench.results import store, sums
from lthbench.results.store import RecordError

words = logging.getLogger("lthbench")
POLL_SECONDS = 0.25
LOCAL = "memory ran out; use fewer --cores"
CLUSTER = "memory or time ran out; docs/clusters.md tells how to give more"
TO_CANCEL = 60  # seconds that Snakemake has for cancelling its jobs on a cluster
# Each is made from those before it.
TABLES = ("first-look.json", "tidy.csv", "provenance.json", "inputs.csv", "verdicts.json")
CHUNK_LOG = re.compile(r"[a-z0-9][a-z0-9-]*\.b[0-9]+\.log")


def environment(run: Run) -> dict[str, str]:
    """Jobs run with one thread each and find this python, this package, and modules that are found from here."""
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    paths = [str(dag.PACKAGE.parent), *(str(Path(path).absolute()) for path in (*given, "."))]
    found = os.environ | dict.fromkeys(ONE_THREAD, "1") | {"PYTHONPATH": os.pathsep.join(paths)}
    return found | place_to_cache(run)


def place_to_cache(run: Run) -> dict[str, str]:
    """Where Snakemake may keep what it will not run without, when there is no cache folder it can write to."""
    folder = Path(platformdirs.user_cache_dir("snakemake"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return {}
    except OSError:
        pass
    # Ours stays where it is: data sets may lie there, to be read.
    return {
        "XDG_CACHE_HOME": str((run.out / ".snakemake" / "cache").resolve()),
        "LTHBENCH_CACHE": str(cache_root().absolute()),
    }


def snakemake_command(run: Run, cores: int, claims_dir: Path | None, profile: Path | None = None) -> list[str]:
    """The command a reader can repeat by hand. A profile says itself how much runs at a time, and where."""
    # By file: a target by name prints the verdicts, and a claim's is that of the first suite which registers it.
    target = (run.report.relative_to(run.out) / "index.html").as_posix()
    config = [f"seed={run.seed}", f"device={run.device}"]
    if run.replicates:
        config.append(f"replicates={run.replicates}")
    if claims_dir:
        config.append(f"claims_dir={claims_dir.resolve()}")
    return [
        sys.executable, "-m", "snakemake", "--snakefile", str(dag.snakefile()),
        *(["--profile", str(profile.resolve())] if profile else ["--cores", str(cores)]),
        "--scheduler", "greedy", "--rerun-incomplete", "--keep-going", *long_ones_first(run),
        "--config", *config, "--", target,
    ]  # fmt: skip


def long_ones_first(run: Run) -> list[str]:
    """Ask for the chunks of more than average length first, so that no core waits for one at the end."""
    chunks = run.first_chunks()
    mean = sum(chunk.iterations for chunk in chunks) / max(1, len(chunks))
    long = [chunk for chunk in chunks if chunk.iterations > mean]
    folder = run.scope_folder.relative_to(run.out)
    return ["--prioritize", *(f"{folder.as_posix()}/{chunk.id}.done.json" for chunk in long)] if long else []


def unlock(run: Run, command: list[str], log: Path) -> None:
    """Take over the lock of a run that was killed (we hold the folder, so its owner is gone).

    A Snakemake that was started by hand leaves no mark of ours, and may be alive.
    """
    if any(locks(run)):
        if not mark(run).exists():
            raise UserError(
                f"{run.out.resolve()}: locked by a Snakemake that was started by hand; wait for it, or, where it "
                "was killed, remove .snakemake/locks there"
            )
        words.warning("%s: taking over the lock of a run that was killed", run.out.resolve())
        at = command.index("--config")
        with log.open("ab") as file:
            subprocess.run(
                [*command[:at], "--unlock", *command[at:]],
                cwd=run.out, env=environment(run), stdout=file, stderr=file, check=False, preexec_fn=child(),
            )  # fmt: skip


def locks(run: Run) -> Iterator[Path]:
    """Snakemake's locks in the folder."""
    return (run.out / ".snakemake" / "locks").glob("*")


def mark(run: Run) -> Path:
    """The file that is there while a Snakemake of ours works in the folder, or was killed there."""
    return run.out / ".snakemake" / "lthbench.drives"


def forget_damaged(run: Run) -> None:
    """Let Snakemake see that a chunk is not done any more: records may have been damaged or deleted."""
    for chunk in run.chunks():
        manifest = stages.manifest(run, chunk)
        if manifest.exists() and not all(store.measured(run.results, unit) for unit in chunk.units):
            manifest.unlink()
            # Snakemake does not miss an input while what was made from it is there.
            (run.scope_folder / "tidy.csv").unlink(missing_ok=True)
    forget_damaged_tables(run)


def forget_damaged_tables(run: Run) -> None:
    """Remove tables and verdicts that are not what was written, and what was made from them."""
    made = [run.scope_folder / name for name in TABLES]
    for number, path in enumerate(made):
        try:
            if path.exists():
                sums.check(path)
        except RecordError as error:
            words.warning("%s; it is made again", error)
            for file in [*made[number:], run.report / "index.html"]:
                file.unlink(missing_ok=True)


def follow(process: subprocess.Popen, tick: Tick, patience: float = 5) -> int:
    """Wait for a child process, calling `tick` now and then; never leave it behind.

    After an interruption it has `patience` seconds to end by itself.
    """
    try:
        while process.poll() is None:
            tick()
            time.sleep(POLL_SECONDS)
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    tick()
    return process.returncode


def with_snakemake(run: Run, cores: int, claims_dir: Path | None, tick: Tick, profile: Path | None = None) -> None:
    """Let Snakemake run whatever is missing; here, or where a profile says."""
    command = snakemake_command(run, cores, claims_dir, profile)
    log = run.results / "snakemake.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    unlock(run, command, log)
    forget_damaged(run)
    forget_logs(run)
    mark(run).touch()
    with log.open("ab") as file:
        file.write(f"$ {' '.join(command)}\n".encode())
        file.flush()
        process = subprocess.Popen(
            command, cwd=run.out, env=environment(run), stdout=file, stderr=file, preexec_fn=child()
        )
        try:
            code = follow(process, tick, TO_CANCEL if profile else 5)
        finally:
            if not any(locks(run)):
                mark(run).unlink(missing_ok=True)
    if code:
        raise UserError(failure(run, log, CLUSTER if profile else LOCAL), BLOCKED)


def child() -> Callable[[], None]:
    """What a child process does first."""
    return partial(begin, os.getpid())


def begin(parent: int) -> None:
    """End when the parent does. Listen to SIGINT, which what a script puts in the background ignores."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent(parent)


def forget_logs(run: Run) -> None:
    """Remove logs of earlier runs, so that a failure is explained by this one's; finished chunks keep theirs."""
    for log in run.scope_folder.glob("*.log"):
        if not log.with_suffix(".done.json").exists():
            log.unlink()


def failure(run: Run, log: Path, advice: str) -> str:
    """One or two lines on what went wrong: the last words of the newest log that has any; `advice` on a kill."""
    kept = "finished units are kept, the same command goes on"
    logs = sorted(run.scope_folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs:
        reason = reason_of(path, advice)
        if reason:
            return f"a job failed: {reason}\nits log is {path}; {kept}"
    for path in [*logs, log] if log.is_file() else logs:  # a full disk may leave a job no log
        if "No space left on device" in path.read_text(errors="replace").rpartition("\n$ ")[2]:  # of this run
            return f"{run.out.resolve()}: No space left on device; free space, {kept}"
    return f"the workflow failed; its log is {log}; {kept}"


def reason_of(log: Path, advice: str) -> str:
    """Why a job failed, from its log; nothing when it did not. A job without last words was killed."""
    text = log.read_text(errors="replace").strip()
    last = text.splitlines()[-1].strip() if text else ""
    if last.startswith("lthbench: ") or "Traceback" in text:
        return last.removeprefix("lthbench: ")
    if log.with_suffix(".done.json").exists() or not CHUNK_LOG.fullmatch(log.name):
        return ""
    return f"{log.stem} was killed from outside, perhaps because {advice}"
