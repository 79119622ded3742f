"""`quick`, made small, on a real Slurm: a job is killed, the same command goes on, to the bits of a local run."""

import importlib.util
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import typed
from slurm_here import slurm
from tiny_suite import PATIENCE, ROOT

CLAIMS = "FC-1,FC-6,FC-8"
SCOPE = f"results/quick/seed-0/scopes/{CLAIMS.replace(',', '+')}"
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


@pytest.fixture
def running_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with slurm(tmp_path_factory.mktemp("slurm")):
        yield


def asked(*fields: str) -> list[str]:
    """What Slurm knows of the jobs of one run, a line each."""
    return subprocess.run(
        ["squeue", "-h", "-t", "all", "-o", " ".join(fields)], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_a_killed_job_resumes_with_the_same_command_to_the_same_bits(
    running_slurm: None, tmp_path: Path, environment
) -> None:
    claims = small_quick(tmp_path / "claims")
    local = typed(
        ["run", "quick", "--no-snakemake", "--cores", "1", "--claim", CLAIMS, "--out", tmp_path / "local",
         "--claims-dir", claims], environment,
    )  # fmt: skip
    assert local.returncode in (0, 1, 3), local.stderr

    assert typed(["profile", "slurm", "--to", tmp_path / "profile"], environment).returncode == 0
    profile = tmp_path / "profile/config.yaml"
    text = profile.read_text().replace("retries: 2", "retries: 0")  # so that the kill is seen
    profile.write_text(text + "slurm-init-seconds-before-status-checks: 2\n")
    before = set(asked("%i"))
    out = tmp_path / "cluster"
    command = [
        sys.executable, "-m", "lthbench", "run", "quick", "--claim", CLAIMS, "--profile", str(profile.parent),
        "--out", str(out), "--claims-dir", str(claims),
    ]  # fmt: skip

    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    killed = ""
    try:
        until = time.monotonic() + PATIENCE
        while not (killed := a_job_that_trains(out, before)):
            assert run.poll() is None, run.communicate()[0]
            assert time.monotonic() < until
            time.sleep(0.2)
        memory, limit = next(line for line in asked("%i %m %l") if line.split()[0] == killed).split()[1:]
        assert memory.endswith("M")
        assert int(memory[:-1]) in range(850, 1200)  # MB, of a perceptron on small data
        assert limit == "4:00:00"  # not measured
        subprocess.run(["scancel", "--full", "--signal=KILL", killed], check=True)
        said = run.communicate(timeout=PATIENCE)[0]
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 4, said
    assert re.search(
        "a job failed: (terminated;|.* was killed from outside, perhaps because memory or time)", said
    ), said
    kept = {path.name: path.stat().st_mtime_ns for path in out.rglob("units/*/*.json")}
    assert kept
    assert not list((out / SCOPE).glob("*.done.json"))

    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert again.returncode == local.returncode, again.stdout + again.stderr
    assert f"{len(kept)} finished before" in again.stdout
    after = {path.name: path.stat().st_mtime_ns for path in out.rglob("units/*/*.json")}
    assert kept.items() <= after.items()  # nothing that was finished was trained again
    for name in ("tidy.csv", "verdicts.json"):
        assert (out / SCOPE / name).read_bytes() == (tmp_path / "local" / SCOPE / name).read_bytes()
    log = (out / "results/quick/seed-0/snakemake.log").read_text()
    jobs = set(re.findall(r"submitted with SLURM jobid (\d+)", log))
    assert killed in jobs
    assert len(jobs) >= 4  # the killed one, its successor, the first look, tables to report in one


def a_job_that_trains(out: Path, before: set[str]) -> str:
    """The id of our running job once it has finished some of its units; else nothing."""
    if len(list(out.rglob("units/*/*.json"))) < 3:
        return ""
    running = [line.split()[0] for line in asked("%i %t") if line.endswith(" R")]
    return next((job for job in running if job not in before), "")
