"""What jobs ask for, which GPU they take, and the profiles that say where they run."""

import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from command_line import typed
from tiny_suite import ROOT

from lthbench.claims.load import load
from lthbench.drive import devices, execute, profiles, resources
from lthbench.drive.cost import Rate
from lthbench.plan.suite import Chunk, first_chunks


def chunk(claims_dir: Path) -> Chunk:
    return first_chunks(load(claims_dir), "tiny", 0)[0]


def test_time_follows_the_slowest_measured_device_of_the_kind(claims_dir: Path) -> None:
    units = chunk(claims_dir).units
    iterations = sum(unit.iterations for unit in units)
    rates = [Rate("tiny", "AMD EPYC", 60.0, 4, ""), Rate("tiny", "AMD Ryzen", 6.0, 4, "")]
    rates += [Rate("tiny", "NVIDIA H100", 0.6, 4, "")]
    assert resources.runtime(units, rates, gpu=False) == 5 + -(-2 * iterations * 0.06 // 60)
    assert resources.runtime(units, rates, gpu=True) == 5 + -(-2 * iterations * 0.0006 // 60)
    assert resources.runtime(units, rates[:2], gpu=True) == resources.NOT_MEASURED
    assert resources.runtime(units, [Rate("other", "AMD EPYC", 1.0, 4, "")], gpu=False) == resources.NOT_MEASURED


def test_a_retry_asks_for_more_memory_and_time(claims_dir: Path) -> None:
    first, second, third = (resources.megabytes(chunk(claims_dir), False, attempt) for attempt in (1, 2, 3))
    assert (second, third) == (2 * first, 4 * first)
    assert resources.minutes(chunk(claims_dir), False, 3) == 3 * resources.minutes(chunk(claims_dir), False)


def test_memory_counts_the_data_and_the_networks(claims_dir: Path, tmp_path: Path) -> None:
    unit = max(chunk(claims_dir).units, key=lambda unit: unit.networks)
    small = resources.memory_of(unit, False)
    large = replace(unit.experiment, weights=25_000_000)
    grown = resources.memory_of(replace(unit, experiment=large), False) - small
    assert grown == pytest.approx(2 * 4 * 8 * 25 * unit.networks, rel=0.01)  # MB
    unknown = replace(
        unit.experiment, data=replace(unit.experiment.data, name="npz", path=str(tmp_path / "no.npz"))
    )
    assert resources.memory_of(replace(unit, experiment=unknown), False) == resources.NOT_KNOWN
    file = tmp_path / "data.npz"
    file.write_bytes(b"0" * 10**6)
    assert resources.data_bytes(replace(unknown, data=replace(unknown.data, path=str(file))), 4) == 4 * 10**6


@pytest.fixture
def lthbench_alone(environment):
    """Call `lthbench ...`, for commands that read no claims."""
    return lambda *arguments: typed(arguments, environment)


# One GPU per process


TAKES = """
import os, sys
from lthbench.drive.devices import take_one
take_one("cuda")
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


def test_processes_share_out_the_gpus_and_free_them_when_they_are_killed(tmp_path: Path) -> None:
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "0,GPU-5/x",
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }

    def start() -> tuple[subprocess.Popen[str], str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-c", TAKES], env=environment, stdin=pipe, stdout=pipe, text=True
        )
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    running = [start() for _ in range(4)]
    try:
        assert [gpu for _, gpu in running] == ["0", "GPU-5/x", "0", "GPU-5/x"]
        for process, gpu in running:
            if gpu != "0":
                process.kill()
                process.wait()
        running += [start()]
        assert running[-1][1] == "GPU-5/x"
    finally:
        for process, _ in running:
            process.kill()
            process.wait()
            process.stdin.close()  # type: ignore[union-attr]
            process.stdout.close()  # type: ignore[union-attr]


@pytest.mark.parametrize(("device", "visible"), [("cpu", "0,1"), ("cuda", "3"), ("cuda", "")])
def test_where_there_is_no_choice_nothing_changes(device: str, visible: str, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    devices.take_one(device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


def test_locks_are_those_of_files_so_that_the_kernel_frees_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(devices, "held", held := [])
    assert devices.free_one(["0", "1"], tmp_path) == "0"
    with (tmp_path / "0.0").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(held.pop())
    assert devices.free_one(["0", "1"], tmp_path) == "0"
    os.close(held.pop())


# Profiles


@pytest.mark.parametrize("kind", profiles.KINDS)
def test_each_profile_is_read_by_snakemake_and_names_its_device(kind: str, tmp_path: Path, lthbench_alone) -> None:
    folder = tmp_path / kind
    said = lthbench_alone("profile", kind, "--to", folder)
    assert said.returncode == 0, said.stderr
    assert f"lthbench run quick --profile {folder}, or snakemake --profile {folder} quick" in said.stdout
    assert profiles.device_of(folder) == ("cuda" if kind == "gpu" else "cpu")
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert "@" not in "".join(map(str, settings.values())).replace("/", "")
    again = lthbench_alone("profile", kind, "--to", folder)
    assert (again.returncode, len(again.stderr.splitlines())) == (2, 1)


def test_the_gpu_profile_counts_jobs_on_all_gpus(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    settings = yaml.safe_load(profiles.text("gpu", "cuda", 2))
    assert settings["resources"] == ["gpu=6"]
    assert settings["cores"] >= 6


def test_what_is_no_profile_is_refused_in_a_line(tmp_path: Path, lthbench) -> None:
    unknown = lthbench("run", "tiny", "--profile", tmp_path, "--out", tmp_path / "out")
    assert unknown.returncode == 2
    assert "lthbench profile slurm" in unknown.stderr
    (tmp_path / "config.yaml").write_text("- a list")
    assert lthbench("run", "tiny", "--profile", tmp_path, "--out", tmp_path / "out").returncode == 2


def test_a_run_with_a_profile_asks_for_its_device_and_resources(
    claims_dir: Path, environment, tmp_path: Path, lthbench_alone
) -> None:
    """The laptop profile, so that no plugin is needed; cuda, whose jobs ask for a GPU. A dry run."""
    lthbench_alone("profile", "laptop", "--to", tmp_path / "laptop", "--device", "cuda")
    command = [sys.executable, "-m", "snakemake", "--profile", str(tmp_path / "laptop"), "-n", "--directory"]
    config = ("--config", "device=cuda", f"claims_dir={claims_dir}")
    done = subprocess.run(
        [*command, str(tmp_path / "out"), "tiny", *config], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    asked = next(line for line in (done.stdout + done.stderr).splitlines() if "resources:" in line)
    assert "gpu=1" in asked
    assert "runtime=240" in asked
    assert "mem_mb=" in asked


# A job and who started it


@pytest.mark.parametrize(("parent", "told"), [("", []), ("4711", [4711])])
def test_only_a_job_of_this_machine_ends_with_who_started_it(parent: str, told: list[int], monkeypatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(execute, "die_with_parent", asked.append)
    monkeypatch.setenv(execute.PARENT, parent)
    execute.job_of_parent()
    assert asked == told


# Kubernetes: what reaches kubectl


@pytest.fixture
def kubectl(tmp_path: Path, lthbench_alone):
    """Call a script of the profile with a kubectl that keeps what it is told and answers as asked."""
    lthbench_alone("profile", "kubernetes", "--to", tmp_path / "profile", "--device", "cuda")
    (tmp_path / "bin").mkdir()

    def call(script: str, *arguments: str, answer: str = "true") -> str:
        stub = tmp_path / "bin/kubectl"
        stub.write_text(f"#!/bin/sh\n[ $1 = create ] && cat > {tmp_path}/manifest.yaml\n{answer}\n")
        stub.chmod(0o755)
        path = f"{stub.parent}:{os.environ['PATH']}"
        command = ["sh", str(tmp_path / "profile" / script), *arguments]
        done = subprocess.run(
            command, env=os.environ | {"PATH": path}, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return call


def test_a_job_of_kubernetes_asks_for_what_snakemake_gives_it(kubectl, tmp_path: Path) -> None:
    name = kubectl("submit.sh", "4200", "240", "1", "/lthbench/.snakemake/tmp/job.sh")
    manifest = yaml.safe_load((tmp_path / "manifest.yaml").read_text())
    assert (manifest["kind"], manifest["metadata"]["name"]) == ("Job", name)
    assert (manifest["spec"]["backoffLimit"], manifest["spec"]["activeDeadlineSeconds"]) == (0, 14_400)
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"] == {"memory": "4200M", "nvidia.com/gpu": "1"}
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "4200M", "nvidia.com/gpu": "1"}
    assert container["command"] == ["sh", "/lthbench/.snakemake/tmp/job.sh"]
    assert container["workingDir"] == str(tmp_path)
    assert [mount["name"] for mount in container["volumeMounts"]] == [volume["name"] for volume in pod["volumes"]]
    assert kubectl("submit.sh", "4200", "240", "1", "job.sh") != name


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        ("echo x1,,", "success"), ("echo x,,1", "running"), ("echo x,,", "running"), ("echo x,1,", "failed"),
        ("echo", "failed"), ("exit 1", "running"),
    ],
)  # fmt: skip
def test_what_kubectl_says_of_a_job(kubectl, answer: str, means: str) -> None:
    assert kubectl("status.sh", "lthbench-1", answer=answer) == means
