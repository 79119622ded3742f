"""Masks found elsewhere: another experiment's ticket, and a mask pruned before training."""

import dataclasses
import shutil

import numpy as np
import pytest
import science_lab as lab

from lthbench.claims.load import ClaimFileError, Registry, default_folder, load, wrong_source
from lthbench.drive.execute import run_chunk
from lthbench.models.errors import ModelError
from lthbench.plan.unit import plan_experiment, with_sources
from lthbench.pruning import masks
from lthbench.recipe.arms import ARMS, parents
from lthbench.recipe.streams import stream
from lthbench.results import store
from lthbench.tickets import folds as block_data
from lthbench.tickets.networks import part, state_for

TWO = dataclasses.replace(lab.ADAM, iterations=2, evaluate_every=1)
PRUNING = dataclasses.replace(lab.LAYERWISE, rewind=0)
SOURCE = lab.plain(id="here", training=TWO, pruning=PRUNING)
TARGET = lab.plain(
    id="there",
    training=TWO,
    pruning=PRUNING,
    data=dataclasses.replace(lab.DATA, train=300),
    paired_with="here",
    mask_from="here",
    draws={"transferred-reinit": 2},
)
CELLS = {("dense", 0), ("ticket", 2), ("transferred", 2), ("transferred-reinit", 2)}


@pytest.fixture(scope="module")
def moved(tmp_path_factory, cache):
    """The tickets of one experiment, trained on another one's data for two iterations, in one chunk."""
    root = tmp_path_factory.mktemp("moved")
    units = [
        *plan_experiment(SOURCE, {("dense", 0), ("ticket", 2)}, 2, 2, 0),
        *plan_experiment(TARGET, CELLS, 2, 2, 0, SOURCE),
    ]
    log: list[lab.Seen] = []
    train, step = lab.watching(log)
    with train, step:
        run_chunk(units, root, cache, "cpu", lambda unit, how: None)
    return root, units, dict(zip([unit.name for unit in units], log, strict=True))


def unit_of(units, experiment: str, arm: str, level: int):
    return next(u for u in units if (u.experiment.id, u.arm, u.level) == (experiment, arm, level))


def tensors(root, unit) -> dict:
    path = store.path_of(root, unit)
    return store.read_tensors(path, store.read(path))


def test_the_transferred_mask_is_bitwise_the_source_tickets(moved) -> None:
    root, units, _ = moved
    source = tensors(root, unit_of(units, "here", "ticket", 2))
    native = tensors(root, unit_of(units, "there", "ticket", 2))
    for arm, draws in (("transferred", 1), ("transferred-reinit", 2)):
        own = tensors(root, unit_of(units, "there", arm, 2))
        for replicate in (0, 1):
            wanted = part(source, "mask", replicate)
            for draw in range(draws):
                assert lab.same(part(own, "mask", draws * replicate + draw), wanted)
            assert not lab.same(part(native, "mask", replicate), wanted)


def test_it_starts_from_the_source_tickets_weights_and_trains_on_the_targets_data(moved) -> None:
    _, units, seen = moved
    there = seen[unit_of(units, "there", "transferred", 2).name]
    here = seen[unit_of(units, "here", "ticket", 2).name]
    native = seen[unit_of(units, "there", "dense", 0).name]
    for s in (0, 1):
        assert lab.equal(there.start[s], here.start[s])
        for mine, dense in zip(there.fed(s), native.fed(s), strict=True):
            np.testing.assert_array_equal(mine, dense)
    assert len(there.rates) == 2
    assert there.folds.train.shape[1] == 240


def test_fresh_weights_on_it_are_those_of_reinit(moved) -> None:
    root, units, seen = moved
    unit = unit_of(units, "there", "transferred-reinit", 2)
    mask = part(tensors(root, unit), "mask", 0)
    model = seen[unit.name].task.model
    fresh = masks.apply(mask, model.initial_state(stream(0, "here", 0, "reinit/0")))
    assert lab.equal(seen[unit.name].start[0], fresh)


def test_keys_hold_the_source_tickets_and_nothing_else_changes() -> None:
    plain = dataclasses.replace(TARGET, mask_from="")

    def keys(source) -> dict:
        return {(u.arm, u.level): u.key for u in plan_experiment(TARGET, CELLS, 2, 2, 0, source)}

    before = keys(SOURCE)
    alone = {(u.arm, u.level): u.key for u in plan_experiment(plain, {("ticket", 2)}, 2, 2, 0)}
    assert alone == {cell: before[cell] for cell in alone}
    another = dataclasses.replace(SOURCE, training=dataclasses.replace(TWO, learning_rate=0.004))
    after = keys(another)
    assert {cell for cell in before if before[cell] != after[cell]} == {
        ("transferred", 2),
        ("transferred-reinit", 2),
    }
    unit = unit_of(plan_experiment(TARGET, CELLS, 2, 2, 0, SOURCE), "there", "transferred", 2)
    ticket = unit_of(plan_experiment(SOURCE, {("ticket", 2)}, 2, 2, 0), "here", "ticket", 2)
    assert dict(unit.parents) == {("here:ticket", 2): ticket.key}


def test_the_sources_tickets_are_planned_with_them() -> None:
    found = with_sources({"there": {("transferred", 3)}}, {"there": TARGET, "here": SOURCE})
    assert found == {"there": {("transferred", 3)}, "here": {("dense", 0), ("ticket", 3)}}
    assert parents("transferred", 3) == []
    with pytest.raises(ValueError, match="needs an experiment with mask_from"):
        plan_experiment(SOURCE, {("transferred", 1)}, 2, 2, 0)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (dataclasses.replace(TARGET, mask_from="nowhere"), "there is no other experiment 'nowhere'"),
        (dataclasses.replace(TARGET, mask_from="there"), "there is no other experiment 'there'"),
        (dataclasses.replace(TARGET, paired_with=""), "set paired_with to here"),
        (
            dataclasses.replace(TARGET, pruning=dataclasses.replace(PRUNING, rate=0.2)),
            "another network or pruning recipe",
        ),
    ],
)
def test_tickets_that_cannot_be_worn_are_refused(target, says) -> None:
    known = Registry({}, {}, {"here": SOURCE, "there": target})
    assert says in wrong_source(known, target)
    assert not wrong_source(known, SOURCE)


def test_masks_of_another_shape_are_refused_in_one_line(moved, tmp_path, cache) -> None:
    digits = dataclasses.replace(TARGET, data=dataclasses.replace(lab.DATA, name="digits", train=None, test=None))
    units = [
        *plan_experiment(SOURCE, {("ticket", 1)}, 2, 2, 0),
        *plan_experiment(digits, {("transferred", 1)}, 2, 2, 0, SOURCE),
    ]
    with pytest.raises(ModelError, match="experiment there: the masks of here:ticket do not fit") as error:
        run_chunk(units, tmp_path, cache, "cpu", lambda unit, how: None)
    assert "\n" not in str(error.value)


def test_a_claim_file_with_such_a_cell_is_refused_where_nothing_is_transferred(tmp_path) -> None:
    folder = tmp_path / "claims"
    shutil.copytree(default_folder(), folder)
    file = folder / "FC-7.yaml"
    file.write_text(file.read_text().replace("random-mask@9", "transferred@9"))
    with pytest.raises(ClaimFileError, match="needs an experiment with mask_from"):
        load(folder)


# Pruned before training, and signs

INIT = {("pruned-at-init", 2), ("pruned-at-init-shuffled", 2), ("pruned-at-init-reinit", 2)}
DRAWS = lab.DRAWS | dict.fromkeys(("pruned-at-init-shuffled", "pruned-at-init-reinit", "reinit-signs"), 2)


@pytest.fixture(scope="module", params=[lab.plain, lab.normed], ids=["plain", "normed"])
def arms(request, tmp_path_factory, cache):
    cells = INIT | {("reinit-signs", 2), ("reinit", 2), ("constant", 2)}
    return lab.run(request.param(draws=DRAWS), cells, tmp_path_factory.mktemp("arms"), cache)


def test_a_shuffled_mask_has_the_counts_of_the_one_pruned_at_init_elsewhere(arms) -> None:
    for replicate in (0, 1):
        original = arms.stored("mask", "pruned-at-init", 2, replicate)
        draws = [arms.stored("mask", "pruned-at-init-shuffled", 2, 2 * replicate + draw) for draw in (0, 1)]
        initial = arms.model.initial_state(stream(0, arms.experiment.id, replicate, "init"))
        for draw, mask in enumerate(draws):
            assert masks.counts(mask) == masks.counts(original)
            assert not lab.same(mask, original)
            start = arms.watched("pruned-at-init-shuffled", 2).start[2 * replicate + draw]
            assert lab.equal(start, masks.apply(mask, initial))
        assert not lab.same(*draws)


def test_fresh_weights_wear_exactly_the_mask_pruned_at_init(arms) -> None:
    for replicate in (0, 1):
        original = arms.stored("mask", "pruned-at-init", 2, replicate)
        for draw in (0, 1):
            s = 2 * replicate + draw
            assert lab.same(arms.stored("mask", "pruned-at-init-reinit", 2, s), original)
            fresh = arms.model.initial_state(stream(0, arms.experiment.id, replicate, f"reinit/{draw}"))
            assert lab.equal(arms.watched("pruned-at-init-reinit", 2).start[s], masks.apply(original, fresh))


def test_reinit_signs_differs_from_reinit_in_signs_alone(arms) -> None:
    unit = arms.unit("reinit-signs", 2)
    for replicate in (0, 1):
        initial = arms.model.initial_state(stream(0, arms.experiment.id, replicate, "init"))
        for draw in (0, 1):
            s = 2 * replicate + draw
            signed, plain = (arms.watched(arm, 2).start[s] for arm in ("reinit-signs", "reinit"))
            mask = arms.stored("mask", "reinit-signs", 2, s)
            assert lab.same(mask, arms.stored("mask", "ticket", 2, replicate))
            for name, worn in mask.items():
                np.testing.assert_array_equal(np.abs(signed[name]), np.abs(plain[name]))
                np.testing.assert_array_equal(np.sign(signed[name]), np.sign(initial[name]) * worn)
                assert np.any(np.sign(plain[name]) != np.sign(signed[name]))
            rest = [name for name in signed if name not in mask]
            assert all(np.array_equal(signed[name], plain[name]) for name in rest)
    assert state_for(unit, arms.model, mask, arms.above(unit), 1, 1).keys() == signed.keys()


def test_constant_is_trained_from_the_signs_of_the_ticket_at_one_magnitude_per_layer(arms) -> None:
    for s in (0, 1):
        start, mask = arms.watched("constant", 2).start[s], arms.stored("mask", "ticket", 2, s)
        initial = arms.model.initial_state(stream(0, arms.experiment.id, s, "init"))
        for name, worn in mask.items():
            assert len(np.unique(np.abs(start[name][worn]))) == 1
            np.testing.assert_array_equal(np.sign(start[name]), np.sign(initial[name]) * worn)
    assert len(arms.watched("constant", 2).rates) == arms.experiment.training.iterations


def test_every_arm_says_whose_mask_it_wears() -> None:
    for name, arm in ARMS.items():
        assert arm.of == "ticket" or arm.mask in ("ticket", "random", "permuted"), name
        assert arm.of != "source" or "another experiment" in arm.says, name


def test_the_targets_data_are_loaded_for_the_target(moved, cache) -> None:
    _, units, seen = moved
    target = unit_of(units, "there", "transferred", 2)
    wanted = block_data.load(TARGET, 0, target.replicates, cache, lab.CPU)
    for mine, theirs in zip(lab.fold(seen[target.name].folds, "train"), lab.fold(wanted, "train"), strict=True):
        assert (mine == theirs).all()
