"""Units in one stack: the records that each would have alone, to rounding; killed, resumed or failing as alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import science_lab as lab

from lthbench.drive import execute, stacks
from lthbench.drive.schedule import tasks
from lthbench.errors import OutOfTime, UserError
from lthbench.plan.unit import Unit
from lthbench.recipe.arms import ARMS
from lthbench.results import store
from lthbench.tickets import unit as units_
from lthbench.training import loop, reference, together
from lthbench.training.checkpoint import Checkpoint

CELLS = {
    ("dense-copy", 0), ("ticket", 3), ("rewound", 1), ("reinit", 1), ("reinit", 2), ("reinit", 3),
    ("random-mask", 1), ("random-mask", 3), ("shuffled", 2), ("one-shot", 3), ("frozen", 2), ("untrained", 2),
    ("edge-popup", 1),
}  # fmt: skip
PLAIN = CELLS - {("frozen", 2)}
MADE = {"plain": (lab.plain, CELLS), "normed": (lab.normed, PLAIN), "module": (lab.module, PLAIN)}
# These start at iteration 0, learn weights at the schedule's rates, and nothing is made from them.
BESIDE = [cell for cell in sorted(PLAIN) if cell[0] not in ("untrained", "edge-popup", "rewound", "ticket")]


@pytest.fixture(params=MADE)
def units(request) -> list[Unit]:
    made, cells = MADE[request.param]
    return lab.planned(made(), cells)


def trainings(monkeypatch) -> list[int]:
    """How many networks each training has."""
    seen: list[int] = []
    train = loop.train

    def watched(task, folds, saved=None):
        seen.append(len(task.states))
        return train(task, folds, saved)

    monkeypatch.setattr(loop, "train", watched)
    return seen


def record(root, unit: Unit) -> store.Record:
    return store.read(store.path_of(root, unit))


def same_numbers(mine, theirs, unit: Unit, tolerance: float = 2e-4) -> None:
    """What is counted, and masks, exactly; what is measured and trained to rounding."""
    first, second = record(mine, unit), record(theirs, unit)
    assert [row[:4] for row in first.rows] == [row[:4] for row in second.rows]
    for a, b in zip(first.rows, second.rows, strict=True):
        if a[3] in ("validation_loss", "barrier") or a[3].startswith("line_error"):
            assert a[4] == pytest.approx(b[4], rel=tolerance, abs=1.0 if "loss" not in a[3] else tolerance), a
        elif a[3].endswith("accuracy") or a[3] == "early_stop_iteration":
            continue  # looked at below: one example may flip
        else:
            assert a[4] == b[4], a
    for name, tensor in store.tensors_of(mine, unit).items():
        other = store.tensors_of(theirs, unit)[name]
        if name.startswith("mask"):
            assert np.array_equal(tensor, other), name
        else:
            np.testing.assert_allclose(tensor, other, rtol=0.01, atol=0.01, err_msg=name)


def accuracies(root, units: list[Unit]) -> np.ndarray:
    return np.array([row[4] for unit in units for row in record(root, unit).rows if row[3].endswith("accuracy")])


def test_control_arms_of_all_levels_train_in_one_stack_with_records_of_their_own(
    units, tmp_path, cache, monkeypatch
) -> None:
    seen = trainings(monkeypatch)
    lab.execute(units, tmp_path / "alone", cache)
    alone = list(seen)
    assert alone == [unit.networks for unit in units]
    seen.clear()
    monkeypatch.setenv(stacks.WIDTH, "100")
    said = lab.execute(units, tmp_path / "beside", cache)
    assert said == ["trained"] * len(units)
    beside = [unit for unit in units if (unit.arm, unit.level) in BESIDE]
    assert max(seen) == sum(unit.networks for unit in beside) >= 22
    assert len(seen) == len(units) - len(beside) + 1
    for unit in units:
        same_numbers(tmp_path / "beside", tmp_path / "alone", unit)
        assert record(tmp_path / "beside", unit).provenance.get("stack") == (max(seen) if unit in beside else None)
        assert "stack" not in record(tmp_path / "alone", unit).provenance
    moved = accuracies(tmp_path / "beside", units) - accuracies(tmp_path / "alone", units)
    assert np.abs(moved).mean() < 0.1
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("made", [lab.plain, lab.normed, lab.module])
def test_each_network_of_a_stack_is_trained_as_the_serial_reference_trains_it(made, tmp_path, cache, monkeypatch):
    cells = {("reinit", 1), ("random-mask", 1), ("shuffled", 1)}
    tasks_of: list = []
    join = together.joined
    monkeypatch.setattr(together, "joined", lambda own: tasks_of.extend(own) or join(own))
    monkeypatch.setenv(stacks.WIDTH, "100")
    units = lab.planned(made(), cells)
    lab.execute(units, tmp_path, cache)
    folds = execute.folds_of(units[0], cache, "cpu")
    assert len(tasks_of) == 3
    beside = [unit for unit in units if unit.arm in ARMS and (unit.arm, unit.level) in cells]
    for unit, task in zip(beside, tasks_of, strict=True):
        slow = reference.train(task, folds)
        losses = [row[4] for row in record(tmp_path, unit).rows if row[3] == "validation_loss"]
        np.testing.assert_allclose(losses, slow.validation_loss.T.ravel(), rtol=2e-3)


def test_the_state_of_a_stack_is_that_of_its_tasks_and_back(tmp_path, cache) -> None:
    ran = lab.run(lab.module(), {("reinit", 1), ("shuffled", 1)}, tmp_path, cache)
    own = [ran.watched("reinit", 1).task, ran.watched("shuffled", 1).task]
    folds = ran.load_folds()
    states = []
    for task in (*own, together.joined(own)):
        course = loop.begin(task, folds)
        states.append({name: tensor.clone() for name, tensor in course.state.tensors().items()})
    sizes = [len(task.states) for task in own]
    for mine, theirs in zip(together.parts(own[0].model, states[2], sizes), states[:2], strict=True):
        assert lab.same({n: t.numpy() for n, t in mine.items()}, {n: t.numpy() for n, t in theirs.items()})
    back = together.whole(own[0].model, states[:2], sizes)
    assert lab.same({n: t.numpy() for n, t in back.items()}, {n: t.numpy() for n, t in states[2].items()})


def test_trainings_of_another_kind_do_not_join(tmp_path, cache) -> None:
    ran = lab.run(lab.normed(), {("reinit", 1), ("fine-tuned", 1), ("rewound", 1)}, tmp_path, cache)
    tasks_ = {arm: ran.watched(arm, 1).task for arm in ("reinit", "fine-tuned", "rewound")}
    for arm in ("fine-tuned", "rewound"):
        with pytest.raises(ValueError, match="cannot share a stack"):
            together.joined([tasks_["reinit"], tasks_[arm]])


@contextmanager
def stopped_after(monkeypatch, saves: int) -> Iterator[None]:
    """Every iteration is saved, and after so many files the time is up."""
    count = iter(range(saves))
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "due", lambda self: True)
        patched.setattr(Checkpoint, "late", lambda self, now: next(count, None) is None)
        with pytest.raises(OutOfTime):
            yield


@pytest.mark.parametrize("made", [lab.plain, lab.module])
@pytest.mark.parametrize("then", ["100", "1", "8"])
def test_a_stack_that_was_stopped_goes_on_in_a_stack_of_any_width(
    made, then, tmp_path, cache, monkeypatch
) -> None:
    """Bit for bit where the width is the same; nothing that was done is done again."""
    cells = {("reinit", 1), ("random-mask", 1), ("shuffled", 1)}
    units = lab.planned(made(), cells)
    beside = [unit for unit in units if (unit.arm, unit.level) in cells]
    lab.execute([unit for unit in units if unit not in beside], tmp_path / "cut", cache)
    monkeypatch.setenv(stacks.WIDTH, "100")
    lab.execute(units, tmp_path / "whole", cache)
    with stopped_after(monkeypatch, 3 * 17):
        lab.execute(units, tmp_path / "cut", cache)
    assert len(list(tmp_path.rglob("*.partial"))) == 3
    steps = []
    step = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *given: (steps.append(0), step(*given)))
    monkeypatch.setenv(stacks.WIDTH, then)
    lab.execute(units, tmp_path / "cut", cache)
    assert len(steps) == (40 - 18) * {"100": 1, "1": 3, "8": 2}[then]
    for unit in beside:
        same_numbers(tmp_path / "cut", tmp_path / "whole", unit)
        if then == "100":
            assert record(tmp_path / "cut", unit).rows == record(tmp_path / "whole", unit).rows
    assert not list(tmp_path.rglob("*.partial"))


def test_units_saved_at_different_iterations_are_not_mixed(tmp_path, cache, monkeypatch) -> None:
    cells = {("reinit", 1), ("random-mask", 1), ("shuffled", 1)}
    units = lab.planned(lab.plain(), cells)
    beside = [unit for unit in units if (unit.arm, unit.level) in cells]
    lab.execute(units, tmp_path / "whole", cache)
    before = [unit for unit in units if unit not in beside]
    lab.execute(before, tmp_path / "cut", cache)
    for unit, saves in zip(beside, (5, 5, 9), strict=True):
        with stopped_after(monkeypatch, saves):
            lab.execute([*before, unit], tmp_path / "cut", cache)
    seen = trainings(monkeypatch)
    monkeypatch.setenv(stacks.WIDTH, "100")
    lab.execute(units, tmp_path / "cut", cache)
    assert sorted(seen) == [4, 8]
    for unit in beside:
        same_numbers(tmp_path / "cut", tmp_path / "whole", unit)


def test_a_unit_that_fails_takes_no_other_record_along(tmp_path, cache, monkeypatch, caplog) -> None:
    cells = {("reinit", 1), ("random-mask", 1), ("shuffled", 1)}
    units = lab.planned(lab.plain(), cells)
    begin = units_.begin

    def broken(unit, *given):
        if unit.arm == "random-mask":
            raise RuntimeError("something is wrong with it")
        return begin(unit, *given)

    monkeypatch.setattr(units_, "begin", broken)
    monkeypatch.setenv(stacks.WIDTH, "100")
    with caplog.at_level(logging.WARNING), pytest.raises(UserError, match="something is wrong with it"):
        lab.execute(units, tmp_path, cache)
    assert "3 units in one stack" in caplog.text
    there = {unit.arm for unit in units if store.finished(tmp_path, unit)}
    assert there == {"dense", "ticket", "reinit", "shuffled"}


def test_memory_that_a_stack_lacks_is_no_failure(tmp_path, cache, monkeypatch) -> None:
    units = lab.planned(lab.plain(), {("reinit", 1), ("shuffled", 1)})
    train = loop.train

    def small(task, *given):
        if len(task.states) > 4:
            raise MemoryError
        return train(task, *given)

    monkeypatch.setattr(loop, "train", small)
    monkeypatch.setenv(stacks.WIDTH, "100")
    assert lab.execute(units, tmp_path, cache) == ["trained"] * 4


# Which


def test_stacks_are_bounded_and_hold_nothing_that_another_is_made_from(monkeypatch) -> None:
    units = lab.planned(lab.plain(), CELLS, replicates=4, block=2)
    monkeypatch.setenv(stacks.WIDTH, "9")
    made = stacks.stacks(units, "cpu")
    assert sorted(u.key for s in made for u in s) == sorted(u.key for u in units)
    parents = set(stacks.made_from(units))
    for stack in made:
        assert len({(unit.block, unit.start, ARMS[unit.arm].pruned) for unit in stack}) == 1
        assert len(stack) == 1 or not parents & {unit.key for unit in stack}
        assert len(stack) == 1 or sum(unit.networks for unit in stack) <= 9
    assert max(map(len, made)) > 1


def test_a_cpu_and_determinism_keep_a_stack_for_each_unit(monkeypatch) -> None:
    monkeypatch.delenv(stacks.WIDTH, raising=False)
    monkeypatch.delenv("LTHBENCH_DETERMINISTIC", raising=False)
    perceptron, module = (lab.planned(made(), {("reinit", 1)})[0] for made in (lab.plain, lab.module))
    assert [stacks.width(unit, "cpu") for unit in (perceptron, module)] == [1, 1]
    assert [stacks.width(unit, "cuda") for unit in (perceptron, module)] == [stacks.USUAL, 1]
    monkeypatch.setenv("LTHBENCH_DETERMINISTIC", "1")
    assert stacks.width(perceptron, "cuda") == 1


@pytest.mark.parametrize("text", ["0", "-3", "wide", "1001"])
def test_a_width_that_is_none(monkeypatch, text: str) -> None:
    monkeypatch.setenv(stacks.WIDTH, text)
    with pytest.raises(UserError, match=f"LTHBENCH_STACK={text}: networks in one stack; give 1 to 1000"):
        stacks.width(lab.planned(lab.plain(), set())[0], "cpu")


def test_tasks_of_a_campaign_are_stacks_made_from_other_tasks(monkeypatch) -> None:
    units = lab.planned(lab.plain(), CELLS)
    monkeypatch.setenv(stacks.WIDTH, "100")
    made = tasks(units, units, "cpu")
    wide = max(made, key=lambda task: len(task.units))
    assert wide.networks >= 22
    assert wide.name == f"{wide.units[0].name} and {len(wide.units) - 1} more"
    assert {unit.key for unit in wide.above} == set(stacks.made_from(wide.units))
    assert {unit.arm for unit in wide.above} == {"dense", "ticket"}
