"""The commands that only look."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import typed

from lthbench import __version__
from lthbench.claims.load import load
from lthbench.cli import tables
from lthbench.cli.app import app

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["claim", "suite", "experiment"])
def test_schemas_are_for_editors(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    app(["schema", kind], standalone_mode=False)
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert "id" in schema["required"]


def test_plan_shows_what_each_unit_is_made_from(lthbench) -> None:
    done = lthbench("plan", "tiny")
    assert done.returncode == 0
    row = next(line for line in done.stdout.splitlines() if "reinit@2" in line)
    assert "ticket@2" in row
    assert "12" in row  # four replicates of a block, three draws
    assert "to do" in row
    assert "10 units in 2 chunks" in done.stdout


def test_plan_knows_what_is_finished(lthbench, plain_run: Path) -> None:
    assert "0 to do" in lthbench("plan", "tiny", "--out", plain_run).stdout


def test_list_gives_a_claim_a_line_and_a_suite_its_numbers(lthbench) -> None:
    text = lthbench("list").stdout
    assert "FC-6   primary   FC-6 in small" in text
    assert "ST-2" in text
    assert "1.000" in lthbench("list", "tiny").stdout
    refused = lthbench("list", "tinny")
    assert refused.returncode == 2
    assert "did you mean 'tiny'?" in refused.stderr


def test_list_of_the_packages_claims_fits_a_few_screens() -> None:
    registry = load()
    lines = list(tables.overview(registry, 80))
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 80
    claims = [claim for suite in registry.suites.values() for claim in suite.claims]
    assert [line.split()[0] for line in lines if line.startswith("  ")] == claims


def test_engine_says_whether_the_code_is_the_declared(capsys: pytest.CaptureFixture[str]) -> None:
    app(["engine"], standalone_mode=False)
    assert "as declared" in capsys.readouterr().out


@pytest.fixture
def process(environment, tmp_path):
    """Type a command, with more of the environment or of Python's options where given."""

    def call(*arguments: str, python: tuple[str, ...] = (), **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *python, "-m", "lthbench", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment | more, capture_output=True, text=True, timeout=300
        )

    return call


def test_the_version(process) -> None:
    for arguments in (["--version"], ["--version", "list"]):
        done = process(*arguments)
        assert (done.returncode, done.stdout) == (0, f"lthbench {__version__}\n")


def test_without_a_command_there_is_help_and_no_error_line(process) -> None:
    done = process()
    assert done.returncode == 2
    assert "campaign" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--version"], {"typer", "rich", "numpy", "yaml", "pydantic"}),
        (["--help"], {"numpy", "scipy", "pandas", "torch", "matplotlib", "pydantic", "yaml"}),
        (["plan", "quick"], {"pandas", "torch", "matplotlib", "snakemake"}),
        (["list"], {"torch", "matplotlib", "snakemake"}),
    ],
)
def test_a_command_imports_what_it_needs(process, arguments, heavy) -> None:
    done = process(*arguments, python=("-X", "importtime"))
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "lthbench" in imported
    assert not imported & heavy


def test_a_terminal_without_our_letters_gets_the_answer(process) -> None:
    reference = str(ROOT / "reports/reference/quick/seed-0")
    for arguments in (
        ["explain", "FC-1", "--run", reference],
        ["diff", reference, reference],
        ["list"],
        ["--help"],
    ):
        done = process(*arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()
    assert "delta = 1.5" in process("explain", "FC-1", "--run", reference, PYTHONIOENCODING="ascii").stdout


def test_claims_are_known_in_any_case(environment, lthbench, tmp_path: Path) -> None:
    asked = lthbench("judge", "tiny", "--claim", "fc-6", "--out", tmp_path)
    assert "scopes/FC-6/tidy.csv: not there" in asked.stderr
    assert typed(["explain", "lmc-1"], environment, tmp_path).stdout.startswith("LMC-1 (")
    assert "no claim 'fc-99'; did you mean 'FC-" in typed(["explain", "fc-99"], environment, tmp_path).stderr
    table = ROOT / "docs/example-results.csv"
    assert typed(["check", table, "--claim", "fc-8"], environment, tmp_path).returncode == 0
