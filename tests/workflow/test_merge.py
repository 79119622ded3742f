"""Slices of several machines become one result, or a line that says why not."""

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lthbench.claims.load import load
from lthbench.plan.run import Run
from lthbench.results import store
from lthbench.results.merge import merge, records


def scope(out: Path) -> Path:
    return out / "results" / "tiny" / "seed-0" / "scopes" / "all"


def units(out: Path, pattern: str = "*.json") -> list[Path]:
    return sorted((out / "results" / "tiny" / "seed-0" / "units").rglob(pattern))


def slice_of(run: Path, folder: Path, prefix: str) -> Path:
    """A machine that trained the units of some blocks only."""
    shutil.copytree(
        run / "results" / "tiny" / "seed-0" / "units", folder / "results" / "tiny" / "seed-0" / "units"
    )
    for path in units(folder, "*"):
        if path.is_file() and not path.name.startswith(prefix):
            path.unlink()
    return folder


@pytest.fixture
def slices(plain_run: Path, tmp_path: Path) -> tuple[Path, Path]:
    return slice_of(plain_run, tmp_path / "a", "b0-"), slice_of(plain_run, tmp_path / "b", "b1-")


def change(file: Path, edit, rehash: bool = True) -> None:
    """Edit a record; with its hash, as an honest machine with other numbers would have written it."""
    whole = json.loads(file.read_text())
    edit(whole)
    if rehash:
        whole["sha256"] = store.content_hash(whole["content"])
    file.write_text(json.dumps(whole))


def another_number(whole: dict) -> None:
    whole["content"]["rows"][0][4] = 1.25


def on_a_gpu(whole: dict) -> None:
    whole["provenance"] |= {"device": "NVIDIA Example", "cuda": "12.8"}


def test_two_slices_equal_a_single_run(lthbench, slices, plain_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    done = lthbench("merge", out, *slices)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("tidy.csv", "verdicts.json"):
        assert (scope(out) / name).read_bytes() == (scope(plain_run) / name).read_bytes()
    assert [path.name for path in units(out, "*.*")] == [path.name for path in units(plain_run, "*.*")]
    assert (out / "reports" / "tiny" / "index.html").exists()
    assert "0 to do" in lthbench("plan", "tiny", "--out", out).stdout


def test_merging_again_changes_nothing(slices, tmp_path: Path) -> None:
    out = tmp_path / "merged"
    assert merge(out, slices) == [("tiny", 0)]
    before = {path: path.stat().st_mtime_ns for path in units(out, "*.*")}
    merge(out, [*slices, slices[0] / "results"])
    assert {path: path.stat().st_mtime_ns for path in units(out, "*.*")} == before


def test_one_unit_with_two_results_is_refused(lthbench, slices, plain_run: Path, tmp_path: Path) -> None:
    file = units(slices[0], "*dense*.json")[0]
    change(file, another_number)
    done = lthbench("merge", plain_run, *slices)
    assert done.returncode == 4
    assert str(file) in done.stderr
    assert f"{plain_run / 'results'}" in done.stderr
    assert "different numbers" in done.stderr
    out = tmp_path / "nothing"
    with pytest.raises(Exception, match="different numbers"):
        merge(out, [plain_run, *slices])
    assert not out.exists()


def test_a_tampered_record_is_named(lthbench, slices, tmp_path: Path) -> None:
    file = units(slices[1])[2]
    change(file, another_number, rehash=False)
    done = lthbench("merge", tmp_path / "merged", *slices)
    assert done.returncode == 4
    assert f"{file}: content does not match its sha256" in done.stderr


def test_tampered_tensors_are_named(slices, tmp_path: Path) -> None:
    file = units(slices[1], "*.safetensors")[0]
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(store.RecordError, match=file.name):
        merge(tmp_path / "merged", slices)


def test_kinds_of_device_are_not_mixed(lthbench, slices, tmp_path: Path) -> None:
    for file in units(slices[1]):
        change(file, on_a_gpu)
    done = lthbench("merge", tmp_path / "merged", *slices)
    assert done.returncode == 4
    assert "from cpu" in done.stderr
    assert "from NVIDIA Example" in done.stderr
    assert not (tmp_path / "merged" / "results").exists()


def test_mixed_records_block_the_claim(lthbench, plain_run: Path) -> None:
    """Mixed by hand, past merge: the judge does not let them through either."""
    for file in units(plain_run, "b1-*.json"):
        change(file, on_a_gpu)
    done = lthbench("campaign", "tiny", "--budget", "1s", "--cores", "1", "--out", plain_run)
    assert done.returncode == 4
    assert "FC-6 BLOCKED" in done.stdout
    assert "tiny: one kind of device: Runs come from NVIDIA Example and cpu" in done.stdout
    committed = lthbench("judge", scope(plain_run))
    assert "byte for byte" in committed.stdout


def test_two_processors_are_one_kind(slices, tmp_path: Path) -> None:
    for file in units(slices[1]):
        change(file, lambda whole: whole["provenance"].update(device="another processor"))
    merge(tmp_path / "merged", slices)


def test_a_slice_without_tensors_is_small_and_judged_alike(
    lthbench, slices, plain_run: Path, tmp_path: Path
) -> None:
    slim, out = tmp_path / "slim", tmp_path / "out"
    assert lthbench("merge", slim, *slices, "--without-tensors").returncode == 0
    assert not units(slim, "*.safetensors")
    packed = units(slim, "*.json.gz")
    assert len(packed) == 10
    assert gzip.decompress(packed[0].read_bytes()) == units(plain_run)[0].read_bytes()

    as_it_lies = lthbench("campaign", "tiny", "--budget", "1s", "--cores", "1", "--out", slim)
    assert f"seed-0: 10, not used as they lie; `lthbench merge NEW {slim}` unpacks them" in as_it_lies.stdout
    assert lthbench("merge", out, slim).returncode == 0
    for name in ("tidy.csv", "verdicts.json"):
        assert (scope(out) / name).read_bytes() == (scope(plain_run) / name).read_bytes()
    done = lthbench("campaign", "tiny", "--budget", "1s", "--cores", "1", "--out", out)
    assert "10 finished before, 0 to do" in done.stdout
    assert "packed units" not in done.stdout


def test_tensors_are_made_again_where_a_child_needs_them(claims_dir: Path, slices, tmp_path: Path) -> None:
    from lthbench.drive.execute import missing

    slim, out = tmp_path / "slim", tmp_path / "out"
    merge(slim, slices, without_tensors=True)
    merge(out, [slim])
    run = Run(load(claims_dir), "tiny", out=out)
    assert missing(run.units(), run.results) == []
    units(out, "b1-reinit-2-*.json")[0].unlink()
    again = [(unit.block, unit.arm, unit.level) for unit in missing(run.units(), run.results)]
    assert again == [(1, "dense", 0), (1, "ticket", 1), (1, "ticket", 2), (1, "reinit", 2)]
    merge(out, [slices[1]])  # the machine that has the tensors
    units(out, "b1-reinit-2-*.json")[0].unlink()
    assert len(missing(run.units(), run.results)) == 1


def test_training_goes_on_from_a_cell_that_was_kept(lthbench, claims_dir: Path, slices, tmp_path: Path) -> None:
    """Only what is made from it, not what it was made from; the tensors come back bit for bit."""
    from lthbench.drive.execute import missing

    slim, out = tmp_path / "slim", tmp_path / "out"
    assert lthbench("merge", slim, *slices, "--without-tensors", "--keep", "ticket-1").returncode == 0
    kept = units(slim, "*.safetensors*")
    assert [file.name.split("-1-")[0] for file in kept] == ["b0-ticket", "b1-ticket"]
    assert all(file.name.endswith(".safetensors.gz") for file in kept)
    merge(out, [slim])
    trained = {file.name: file.read_bytes() for folder in slices for file in units(folder, "*.safetensors")}
    assert all(file.read_bytes() == trained[file.name] for file in units(out, "*.safetensors"))
    assert len(units(out, "*.safetensors")) == len(kept)
    units(out, "b1-reinit-2-*.json")[0].unlink()
    run = Run(load(claims_dir), "tiny", out=out)
    again = [(unit.block, unit.arm, unit.level) for unit in missing(run.units(), run.results)]
    assert again == [(1, "ticket", 2), (1, "reinit", 2)]


def test_a_packed_slice_is_packed_again_with_what_it_kept(slices, tmp_path: Path) -> None:
    merge(tmp_path / "slim", slices, without_tensors=True, keep=["ticket-1"])
    merge(tmp_path / "again", [tmp_path / "slim"], without_tensors=True, keep=["ticket-1"])
    files = [[file.name for file in units(tmp_path / name, "*.*")] for name in ("slim", "again")]
    assert files[0] == files[1]


def test_tampered_tensors_that_were_kept_are_named(slices, tmp_path: Path) -> None:
    merge(tmp_path / "slim", slices, without_tensors=True, keep=["ticket-1"])
    file = units(tmp_path / "slim", "*.safetensors.gz")[0]
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()) + b"x"))
    with pytest.raises(store.RecordError, match=f"{file.name}: content does not match"):
        merge(tmp_path / "merged", [tmp_path / "slim"])
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(store.RecordError, match=f"{file.name}: not a readable gzip file"):
        merge(tmp_path / "merged", [tmp_path / "slim"])


@pytest.mark.parametrize("without_tensors", [False, True])
def test_tensors_that_are_none_are_named(slices, tmp_path: Path, without_tensors: bool) -> None:
    """Their record vouches for them: a stranger can write any hash."""
    file = units(slices[0], "*ticket-1-*.safetensors")[0]
    file.write_bytes(b"no tensors")
    digest = hashlib.sha256(b"no tensors").hexdigest()
    change(file.with_suffix(".json"), lambda whole: whole["content"].update(tensors=digest))
    keep = ["ticket-1"] if without_tensors else []
    with pytest.raises(store.RecordError, match=f"{file.name}: not a safetensors file"):
        merge(tmp_path / "merged", slices, without_tensors, keep)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--without-tensors", "--keep", "ticket-9"), "--keep ticket-9: no tensors of such a cell in the slices"),
        (("--keep", "ticket-1"), "--keep goes with --without-tensors"),
    ],
)
def test_cells_that_cannot_be_kept(lthbench, slices, tmp_path: Path, options: tuple[str, ...], line: str) -> None:
    done = lthbench("merge", tmp_path / "slim", *slices, *options)
    assert done.returncode == 2
    assert line in done.stderr
    assert not (tmp_path / "slim" / "results").exists()


@pytest.mark.parametrize("without_tensors", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_what_another_processor_trained_again_joins_the_slice_it_came_from(
    claims_dir: Path, slices, tmp_path: Path, order: int, without_tensors: bool
) -> None:
    """Its first numbers stay, its new tensors verify, its record tells of both, in whatever order they meet."""
    slim, there, joined = (tmp_path / name for name in ("slim", "there", "joined"))
    merge(slim, slices, without_tensors=True)
    merge(there, [slim])
    run = Run(load(claims_dir), "tiny", out=there)
    dense = run.units()[0]
    first = store.read(store.path_of(run.results, dense))
    rows = [(*row[:4], 12.5) if row[3] == "final_test_accuracy" else row for row in first.rows]
    store.write(run.results, dense, rows, {"x": np.ones(3)}, {"device": "another processor"})
    merge(joined, [slim, there][::order], without_tensors, keep=["dense-0"])
    merge(joined, [there, slim][::order], without_tensors, keep=["dense-0"])
    merge(tmp_path / "whole", [joined])
    root = Run(load(claims_dir), "tiny", out=tmp_path / "whole").results
    record = store.read(store.path_of(root, dense))
    assert (record.rows, record.tensors) == (first.rows, first.tensors)
    assert record.provenance["again"]["device"] == "another processor"
    assert store.finished(root, dense)
    assert store.tensors_of(root, dense)["x"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("command", [("campaign", "--budget", "10m", "--cores", "1"), ("run", "--no-snakemake")])
def test_a_run_goes_on_from_a_slice_without_tensors(
    lthbench, command: tuple[str, ...], slices, plain_run: Path, tmp_path: Path
) -> None:
    slim, out = tmp_path / "slim", tmp_path / "out"
    merge(slim, slices, without_tensors=True)
    merge(out, [slim])
    for gone in units(out, "b1-reinit-2-*.json"):
        gone.unlink()
    name, *options = command
    done = lthbench(name, "tiny", *options, "--out", out)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    assert (scope(out) / "tidy.csv").read_bytes() == (scope(plain_run) / "tidy.csv").read_bytes()
    assert {file.name.split("-")[0] for file in units(out, "*.safetensors")} == {"b1"}  # block 0 is whole


def test_a_folder_that_is_no_slice(lthbench, slices, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = lthbench("merge", tmp_path / "merged", slices[0], tmp_path / "empty")
    assert done.returncode == 2
    assert f"{tmp_path / 'empty'}: no unit records" in done.stderr


def test_records_are_found_in_the_folder_or_its_results(slices) -> None:
    assert [f.place for f in records(slices[0])] == [f.place for f in records(slices[0] / "results")]
