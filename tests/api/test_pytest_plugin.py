"""The fixture for pytest, in a repository of its own: claims as tests, marked, in JUnit."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
METHOD = """
import lthbench


def find(problem):
    size = {name: weight.detach().abs() for name, weight in problem.train(problem.module()).named_parameters()}
    return lthbench.Ticket(problem.keep_largest(size))
"""
TESTS = """
import pytest

from mine import find

SMALL = dict(data="digits", iterations=40, learning_rate=0.01, density=0.8)


def test_nothing():
    assert True


@pytest.mark.parametrize("claim", ["IMP-1", "FC-6"])
def test_claim(lthbench, claim):
    lthbench.check_claim(claim, find, **SMALL)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(METHOD)
    (tmp_path / "test_mine.py").write_text(TESTS)
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Pytest there, the plug-in named because this checkout need not be installed."""
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "lthbench.cli.pytest_plugin",
        "--strict-markers",
        "-W",
        "error::pytest.PytestWarning",
        *options,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")} | paths
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)


def test_tests_that_check_claims_can_be_left_out(repository) -> None:
    done = run(repository, "-m", "not lthbench")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 2 deselected" in done.stdout


@pytest.mark.slow
def test_a_claim_that_holds_passes_and_one_that_does_not_fails_in_words(repository) -> None:
    done = run(repository, "--junit-xml=junit.xml")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 2 passed" in done.stdout
    cases = {case.get("name"): case for case in ElementTree.parse(repository / "junit.xml").iter("testcase")}
    said = {name: {p.get("name"): p.get("value") for p in case.iter("property")} for name, case in cases.items()}
    assert said["test_claim[IMP-1]"]["lthbench_verdict"] == "PASS"
    assert said["test_claim[FC-6]"]["lthbench_verdict"] == "FAIL"
    assert "NOT SUPPORTED HERE" in cases["test_claim[FC-6]"].find("failure").text
    assert len(list((repository / ".pytest_cache").glob("d/lthbench/results/dock/seed-0/units/dock/*.json"))) > 16
