"""M9: seeds have effect, seed 0 is one of them, and who shares what is as the table in streams.py says."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab
import torch
from safetensors.numpy import load as safetensors_load

from lthbench.models.mlp import weights
from lthbench.pruning import masks
from lthbench.recipe.streams import stream, stream_seed
from lthbench.results import store
from lthbench.tickets import folds as block_data
from lthbench.tickets.unit import make_task
from lthbench.training.schedule import batch_order

CELLS = {("ticket", 1), ("reinit", 1), ("shuffled", 1), ("random-mask", 1)}


def contents(ran) -> dict:
    """Measurements and tensors of every unit: all that later stages see."""
    found = {}
    for unit in ran.units:
        record = store.read(store.path_of(ran.root, unit))
        found[unit.arm, unit.level, unit.block] = (record.rows, record.tensors)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory, cache):
    return lab.run(lab.plain(), CELLS, tmp_path_factory.mktemp("small"), cache)


def test_a_stream_is_named_by_master_scope_replicate_and_name() -> None:
    base = (0, "plain", 1, "init")
    others = [(1, "plain", 1, "init"), (0, "plain2", 1, "init"), (0, "plain", 2, "init"), (0, "plain", 1, "order")]
    seeds = [stream_seed(*address) for address in [base, *others]]
    assert len(set(seeds)) == 5
    assert all(0 <= s < 2**64 for s in seeds)
    first, again = (stream(*base).standard_normal(8) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for address in others:
        assert not np.any(stream(*address).standard_normal(8) == first)


def test_seed_0_is_a_seed_like_any_other() -> None:
    numbers = [stream(master, "plain", 0, "init").random() for master in (0, 0, 1, 2, 1000)]
    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 4


def test_the_same_seed_twice_gives_the_same_bits_whatever_global_generators_say(small, tmp_path, cache) -> None:
    torch.manual_seed(12345)
    np.random.seed(54321)
    again = lab.run(lab.plain(), CELLS, tmp_path, cache)
    assert contents(again) == contents(small)


def test_the_same_seed_gives_the_same_bits_without_the_data_cache(small, tmp_path) -> None:
    assert contents(lab.run(lab.plain(), CELLS, tmp_path, None)) == contents(small)


def test_the_order_in_which_a_file_lists_its_tensors_is_irrelevant(tmp_path, cache, monkeypatch) -> None:
    found = []
    for name, backwards in (("forwards", False), ("backwards", True)):
        with monkeypatch.context() as patched:

            def ordered(blob, backwards=backwards):
                # safetensors itself lists them in the random order of a hash map.
                return dict(sorted(safetensors_load(blob).items(), reverse=backwards))

            patched.setattr(store, "load", ordered)
            found.append(contents(lab.run(lab.plain(), CELLS, tmp_path / name, cache)))
    assert found[0] == found[1]


def test_two_master_seeds_share_nothing(small, tmp_path, cache) -> None:
    other = lab.run(lab.plain(), CELLS, tmp_path, cache, master=1)
    assert not {u.key for u in other.units} & {u.key for u in small.units}
    for arm, level in (("dense", 0), ("ticket", 1), ("reinit", 1), ("shuffled", 1), ("random-mask", 1)):
        for s in range(2):
            mine, theirs = small.watched(arm, level).start[s], other.watched(arm, level).start[s]
            both = (mine["fc1.weight"] != 0) & (theirs["fc1.weight"] != 0)
            assert both.any()
            assert not np.any(mine["fc1.weight"][both] == theirs["fc1.weight"][both])
            assert not np.array_equal(small.watched(arm, level).fed(s)[0], other.watched(arm, level).fed(s)[0])
    assert not np.array_equal(small.watched("dense", 0).task.orders[0], other.watched("dense", 0).task.orders[0])
    mine, theirs = small.load_folds(), block_data.load(lab.plain(), 1, (0, 1), cache, lab.CPU)
    assert not torch.equal(lab.fold(mine, "train")[0], lab.fold(theirs, "train")[0])


def test_replicates_differ_in_everything(ran) -> None:
    folds = ran.load_folds()
    for name in lab.FOLDS:
        for part in lab.fold(folds, name):
            assert not torch.equal(part[0], part[1]), name
    dense = ran.watched("dense", 0)
    assert not np.array_equal(dense.task.orders[0], dense.task.orders[1])
    starts = [*dense.start, *ran.watched("dense", 0, 1).start]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert not np.any(starts[i]["fc1.weight"] == starts[j]["fc1.weight"])


def test_a_replicate_does_not_depend_on_its_block(ran) -> None:
    """Data, split, order and weights follow the replicate; only the rounding of sums follows the stack."""
    units = {
        u.arm: u for u in lab.planned(ran.experiment, {("dense-copy", 0)}, replicates=3, block=1) if u.block == 1
    }
    for arm, unit in units.items():
        alone = block_data.load(ran.experiment, 0, unit.replicates, ran.cache, lab.CPU)
        task = make_task(unit, ran.model, alone, {})
        together = ran.watched(arm, 0)
        assert lab.same(task.states[0], together.task.states[1])
        np.testing.assert_array_equal(task.orders[0], together.task.orders[1])
        for name in lab.FOLDS:
            for mine, both in zip(lab.fold(alone, name), lab.fold(together.folds, name), strict=True):
                assert torch.equal(mine[0], both[1])


def test_other_arms_and_levels_change_nothing(small, plain) -> None:
    """The module's small run has fewer arms and levels than the big one; what they share is the same."""
    fewer, more = contents(small), contents(plain)
    for cell in (("dense", 0, 0), ("ticket", 1, 0)):
        assert fewer[cell] == more[cell]
        assert small.unit(*cell).key == plain.unit(*cell).key


def test_a_further_draw_leaves_the_first_ones_alone(small, tmp_path, cache) -> None:
    experiment = lab.plain(draws=dict.fromkeys(lab.DRAWS, 3))
    more = lab.run(experiment, CELLS, tmp_path, cache)
    for arm in lab.DRAWS:
        for replicate in (0, 1):
            for draw in (0, 1):
                mine, theirs = 2 * replicate + draw, 3 * replicate + draw
                assert lab.same(small.watched(arm, 1).start[mine], more.watched(arm, 1).start[theirs])
                old, new = small.watched(arm, 1).task.masks[mine], more.watched(arm, 1).task.masks[theirs]
                assert lab.same(old, new)
    assert contents(more)["ticket", 1, 0] == contents(small)["ticket", 1, 0]


def test_dropping_an_arm_leaves_the_others_alone(small, tmp_path, cache) -> None:
    fewer = lab.run(lab.plain(), {("random-mask", 1)}, tmp_path, cache)
    assert contents(fewer) == {cell: what for cell, what in contents(small).items() if cell[0] not in (
        "reinit", "shuffled")}  # fmt: skip


def expected_start(ran, unit, mask, replicate, draw, ticket_mask) -> dict:
    """The start of every arm, written down from the table in streams.py."""

    def named(name):
        return stream(0, ran.experiment.id, replicate, name)

    state = ran.model.initial_state(named("init"))
    if unit.arm in ("reinit", "reinit-rescaled"):
        state |= weights(ran.model, named(f"reinit/{draw}"))
    if unit.arm == "reinit-rescaled":
        for name, kept in mask.items():
            state[name] = state[name] / np.sqrt(np.float32(kept.sum()) / np.float32(kept.size))
    if unit.arm == "shuffled":
        generator = named(f"shuffle/{draw}")
        for name, kept in sorted(ticket_mask.items()):
            state[name][kept] = generator.permutation(state[name][kept])
    return {name: value * mask[name] if name in mask else value for name, value in state.items()}


def test_the_sharing_table_of_initial_weights(ran) -> None:
    for unit in ran.units:
        seen = ran.seen[unit.name]
        for s, owner in enumerate(seen.task.owners):
            replicate, draw = unit.replicates[owner], s % unit.draws
            mask, ticket = seen.task.masks[s], None
            if unit.arm == "shuffled":
                ticket = ran.stored("mask", "ticket", unit.level, owner, unit.block)
            if unit.arm == "random-mask":
                worn = ran.stored("mask", "ticket", unit.level, owner, unit.block)
                drawn = masks.random_like(worn, stream(0, ran.experiment.id, replicate, f"mask/{draw}"))
                assert lab.same(mask, drawn)
            if unit.arm == "rewound":
                continue  # tests/science/test_rewinding.py
            wanted = expected_start(ran, unit, mask, replicate, draw, ticket)
            for name, value in wanted.items():
                if unit.arm == "reinit-rescaled":
                    np.testing.assert_allclose(seen.start[s][name], value, rtol=3e-7, err_msg=unit.name)
                else:
                    np.testing.assert_array_equal(seen.start[s][name], value, err_msg=unit.name)


def test_the_sharing_table_of_batch_orders(ran) -> None:
    for unit in ran.units:
        name = "order/copy" if unit.arm == "dense-copy" else "order"
        for s, owner in enumerate(ran.seen[unit.name].task.owners):
            generator = stream(0, ran.experiment.id, unit.replicates[owner], name)
            wanted = batch_order(300, ran.experiment.training, generator)
            np.testing.assert_array_equal(ran.seen[unit.name].task.orders[s], wanted)


def test_all_arms_share_data_and_split(ran) -> None:
    for unit in ran.units:
        mine, dense = ran.seen[unit.name].folds, ran.watched("dense", 0, unit.block).folds
        for name in lab.FOLDS:
            for one, other in zip(lab.fold(mine, name), lab.fold(dense, name), strict=True):
                assert torch.equal(one, other)


def test_every_replicate_has_a_split_and_labels_of_its_own(plain, monkeypatch) -> None:
    """On one and the same data, so that nothing but the streams can differ."""
    arrays = block_data.replicate_arrays(plain.experiment, 0, 0, plain.cache)
    monkeypatch.setattr(block_data, "replicate_arrays", lambda *_: arrays)
    shuffled = dataclasses.replace(plain.experiment, shuffled_labels=True)
    cuts, labels = [], []
    for master, replicate in ((0, 0), (0, 1), (1, 0), (1, 1)):
        cut = block_data.load(plain.experiment, master, (replicate,), None, lab.CPU)
        cuts.append(lab.fold(cut, "validation")[0].numpy().tobytes())
        labels.append(tuple(block_data.load(shuffled, master, (replicate,), None, lab.CPU).examples.y.tolist()))
    assert len(set(cuts)) == 4
    assert len(set(labels)) == 4
    again = block_data.load(plain.experiment, 0, (0, 1), None, lab.CPU)
    assert [part.tobytes() for part in lab.fold(again, "validation")[0].numpy()] == cuts[:2]


def test_experiments_on_one_data_set_share_its_draw_but_nothing_else(plain, normed) -> None:
    mine, theirs = plain.load_folds(), normed.load_folds()
    assert mine.sha256 == theirs.sha256
    assert torch.equal(lab.fold(mine, "test")[0], lab.fold(theirs, "test")[0])
    held_out = (lab.fold(folds, "validation")[0] for folds in (mine, theirs))
    assert not torch.equal(*held_out)  # a split of its own
    dense = plain.watched("dense", 0), normed.watched("dense", 0)
    assert not np.any(dense[0].start[0]["fc1.weight"] == dense[1].start[0]["fc1.weight"])


def test_shuffled_labels_permute_training_labels_only(plain) -> None:
    experiment = dataclasses.replace(plain.experiment, shuffled_labels=True)
    shuffled = block_data.load(experiment, 0, (0, 1), plain.cache, lab.CPU)
    straight = plain.load_folds()
    for name in lab.FOLDS:
        assert torch.equal(lab.fold(shuffled, name)[0], lab.fold(straight, name)[0])
    assert torch.equal(lab.fold(shuffled, "test")[1], lab.fold(straight, "test")[1])
    both = [torch.cat([lab.fold(f, name)[1][0] for name in ("train", "validation")]) for f in (shuffled, straight)]
    assert torch.equal(both[0].sort().values, both[1].sort().values)
    assert (both[0] == both[1]).float().mean() < 0.3
