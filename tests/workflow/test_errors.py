"""What a user can cause is answered by one or two lines that name the thing and the way out."""

import subprocess
from pathlib import Path

import pytest


def complains(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert 1 <= len(done.stderr.strip().splitlines()) <= 2
    for word in words:
        assert word in done.stderr


def test_a_crash_is_never_taken_for_a_claim_that_fails(lthbench, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of mine")

    monkeypatch.setattr("lthbench.drive.ask.run_of", broken)
    done = lthbench("run", "tiny")
    assert done.returncode == 4
    *above, last = done.stderr.strip().splitlines()
    assert above[0].startswith("Traceback")
    assert last.startswith("lthbench: ZeroDivisionError: of mine (a fault of lthbench's own")


def test_unknown_suite(lthbench) -> None:
    complains(lthbench("run", "tinny"), 2, "unknown suite 'tinny'", "did you mean 'tiny'")


def test_unknown_claim(lthbench, tmp_path: Path) -> None:
    complains(lthbench("run", "tiny", "--claim", "FC-7", "--out", tmp_path), 2, "no claim 'FC-7'", "FC-6, ST-2")


def test_unknown_flag(lthbench) -> None:
    complains(lthbench("run", "tiny", "--fast"), 2, "--fast", "--help")


def test_unknown_device(lthbench, tmp_path: Path) -> None:
    complains(lthbench("run", "tiny", "--device", "tpu", "--out", tmp_path), 2, "tpu", "auto, cpu or cuda")


def test_confirmatory_replicates_are_not_chosen_at_the_command_line(lthbench, tmp_path: Path) -> None:
    complains(lthbench("run", "tiny", "--replicates", 5, "--out", tmp_path), 2, "--replicates", "tuning")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("FC-6.yaml", "kind: primary", "kind: primary\nmood: good", ("FC-6.yaml", "mood", "unknown key")),
        ("FC-6.yaml", "sentence: A sentence.", "", ("FC-6.yaml", "sentence", "missing")),
        ("FC-6.yaml", "ticket@2", "tickets@2", ("FC-6.yaml", "tickets", "the arms are")),
        ("experiments/tiny.yaml", "name: digits", "name: digit", ("digit", "did you mean")),
        ("experiments/tiny.yaml", "batch: 40", "batch: forty", ("tiny.yaml", "training.batch")),
        ("suites/tiny.yaml", "id: tiny", "id: [tiny", ("tiny.yaml", "line", "not valid YAML")),
    ],
)
def test_malformed_files(lthbench, claims_dir: Path, tmp_path: Path, file: str, old: str, new: str, words) -> None:
    path = claims_dir / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    complains(lthbench("run", "tiny", "--out", tmp_path / "out", "--no-snakemake"), 2, *words)
    assert not list(tmp_path.rglob("units/**/*.json"))


def test_a_folder_that_cannot_be_written(lthbench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = lthbench("run", "tiny", "--out", tmp_path / "file" / "below")
    assert done.returncode in (2, 4)
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "file") in done.stderr
    assert "--out" in done.stderr


def test_a_folder_in_which_another_run_works(lthbench, tmp_path: Path) -> None:
    from lthbench.drive.lock import exclusive

    with exclusive(tmp_path):
        complains(lthbench("run", "tiny", "--out", tmp_path), 2, str(tmp_path), "another run")


def test_report_without_results(lthbench, tmp_path: Path) -> None:
    complains(lthbench("report", "tiny", "--out", tmp_path), 2, "tidy.csv", "lthbench run tiny")


def test_no_claims_folder(lthbench, claims_dir: Path, tmp_path: Path) -> None:
    claims_dir.rename(tmp_path / "elsewhere")
    complains(lthbench("list"), 2, str(claims_dir), "--claims-dir")
