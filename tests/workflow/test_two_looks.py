"""A suite with a first look, run for real: open claims are trained further, settled ones are not."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tiny_suite import PLAIN

from lthbench.claims.load import load
from lthbench.plan.run import FIRST_LOOK, Run

SNAKEMAKE = ("--snakemake", "--cores", "2")
LOOK = "first_look: {replicates: 8, alpha: 0.025}\n"


def with_looks(claims_dir: Path, expect_more: float) -> None:
    """Two looks of 8 and 12 replicates; ST-2 asks for a rewound network better by `expect_more` pp."""
    suite = claims_dir / "suites" / "tiny.yaml"
    suite.write_text(suite.read_text() + LOOK)
    for path in (claims_dir / "FC-6.yaml", claims_dir / "ST-2.yaml"):
        path.write_text(path.read_text().replace("replicates: 8", "replicates: 12"))
    path.write_text(
        path.read_text().replace("delta: 0.5", f"delta: {expect_more}").replace("effect: 20", "effect: 60")
    )


def files(out: Path) -> tuple[bytes, ...]:
    folder = out / "results" / "tiny" / "seed-0" / "scopes" / "all"
    return tuple((folder / name).read_bytes() for name in ("tidy.csv", "verdicts.json"))


def verdicts(out: Path) -> dict[str, dict]:
    return {claim["id"]: claim for claim in json.loads(files(out)[1])["claims"]}


def replicates(out: Path, arm: str) -> set[int]:
    rows = [line.split(",") for line in files(out)[0].decode().splitlines()]
    return {int(row[4]) for row in rows[1:] if row[1] == arm}


@pytest.mark.parametrize(
    ("driver", "again"),
    [
        (PLAIN, PLAIN),
        pytest.param(SNAKEMAKE, SNAKEMAKE, marks=pytest.mark.slow),
        pytest.param(SNAKEMAKE, PLAIN, marks=pytest.mark.slow),
        pytest.param(PLAIN, SNAKEMAKE, marks=pytest.mark.slow),
    ],
    ids=["plain", "snakemake", "snakemake then plain", "plain then snakemake"],
)
def test_only_claims_left_open_are_trained_further(
    lthbench, claims_dir: Path, tmp_path: Path, driver: Sequence[str], again: Sequence[str]
) -> None:
    with_looks(claims_dir, 0.01)
    out = tmp_path / "out"
    done = lthbench("run", "tiny", *driver, "--out", out)
    assert "first look at 8 replicates" in done.stdout, done.stdout + done.stderr
    found = verdicts(out)
    assert found["FC-6"]["look"] == 1
    assert found["ST-2"]["look"] == 2
    assert found["ST-2"]["replicates"] == 12
    assert "second look" in done.stdout
    assert replicates(out, "reinit") == set(range(8))
    assert replicates(out, "rewound") == set(range(12))

    before = files(out)
    assert lthbench("run", "tiny", *again, "--out", out).returncode == done.returncode
    assert files(out) == before


@pytest.mark.parametrize(
    "driver", [PLAIN, pytest.param(SNAKEMAKE, marks=pytest.mark.slow)], ids=["plain", "snakemake"]
)
def test_nothing_more_is_trained_when_the_first_look_settles_all(
    lthbench, claims_dir: Path, tmp_path: Path, driver: Sequence[str]
) -> None:
    with_looks(claims_dir, 30)  # no rewound network of this size is 30 pp better: FAIL
    done = lthbench("run", "tiny", *driver, "--out", tmp_path)
    found = verdicts(tmp_path)
    assert {claim["look"] for claim in found.values()} == {1}, done.stdout
    assert found["ST-2"]["verdict"] == "FAIL"
    assert replicates(tmp_path, "rewound") == set(range(8))
    assert "second look:" not in done.stdout


@pytest.mark.slow
def test_a_campaign_goes_on_to_the_second_look(lthbench, claims_dir: Path, tmp_path: Path) -> None:
    with_looks(claims_dir, 0.01)
    done = lthbench("campaign", "tiny", "--budget", "2m", "--cores", "1", "--out", tmp_path)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    assert verdicts(tmp_path)["ST-2"]["look"] == 2
    run = tmp_path / "run"
    lthbench("run", "tiny", *PLAIN, "--out", run)
    assert files(run) == files(tmp_path)


def test_merged_slices_keep_the_second_look(lthbench, claims_dir: Path, tmp_path: Path) -> None:
    with_looks(claims_dir, 0.01)
    run, merged = tmp_path / "run", tmp_path / "merged"
    lthbench("run", "tiny", *PLAIN, "--out", run)
    done = lthbench("merge", merged, run)
    assert verdicts(merged)["ST-2"]["look"] == 2, done.stdout + done.stderr
    assert files(merged) == files(run)


def test_a_look_at_other_registrations_is_not_believed(claims_dir: Path, tmp_path: Path) -> None:
    with_looks(claims_dir, 0.01)
    before = Run(load(claims_dir), "tiny", out=tmp_path)
    look = before.scope_folder / FIRST_LOOK
    look.parent.mkdir(parents=True)
    look.write_text(json.dumps({"left_open": ["ST-2"], "of": before.first_look_key()}))
    assert before.left_open() == ["ST-2"]
    path = claims_dir / "ST-2.yaml"
    for old, new in (("kind: secondary", "kind: primary"), ("delta: 0.01", "delta: 0.02")):
        text = path.read_text()
        path.write_text(text.replace(old, new))
        assert Run(load(claims_dir), "tiny", out=tmp_path).left_open() is None, new
        path.write_text(text)
    assert Run(load(claims_dir), "tiny", out=tmp_path).left_open() == ["ST-2"]
    look.write_text(look.read_text()[:20])
    assert before.left_open() is None
