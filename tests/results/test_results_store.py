import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from lthbench import files as atomic
from lthbench.plan.unit import Unit, plan_experiment
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results import store
from lthbench.results.store import RecordError

EXPERIMENT = Experiment(
    "toy", "", Network("mlp", (4,)), DataSpec("digits"), Training("adam", 0.01, 10, 20, 10),
    Pruning("layer-wise", 0.2),
)  # fmt: skip
ROWS = [
    (0, 0, 20, "final_test_accuracy", 64.123456789),
    (0, 0, 10, "validation_loss", None),
    (1, 0, None, "mask_crc32", 4294967295.0),
]
TENSORS = {"mask/out.weight": np.array([[True, False]]), "final/out.weight": np.array([[0.1, -0.0]], np.float32)}


@pytest.fixture
def unit() -> Unit:
    return plan_experiment(EXPERIMENT, {("dense", 0)}, 2, 2, 0)[0]


@pytest.fixture
def record(tmp_path, unit) -> Path:
    store.write(tmp_path, unit, ROWS, TENSORS, {"seconds": 1.5})
    return store.path_of(tmp_path, unit)


def test_what_was_written_is_read(record, unit) -> None:
    found = store.read(record)
    assert found.rows == ROWS
    assert (found.key, found.experiment, found.arm, found.level) == (unit.key, "toy", "dense", 0)
    assert found.provenance == {"seconds": 1.5}
    tensors = store.read_tensors(record, found)
    assert tensors.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert tensors[name].tobytes() == value.tobytes()


def test_a_record_is_finished_only_when_it_is_there(tmp_path, unit, record) -> None:
    assert store.finished(tmp_path, unit)
    assert not store.finished(tmp_path / "elsewhere", unit)


def test_the_path_names_experiment_block_arm_level_and_key(tmp_path, unit, record) -> None:
    assert record == tmp_path / "units" / "toy" / f"b0-dense-0-{unit.key}.json"
    assert sorted(p.suffix for p in record.parent.iterdir()) == [".json", ".safetensors"]


def refused(tmp_path, unit, file: Path, caplog) -> None:
    """Reading names the file; the unit counts as unfinished, and a warning says so."""
    path = store.path_of(tmp_path, unit)
    with pytest.raises(RecordError) as error:
        store.read_tensors(path, store.read(path))
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)
    caplog.clear()
    assert not store.finished(tmp_path, unit)
    warning = caplog.records[0]
    assert warning.levelname == "WARNING"
    assert str(file) in warning.getMessage()
    assert "computed again" in warning.getMessage()


@pytest.mark.parametrize("length", [0, 1, 40, -1])
def test_a_truncated_record_is_noticed(tmp_path, unit, record, caplog, length) -> None:
    record.write_bytes(record.read_bytes()[:length])
    refused(tmp_path, unit, record, caplog)


@pytest.mark.parametrize(
    ("old", "new"),
    [("64.123456789", "74.123456789"), ("validation_loss", "validation_lass"), ('"level":0', '"level":1'),
     ("4294967295.0", "4294967294.0"), ("null", "0.5")],
)  # fmt: skip
def test_an_edited_number_is_noticed(tmp_path, unit, record, caplog, old, new) -> None:
    text = record.read_text()
    assert old in text
    record.write_text(text.replace(old, new, 1))
    refused(tmp_path, unit, record, caplog)


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"sha256": "", "content": 3}', "\x80"])
def test_something_else_is_no_record(tmp_path, unit, record, caplog, text) -> None:
    record.write_bytes(text.encode("latin-1"))
    refused(tmp_path, unit, record, caplog)


def test_a_record_without_provenance_is_damaged(tmp_path, unit, record, caplog) -> None:
    whole = json.loads(record.read_text())
    del whole["provenance"]
    record.write_text(json.dumps(whole))
    refused(tmp_path, unit, record, caplog)


@pytest.mark.parametrize("edit", ["flip", "cut", "empty"])
def test_damaged_tensors_are_noticed(tmp_path, unit, record, caplog, edit) -> None:
    file = record.with_suffix(".safetensors")
    blob = bytearray(file.read_bytes())
    blob[-1] ^= 1
    file.write_bytes({"flip": bytes(blob), "cut": bytes(blob[:-3]), "empty": b""}[edit])
    refused(tmp_path, unit, file, caplog)


def test_a_record_without_tensors_is_measured_and_not_finished(tmp_path, unit, record, caplog) -> None:
    """As in a committed slice: nothing is damaged, so nothing is said."""
    record.with_suffix(".safetensors").unlink()
    assert store.measured(tmp_path, unit)
    assert not store.finished(tmp_path, unit)
    assert not caplog.records
    with pytest.raises(RecordError, match=r"safetensors: missing"):
        store.read_tensors(record, store.read(record))


def test_tensors_of_another_record_are_noticed(tmp_path, unit, record, caplog) -> None:
    other = dataclasses.replace(unit, key="f" * 16)
    store.write(tmp_path, other, ROWS, {"final/out.weight": np.zeros(3, np.float32)}, {})
    file = record.with_suffix(".safetensors")
    file.write_bytes(store.path_of(tmp_path, other).with_suffix(".safetensors").read_bytes())
    refused(tmp_path, unit, file, caplog)


def test_provenance_is_apart_from_the_numbers(tmp_path, unit, record) -> None:
    first = json.loads(record.read_text())
    store.write(tmp_path, unit, ROWS, TENSORS, {"seconds": 99, "device": "another"})
    second = json.loads(record.read_text())
    assert first["content"] == second["content"]
    assert first["sha256"] == second["sha256"]
    assert first["provenance"] != second["provenance"]


def test_first_numbers_stay_when_a_unit_is_trained_again_for_its_tensors(tmp_path, unit, record, caplog) -> None:
    """As on another processor: what was judged beside them must not change; what is made later has its parent."""
    first = json.loads(record.read_text())
    record.with_suffix(".safetensors").unlink()
    rows = [(*row[:4], 64.2) if row[3] == "final_test_accuracy" else row for row in ROWS]
    tensors = TENSORS | {"final/out.weight": np.array([[0.2, -0.0]], np.float32)}
    store.write(tmp_path, unit, rows, tensors, {"device": "another"})
    second = json.loads(record.read_text())
    assert "trained again, and came out otherwise" in caplog.text
    assert (second["content"], second["sha256"]) == (first["content"], first["sha256"])
    assert second["provenance"] == first["provenance"] | {"again": second["provenance"]["again"]}
    assert second["provenance"]["again"]["device"] == "another"
    assert store.finished(tmp_path, unit)
    assert store.tensors_of(tmp_path, unit)["final/out.weight"][0, 0] == np.float32(0.2)


def test_a_record_that_is_damaged_has_no_first_numbers(tmp_path, unit, record) -> None:
    record.write_text(record.read_text().replace("64.123456789", "74.123456789"))
    store.write(tmp_path, unit, ROWS, TENSORS, {})
    assert store.read(record).rows[0][4] == 64.123456789
    assert "again" not in store.read(record).provenance


def test_nothing_that_is_not_a_number_is_stored(tmp_path, unit) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        store.write(tmp_path, unit, [(0, 0, 1, "validation_loss", float("nan"))], {}, {})
    assert not store.finished(tmp_path, unit)


# Writing


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_writing_replaces_the_whole_file(tmp_path) -> None:
    path = tmp_path / "deep" / "er" / "file.txt"
    atomic.write_text(path, "a much longer first text")
    atomic.write_text(path, "zweiter ±")
    assert path.read_bytes() == "zweiter ±".encode()
    assert files(path.parent) == ["file.txt"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("broken", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, broken, error) -> None:
    path = tmp_path / "file.json"
    atomic.write_bytes(path, b"old")

    def fail(*_args, **_more):
        raise error

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(type(error)):
        atomic.write_bytes(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == ["file.json"]


def test_a_failed_first_write_leaves_no_record(tmp_path, unit, monkeypatch) -> None:
    replace = os.replace

    def fail(source, target):
        if str(target).endswith(".json"):
            raise OSError("no space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        store.write(tmp_path, unit, ROWS, TENSORS, {})
    assert not store.finished(tmp_path, unit)
    assert [name for name in files(store.path_of(tmp_path, unit).parent) if name.endswith(".tmp")] == []


def test_the_new_file_is_complete_before_it_takes_the_old_ones_place(tmp_path, monkeypatch) -> None:
    path, seen = tmp_path / "file.json", []
    atomic.write_bytes(path, b"old")
    replace = os.replace

    def watched(source, target):
        seen.append((Path(source).read_bytes(), Path(target).read_bytes(), Path(source).parent))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    atomic.write_bytes(path, b"new")
    assert seen == [(b"new", b"old", tmp_path)]
