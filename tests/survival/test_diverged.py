"""A training that diverges is recorded as diverged; a gate blocks what depends on it, and no mean hides it."""

import csv
import json
from pathlib import Path

import pytest
from survival_lab import records, scope
from tiny_suite import PLAIN


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("sgd, momentum: 0.9", marks=pytest.mark.slow)])
def test_an_absurd_learning_rate(lthbench, tmp_path: Path, claims_dir: Path, optimizer: str) -> None:
    file = claims_dir / "experiments/tiny.yaml"
    text = file.read_text()
    assert "optimizer: adam, learning_rate: 0.002" in text
    file.write_text(
        text.replace("optimizer: adam, learning_rate: 0.002", f"optimizer: {optimizer}, learning_rate: 1.0e+25")
    )
    out = tmp_path / "out"
    done = lthbench("run", "tiny", "--out", out, *PLAIN)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert len(records(out)) == 10, "recorded, not lost"

    with (scope(out) / "tidy.csv").open() as table:
        losses = [row["value"] for row in csv.DictReader(table) if row["metric"] == "validation_loss"]
    assert "" in losses
    verdicts = json.loads((scope(out) / "verdicts.json").read_text())
    for claim in verdicts["claims"]:
        assert claim["verdict"] == "BLOCKED"
        failed = [gate for gate in claim["gates"] if not gate["passed"]]
        assert "tiny: no diverged run" in [gate["name"] for gate in failed]
        assert "not finite" in next(gate["detail"] for gate in failed if "diverged" in gate["name"])
    before = records(out)
    assert lthbench("run", "tiny", "--out", out, *PLAIN).returncode == 4
    assert records(out) == before, "a diverged run is a result, not trained again"


def test_one_diverged_network_is_enough(lthbench, plain_run: Path) -> None:
    """A replicate without a number does not leave a mean over the others."""
    path = scope(plain_run) / "tidy.csv"
    (path.with_name("SHA256SUMS")).unlink()  # this table is edited on purpose
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if "ticket,2," in line and ",final_test_accuracy," in line)
    lines[at] = lines[at].rpartition(",")[0] + ","
    path.write_text("\n".join(lines) + "\n")
    assert lthbench("judge", "tiny", "--out", plain_run).returncode == 4
    verdicts = json.loads((scope(plain_run) / "verdicts.json").read_text())
    claim = next(claim for claim in verdicts["claims"] if claim["id"] == "FC-6")
    assert claim["verdict"] == "BLOCKED"
    assert claim["hypotheses"][0]["evidence"] is None
