"""A rehearsal runs everything, and nothing that it leaves can be taken for a result."""

import os
import re
from pathlib import Path

import pytest

from lthbench.claims.load import load
from lthbench.data.errors import DataError
from lthbench.data.registry import load as load_data
from lthbench.drive.rehearse import BANNER, rehearsal_of, rehearse
from lthbench.errors import UserError
from lthbench.judging.stored import read_verdicts
from lthbench.plan.run import Run
from lthbench.recipe.data import DataSpec

DECISIONS = re.compile(r"\b(PASS|FAIL)(ED|ES|S)?\b|SUPPORTED HERE")


def written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".html", ".md", ".xml", ".json", ".csv")]


def no_result(out: Path, suite: str, page: Path) -> None:
    """All that a rehearsal must not be."""
    assert page == out / "rehearsals/reports" / f"rehearsal-{suite}" / "index.html"
    assert not (out / "results").exists()
    files = written(out)
    assert len(files) > 8
    for path in files:
        assert not DECISIONS.search(path.read_text(encoding="utf-8")), path
    read = page.read_text(encoding="utf-8")
    assert read.count(BANNER) >= 2
    assert read.index("<main") < read.index(BANNER) < read.index("<h1")  # above the answer, and not in its margin
    assert not re.search("BLOCKED|failed check|sanity gate|replicates show", read)  # no check did it
    for verdicts in out.rglob("verdicts.json"):
        with pytest.raises(UserError, match="a rehearsal, whose numbers mean nothing"):
            read_verdicts(verdicts)


def test_a_suite_rehearsed_is_no_result(lthbench, tmp_path) -> None:
    done = lthbench("run", "tiny", "--rehearse", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert BANNER in done.stdout
    no_result(tmp_path, "tiny", tmp_path / "rehearsals/reports/rehearsal-tiny/index.html")
    tables = sorted((tmp_path / "rehearsals").rglob("tidy.csv"))
    assert tables
    for arguments in (
        ("judge", "tiny", "--out", tmp_path / "rehearsals"),
        ("judge", "rehearsal-tiny", "--out", tmp_path / "rehearsals"),
        ("site", tmp_path / "site", next(iter(tmp_path.rglob("verdicts.json"))), "--alone"),
    ):
        refused = lthbench(*arguments)
        assert refused.returncode in (2, 4), arguments
        assert not DECISIONS.search(refused.stdout), refused.stdout


def test_every_experiment_of_full_is_rehearsed_with_its_own_network(tmp_path) -> None:
    run = Run(load(), "full", out=tmp_path)
    small = rehearsal_of(run)
    names = {unit.experiment.id for unit in run.units()}
    assert {unit.experiment.id for unit in small.units()} == {f"rehearsal-{name}" for name in names}
    arms = {(unit.experiment.id, unit.arm) for unit in run.units()}
    assert {(unit.experiment.id, unit.arm) for unit in small.units()} == {(f"rehearsal-{n}", a) for n, a in arms}
    for name in names:
        own, rehearsed = run.registry.experiments[name], small.registry.experiments[f"rehearsal-{name}"]
        assert own.network.kind == rehearsed.network.kind
        assert rehearsed.training.iterations == 2
        assert own.training.optimizer == rehearsed.training.optimizer


@pytest.mark.slow
def test_all_of_full_runs(tmp_path) -> None:
    """Every experiment and claim of suite full, on real images of CIFAR-10 where they are, through the report."""
    try:
        load_data(DataSpec("cifar10"), 0, None)
    except DataError as error:
        if os.environ.get("LTHBENCH_DATA"):
            raise
        pytest.skip(str(error))
    no_result(tmp_path, "full", rehearse(Run(load(), "full", out=tmp_path), print))
