"""A tiny suite that runs for real in seconds, finished once, and a way to call the command line as a user does.

A conftest.py imports the fixtures.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import typed

ROOT = Path(__file__).parents[2]
PATIENCE = 1800.0  # seconds, against hanging; a machine may be very busy
PLAIN = ("--no-snakemake", "--cores", "1")  # a run in one process

EXPERIMENT = """
id: tiny
title: a tiny perceptron on a few digits
network: {kind: mlp, hidden: [24, 16]}
data: {name: digits, test: 400, validation: 100}
training: {optimizer: adam, learning_rate: 0.002, batch: 40, iterations: 60, evaluate_every: 20}
pruning: {scope: layer-wise, rate: 0.5, output_rate: 0.25, rewind: 5}
draws: {reinit: 3}
weights: 2080
"""
SUITE = """
id: tiny
title: A tiny suite
says: For the tests of the workflow.
claims: [FC-6, ST-2]
block: 4
chance: 1
dense_bands:
  tiny: {low: 5, high: 99.5, measured_on: nothing, tenfold_smaller_rate: 1, shuffled_labels: 1}
"""
CLAIM = """
id: {id}
title: {id} in small
sentence: A sentence.
kind: {kind}
sources: [{{paper: A paper, where: section 1, quote: a quote, verified: paper}}]
conditions: [none]
contradictions: [none]
suites:
  tiny:
    title: tiny {id}
    experiment: tiny
    reduced_scale: true
    replicates: 8
    tuning: {{master_seed: 1000, replicates: 16}}
    power: 1.0
    hypotheses:
      - id: H1
        says: the first is above the second
        endpoint: final_test_accuracy
        contrast: {{minuend: {first}, subtrahend: {second}}}
        test: superiority
        delta: 0.5
        margin_from: nothing
        margin_rule: none
        expected: {{effect: 20, sd: 1}}
"""


def write_claims(folder: Path) -> Path:
    for name, text in {
        "experiments/tiny.yaml": EXPERIMENT,
        "suites/tiny.yaml": SUITE,
        "FC-6.yaml": CLAIM.format(id="FC-6", kind="primary", first="ticket@2", second="reinit@2"),
        "ST-2.yaml": CLAIM.format(id="ST-2", kind="secondary", first="rewound@1", second="ticket@1"),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def claims_dir(tmp_path: Path) -> Path:
    """A folder of claim files of one's own."""
    return write_claims(tmp_path / "claims")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user, with a data cache of its own."""
    cache = tmp_path_factory.mktemp("cache")
    return os.environ | {"LTHBENCH_CACHE": str(cache), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """One uninterrupted run without Snakemake on one core; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("finished")
    claims = write_claims(folder / "claims")
    done = typed(["run", "tiny", *PLAIN, "--out", folder / "out", "--claims-dir", claims], environment)
    assert done.returncode in (0, 1, 3, 4), done.stdout + done.stderr
    assert done.stdout.startswith("lthbench")
    return folder / "out"


@pytest.fixture
def plain_run(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(finished_run, tmp_path / "plain"))


@pytest.fixture
def lthbench(claims_dir: Path, environment: dict[str, str]):
    """Call `lthbench ...` on the tiny suite's claim files and return what came of it."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return typed([*arguments, "--claims-dir", claims_dir], environment)

    return call
