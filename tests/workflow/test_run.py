"""The whole line, run as a user runs it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_suite import PLAIN

from lthbench.plan.run import Run

VERDICT_CODES = {0, 1, 3}
BOTH = pytest.mark.parametrize(
    "driver",
    [
        pytest.param(["--no-snakemake"], id="plain"),
        pytest.param(["--snakemake"], id="snakemake", marks=pytest.mark.slow),
    ],
)


def scope(out: Path, name: str = "all") -> Path:
    return out / "results" / "tiny" / "seed-0" / "scopes" / name


def records(out: Path) -> dict[str, int]:
    """Every unit record with its time of change."""
    return {str(p.relative_to(out)): p.stat().st_mtime_ns for p in (out / "results").rglob("units/**/*.json")}


def test_snakemake_and_plain_runs_give_the_same_bytes(lthbench, plain_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "snake"
    done = lthbench("run", "tiny", "--out", out, "--cores", 2)
    assert done.returncode in VERDICT_CODES, done.stdout + done.stderr
    assert "suite tiny, master seed 0" in done.stdout.splitlines()[0]
    for name in ("tidy.csv", "verdicts.json"):
        assert (scope(out) / name).read_bytes() == (scope(plain_run) / name).read_bytes()
    for name in ("index.html", "report.md", "verdicts.json", "junit.xml"):
        assert (out / "reports" / "tiny" / name).stat().st_size > 200
    verdicts = json.loads((scope(out) / "verdicts.json").read_text())
    assert verdicts["exit_code"] == done.returncode
    assert {claim["id"] for claim in verdicts["claims"]} == {"FC-6", "ST-2"}

    before = records(out)
    again = lthbench("run", "tiny", "--out", out, "--cores", 2)
    assert again.returncode == done.returncode
    assert records(out) == before, "a second run trained again"
    assert f"{len(before)} units" in again.stdout
    assert f"{len(before)} finished before" in again.stdout


def test_another_master_seed_gives_other_numbers_in_its_own_place(lthbench, plain_run: Path) -> None:
    assert lthbench("run", "tiny", "--out", plain_run, *PLAIN, "--seed", 1).returncode in VERDICT_CODES
    other = plain_run / "results" / "tiny" / "seed-1" / "scopes" / "all" / "tidy.csv"
    assert other.read_bytes() != (scope(plain_run) / "tidy.csv").read_bytes()
    assert (plain_run / "reports" / "tiny-seed-1" / "index.html").exists()


def test_deleted_reports_come_back_without_training(lthbench, plain_run: Path) -> None:
    folder = plain_run / "reports" / "tiny"
    names = ("index.html", "report.md", "verdicts.json", "junit.xml")
    original = {name: (folder / name).read_bytes() for name in names}
    before = records(plain_run)
    for name in names:
        (folder / name).unlink()
    assert lthbench("report", "tiny", "--out", plain_run).returncode == 0
    assert {name: (folder / name).read_bytes() for name in names} == original
    assert records(plain_run) == before


def test_judging_again_gives_the_same_verdicts(lthbench, plain_run: Path) -> None:
    path = scope(plain_run) / "verdicts.json"
    original = path.read_bytes()
    path.unlink()
    done = lthbench("judge", "tiny", "--out", plain_run)
    assert path.read_bytes() == original
    assert done.returncode == json.loads(original)["exit_code"]
    committed = lthbench("judge", scope(plain_run))
    assert "comes out again, byte for byte" in committed.stdout
    path.write_bytes(original.replace(b'"suite": "tiny"', b'"suite":  "tiny"'))
    assert lthbench("judge", scope(plain_run)).returncode == 1


@BOTH
def test_a_killed_run_is_finished_by_the_same_command(
    lthbench, plain_run: Path, tmp_path: Path, claims_dir: Path, environment, driver: list[str]
) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "lthbench", "run", "tiny", *driver, "--out", str(out), "--cores", "2"]
    process = subprocess.Popen(
        [*command, "--claims-dir", str(claims_dir)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wanted = random.Random(os.getpid()).randint(1, 8)
    deadline = time.monotonic() + 120
    while (
        len(records(out) if out.exists() else {}) < wanted
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # the jobs notice that their parent is gone
    survived = records(out)
    assert wanted <= len(survived)
    time.sleep(1)
    assert records(out) == survived, "an orphan went on writing"

    done = lthbench("run", "tiny", *driver, "--out", out, "--cores", 2)
    assert done.returncode in VERDICT_CODES, done.stdout + done.stderr
    after = records(out)
    assert all(after[name] == changed for name, changed in survived.items()), "a finished unit was trained again"
    for name in ("tidy.csv", "verdicts.json"):
        assert (scope(out) / name).read_bytes() == (scope(plain_run) / name).read_bytes()


@BOTH
def test_interrupting_keeps_what_is_finished(
    lthbench, tmp_path: Path, claims_dir: Path, environment, driver: list[str]
) -> None:
    out = tmp_path / "interrupted"
    command = [sys.executable, "-m", "lthbench", "run", "tiny", *driver, "--out", str(out)]
    command += ["--claims-dir", str(claims_dir)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not (out.exists() and records(out)) and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    survived = records(out)
    assert lthbench("run", "tiny", *driver, "--out", out).returncode in VERDICT_CODES
    after = records(out)
    assert all(after[name] == changed for name, changed in survived.items())


def test_one_claim_alone_trains_only_what_it_needs(lthbench, tmp_path: Path) -> None:
    out = tmp_path / "one"
    done = lthbench("run", "tiny", "--claim", "ST-2", "--out", out, *PLAIN)
    assert done.returncode == 0, "a secondary claim never decides the exit code"
    arms = {Path(name).name.split("-")[1] for name in records(out)}
    assert arms == {"dense", "ticket", "rewound"}
    assert (out / "reports" / "tiny" / "ST-2" / "report.md").exists()


def test_editing_a_recipe_retrains_and_editing_a_title_does_not(
    lthbench, plain_run: Path, claims_dir: Path
) -> None:
    before = records(plain_run)
    experiment = claims_dir / "experiments" / "tiny.yaml"
    experiment.write_text(experiment.read_text().replace("a tiny perceptron", "another title"))
    lthbench("run", "tiny", "--out", plain_run, *PLAIN)
    assert records(plain_run) == before
    experiment.write_text(experiment.read_text().replace("learning_rate: 0.002", "learning_rate: 0.003"))
    lthbench("run", "tiny", "--out", plain_run, *PLAIN)
    assert len(records(plain_run)) == 2 * len(before)


@pytest.mark.parametrize("how", [[*PLAIN], pytest.param([], marks=pytest.mark.slow)])
def test_a_damaged_record_is_named_and_made_again(lthbench, plain_run: Path, how: list[str]) -> None:
    original = (scope(plain_run) / "tidy.csv").read_bytes()
    path = next((plain_run / "results").rglob("units/**/b0-reinit-2-*.json"))
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    before = records(plain_run)
    done = lthbench("run", "tiny", "--out", plain_run, *how)
    assert done.returncode in VERDICT_CODES, done.stderr
    logs = [log.read_text() for log in scope(plain_run).glob("*.log")]
    assert path.name in "".join([done.stderr, *logs])
    changed = [name for name, when in records(plain_run).items() if before[name] != when]
    assert [Path(name).name for name in changed] == [path.name]
    assert (scope(plain_run) / "tidy.csv").read_bytes() == original


def test_snakemake_itself_knows_a_target_per_suite_and_claim(
    claims_dir: Path, environment, tmp_path: Path
) -> None:
    from lthbench.drive.dag import snakefile

    def dry_run(*targets: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "-n", "-c2", "-s", str(snakefile()),
             "--directory", str(tmp_path / "dry"), "--config", f"claims_dir={claims_dir}", "--", *targets],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    planned = dry_run("tiny", "FC-6")
    assert "reports/tiny/index.html" in planned
    assert "reports/tiny/FC-6/index.html" in planned


def test_where_things_go() -> None:
    run = Run(registry=None, suite="quick", seed=2, out=Path("x"))  # type: ignore[arg-type]
    assert run.results == Path("x/results/quick/seed-2")
    assert run.report == Path("x/reports/quick-seed-2")
