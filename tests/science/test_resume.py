"""M14: a run that was killed and taken up again is, bit for bit, the run that was not."""

import json

import pytest
import science_lab as lab

from lthbench.errors import UserError
from lthbench.results import store
from lthbench.tickets import unit as unit_module
from lthbench.training import loop

CELLS = {("dense-copy", 0), ("ticket", 2), ("rewound", 1), ("reinit", 2), ("random-mask", 2), ("one-shot", 2)}


@pytest.fixture(scope="module", params=[lab.plain, lab.normed], ids=["plain", "normed"])
def whole(request, tmp_path_factory, cache):
    """Two chunks in one go: the plan, its results, and the data cache."""
    units = lab.planned(request.param(), CELLS, replicates=3, block=2)
    root = tmp_path_factory.mktemp("whole")
    assert set(lab.execute(units, root, cache)) == {"trained"}
    return units, contents(units, root), cache


def contents(units, root) -> dict:
    """The bytes that count of every unit: the record's content and its tensor file."""
    found = {}
    for unit in units:
        path = store.path_of(root, unit)
        content = json.loads(path.read_text())["content"]
        found[unit.name] = json.dumps(content), path.with_suffix(".safetensors").read_bytes()
    return found


def test_finished_units_are_reused_not_trained_again(whole, tmp_path, monkeypatch) -> None:
    units, wanted, cache = whole
    lab.execute(units, tmp_path, cache)

    def forbidden(*_):
        raise RuntimeError("trained again")

    monkeypatch.setattr(loop, "train", forbidden)
    assert lab.execute(units, tmp_path, cache) == ["reused"] * len(units)
    assert contents(units, tmp_path) == wanted


@pytest.mark.parametrize("crash_at", [0, 5])
def test_a_crash_between_units_changes_nothing(whole, tmp_path, monkeypatch, crash_at) -> None:
    units, wanted, cache = whole
    run, calls = unit_module.run_together, []

    def crashing(*arguments):
        calls.append(arguments)
        if len(calls) == crash_at + 1:
            raise KeyboardInterrupt
        run(*arguments)

    monkeypatch.setattr(unit_module, "run_together", crashing)
    with pytest.raises(KeyboardInterrupt):
        lab.execute(units, tmp_path, cache)
    monkeypatch.undo()
    assert sum(store.finished(tmp_path, unit) for unit in units) == crash_at
    assert lab.execute(units, tmp_path, cache).count("reused") == crash_at
    assert contents(units, tmp_path) == wanted


@pytest.mark.parametrize("steps", [57, 133])
def test_a_crash_in_the_middle_of_a_training_changes_nothing(whole, tmp_path, monkeypatch, steps) -> None:
    units, wanted, cache = whole
    step, done = loop.train_step, []

    def crashing(*arguments):
        done.append(1)
        if len(done) > steps:
            raise MemoryError
        step(*arguments)

    monkeypatch.setattr(loop, "train_step", crashing)
    with pytest.raises(MemoryError):
        lab.execute(units, tmp_path, cache)
    monkeypatch.undo()
    assert sum(store.finished(tmp_path, unit) for unit in units) == steps // 40
    lab.execute(units, tmp_path, cache)
    assert contents(units, tmp_path) == wanted


def test_a_crash_between_tensors_and_record_changes_nothing(whole, tmp_path, monkeypatch) -> None:
    units, wanted, cache = whole
    write_text = store.write_text

    def crashing(path, content):
        if "ticket-1" in path.name:
            raise OSError("no space left on device")
        write_text(path, content)

    monkeypatch.setattr(store, "write_text", crashing)
    with pytest.raises(UserError, match="no space left on device") as caught:  # for this file is not the package's
        lab.execute(units, tmp_path, cache)
    assert isinstance(caught.value.__cause__, OSError)
    monkeypatch.undo()
    ticket = next(unit for unit in units if (unit.arm, unit.level, unit.block) == ("ticket", 1, 0))
    assert store.path_of(tmp_path, ticket).with_suffix(".safetensors").exists()
    assert not store.finished(tmp_path, ticket)
    lab.execute(units, tmp_path, cache)
    assert contents(units, tmp_path) == wanted


@pytest.mark.parametrize("lost", ["dense", "ticket", "random-mask"])
def test_lost_records_are_made_again_the_same(whole, tmp_path, lost) -> None:
    units, wanted, cache = whole
    lab.execute(units, tmp_path, cache)
    gone = [unit for unit in units if unit.arm == lost]
    for unit in gone[::2]:
        store.path_of(tmp_path, unit).unlink()
    for unit in gone[1::2]:
        store.path_of(tmp_path, unit).with_suffix(".safetensors").write_bytes(b"damaged")
    assert lab.execute(units, tmp_path, cache).count("trained") == len(gone)
    assert contents(units, tmp_path) == wanted


def test_the_order_of_chunks_is_irrelevant(whole, tmp_path) -> None:
    units, wanted, cache = whole
    for block in (1, 0):
        lab.execute([unit for unit in units if unit.block == block], tmp_path, cache)
    assert contents(units, tmp_path) == wanted


def test_units_one_process_each_give_the_same_bits(whole, tmp_path) -> None:
    """Each call of run_chunk loads its parents from disk, as a fresh process would."""
    units, wanted, cache = whole
    for end in range(1, len(units) + 1):
        if units[end - 1].block == 0:
            lab.execute(units[:end], tmp_path, cache)
    lab.execute(units, tmp_path, cache)
    assert contents(units, tmp_path) == wanted
