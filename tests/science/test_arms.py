"""The arms beyond the paper's: trained on, pruned before training, not trained at all; and paired experiments."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.pruning import masks
from lthbench.pruning.counts import ladder
from lthbench.recipe.arms import ARMS, parents
from lthbench.recipe.streams import stream
from lthbench.tickets import folds as block_data
from lthbench.tickets.networks import mask_for
from lthbench.training.schedule import learning_rates

CELLS = {
    ("fine-tuned", 2),
    ("lr-rewound", 2),
    ("continued", 1),
    ("continued", 2),
    ("pruned-at-init", 2),
    ("untrained", 2),
}
TRAINED_ON = ("fine-tuned", "lr-rewound")


@pytest.fixture(scope="module", params=[lab.plain, lab.normed, lab.module], ids=["plain", "normed", "module"])
def more(request, tmp_path_factory, cache):
    return lab.run(request.param(), CELLS, tmp_path_factory.mktemp("more"), cache)


def before(arm: str, level: int) -> tuple[str, int]:
    return ("dense", 0) if level == 1 else (arm, level - 1)


@pytest.mark.parametrize("arm", TRAINED_ON)
@pytest.mark.parametrize("level", [1, 2])
def test_weights_that_are_trained_on_start_where_they_ended_buffers_included(more, arm, level) -> None:
    for s in (0, 1):
        ended = more.stored("final", *before(arm, level), s)
        mask = more.stored("mask", arm, level, s)
        assert lab.equal(more.watched(arm, level).start[s], masks.apply(mask, ended))
        initial = more.model.initial_state(stream(0, more.experiment.id, s, "init"))
        for name in more.model.buffers:
            assert not np.array_equal(more.watched(arm, level).start[s][name], initial[name])


@pytest.mark.parametrize("arm", TRAINED_ON)
def test_they_are_pruned_from_their_own_trained_weights(more, arm) -> None:
    sizes = {name: int(np.prod(shape)) for name, shape in more.model.prunable.items()}
    for level in (1, 2):
        rung = ladder(sizes, more.experiment.pruning, level)
        for s in (0, 1):
            mask, trained = more.stored("mask", arm, level, s), more.stored("final", *before(arm, level), s)
            worn = more.stored("mask", *before(arm, level), s) or masks.ones(more.model.prunable)
            left = masks.counts(mask)
            assert rung == (left if "all" not in rung else {"all": sum(left.values())})
            for names in more.compared():
                stay = np.concatenate([np.abs(trained[n])[mask[n]] for n in names])
                go = np.concatenate([np.abs(trained[n])[worn[n] & ~mask[n]] for n in names])
                assert go.max() <= stay.min()
            assert not any(np.any(mask[name] & ~worn[name]) for name in mask)


def test_fine_tuning_is_at_the_last_rate_and_rate_rewinding_at_all_of_them(more) -> None:
    rates = learning_rates(more.experiment.training)
    for level in (1, 2):
        assert more.watched("fine-tuned", level).rates == [rates[-1]] * 40
        assert more.watched("lr-rewound", level).rates == rates.tolist()
        assert more.watched("pruned-at-init", 2).rates == rates.tolist()
    if more.experiment.training.milestones:
        assert rates[-1] == pytest.approx(rates.max() / 100)


@pytest.mark.parametrize("level", [1, 2])
def test_continued_wears_the_mask_of_training_on_and_is_reset_only_after_that(more, level) -> None:
    """1803.03635, appendix B, Strategy 2."""
    for s in (0, 1):
        mask = more.stored("mask", "continued", level, s)
        assert lab.same(mask, more.stored("mask", "lr-rewound", level, s))
        initial = more.model.initial_state(stream(0, more.experiment.id, s, "init"))
        assert lab.equal(more.watched("continued", level).start[s], masks.apply(mask, initial))
    assert parents("continued", 2) == [("lr-rewound", 1)]
    for fact in ("start_moved:weights", "start_moved:others", "wrongly_pruned"):
        assert set(more.measured(fact, "continued", level).values()) == {0}, fact
    assert more.watched("continued", level).rates == learning_rates(more.experiment.training).tolist()


def test_continued_differs_from_the_ticket_in_where_masks_come_from_alone() -> None:
    ticket, continued = ARMS["ticket"], ARMS["continued"]
    assert dataclasses.replace(continued, follows=None, says="") == dataclasses.replace(ticket, says="")


def test_all_of_them_see_the_batches_of_dense(more) -> None:
    for arm, level in (("fine-tuned", 2), ("lr-rewound", 2), ("continued", 2), ("pruned-at-init", 2)):
        for s in (0, 1):
            for mine, dense in zip(more.watched(arm, level).fed(s), more.watched("dense", 0).fed(s), strict=True):
                np.testing.assert_array_equal(mine, dense)


def test_the_two_differ_in_the_rates_alone() -> None:
    fine, rewound = ARMS["fine-tuned"], ARMS["lr-rewound"]
    assert (fine.rates, rewound.rates) == ("last", "schedule")
    assert dataclasses.replace(fine, rates="schedule", says="") == dataclasses.replace(rewound, says="")


def test_pruned_at_init_keeps_the_largest_initial_weights_and_starts_from_them(more) -> None:
    sizes = {name: int(np.prod(shape)) for name, shape in more.model.prunable.items()}
    rung = ladder(sizes, more.experiment.pruning, 2)
    for s in (0, 1):
        initial = more.model.initial_state(stream(0, more.experiment.id, s, "init"))
        mask = more.stored("mask", "pruned-at-init", 2, s)
        left = masks.counts(mask)
        assert rung == (left if "all" not in rung else {"all": sum(left.values())})
        for names in more.compared():
            stay = np.concatenate([np.abs(initial[n])[mask[n]] for n in names])
            go = np.concatenate([np.abs(initial[n])[~mask[n]] for n in names])
            assert go.max() <= stay.min()
        assert lab.equal(more.watched("pruned-at-init", 2).start[s], masks.apply(mask, initial))


def test_pruning_at_init_looks_at_nothing_that_was_trained_or_at_the_order_of_the_data(more) -> None:
    unit, folds = more.unit("pruned-at-init", 2), more.load_folds()
    shuffled = dataclasses.replace(folds, train=folds.train.flip(1))
    spoilt = {name: 7 - value for name, value in more.tensors("dense", 0).items()}
    for s in (0, 1):
        mask = mask_for(unit, more.model, shuffled, {("dense", 0): spoilt}, s, 0)
        assert lab.same(mask, more.stored("mask", "pruned-at-init", 2, s))


def test_untrained_is_the_ticket_before_training(more) -> None:
    unit, seen = more.unit("untrained", 2), more.watched("untrained", 2)
    assert seen.rates == []
    assert (unit.start, unit.iterations) == (40, 0)
    assert parents("untrained", 2) == [("ticket", 2)]
    x, y = lab.fold(more.load_folds(), "test")
    measured = more.measured("final_test_accuracy", "untrained", 2)
    early = more.measured("early_stop_test_accuracy", "untrained", 2)
    assert len(measured) == len(early) == 2
    for s in (0, 1):
        mask = more.stored("mask", "ticket", 2, s)
        assert lab.same(more.stored("mask", "untrained", 2, s), mask)
        initial = more.model.initial_state(stream(0, more.experiment.id, s, "init"))
        start = masks.apply(mask, initial)
        assert lab.same(seen.task.states[s], start)
        counted = lab.percent_correct(more.model, start, x[s], y[s])
        assert measured[s, 0, 40] == pytest.approx(counted, abs=1e-9)
        assert early[s, 0, 40] == pytest.approx(counted, abs=1e-9)
    assert not more.measured("validation_loss", "untrained", 2)


def everything(ran) -> dict:
    """What each network of a run started from, saw and ended as."""
    found = {}
    for unit in ran.units:
        seen, tensors = ran.seen[unit.name], ran.tensors(unit.arm, unit.level, unit.block)
        found[unit.arm, unit.level, unit.block] = (
            [{n: v.tobytes() for n, v in state.items()} for state in seen.start],
            [order.tobytes() for order in seen.task.orders],
            list(seen.task.seeds),
            [lab.fold(seen.folds, name)[0].numpy().tobytes() for name in lab.FOLDS],
            {name: value.tobytes() for name, value in tensors.items()},
        )
    return found


def test_a_paired_experiment_shares_every_stream_bitwise(tmp_path, cache) -> None:
    cells = {("ticket", 1), ("reinit", 1), ("random-mask", 1), ("shuffled", 1), ("dense-copy", 0)}
    first = lab.run(dataclasses.replace(lab.module(), id="first"), cells, tmp_path / "first", cache)
    second = dataclasses.replace(lab.module(), id="second")
    paired = lab.run(dataclasses.replace(second, paired_with="first"), cells, tmp_path / "paired", cache)
    assert everything(paired) == everything(first)
    assert not {u.key for u in paired.units} & {u.key for u in first.units}
    apart = lab.run(second, {("ticket", 1)}, tmp_path / "apart", cache)
    for cell, mine in everything(apart).items():
        theirs = everything(first)[cell]
        assert mine[0][0]["fc1.weight"] != theirs[0][0]["fc1.weight"]
        assert mine[1] != theirs[1]
        assert mine[2] != theirs[2]
        assert mine[3][:2] != theirs[3][:2]  # another split
        assert mine[3][2] == theirs[3][2]  # of the same draw of the data


def test_pairing_changes_nothing_of_the_partner_or_of_its_own_declaration() -> None:
    alone = lab.plain()
    paired = dataclasses.replace(alone, paired_with="other")
    assert (alone.streams, paired.streams) == ("plain", "other")
    assert paired.recipe() == alone.recipe() | {"paired_with": "other"}


def test_shuffled_labels_of_a_pair_are_shuffled_alike(cache) -> None:
    first = lab.plain(shuffled_labels=True)
    pair = dataclasses.replace(first, id="second", paired_with="plain")
    apart = dataclasses.replace(first, id="second")
    y = [block_data.load(e, 0, (0, 1), cache, lab.CPU).examples.y for e in (first, pair, apart)]
    assert torch.equal(y[0], y[1])
    assert not torch.equal(y[0], y[2])
