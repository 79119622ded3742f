"""Snakemake called by hand: what it decides without a target, what it prints, how it ends, where it caches."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import typed
from tiny_suite import SUITE

from lthbench.claims.load import load
from lthbench.drive.dag import snakefile
from lthbench.drive.snakemake import environment as of_jobs
from lthbench.drive.snakemake import snakemake_command
from lthbench.plan.run import Run

BLOCKING = SUITE.replace("low: 5, high: 99.5", "low: 99.4, high: 99.5")  # no accuracy of a dense network fits


def snakemake(folder: Path, environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "-c1",
        "-s",
        str(snakefile()),
        "--directory",
        str(folder),
        *arguments,
    ]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_without_a_target_the_suite_quick_is_decided(environment, tmp_path: Path) -> None:
    done = snakemake(tmp_path / "clone", environment, "-n")
    assert done.returncode == 0, done.stderr
    assert "reports/quick/index.html" in done.stdout + done.stderr
    assert "rule chunk" in done.stdout + done.stderr


def test_verdicts_are_printed_each_time_and_a_blocked_claim_fails_with_its_report_made(
    plain_run: Path, claims_dir: Path, environment
) -> None:
    claims = ("--config", f"claims_dir={claims_dir}")
    done = snakemake(plain_run, environment, "tiny", *claims)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("A tiny suite (master seed 0)") == 1
    (claims_dir / "suites/tiny.yaml").write_text(BLOCKING)
    for _ in range(2):  # the second time nothing is left to be made
        blocked = snakemake(plain_run, environment, *claims)  # tiny is the first suite, so the default
        assert blocked.returncode == 1, blocked.stdout + blocked.stderr
        assert "FC-6 BLOCKED" in blocked.stdout
        assert "BLOCKED" in (plain_run / "reports/tiny/report.md").read_text()


def test_the_stage_that_prints_fails_on_blocked_claims_only(
    plain_run: Path, claims_dir: Path, environment
) -> None:
    def stage(name: str):
        return typed(["stage", name, "tiny", "--claims-dir", claims_dir], environment, plain_run)

    said = stage("verdicts")
    assert (said.returncode, said.stdout.count("A tiny suite")) == (0, 1), said.stderr  # ST-2 is free to fail
    (claims_dir / "suites/tiny.yaml").write_text(BLOCKING)
    assert stage("judge").returncode == 0
    assert stage("verdicts").returncode == 4


@pytest.mark.parametrize(("scope", "report"), [("all", "tiny"), ("FC-6", "tiny/FC-6")])
def test_lthbench_run_asks_for_the_report_and_prints_itself(claims_dir, tmp_path, scope: str, report: str) -> None:
    command = snakemake_command(Run(load(claims_dir), "tiny", scope=scope, out=tmp_path), 1, claims_dir)
    assert command[-2:] == ["--", f"reports/{report}/index.html"]


def test_a_home_that_cannot_be_written_stops_no_workflow(claims_dir, environment, tmp_path, monkeypatch) -> None:
    run = Run(load(claims_dir), "tiny", out=tmp_path / "out")
    usual = {name: text for name, text in environment.items() if name != "LTHBENCH_CACHE"}
    monkeypatch.setattr(os, "environ", usual | {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache"})
    changed = of_jobs(run)
    assert changed["XDG_CACHE_HOME"] == str(tmp_path / "out/.snakemake/cache")
    assert changed["LTHBENCH_CACHE"] == "/dev/null/cache/lthbench"  # data sets may lie there, to be read
    done = snakemake(run.out, changed, "-n", "--config", f"claims_dir={claims_dir}")
    assert done.returncode == 0, done.stderr
    assert "rule chunk" in done.stdout + done.stderr
    monkeypatch.setattr(os, "environ", usual | {"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert of_jobs(run)["XDG_CACHE_HOME"] == str(tmp_path / "cache")
    assert "LTHBENCH_CACHE" not in of_jobs(run)
