"""Runs on a real Slurm. Whatever is killed there, the same command goes on, to the bits of a local run."""

import importlib.util
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from command_line import typed
from slurm_here import slurm
from tiny_suite import PATIENCE, ROOT

from lthbench.claims.load import load
from lthbench.drive import resources
from lthbench.plan.suite import first_chunks

CLAIMS = "FC-1,FC-6,FC-8"
SCOPE = f"results/quick/seed-0/scopes/{CLAIMS.replace(',', '+')}"
TINY = Path("results/tiny/seed-0/scopes/all")
SMALLER = {  # of experiments: two seconds of training instead of a minute
    "iterations": "60", "evaluate_every": "20", "test": "1000", "train": "3000", "rewind": "20",
    "milestones": "[30, 45]",
}  # fmt: skip
WIDER = {"low": "5", "high": "99.5", "tenfold_smaller_rate": "1", "shuffled_labels": "1"}  # of bands

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not importlib.util.find_spec("snakemake_executor_plugin_slurm"),
        reason="needs snakemake-executor-plugin-slurm: pip install 'lthbench[slurm]'",
    ),
]


def with_values(text: str, values: dict[str, str]) -> str:
    """YAML with other values for some keys."""
    for key, value in values.items():
        text = re.sub(rf"\b{key}: (\[.*?\]|[\d.]+)", f"{key}: {value}", text)
    return text


def small_quick(folder: Path) -> Path:
    """The claim files with suite quick trained for 60 iterations on fewer examples."""
    shutil.copytree(ROOT / "claims", folder)
    for file in folder.glob("experiments/mnist1d-*.yaml"):
        file.write_text(with_values(file.read_text(), SMALLER))
    suite = folder / "suites/quick.yaml"
    suite.write_text(re.sub(r" +recipe: .*\n", "", with_values(suite.read_text(), WIDER)))
    return folder


@pytest.fixture(scope="module")
def running_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with slurm(tmp_path_factory.mktemp("slurm")):
        yield


def said(*command: str) -> str:
    """What a command of Slurm says."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def jobs_of(out: Path, fields: str = "%i %t") -> list[list[str]]:
    """What Slurm knows of the jobs of the run in a folder, in the order in which they were submitted."""
    lines = said("squeue", "-h", "-t", "all", "-S", "i", "-o", f"%Z {fields}").splitlines()
    return [values for folder, *values in map(str.split, lines) if folder == str(out)]


def profile_with(folder: Path, environment: dict[str, str], device: str, **settings: Any) -> Path:
    """The profile that lthbench writes, with other settings."""
    assert typed(["profile", "slurm", "--to", folder, "--device", device], environment).returncode == 0
    file = folder / "config.yaml"
    settings["slurm-init-seconds-before-status-checks"] = 2
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | settings))
    return folder


def run_with(profile: Path, suite: str, out: Path, claims: Path, *options: str) -> list[str]:
    """The command that runs a suite."""
    return [
        sys.executable, "-m", "lthbench", "run", suite, "--profile", str(profile), "--out", str(out),
        "--claims-dir", str(claims), *options,
    ]  # fmt: skip


def wait_for(reached: Callable[[], Any], run: subprocess.Popen[str] | None = None) -> Any:
    """Wait until something holds, while a command runs; returns it."""
    until = time.monotonic() + PATIENCE
    while not (it := reached()):
        assert run is None or run.poll() is None, run.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.2)
    return it


def records(out: Path) -> dict[str, int]:
    """The records of finished units, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in out.rglob("units/*/*.json")}


def same_tables(folder: Path, other: Path) -> None:
    """Fails unless both have the same table and the same verdicts, byte for byte."""
    for name in ("tidy.csv", "verdicts.json"):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


def test_a_killed_job_resumes_with_the_same_command_to_the_same_bits(
    running_slurm: None, tmp_path: Path, environment
) -> None:
    claims = small_quick(tmp_path / "claims")
    local = typed(
        ["run", "quick", "--no-snakemake", "--cores", "1", "--claim", CLAIMS, "--out", tmp_path / "local",
         "--claims-dir", claims], environment,
    )  # fmt: skip
    assert local.returncode in (0, 1, 3), local.stderr

    profile = profile_with(tmp_path / "profile", environment, "cpu", retries=0)  # so that the kill is seen
    out = tmp_path / "cluster"
    command = run_with(profile, "quick", out, claims, "--claim", CLAIMS)

    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        killed = wait_for(lambda: a_job_that_trains(out), run)
        memory, limit = next(values for job, *values in jobs_of(out, "%i %m %l") if job == killed)
        assert memory.endswith("M")
        assert int(memory[:-1]) in range(850, 1200)  # MB, of a perceptron on small data
        assert limit == "4:00:00"  # not measured
        subprocess.run(["scancel", "--full", "--signal=KILL", killed], check=True)
        told = run.communicate(timeout=PATIENCE)[0]
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 4, told
    assert re.search(
        "a job failed: (terminated;|.* was killed from outside, perhaps because memory or time)", told
    ), told
    kept = records(out)
    assert kept
    assert not list((out / SCOPE).glob("*.done.json"))

    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert again.returncode == local.returncode, again.stdout + again.stderr
    assert f"{len(kept)} finished before" in again.stdout
    assert kept.items() <= records(out).items()  # nothing that was finished was trained again
    same_tables(out / SCOPE, tmp_path / "local" / SCOPE)
    log = (out / "results/quick/seed-0/snakemake.log").read_text()
    jobs = set(re.findall(r"submitted with SLURM jobid (\d+)", log))
    assert killed in jobs
    assert len(jobs) >= 4  # the killed one, its successor, the first look, tables to report in one


def a_job_that_trains(out: Path) -> str:
    """The id of our running job once it has finished some of its units; else nothing."""
    return next((job for job, state in jobs_of(out) if state == "R"), "") if len(records(out)) >= 3 else ""


def children(process: int) -> list[Path]:
    """The processes that a process started."""
    return [Path("/proc", child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: Path) -> bool:
    """Whether a process still runs; one that ended may wait for somebody to ask."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("when", ["when the jobs have ended", "at once"])
def test_jobs_outlive_who_submitted_them(
    when: str, running_slurm: None, tmp_path: Path, claims_dir: Path, finished_run: Path, environment
) -> None:
    out = tmp_path / "cluster"
    command = run_with(profile_with(tmp_path / "profile", environment, "cpu"), "tiny", out, claims_dir)
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: ["R"] in jobs_of(out, "%t"), run)
        snakemakes = children(run.pid)
    finally:
        run.kill()
        run.communicate()
    assert snakemakes
    wait_for(lambda: not any(map(alive, snakemakes)))
    assert not list((out / TINY).glob("*.done.json"))
    submitted = jobs_of(out, "%i")

    if when != "at once":
        wait_for(lambda: {state for (state,) in jobs_of(out, "%t")} == {"CD"})
        assert len(list((out / TINY).glob("*.done.json"))) == 2
        assert len(records(out)) == sum(len(chunk.units) for chunk in first_chunks(load(claims_dir), "tiny", 0))
    made = records(out)
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    if when != "at once":
        assert f"{len(made)} finished before" in again.stdout
        assert records(out) == made  # nothing was trained again
    assert len(jobs_of(out)) > len(submitted)
    same_tables(out / TINY, finished_run / TINY)


def test_a_run_that_is_asked_to_end_cancels_its_jobs(
    running_slurm: None, tmp_path: Path, claims_dir: Path, environment
) -> None:
    out = tmp_path / "cluster"
    command = run_with(profile_with(tmp_path / "profile", environment, "cpu"), "tiny", out, claims_dir)
    in_background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]  # as a script starts it with `&`
    run = subprocess.Popen(
        in_background, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wait_for(lambda: ["R"] in jobs_of(out, "%t"), run)
        run.terminate()
        told = run.communicate(timeout=PATIENCE)[0]
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 143, told
    assert "terminated; finished units are kept" in told
    wait_for(lambda: {state for (state,) in jobs_of(out, "%t")} == {"CA"})


def test_small_jobs_go_as_one_and_one_that_ran_out_of_memory_gets_more(
    running_slurm: None, tmp_path: Path, claims_dir: Path, finished_run: Path, environment
) -> None:
    if "OverMemoryKill" not in said("scontrol", "show", "config"):
        pytest.skip("the Slurm that runs here does not end jobs for their memory in the way this test expects")
    settings = {"group-components": ["train=2"], "set-resources": ["chunk:mem_mb=300*2**(attempt-1)"]}
    profile, out = profile_with(tmp_path / "profile", environment, "cpu", **settings), tmp_path / "cluster"
    run = subprocess.run(
        run_with(profile, "tiny", out, claims_dir), env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert jobs_of(out, "%m %l %t") == [
        ["300M", "8:00:00", "F"],  # two chunks, one after the other: the memory of one, the time of both
        ["600M", "16:00:00", "CD"],
        ["4000M", "1:00:00", "CD"],  # tables, verdicts and report
    ]
    same_tables(out / TINY, finished_run / TINY)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a job for a GPU does not fail here")
def test_jobs_ask_for_a_gpu_and_each_attempt_for_more(
    running_slurm: None, tmp_path: Path, claims_dir: Path, environment
) -> None:
    profile, out = profile_with(tmp_path / "profile", environment, "cuda"), tmp_path / "cluster"
    run = subprocess.run(
        run_with(profile, "tiny", out, claims_dir), env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 4, run.stdout + run.stderr
    assert "no CUDA device" in run.stderr
    chunk = first_chunks(load(claims_dir), "tiny", 0)[0]
    asked = [
        [f"{resources.megabytes(chunk, True, attempt)}M", f"{4 * attempt}:00:00"]  # how long was not measured
        for attempt in (1, 2, 3)
        for _ in range(2)
    ]
    assert sorted(jobs_of(out, "%m %l")) == sorted(asked)
    for (job,) in jobs_of(out, "%i"):
        assert "TresPerJob=gres:gpu:1" in said("scontrol", "show", "job", job)
