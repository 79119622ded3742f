"""Tuning as an author of a claim does it: what is printed is what the records say."""

import re
from pathlib import Path

import pandas as pd
import pytest


def final(tidy: pd.DataFrame, **cell: object) -> pd.Series:
    """Accuracies at the end of training by replicate, means over draws."""
    rows = tidy[tidy["metric"] == "final_test_accuracy"]
    for column, value in cell.items():
        rows = rows[rows[column] == value]
    return rows.groupby("replicate")["value"].mean()


def test_a_study_prints_the_numbers_of_its_records_and_goes_on(lthbench, tmp_path: Path) -> None:
    asked = ("tune", "tiny", "--replicates", 8, "--cores", 2, "--out", tmp_path / "out")
    done = lthbench(*asked)
    assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / "out/results/tiny/seed-1000"
    tidy = pd.read_csv(results / "scopes/all/tidy.csv")
    d = final(tidy, arm="ticket", level=2) - final(tidy, arm="reinit", level=2)
    line = next(line for line in done.stdout.splitlines() if line.startswith("FC-6 H1 "))
    shown = [float(number) for number in line.split()[2:6]]
    assert len(d) == 8
    assert shown == pytest.approx([d.mean(), d.std(ddof=1), d.min(), d.max()], abs=6e-4)
    dense = final(tidy, arm="dense", level=0)
    half = 4 * dense.std(ddof=1)
    band = next(line for line in done.stdout.splitlines() if line.startswith("tiny: dense "))
    mean, sd, low, high, slow, shuffled = (float(number) for number in re.findall(r"\d+\.\d+", band))
    assert (mean, sd) == pytest.approx((dense.mean(), dense.std(ddof=1)), abs=6e-3)
    assert (low, high) == pytest.approx((dense.mean() - half, dense.mean() + half), abs=6e-3)
    assert slow < low  # 60 iterations at a tenth of the rate come nowhere
    assert shuffled == pytest.approx(10, abs=8)  # chance, of ten classes
    records = {path: path.stat().st_mtime_ns for path in results.rglob("units/**/*.json")}
    assert len([path for path in records if "variants" in path.parts]) == 2
    again = lthbench(*asked, "--claim", "ST-2")
    assert band in again.stdout.splitlines()
    assert [line.split()[0] for line in again.stdout.splitlines() if " H1 " in line] == ["ST-2"]
    assert {path: path.stat().st_mtime_ns for path in records} == records
