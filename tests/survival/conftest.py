"""The tiny suite's fixtures, and the kill harness beside its uninterrupted run."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "workflow"))

import survival_lab
from tiny_suite import claims_dir, environment, finished_run, lthbench, plain_run

__all__ = ["claims_dir", "environment", "finished_run", "lthbench", "plain_run"]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> survival_lab.Lab:
    """The uninterrupted run that killed ones are compared with."""
    return survival_lab.prepare(tmp_path_factory.mktemp("survival"))
