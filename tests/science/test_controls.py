"""M10, M11: a control arm differs from the ticket in exactly the thing its name says."""

import numpy as np
import pytest
import science_lab as lab
from scipy import stats

from lthbench.models.mlp import Mlp, weights
from lthbench.pruning import masks

WEAR_THE_TICKETS_MASK = ("reinit", "reinit-rescaled", "shuffled")


def networks(ran, arm, block=0):
    """Place in the stack and place of the replicate in the block, of each network of a control arm."""
    return list(enumerate(ran.watched(arm, 2, block).task.owners))


@pytest.mark.parametrize("arm", WEAR_THE_TICKETS_MASK)
def test_the_control_wears_the_tickets_mask_bitwise(ran, arm) -> None:
    for block in (0, 1):
        for s, owner in networks(ran, arm, block):
            ticket = ran.stored("mask", "ticket", 2, owner, block)
            assert lab.same(ran.stored("mask", arm, 2, s, block), ticket)
            assert lab.same(ran.watched(arm, 2, block).task.masks[s], ticket)
            start = ran.watched(arm, 2, block).start[s]
            for name, kept in ticket.items():
                np.testing.assert_array_equal(start[name] != 0, kept)
        worn = ran.measured("mask_crc32", arm, 2, block)
        own = ran.measured("mask_crc32", "ticket", 2, block)
        assert all(value == own[replicate, 0, None] for (replicate, _, _), value in worn.items())


def test_reinitialised_weights_are_new_ones_everywhere_else_the_ticket(ran) -> None:
    draws: list[bytes] = []
    for block in (0, 1):
        for s, owner in networks(ran, "reinit", block):
            start, ticket = ran.watched("reinit", 2, block).start[s], ran.watched("ticket", 2, block).start[owner]
            for name, value in start.items():
                if name in ran.model.prunable:
                    kept = value != 0
                    assert not np.any(value[kept] == ticket[name][kept])
                else:
                    assert value.tobytes() == ticket[name].tobytes()
            draws.append(start["fc1.weight"][start["fc1.weight"] != 0][:50].tobytes())
    assert len(set(draws)) == 6  # 3 replicates x 2 draws


def test_rescaled_is_the_same_draw_over_the_root_of_the_layer_density(ran) -> None:
    for owner in (0, 1):
        mine = ran.watched("reinit-rescaled", 2).start[owner]
        draw_0 = ran.watched("reinit", 2).start[2 * owner]
        for name, kept in ran.stored("mask", "ticket", 2, owner).items():
            np.testing.assert_allclose(mine[name], draw_0[name] / np.sqrt(kept.mean()), rtol=1e-6)
            assert kept.all() or np.abs(mine[name]).sum() > 1.1 * np.abs(draw_0[name]).sum()


def test_shuffled_keeps_the_surviving_initial_weights_of_each_layer(ran) -> None:
    for block in (0, 1):
        for s, owner in networks(ran, "shuffled", block):
            start, ticket = (
                ran.watched("shuffled", 2, block).start[s],
                ran.watched("ticket", 2, block).start[owner],
            )
            for name, kept in ran.stored("mask", "ticket", 2, owner, block).items():
                mine, theirs = start[name][kept], ticket[name][kept]
                np.testing.assert_array_equal(np.sort(mine), np.sort(theirs))
                assert np.mean(mine == theirs) < 0.1
            for name in start.keys() - ran.model.prunable.keys():
                assert start[name].tobytes() == ticket[name].tobytes()
    first, second = ran.watched("shuffled", 2).start[:2]
    assert not np.array_equal(first["fc1.weight"], second["fc1.weight"])


def test_random_masks_have_the_tickets_layer_counts(ran) -> None:
    for block in (0, 1):
        for s, owner in networks(ran, "random-mask", block):
            mask = ran.stored("mask", "random-mask", 2, s, block)
            assert masks.counts(mask) == masks.counts(ran.stored("mask", "ticket", 2, owner, block))
            start, dense = (
                ran.watched("random-mask", 2, block).start[s],
                ran.watched("dense", 0, block).start[owner],
            )
            assert lab.equal(start, masks.apply(mask, dense))


def overlap_is_chance(first, second) -> None:
    for name in first:
        total, kept = first[name].size, int(first[name].sum())
        law = stats.hypergeom(total, kept, int(second[name].sum()))
        both = int((first[name] & second[name]).sum())
        assert law.cdf(both) > 1e-5, f"{name}: {both} in common are too few"
        assert law.sf(both - 1) > 1e-5, f"{name}: {both} in common are too many"


def test_random_masks_overlap_with_the_ticket_and_each_other_as_chance_has_it(ran) -> None:
    for owner in (0, 1):
        first, second = (ran.stored("mask", "random-mask", 2, 2 * owner + draw) for draw in (0, 1))
        ticket = ran.stored("mask", "ticket", 2, owner)
        assert not lab.same(first, second)
        assert not lab.same(first, ticket)
        overlap_is_chance(first, ticket)
        overlap_is_chance(second, ticket)
        overlap_is_chance(first, second)


def test_every_position_of_a_random_mask_is_as_likely_as_any_other() -> None:
    ticket = {"fc1.weight": np.arange(24).reshape(4, 6) < 8}
    generator = np.random.default_rng(0)
    drawn = np.stack([masks.random_like(ticket, generator)["fc1.weight"] for _ in range(3000)])
    assert (drawn.sum((1, 2)) == 8).all()
    # 3000 draws of 8 in 24: 1000 +- 26 at every position; cumulative permuting would favour none either,
    # but consecutive masks would then be alike.
    assert np.abs(drawn.sum(0) - 1000).max() < 5 * 26
    common = (drawn[1:] & drawn[:-1]).sum((1, 2)).mean()
    assert common == pytest.approx(8 * 8 / 24, abs=0.1)


def test_fresh_weights_are_gaussian_glorot() -> None:
    model = Mlp((200, 300, 100, 10), False)
    drawn = weights(model, np.random.default_rng(5))
    assert drawn.keys() == model.prunable.keys()
    for name, (inputs, outputs) in model.prunable.items():
        z = drawn[name].ravel().astype(float) / np.sqrt(2 / (inputs + outputs))
        assert drawn[name].dtype == np.float32
        assert abs(z.mean()) < 5 / np.sqrt(z.size)
        assert z.std() == pytest.approx(1, abs=5 / np.sqrt(2 * z.size))
        assert np.mean(np.abs(z) > 2) == pytest.approx(0.0455, abs=0.03)
        assert stats.kstest(z[:2000], "norm").pvalue > 1e-3


def test_reinitialised_weights_come_from_the_same_distribution_as_initial_ones(plain) -> None:
    for name, (inputs, outputs) in plain.model.prunable.items():
        starts = [seen.start[s][name] for seen in (plain.watched("reinit", 2), plain.watched("reinit", 2, 1))
                  for s in range(len(seen.task.owners))]  # fmt: skip
        z = np.concatenate([start[start != 0] for start in starts]) / np.sqrt(2 / (inputs + outputs))
        assert z.std() == pytest.approx(1, abs=5 / np.sqrt(2 * z.size))


def test_one_shot_prunes_the_trained_dense_network_once(ran) -> None:
    for s in (0, 1):
        mask = ran.stored("mask", "one-shot", 2, s)
        trained = ran.stored("final", "dense", 0, s)
        for names in ran.compared():
            kept = np.concatenate([np.abs(trained[n])[mask[n]] for n in names])
            gone = np.concatenate([np.abs(trained[n])[~mask[n]] for n in names])
            assert gone.max() <= kept.min()
        assert lab.equal(ran.watched("one-shot", 2).start[s], masks.apply(mask, ran.watched("dense", 0).start[s]))


def test_only_prunable_weights_have_masks(ran) -> None:
    for unit in ran.units:
        for mask in ran.seen[unit.name].task.masks:
            assert {name: kept.shape for name, kept in mask.items()} == ran.model.prunable
