"""A user's own network, criterion and data, from a package that knows nothing of lthbench."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import typed
from tiny_suite import PLAIN

from lthbench.claims import own
from lthbench.claims.load import load
from lthbench.errors import UserError

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_network"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example package's module and its data."""
    shutil.copy(EXAMPLE / "ownnet.py", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import ownnet

    ownnet.write_data(str(tmp_path / "digits.npz"))
    yield tmp_path
    sys.modules.pop("ownnet", None)


@pytest.fixture
def call(place: Path, environment: dict[str, str]):
    """Call `lthbench ...` in that folder."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        paths = {"PYTHONPATH": os.pathsep.join([environment["PYTHONPATH"], str(place)])}  # for child processes
        return typed(arguments, environment | paths, place)

    return run


def new(call, place: Path, *more: str):
    return call(
        "new", place / "mine", "--network", "ownnet:small_cnn", "--dataset", place / "digits.npz",
        "--claim", "FC-1", "--claim", "FC-6", "--criterion", "ownnet:kept_and_moved",
        "--iterations", "100", "--evaluate-every", "50", "--learning-rate", "0.005",
        "--option", "channels=4", *more,
    )  # fmt: skip


def test_the_examples_network_goes_through_two_claims(call, place: Path) -> None:
    done = new(call, place, "--level", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{8 * 16 * 64 + 36 + 8 * 36 + 640:,} prunable weights" in done.stdout
    done = call("run", "own", "--claims-dir", place / "mine", *PLAIN)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    report = (place / "reports" / "own" / "report.md").read_text()
    assert "n = 8, with no accuracy band" in report
    assert "SUPPORTED HERE" in report
    assert "ownnet:kept_and_moved" in report
    table = (place / "results" / "own" / "seed-0" / "scopes" / "all" / "tidy.csv").read_text()
    assert "own,reinit,1," in table


def test_what_is_written_says_only_what_was_chosen_and_can_be_loaded(call, place: Path) -> None:
    assert new(call, place).returncode == 0
    written = yaml.safe_load((place / "mine" / "experiments" / "own.yaml").read_text())
    assert written["network"] == {"kind": "ownnet:small_cnn", "options": {"channels": 4}}
    assert written["pruning"] == {"scope": "layer-wise", "rate": 0.2, "criterion": "ownnet:kept_and_moved"}
    registry = load(place / "mine")
    claim = registry.claims["FC-6"]
    theirs = load().claims["FC-6"].suites["quick"]
    assert [h.delta for h in claim.suites["own"].hypotheses] == [h.delta for h in theirs.hypotheses]
    assert claim.suites["own"].power is None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--claim", "FC-99"), "there is no claim 'FC-99'"),
        (("--claim", "LMC-1"), "LMC-1: hypothesis H2 compares several experiments"),
        (("--like", "nope"), "suite 'nope' does not register it"),
        (("--criterion", "shiny"), "criterion 'shiny' is unknown"),
        (("--network", "ownnet:large_cnn"), "ownnet has no function large_cnn"),
        (("--network", "mlp"), "an mlp needs the sizes of its hidden layers"),
        (("--keep", "head*"), "no weight fits 'head*'"),
        (("--option", "channels"), "write KEY=VALUE"),
        (("--dataset", "none.npz"), "no such file"),
        (("--replicates", "4"), "register at least 8"),
    ],
)
def test_mistakes_are_told_in_a_line_or_two(call, place: Path, more, says: str) -> None:
    done = new(call, place, *more)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_folder_with_something_in_it_is_left_alone(call, place: Path) -> None:
    (place / "mine").mkdir()
    (place / "mine" / "notes.txt").write_text("mine")
    done = new(call, place)
    assert done.returncode == 2
    assert "not empty" in done.stderr
    assert [path.name for path in (place / "mine").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--replicates", "2"), "nothing was written"),
        (("--claim", "ST-2"), "ST-2 is about the arm rewound; add --rewind K"),
        (("--criterion", "ownnet:nope"), "ownnet has no function nope"),
    ],
)
@pytest.mark.parametrize("there", [True, False], ids=["into an empty folder", "into a new one"])
def test_a_refused_attempt_leaves_nothing_so_that_the_corrected_one_works(
    call, place: Path, wrong, says: str, there: bool
) -> None:
    if there:
        (place / "mine").mkdir()
    refused = new(call, place, *wrong)
    assert (refused.returncode, says in refused.stderr) == (2, True), refused.stderr
    assert (place / "mine").exists() == there
    assert not there or not list((place / "mine").iterdir())
    assert new(call, place).returncode == 0


def test_a_second_folder_of_claims_is_not_written_over_the_first(call, place: Path) -> None:
    assert new(call, place).returncode == 0
    before = {path: path.read_bytes() for path in (place / "mine").rglob("*.yaml")}
    again = new(call, place, "--claim", "ST-2", "--rewind", "5")
    assert again.returncode == 2
    assert again.stderr.strip().endswith("not empty; choose a new folder, or edit the files that are there")
    assert {path: path.read_bytes() for path in (place / "mine").rglob("*.yaml")} == before


@pytest.mark.parametrize("where", ["notes.txt", "notes.txt/mine"])
def test_a_folder_that_cannot_be_one_is_refused_in_a_line(call, place: Path, where: str) -> None:
    (place / "notes.txt").write_text("mine")
    options = ("--network", "mlp", "--hidden", "8", "--dataset", "digits.npz", "--claim", "FC-1")
    done = call("new", where, *options)
    assert done.returncode == 2
    assert done.stderr.startswith(f"lthbench: {where}: ")
    assert "folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (place / "notes.txt").read_text() == "mine"


def test_one_claim_that_qualifies_another_can_be_taken_over_alone(call, place: Path) -> None:
    options = ("--network", "mlp", "--hidden", "8", "--dataset", "digits.npz", "--like", "quick")
    for folder, more, qualified in (("alone", (), []), ("both", ("--claim", "FC-6"), ["FC-6"])):
        done = call("new", folder, *options, "--claim", "ST-1", *more)
        assert done.returncode == 0, done.stderr
        assert load(place / folder).claims["ST-1"].qualifies == qualified
        assert call("plan", "own", "--claims-dir", folder, "--claim", "ST-1").returncode == 0


def test_options_are_read_as_yaml() -> None:
    assert own.options(["depth=2", "norm=true", "name=a b"]) == {"depth": 2, "norm": True, "name": "a b"}
    with pytest.raises(UserError, match="write KEY=VALUE"):
        own.options(["depth"])


def test_a_dense_arm_keeps_its_level() -> None:
    assert own.at_level("ticket@9", 3) == "ticket@3"
    assert own.at_level("dense@0", 3) == "dense@0"
    assert own.at_level(2.0, 3) == 2.0
    assert own.at_level("ticket@9", None) == "ticket@9"


def test_the_examples_data_are_plain_arrays(place: Path) -> None:
    with np.load(place / "digits.npz", allow_pickle=False) as file:
        assert file["x_train"].shape == (1100, 1, 8, 8)
        assert file["x_test"].dtype == np.float32
