"""Registering a claim as a user does: new, new-claim, freeze, run, explain, an edit, judge."""

import json
from pathlib import Path

import pytest
from command_line import typed
from tiny_suite import PLAIN

SENTENCE = "A ticket of a tiny perceptron beats a random mask by a point"
ASK = (
    "--sentence",
    SENTENCE,
    "--hypothesis",
    "ticket@1 - random-mask@1 superiority 1",
    "--margin-from",
    "no less",
)


@pytest.fixture
def call(tmp_path: Path, environment: dict[str, str]):
    """Call `lthbench ...` in a folder with a folder of claim files, `mine`."""

    def run(*arguments: object):
        return typed(arguments, environment, tmp_path)

    made = run(
        "new", "mine", "--network", "mlp", "--hidden", "16", "--dataset", "digits", "--claim", "FC-6",
        "--iterations", "40", "--evaluate-every", "20", "--level", "1",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return run


def test_a_claim_is_frozen_run_and_edited(call, tmp_path: Path) -> None:
    made = call("new-claim", "MY-1", "--claims-dir", "mine", *ASK)
    assert made.returncode == 0, made.stderr
    for words in (
        "mine/MY-1.yaml: written",
        "δ = 1 pp",
        "n = 8 at level 0.05",
        "power unknown",
        "lthbench tune own",
    ):
        assert words in made.stdout
    frozen = call("freeze", "--claims-dir", "mine")
    assert frozen.returncode == 0, frozen.stderr
    assert "commit this file before you run it" in frozen.stdout
    assert call("run", "own", "--claim", "MY-1", "--claims-dir", "mine", *PLAIN).returncode in (0, 1, 3)
    explained = call("explain", "MY-1", "--claims-dir", "mine").stdout
    assert ": as frozen" in explained
    assert "units began after the freeze of" in " ".join(explained.split())
    report = (tmp_path / "reports/own/MY-1/report.md").read_text()
    assert ", as frozen: all " in report
    path = tmp_path / "mine/MY-1.yaml"
    path.write_text(path.read_text().replace("delta: 1.0", "delta: 0.5"))
    judged = call("judge", "own", "--claim", "MY-1", "--claims-dir", "mine")
    assert "Registration changed after it was frozen" in judged.stdout
    verdicts = json.loads((tmp_path / "results/own/seed-0/scopes/MY-1/verdicts.json").read_text())
    assert verdicts["claims"][0]["freeze"] == "changed"
    again = call("freeze", "--claims-dir", "mine")
    assert again.returncode == 2
    assert "--why" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("new-claim", "MY-1", *ASK), "name the folder of your claim files"),
        (("new-claim", "MY-1", "--claims-dir", "mine"), "missing --sentence"),
        (("new-claim", "MY-1", "--claims-dir", "mine", *ASK, "--tuned", "16"), "write SEED:REPLICATES"),
        (("new-claim", "my1", "--claims-dir", "mine", *ASK), "is no id of a claim"),
        (("freeze",), "name the folder of your claim files"),
    ],
)
def test_what_is_missing_is_a_line(call, arguments, words) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
