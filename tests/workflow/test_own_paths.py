"""Claim files, data and network move together: another clone, on another path, from another folder."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from command_line import typed
from test_own import EXAMPLE
from tiny_suite import PLAIN, write_claims

from lthbench.claims.load import load
from lthbench.plan.run import Run
from lthbench.results import store

NEW = (
    "new", "claims", "--network", "netofci:net", "--claim", "FC-1", "--level", "1",
    "--iterations", "40", "--evaluate-every", "20", "--learning-rate", "0.02", "--dataset",
)  # fmt: skip
NET = """
from math import prod
from torch import nn

def net(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), 16), nn.ReLU(), nn.Linear(16, classes))
"""
BLIND = NET.replace("nn.Sequential(", "nn.Sequential(nn.Threshold(1e9, 0.0), ")  # sees zeros only


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository as docs/ci.md wants it: a network, data, no claims yet."""
    monkeypatch.syspath_prepend(EXAMPLE)
    import ownnet

    folder = tmp_path / "developer" / "repository"
    (folder / "data").mkdir(parents=True)
    ownnet.write_data(str(folder / "data" / "digits.npz"))
    (folder / "netofci.py").write_text(NET)
    yield folder
    for module in ("ownnet", "netofci"):
        sys.modules.pop(module, None)


def path_in(folder: Path) -> str:
    return yaml.safe_load((folder / "claims/experiments/own.yaml").read_text())["data"]["path"]


def in_clone(folder: Path, environment: dict[str, str], *arguments: object):
    """A command typed in a clone, by a process that has not imported the network before."""
    sys.modules.pop("netofci", None)
    return typed(arguments, environment, folder)


def test_what_docs_ci_says_works_in_another_clone_and_a_changed_network_is_noticed(clone, environment) -> None:
    done = in_clone(clone, environment, *NEW, "data/digits.npz")
    assert done.returncode == 0, done.stderr
    run = ("run", "own", "--claims-dir", "claims", "--out", "ci", *PLAIN)
    looked_at = in_clone(clone, environment, *run)
    assert looked_at.returncode in (0, 1, 3), looked_at.stdout + looked_at.stderr
    (clone / "baseline").mkdir()
    shutil.copy(clone / "ci/reports/own/verdicts.json", clone / "baseline")

    runner = clone.parents[1] / "runner"
    shutil.copytree(clone, runner, ignore=shutil.ignore_patterns("ci", "__pycache__"))
    clone.rename(clone.with_name("gone"))
    same = in_clone(runner, environment, *run, "--against", "baseline")
    assert (same.returncode, "primary verdicts that changed: none" in same.stdout) == (0, True), (
        same.stdout + same.stderr
    )

    (runner / "netofci.py").write_text(BLIND)
    changed = in_clone(runner, environment, *run, "--against", "baseline")
    assert (changed.returncode, "BLOCKED" in changed.stdout) == (1, True), changed.stdout + changed.stderr


def test_new_writes_a_path_from_the_folder_of_claims_unless_the_data_are_elsewhere(
    clone, environment, tmp_path
) -> None:
    elsewhere = tmp_path / "archive.npz"
    shutil.copy(clone / "data/digits.npz", elsewhere)
    named = {
        "data/digits.npz": "../data/digits.npz",
        str(clone / "data/digits.npz"): "../data/digits.npz",
        "../../archive.npz": "../../../archive.npz",
        str(elsewhere): str(elsewhere),
    }
    for dataset, written in named.items():
        assert in_clone(clone, environment, *NEW, dataset).returncode == 0
        assert path_in(clone) == written
        assert Path(load(clone / "claims").experiments["own"].data.path).is_file()
        shutil.rmtree(clone / "claims")


def test_one_data_set_has_one_key_wherever_it_lies_and_however_it_is_named(
    clone, environment, monkeypatch
) -> None:
    assert in_clone(clone, environment, *NEW, "data/digits.npz").returncode == 0
    monkeypatch.syspath_prepend(clone)
    keys = []

    def note(claims: Path) -> None:
        keys.append([unit.key for unit in Run(load(claims), "own").units()])

    note(clone / "claims")
    monkeypatch.chdir(clone)
    note(Path("claims"))
    other = Path(shutil.copytree(clone, clone.parent / "other"))
    note(other / "claims")
    file = other / "claims/experiments/own.yaml"
    file.write_text(file.read_text().replace("../data/digits.npz", str(clone / "data/digits.npz")))
    note(other / "claims")
    assert len(keys[0]) > 1
    assert keys == [keys[0]] * 4


def test_data_that_are_not_there_are_named_by_their_whole_path(clone, environment) -> None:
    assert in_clone(clone, environment, *NEW, "data/digits.npz").returncode == 0
    (clone / "data/digits.npz").unlink()
    done = in_clone(clone, environment, "run", "own", "--claims-dir", "claims", *PLAIN)
    assert done.returncode in (2, 4)
    assert f"{(clone / 'data/digits.npz').resolve()}: no such file" in done.stderr


def test_recipes_without_a_path_are_untouched_by_where_their_folder_lies(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b" / "c"):
        write_claims(folder)
    one, two = (load(folder) for folder in (tmp_path / "a", tmp_path / "b" / "c"))
    assert one.experiments == two.experiments
    assert {store.path_of(Path(), unit) for unit in Run(one, "tiny").units()} == {
        store.path_of(Path(), unit) for unit in Run(two, "tiny").units()
    }


def test_a_module_beside_the_claims_is_found_by_jobs_too(clone, monkeypatch) -> None:
    from lthbench.drive.snakemake import environment

    monkeypatch.chdir(clone)
    monkeypatch.setenv("PYTHONPATH", "data")  # relative: jobs run in another folder
    paths = environment(Run(load(), "quick", out=clone / "out"))["PYTHONPATH"].split(os.pathsep)
    assert paths[1:] == [str(clone / "data"), str(clone)]
