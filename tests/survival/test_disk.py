"""A full disk and folders that cannot be written: records whole or absent, and the same command goes on."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from survival_lab import PATIENCE, records, scope
from tiny_suite import PLAIN

PYTHON = [sys.executable, "-m", "lthbench"]
RUNS = {
    "run": ["run", "tiny", "--cores", "1"],
    "run --no-snakemake": ["run", "tiny", "--no-snakemake", "--cores", "1"],
    "campaign": ["campaign", "tiny", "--budget", "10m", "--cores", "1"],
}
# In a mount namespace of its own the small disk vanishes with the command that made it.
ALONE = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
SMALL = """
set -u; mkdir -p "$D"; mount -t tmpfs -o size=8m none "$D" || exit 99
head -c $((8388608 - LEFT)) /dev/zero > "$D/filler"
"$@" > "$T/first" 2>&1; echo $? > "$T/code"
cp -r "$D/results" "$T/at-full" 2> /dev/null; rm "$D/filler"
"$@" > "$T/second" 2>&1; echo $? >> "$T/code"
cp -r "$D" "$T/out"
"""
READ_ONLY = """
set -u; mount --bind "$D" "$D" || exit 99; mount -o remount,bind,ro "$D" || exit 99
"$@" > "$T/first" 2>&1; echo $? > "$T/code"
"""


def alone(script: str, folder: Path, command: list[str], environment: dict[str, str], left: int = 0) -> list[int]:
    """Run the script around a command in namespaces of its own; the exit codes of the command."""
    told = environment | {"D": str(folder / "disk"), "T": str(folder), "LEFT": str(left)}
    done = subprocess.run(
        [*ALONE, script, "sh", *command], env=told, capture_output=True, text=True, timeout=PATIENCE
    )
    if done.returncode in (1, 99) or shutil.which("unshare") is None:
        pytest.skip(f"this machine lets no test mount a small disk: {done.stderr.strip()[:80]}")
    return [int(code) for code in (folder / "code").read_text().split()]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
@pytest.mark.slow
@pytest.mark.parametrize("how", RUNS)
def test_a_full_disk(
    how: str, tmp_path: Path, claims_dir: Path, plain_run: Path, environment: dict[str, str]
) -> None:
    disk = tmp_path / "disk"
    command = [*PYTHON, *RUNS[how], "--out", str(disk), "--claims-dir", str(claims_dir)]
    first, second = alone(SMALL, tmp_path, command, environment, left=200_000)
    said = (tmp_path / "first").read_text()
    assert first in (2, 4), said
    assert "Traceback" not in said
    assert "No space left on device" in said
    assert str(disk) in said
    survived = records(tmp_path / "at-full")  # raises where one is partial
    assert second in (0, 1, 3), (tmp_path / "second").read_text()
    after = records(tmp_path / "out")
    assert after.keys() == records(plain_run).keys() >= survived.keys()
    for name in ("tidy.csv", "verdicts.json"):
        assert (scope(tmp_path / "out") / name).read_bytes() == (scope(plain_run) / name).read_bytes()


@pytest.mark.parametrize("how", [pytest.param("run --no-snakemake", marks=pytest.mark.slow), "campaign"])
def test_a_file_that_may_not_grow_is_named(
    how: str, tmp_path: Path, claims_dir: Path, plain_run: Path, environment
) -> None:
    """The same without a disk of one's own: no file of the run may be larger than 20 kB; tensors are."""
    out = tmp_path / "out"
    command = [*PYTHON, *RUNS[how], "--out", str(out), "--claims-dir", str(claims_dir)]
    environment = environment | {"LTHBENCH_CACHE": str(tmp_path / "cache")}

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE, preexec_fn=limit
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "File too large" in done.stderr
    assert ".safetensors" in done.stderr
    assert "Traceback" not in done.stderr
    assert records(out) == {}
    assert not list(out.rglob(".*.tmp")), "a partial file was left"
    assert subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE).returncode in (0, 1, 3)
    assert (scope(out) / "tidy.csv").read_bytes() == (scope(plain_run) / "tidy.csv").read_bytes()


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
@pytest.mark.parametrize("command", ["run", "campaign", "judge"])
def test_a_read_only_folder(command: str, plain_run: Path, tmp_path: Path, claims_dir: Path, environment) -> None:
    plain_run.rename(tmp_path / "disk")
    what = [*PYTHON, *RUNS.get(command, [command, "tiny"]), "--out", str(tmp_path / "disk")]
    before = records(tmp_path / "disk")
    (code,) = alone(READ_ONLY, tmp_path, [*what, "--claims-dir", str(claims_dir)], environment)
    said = (tmp_path / "first").read_text()
    assert code in (2, 4), said
    assert "Read-only file system" in said or "cannot write here (Permission denied)" in said
    assert "--out FOLDER" in said
    assert "Traceback" not in said
    assert records(tmp_path / "disk") == before


def test_a_cache_that_cannot_be_written_stops_nothing(
    lthbench, plain_run: Path, tmp_path: Path, environment, monkeypatch
) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    monkeypatch.setitem(environment, "LTHBENCH_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    done = lthbench("run", "tiny", "--out", out, *PLAIN)
    assert done.returncode in (0, 1, 3), done.stderr
    assert (scope(out) / "tidy.csv").read_bytes() == (scope(plain_run) / "tidy.csv").read_bytes()
