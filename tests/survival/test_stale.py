"""Results of another engine, recipe or library: said, not used, never mixed with new ones."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from survival_lab import PATIENCE, ROOT, records, scope
from tiny_suite import PLAIN

from lthbench.recipe.engine import VERSION


@pytest.fixture
def other_engine(tmp_path: Path) -> Path:
    """A copy of the package that declares engine 999."""
    copy = tmp_path / "engine-999"
    for name in ("lthbench", "claims"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "pyproject.toml"):
        shutil.copy(ROOT / name, copy / name)
    file = copy / "lthbench/recipe/engine.py"
    text = file.read_text()
    now = re.search(r"^VERSION = (\d+)$", text, re.M)[0]
    file.write_text(text.replace(now, "VERSION = 999"))
    return copy


@pytest.fixture
def with_engine_999(other_engine: Path, claims_dir: Path, environment: dict[str, str]):
    """Call `lthbench ...` of the copy."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lthbench", *map(str, arguments), "--claims-dir", str(claims_dir)]
        environment_999 = environment | {"PYTHONPATH": str(other_engine)}
        return subprocess.run(
            command, env=environment_999, cwd=other_engine, capture_output=True, text=True, timeout=PATIENCE
        )

    return call


def engines(out: Path) -> list[str]:
    return [entry["engine"] for entry in json.loads((scope(out) / "provenance.json").read_text())]


@pytest.mark.parametrize("how", [pytest.param([], marks=pytest.mark.slow), [*PLAIN]])
def test_another_engine_trains_again_and_says_so(how: list[str], with_engine_999, plain_run: Path) -> None:
    before = records(plain_run)
    results = plain_run / "results/tiny/seed-0"
    engines_named = f"made by engine {VERSION}, this is 999"
    why = f"10, {engines_named}; they are not used, and "
    command = rf"`lthbench plan tiny --out {re.escape(str(plain_run))}.* --stale`"
    stale = re.compile(rf"stale units in {re.escape(str(results))}: {why}{command} lists the files")

    judged = with_engine_999("judge", "tiny", "--out", plain_run)
    again = f"`lthbench run tiny --out {plain_run}"
    assert f"the table is stale: made by engine {VERSION}, this is 999; {again}" in judged.stdout
    assert "trains again" in judged.stdout
    assert stale.search(judged.stdout)
    assert stale.search(with_engine_999("plan", "tiny", "--out", plain_run).stdout)
    assert json.loads((scope(plain_run) / "verdicts.json").read_text())["engine"] == str(VERSION)

    done = with_engine_999("run", "tiny", "--out", plain_run, *how)
    assert done.returncode in (0, 1, 3), done.stderr
    assert stale.search(done.stdout)
    assert "10 units (56 networks, 3,320 iterations), 0 finished before" in done.stdout
    assert "the table is stale" not in done.stdout
    after = records(plain_run)
    assert before.items() <= after.items(), "older records stay as they are"
    assert len(after) == 20
    assert engines(plain_run) == ["999"] * 10
    assert json.loads((scope(plain_run) / "verdicts.json").read_text())["engine"] == "999"


def test_stale_files_are_listed_to_be_deleted(with_engine_999, lthbench, plain_run: Path) -> None:
    assert lthbench("plan", "tiny", "--stale", "--out", plain_run).stdout == ""
    listed = with_engine_999("plan", "tiny", "--stale", "--out", plain_run).stdout.splitlines()
    units = plain_run / "results/tiny/seed-0/units"
    assert sorted(listed) == sorted(str(path) for path in units.rglob("*.*"))
    for name in listed:
        Path(name).unlink()
    assert "stale" not in with_engine_999("plan", "tiny", "--out", plain_run).stdout


def test_an_edited_recipe_makes_units_stale_and_one_claim_alone_does_not(
    lthbench, plain_run: Path, claims_dir: Path
) -> None:
    assert "stale" not in lthbench("plan", "tiny", "--claim", "ST-2", "--out", plain_run).stdout
    file = claims_dir / "experiments/tiny.yaml"
    file.write_text(file.read_text().replace("learning_rate: 0.002", "learning_rate: 0.003"))
    said = lthbench("plan", "tiny", "--out", plain_run).stdout
    assert "seed-0: 10, made from other recipes or plans; they are not used" in said


def test_units_made_with_another_library_are_used_and_said(lthbench, plain_run: Path) -> None:
    """What a unit is depends on engine and recipe; libraries change bits, not what is decided."""
    wanted = (scope(plain_run) / "verdicts.json").read_bytes()
    for path in (plain_run / "results").rglob("units/**/b0-*.json"):
        whole = json.loads(path.read_text())
        whole["provenance"]["torch"] = "1.0.0+other"
        path.write_text(json.dumps(whole))
    done = lthbench("run", "tiny", "--out", plain_run, *PLAIN)
    assert done.returncode in (0, 1, 3), done.stderr
    assert "units were made with torch 1.0.0, " in done.stdout
    assert "verdicts should be the same, bits need not be" in done.stdout
    assert (scope(plain_run) / "verdicts.json").read_bytes() == wanted
    assert "units were made with torch 1.0.0, " in lthbench("report", "tiny", "--out", plain_run).stdout


def test_results_of_here_and_now_are_not_remarked_on(lthbench, plain_run: Path) -> None:
    for command in ("judge", "report", "plan"):
        said = lthbench(command, "tiny", "--out", plain_run).stdout
        assert "stale" not in said
        assert "units were made with" not in said
