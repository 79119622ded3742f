"""Arms that keep another network's signs, and a mask moved to the hidden units of another network."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab

from lthbench.models.mlp import Mlp
from lthbench.pruning import masks
from lthbench.recipe.streams import stream
from lthbench.tickets import starts, unit
from lthbench.tickets.matching import hidden, matching, moved

SIGNS = {(arm, 2) for arm in ("rewound-signs", "rewound-reinit", "rewound-trained-signs")}
DRAWS = {arm: 2 for arm, _ in SIGNS}
MODELS = {"plain": Mlp((40, 7, 5, 10), batch_norm=False), "normed": Mlp((40, 7, 5, 10), batch_norm=True)}


@pytest.fixture(scope="module", params=["plain", "normed"])
def signed(request, tmp_path_factory, cache):
    experiment = dataclasses.replace(getattr(lab, request.param)(), draws=DRAWS)
    return lab.run(experiment, SIGNS, tmp_path_factory.mktemp("signs"), cache)


def networks(ran):
    """Network s of every arm with draws, its replicate, the mask of that replicate's rewound ticket, its draw."""
    for replicate in (0, 1):
        for draw in (0, 1):
            fresh = ran.model.initial_state(stream(0, ran.experiment.id, replicate, f"reinit/{draw}"))
            yield 2 * replicate + draw, replicate, ran.stored("mask", "rewound", 2, replicate), fresh


def test_all_wear_the_mask_of_the_rewound_ticket(signed) -> None:
    for s, _, mask, _ in networks(signed):
        for cell in SIGNS:
            assert lab.same(signed.stored("mask", *cell, s), mask)


def test_rewound_signs_is_the_rewound_ticket_but_for_its_magnitudes(signed) -> None:
    """Start, rates, batches, biases, norms and their statistics are those of `rewound`; the signs too."""
    training, rewind = signed.experiment.training, signed.experiment.pruning.rewind
    assert signed.unit("rewound-signs", 2).start == rewind > 0
    assert signed.watched("rewound-signs", 2).rates == signed.watched("rewound", 2).rates
    assert len(signed.watched("rewound-signs", 2).rates) == training.iterations - rewind
    for s, replicate, mask, fresh in networks(signed):
        start, rewound = (signed.watched(a, 2).start[i] for a, i in (("rewound-signs", s), ("rewound", replicate)))
        for name, worn in mask.items():
            np.testing.assert_array_equal(np.abs(start[name]), np.abs(fresh[name]) * worn)
            np.testing.assert_array_equal(np.sign(start[name]), np.sign(rewound[name]))
            assert np.any(np.abs(start[name])[worn] != np.abs(rewound[name])[worn])
        rest = [name for name in start if name not in mask]
        assert lab.same({n: start[n] for n in rest}, {n: rewound[n] for n in rest})


def test_rewound_reinit_is_the_rewound_mask_on_the_fresh_draw(signed) -> None:
    for s, _, mask, fresh in networks(signed):
        assert lab.equal(signed.watched("rewound-reinit", 2).start[s], masks.apply(mask, fresh))


def test_rewound_trained_signs_differs_from_rewound_reinit_in_signs_alone(signed) -> None:
    for s, replicate, mask, _ in networks(signed):
        start, plain = (signed.watched(a, 2).start[s] for a in ("rewound-trained-signs", "rewound-reinit"))
        ended = signed.stored("final", "rewound", 2, replicate)
        for name, worn in mask.items():
            np.testing.assert_array_equal(np.abs(start[name]), np.abs(plain[name]))
            np.testing.assert_array_equal(np.signbit(start[name])[worn], np.signbit(ended[name])[worn])
            assert np.any(np.signbit(start[name])[worn] != np.signbit(plain[name])[worn])
        rest = [name for name in start if name not in mask]
        assert lab.same({n: start[n] for n in rest}, {n: plain[n] for n in rest})


@pytest.mark.parametrize("arm", ["rewound-signs", "rewound-trained-signs"])
def test_a_sign_that_is_another_one_is_a_fact(signed, arm) -> None:
    assert set(signed.measured("start_signs_other", arm, 2).values()) == {0}
    one = signed.unit(arm, 2)
    above = signed.above(one)
    task = unit.make_task(one, signed.model, signed.load_folds(), above)
    name = min(task.masks[0])
    where = tuple(np.argwhere(task.masks[0][name])[0])
    task.states[0][name][where] *= -1
    other = {s: n for s, metric, n in starts.start_facts(one, task, above) if metric == "start_signs_other"}
    assert other == {0: 1, 1: 0, 2: 0, 3: 0}


# Hidden units and their places


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_units_that_changed_places_are_found_again(model) -> None:
    """A network with its hidden units permuted answers the same, and its units are matched to where they went."""
    g = np.random.default_rng(3)
    state = {n: v + g.normal(0, 0.1, v.shape).astype(np.float32) ** 2 for n, v in model.initial_state(g).items()}
    order = [g.permutation(width) for width in model.sizes[1:-1]]
    other = state | moved(state, model, order)
    for i, own in enumerate(order, start=1):
        for name in state:
            if name.startswith(f"bn{i}.") or name == f"fc{i}.bias":
                other[name] = state[name][own]
    x = g.standard_normal((200, 40)).astype(np.float32)
    first, second = hidden(model, state, x), hidden(model, other, x)
    for a, b, own in zip(first, second, order, strict=True):
        np.testing.assert_allclose(a[:, own], b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        first[-1] @ state["out.weight"], second[-1] @ other["out.weight"], rtol=1e-4, atol=1e-4
    )
    for found, own in zip(matching(first, second), order, strict=True):
        np.testing.assert_array_equal(found, own)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_activations_are_those_of_the_network_in_evaluation(model) -> None:
    import torch

    from lthbench.models.mlp import MlpModule

    g = np.random.default_rng(4)
    state = {
        n: v + np.abs(g.normal(0, 0.1, v.shape)).astype(np.float32) for n, v in model.initial_state(g).items()
    }
    module = MlpModule(model)
    module.load(state)
    x = g.standard_normal((50, 40)).astype(np.float32)
    logits = hidden(model, state, x)[-1] @ state["out.weight"] + state["out.bias"]
    np.testing.assert_allclose(logits, module.eval()(torch.from_numpy(x)).detach(), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def ran(tmp_path_factory, cache):
    cells = {(f"continued{what}", 2) for what in ("", "-permuted", "-reinit", "-trained-signs")}
    return lab.run(dataclasses.replace(lab.plain(), draws={}), cells, tmp_path_factory.mktemp("moved"), cache)


def test_the_moved_mask_lies_where_units_of_the_new_network_answer_alike(ran) -> None:
    folds = ran.load_folds()
    for s in (0, 1):
        mask, own = (ran.stored("mask", arm, 2, s) for arm in ("continued-permuted", "continued"))
        x = folds.examples.inputs(folds.train[s, :1000]).numpy()
        dense, fresh = (hidden(ran.model, ran.stored("final", arm, 0, s), x) for arm in ("dense", "dense-reinit"))
        assert lab.same(mask, moved(own, ran.model, matching(dense, fresh)))
        assert masks.counts(mask) == masks.counts(own)
        assert not lab.same(mask, own)


def test_all_that_is_fresh_is_one_draw(ran) -> None:
    """The dense network that units are matched in starts where the moved and the unmoved mask do."""
    for s in (0, 1):
        fresh = ran.model.initial_state(stream(0, ran.experiment.id, s, "reinit/0"))
        assert lab.equal(ran.watched("dense-reinit", 0).start[s], fresh)
        for arm in ("continued-permuted", "continued-reinit"):
            mask = ran.stored("mask", arm, 2, s)
            assert lab.equal(ran.watched(arm, 2).start[s], masks.apply(mask, fresh))


def test_the_signs_that_the_ticket_ended_with_on_the_same_fresh_draw(ran) -> None:
    for s in (0, 1):
        start, plain = (ran.watched(f"continued-{what}", 2).start[s] for what in ("trained-signs", "reinit"))
        ended, own = (ran.stored(prefix, "continued", 2, s) for prefix in ("final", "mask"))
        for name, worn in own.items():
            np.testing.assert_array_equal(np.abs(start[name]), np.abs(plain[name]))
            np.testing.assert_array_equal(np.signbit(start[name])[worn], np.signbit(ended[name])[worn])


def test_as_many_draws_as_of_the_network_that_units_are_matched_in() -> None:
    with pytest.raises(ValueError, match="as many of continued-permuted as of dense-reinit"):
        dataclasses.replace(lab.plain(), draws={"continued-permuted": 2})


def test_masks_of_other_networks_are_refused_in_one_line(tmp_path, cache) -> None:
    from lthbench.models.errors import ModelError

    with pytest.raises(ModelError, match="units are matched in perceptrons"):
        lab.run(lab.module(), {("continued-permuted", 1)}, tmp_path, cache)


def test_a_random_mask_is_the_same_trained_on_and_rewound(tmp_path, cache) -> None:
    """`continued` wears the mask of `lr-rewound` also where masks are drawn at random."""
    recipe = lab.plain()
    random = dataclasses.replace(recipe, pruning=dataclasses.replace(recipe.pruning, criterion="random"))
    found = lab.run(random, {("continued", 2), ("lr-rewound", 2)}, tmp_path, cache)
    for s in (0, 1):
        assert lab.same(found.stored("mask", "continued", 2, s), found.stored("mask", "lr-rewound", 2, s))
