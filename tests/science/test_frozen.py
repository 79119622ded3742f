"""The arm `frozen`: pruned weights stay where they started, throughout, and nothing else is new."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab

from lthbench.claims.schema import Cell
from lthbench.judging.gates.cells import Cells
from lthbench.judging.gates.starts import frozen_gates
from lthbench.judging.table import Table
from lthbench.recipe.arms import check_frozen, parents
from lthbench.recipe.streams import stream
from lthbench.results.tidy import collect
from lthbench.tickets.starts import frozen_facts
from lthbench.training import loop, reference
from lthbench.training.stack import assert_masked

LEVEL = 2


@pytest.fixture(scope="module")
def ran(tmp_path_factory, cache):
    return lab.run(lab.plain(), {("frozen", LEVEL), ("ticket", LEVEL)}, tmp_path_factory.mktemp("frozen"), cache)


def test_it_wears_the_tickets_mask_and_starts_from_all_initial_weights(ran) -> None:
    assert parents("frozen", LEVEL) == [("ticket", LEVEL)]
    for s in (0, 1):
        initial = ran.model.initial_state(stream(0, "plain", s, "init"))
        assert lab.same(ran.watched("frozen", LEVEL).start[s], initial)
        assert lab.same(ran.stored("mask", "frozen", LEVEL, s), ran.stored("mask", "ticket", LEVEL, s))
    assert ran.measured("mask_crc32", "frozen", LEVEL) == ran.measured("mask_crc32", "ticket", LEVEL)


@pytest.mark.parametrize("engine", [loop, reference])
def test_pruned_weights_stay_where_they_were_and_the_others_move(ran, engine) -> None:
    seen = ran.watched("frozen", LEVEL)
    for state, start, mask in zip(
        engine.train(seen.task, seen.folds).states, seen.task.states, seen.task.masks, strict=True
    ):
        for name, kept in mask.items():
            assert lab.same({name: state[name][~kept]}, {name: start[name][~kept]})
            assert np.all(start[name][~kept] != 0)
            assert np.mean(state[name][kept] != start[name][kept]) > 0.8  # a dead unit's weights may rest


def test_both_engines_agree(ran) -> None:
    seen = ran.watched("frozen", LEVEL)
    fast, slow = loop.train(seen.task, seen.folds), reference.train(seen.task, seen.folds)
    for a, b in zip(fast.states, slow.states, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(fast.validation_loss, slow.validation_loss, rtol=1e-4)


def test_it_is_not_the_ticket(ran) -> None:
    frozen, ticket = (ran.measured("validation_loss", arm, LEVEL) for arm in ("frozen", "ticket"))
    assert all(frozen[key] != ticket[key] for key in ticket)


def test_its_record_counts_the_weights_that_are_trained_and_none_that_moved(ran) -> None:
    for name in ran.model.prunable:
        assert ran.measured(f"nonzero:{name}", "frozen", LEVEL) == ran.measured(f"nonzero:{name}", "ticket", LEVEL)
    assert set(ran.measured("pruned_moved", "frozen", LEVEL).values()) == {0.0}
    assert not ran.measured("pruned_moved", "ticket", LEVEL)
    table = Table(collect(ran.root, ran.units)[0])
    (gate,) = frozen_gates(Cells(ran.experiment, [Cell("plain", "frozen", LEVEL)], table, 2))
    assert gate.passed, gate.detail
    assert "frozen weights" in gate.name


def test_zeros_in_their_place_are_noticed(ran) -> None:
    """What the arm would be if the mask were applied as everywhere else."""
    seen = ran.watched("frozen", LEVEL)
    zeroed = [
        state | {name: np.where(kept, state[name], np.float32(0)) for name, kept in mask.items()}
        for state, mask in zip(seen.task.states, seen.task.masks, strict=True)
    ]
    moved = {s: count for s, _, count in frozen_facts(ran.unit("frozen", LEVEL), seen.task, zeroed)}
    gone = sum(int((~kept).sum()) for kept in seen.task.masks[0].values())
    assert moved == {0: gone, 1: gone}
    table = collect(ran.root, ran.units)[0]
    table.loc[table["metric"] == "pruned_moved", "value"] = [0.0, 1.0]
    (gate,) = frozen_gates(Cells(ran.experiment, [Cell("plain", "frozen", LEVEL)], Table(table), 2))
    assert not gate.passed
    assert "1 of 2 of frozen@2" in gate.detail


def test_a_training_that_moves_them_does_not_return(ran) -> None:
    seen = ran.watched("frozen", LEVEL)
    course = loop.begin(seen.task, seen.folds)
    assert_masked(course.state.net, course.mask, course.pruned)
    course.state.net.flat[(course.mask == 0).nonzero()[3]] += 1e-3
    with pytest.raises(AssertionError, match="mask was not enforced"):
        assert_masked(course.state.net, course.mask, course.pruned)


def test_resuming_goes_on_bitwise(ran, tmp_path) -> None:
    from lthbench.errors import OutOfTime
    from lthbench.training.checkpoint import Checkpoint

    seen = ran.watched("frozen", LEVEL)
    whole = loop.train(seen.task, seen.folds)
    path = tmp_path / "unit.partial"
    with pytest.raises(OutOfTime):
        loop.train(seen.task, seen.folds, Checkpoint(path, deadline=0.0))
    lab.same_training(loop.train(seen.task, seen.folds, Checkpoint(path)), whole)


@pytest.mark.parametrize(("decay", "unit"), [(1e-4, "weight"), (0.0, "filter")])
def test_recipes_that_would_move_them_are_refused(decay, unit) -> None:
    check_frozen("ticket", decay, unit)
    check_frozen("frozen", 0.0, "weight")
    with pytest.raises(ValueError, match="without weight_decay that prunes single weights"):
        check_frozen("frozen", decay, unit)


def test_the_engine_stops_where_weight_decay_would_move_them(ran) -> None:
    seen = ran.watched("frozen", LEVEL)
    decayed = dataclasses.replace(seen.task, training=dataclasses.replace(seen.task.training, weight_decay=0.1))
    with pytest.raises(AssertionError, match="mask was not enforced"):
        loop.train(decayed, seen.folds)
