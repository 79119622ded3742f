import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from lthbench.data import cache
from lthbench.data.arrays import FIELDS, Arrays
from lthbench.data.errors import DataError


class Maker:
    """Makes the same arrays at every call, and counts the calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        rng = np.random.default_rng(0)
        x = rng.standard_normal((6, 5)).astype(np.float32)
        y = np.array([0, 1, 2, 0, 1, 2])
        return Arrays(x[:4], y[:4], x[4:], y[4:], classes=3)


@pytest.fixture
def make():
    return Maker()


@pytest.fixture(autouse=True)
def forget_warned_folders(monkeypatch):
    monkeypatch.setattr(cache, "_unwritable", set())


def same(a, b):
    return a.classes == b.classes and all(
        getattr(a, field).dtype == getattr(b, field).dtype
        and getattr(a, field).shape == getattr(b, field).shape
        and getattr(a, field).tobytes() == getattr(b, field).tobytes()
        for field in FIELDS
    )


def test_a_hit_returns_the_same_bits_without_making_or_warning(tmp_path, make, caplog):
    root = tmp_path / "not" / "there yet"
    made = cache.cached("draw-1", make, root)
    hit = cache.cached("draw-1", make, root)
    assert make.calls == 1
    assert same(made, hit)
    assert [p.name for p in root.iterdir()] == ["draw-1.safetensors"]
    assert not caplog.records
    assert all(getattr(hit, field).flags.writeable for field in FIELDS)  # torch warns of read-only memory


def test_keys_are_separate(tmp_path, make):
    cache.cached("a", make, tmp_path)
    cache.cached("b", make, tmp_path)
    assert make.calls == 2


def expect_regeneration(path, make, caplog):
    good = make()
    make.calls = 0
    caplog.clear()
    result = cache.cached(path.stem, make, path.parent)
    assert make.calls == 1
    assert same(result, good)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("lthbench", logging.WARNING)
    assert str(path) in record.getMessage()
    assert "\n" not in record.getMessage()
    assert same(cache.cached(path.stem, make, path.parent), good)  # replaced by a good file
    assert make.calls == 1


@pytest.mark.parametrize("keep", [0, 4, 8, 60, -1])
def test_truncated_file_is_made_again(tmp_path, make, caplog, keep):
    cache.cached("draw", make, tmp_path)
    path = tmp_path / "draw.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    expect_regeneration(path, make, caplog)


def test_any_flipped_byte_is_caught_or_harmless(tmp_path, make, caplog):
    """A flip gives either a warning and a new file or, in padding and the like, the very same arrays."""
    good = cache.cached("draw", make, tmp_path)
    path = tmp_path / "draw.safetensors"
    content = path.read_bytes()
    body = len(content) - sum(getattr(good, field).nbytes for field in FIELDS)
    for position in range(len(content)):
        make.calls = 0
        caplog.clear()
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x11]) + content[position + 1 :])
        assert same(cache.cached("draw", make, tmp_path), good)
        assert len(caplog.records) == make.calls
        assert make.calls == 1 or position < body  # every byte of the arrays themselves is caught


def test_tampered_arrays_are_made_again(tmp_path, make, caplog):
    """A well-formed file of other arrays under the old hash."""
    good = cache.cached("draw", make, tmp_path)
    path = tmp_path / "draw.safetensors"
    tensors = {field: getattr(good, field) for field in FIELDS}
    metadata = {"sha256": good.sha256, "classes": "3"}
    path.write_bytes(cache.save(tensors | {"x_train": good.x_train + 1}, metadata))
    expect_regeneration(path, make, caplog)
    path.write_bytes(cache.save(tensors, metadata | {"classes": "4"}))
    expect_regeneration(path, make, caplog)
    path.write_bytes(cache.save(tensors))  # no hash at all
    expect_regeneration(path, make, caplog)


def test_unusable_folder_warns_once_and_goes_on(tmp_path, make, caplog):
    (tmp_path / "file").write_text("not a folder")
    root = tmp_path / "file" / "cache"
    assert same(cache.cached("a", make, root), make())
    assert same(cache.cached("b", make, root), make())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"cache: cannot write {root / 'a.safetensors'}, going on without: ")


@pytest.mark.parametrize("failing", ["replace", "write"])
def test_full_disk_leaves_no_temporary_file_and_the_old_one_whole(tmp_path, make, caplog, monkeypatch, failing):
    def full(*args):
        raise OSError(28, "No space left on device")

    def half_written(path, data):
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        full()

    if failing == "replace":
        monkeypatch.setattr(os, "replace", full)
    else:
        monkeypatch.setattr(Path, "write_bytes", half_written)
    assert same(cache.cached("draw", make, tmp_path), make())
    assert list(tmp_path.iterdir()) == []
    (record,) = caplog.records
    assert "No space left on device" in record.getMessage()


def test_errors_of_make_are_not_swallowed(tmp_path):
    def fail():
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        cache.cached("draw", fail, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_many_makers_of_one_key_at_once(tmp_path, make, caplog):
    barrier = threading.Barrier(8)
    results = []

    def slow_make():
        barrier.wait(timeout=10)  # nobody stores before everybody has missed
        return make()

    threads = [
        threading.Thread(target=lambda: results.append(cache.cached("draw", slow_make, tmp_path)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == make.calls == 8
    assert [p.name for p in tmp_path.iterdir()] == ["draw.safetensors"]
    assert same(cache.cached("draw", make, tmp_path), results[0])
    assert make.calls == 8
    assert not caplog.records


@pytest.mark.parametrize("key", ["", "a/b", "../a", "a b", "a\n", "ä", "a\\b", "a\0"])
def test_keys_that_are_no_file_names_are_refused(tmp_path, make, key):
    with pytest.raises(DataError, match=r"^cache: key .* is not a file name; use only A-Z a-z 0-9 \. _ -$"):
        cache.cached(key, make, tmp_path)
    assert make.calls == 0


def test_cache_root(monkeypatch, tmp_path):
    monkeypatch.setenv("LTHBENCH_CACHE", str(tmp_path))
    assert cache.cache_root() == tmp_path
    monkeypatch.setenv("LTHBENCH_CACHE", "~/kept")
    assert cache.cache_root() == Path.home() / "kept"
    for unset in (
        lambda: monkeypatch.setenv("LTHBENCH_CACHE", ""),
        lambda: monkeypatch.delenv("LTHBENCH_CACHE"),
    ):
        unset()
        monkeypatch.setattr("platformdirs.user_cache_dir", lambda app: f"/platform/{app}")
        assert cache.cache_root() == Path("/platform/lthbench")
