"""Two runs in one folder: the second is refused in a line, and goes on where the first one was killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from survival_lab import PATIENCE, records, scope

OTHERS = (
    ["run", "tiny"],
    ["run", "tiny", "--no-snakemake"],
    ["campaign", "tiny", "--budget", "1m", "--cores", "1"],
)


@pytest.mark.parametrize(
    "first",
    [pytest.param([], marks=pytest.mark.slow, id="snakemake"), pytest.param(["--no-snakemake"], id="plain")],
)
def test_the_second_is_refused_and_goes_on_after_the_first_was_killed(
    first: list[str], lthbench, tmp_path: Path, claims_dir: Path, environment, plain_run: Path
) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "lthbench",
        "run",
        "tiny",
        *first,
        "--out",
        str(out),
        "--claims-dir",
        str(claims_dir),
    ]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    while "units" not in process.stdout.readline():  # said while the folder is held
        assert process.poll() is None
    for other in OTHERS:
        refused = lthbench(*other, "--out", out)
        if process.poll() is not None:
            pytest.skip("the first run was too fast to be met")
        assert refused.returncode == 2
        assert (
            refused.stderr.strip()
            == f"lthbench: {out}: another run works in this folder; wait for it, or use --out"
        )
    while not first and not list((out / ".snakemake/locks").glob("*")):  # Snakemake has not come so far yet
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    kept = records(out)
    second = lthbench("run", "tiny", *first, "--out", out)
    assert second.returncode in (0, 1, 3), second.stderr
    assert "Traceback" not in second.stderr
    if not first:
        assert f"{out}: taking over the lock of a run that was killed" in second.stderr
    assert kept.items() <= records(out).items()
    for name in ("tidy.csv", "verdicts.json"):
        assert (scope(out) / name).read_bytes() == (scope(plain_run) / name).read_bytes()


@pytest.mark.slow
def test_the_lock_of_a_snakemake_started_by_hand_is_not_taken(lthbench, plain_run: Path) -> None:
    lock = plain_run / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("results/tiny/seed-0/scopes/all/tidy.csv\n")
    refused = lthbench("run", "tiny", "--out", plain_run)
    assert refused.returncode == 2
    assert "locked by a Snakemake that was started by hand" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert lock.exists()
    (plain_run / ".snakemake/lthbench.drives").touch()  # our own mark: killed
    taken = lthbench("run", "tiny", "--out", plain_run)
    assert taken.returncode in (0, 1, 3), taken.stderr
    assert "taking over the lock of a run that was killed" in taken.stderr
    assert not list(lock.parent.glob("*"))
    assert not (plain_run / ".snakemake/lthbench.drives").exists()


def test_a_job_whose_parent_is_gone_ends_at_once(tmp_path: Path, claims_dir: Path, environment) -> None:
    """Nobody would stop it, and the run that goes on would train beside it."""
    command = [sys.executable, "-m", "lthbench", "stage", "chunk", "tiny", "--chunk", "tiny.b0", "--claims-dir"]
    gone = subprocess.Popen(["true"])
    gone.wait()
    done = subprocess.run(
        [*command, str(claims_dir)],
        cwd=tmp_path,
        env=environment | {"LTHBENCH_PARENT": str(gone.pid)},
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert not list(tmp_path.rglob("*.safetensors"))
