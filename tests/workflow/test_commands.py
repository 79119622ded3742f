"""The commands that only look."""

import json
from pathlib import Path

import pytest

from lthbench.cli.app import app


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


def test_list_names_claims_with_their_power(lthbench) -> None:
    text = lthbench("list").stdout
    assert "FC-6" in text
    assert "ST-2" in text
    assert "1.000" in text


def test_engine_says_whether_the_code_is_the_declared(capsys: pytest.CaptureFixture[str]) -> None:
    app(["engine"], standalone_mode=False)
    assert "as declared" in capsys.readouterr().out
