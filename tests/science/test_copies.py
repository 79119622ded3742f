"""Copies differ from their original in what their name says: the noise of SGD, from iteration 0 or k on."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab

from lthbench.recipe.arms import ARMS, line_start, parents
from lthbench.recipe.streams import stream
from lthbench.tickets import unit as units
from lthbench.training.schedule import batch_order, learning_rates

COPIES = {  # the copy, its original, and the iteration both are one until
    ("dense-copy", 0): (("dense", 0), 0),
    ("dense-late-copy", 0): (("dense", 0), 10),
    ("ticket-copy", 2): (("ticket", 2), 0),
    ("rewound-copy", 2): (("rewound", 2), 10),
}
MADE = {"plain": lab.plain, "normed": lab.normed, "module": lab.module}


class Ended(dict):
    """The networks that units ended as, by arm and level."""


@pytest.fixture
def ended(monkeypatch) -> Ended:
    states, record = Ended(), units.record

    def watched(ready, root, folds, trained, *given):
        states[ready.unit.arm, ready.unit.level] = trained.states
        record(ready, root, folds, trained, *given)

    monkeypatch.setattr(units, "record", watched)
    return states


@pytest.fixture(scope="module", params=MADE)
def copied(request, tmp_path_factory, cache):
    return lab.run(MADE[request.param](), set(COPIES), tmp_path_factory.mktemp("copies"), cache)


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_has_its_originals_mask_start_rates_and_data(copied, copy) -> None:
    original, split = COPIES[copy]
    assert original in parents(*copy)
    mine, theirs = copied.watched(*copy), copied.watched(*original)
    assert mine.task.start == split
    rates = learning_rates(copied.experiment.training).tolist()
    assert mine.rates == rates[split:]
    assert theirs.rates[-len(mine.rates) :] == mine.rates
    for name in lab.FOLDS:
        assert np.array_equal(getattr(mine.folds, name), getattr(theirs.folds, name))
    for s in (0, 1):
        assert lab.same(mine.task.masks[s], theirs.task.masks[s])
        there = copied.stored("rewind", "dense", 0, s) if copy[0] == "dense-late-copy" else theirs.start[s]
        assert lab.same(mine.start[s], there)
        assert set(map(bytes, mine.fed(s)[0].reshape(-1, 40))) <= set(
            map(bytes, lab.fold(theirs.folds, "train")[0][s].numpy())
        )


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_sees_batches_and_dropout_of_its_own(copied, copy) -> None:
    """From the streams of copies, of its replicate: none of its batches is the original's."""
    original, _ = COPIES[copy]
    mine, theirs = copied.watched(*copy), copied.watched(*original)
    examples, experiment = mine.folds.train.shape[1], copied.experiment
    for s in (0, 1):
        drawn = stream(0, experiment.id, s, "order/copy")
        assert np.array_equal(mine.task.orders[s], batch_order(examples, experiment.training, drawn))
        seed = int(stream(0, experiment.id, s, "dropout/copy").integers(2**63))
        assert mine.task.seeds[s] == seed != theirs.task.seeds[s]
        first, second = mine.fed(s)[0], theirs.fed(s)[0]
        second = second[len(second) - len(first) :]
        assert not any(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_copys_crops_and_flips_are_its_own(copied) -> None:
    training = dataclasses.replace(copied.experiment.training, flip=True, pad_crop=2)
    moved = dataclasses.replace(copied.experiment, training=training)
    for copy, (original, _) in COPIES.items():
        drawn = [
            units.draws_of(dataclasses.replace(copied.unit(*cell), experiment=moved), 40)
            for cell in (copy, original)
        ]
        for (_, mine), (_, theirs) in zip(*drawn, strict=True):
            assert mine.shape == theirs.shape
            assert not np.array_equal(mine, theirs)


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_with_its_originals_noise_a_copy_is_its_original(made, ended, monkeypatch, tmp_path, cache) -> None:
    """Bit for bit, so nothing else differs. Without momentum: what starts at k has an optimizer without a past."""
    training = dataclasses.replace(lab.SGD, momentum=0.0)
    experiment = dataclasses.replace(made(), training=training)
    lab.run(experiment, set(COPIES), tmp_path / "own", cache)
    for copy, (original, _) in COPIES.items():
        assert all(not lab.same(a, b) for a, b in zip(ended[copy], ended[original], strict=True))
    units.forget_draws()
    monkeypatch.setattr(units, "own_draws", lambda unit: "")
    lab.run(experiment, set(COPIES), tmp_path / "one", cache)
    for copy, (original, split) in COPIES.items():
        for a, b in zip(ended[copy], ended[original], strict=True):
            # Dropout's generator starts again with the copy, so what it drew is not repeated from k on.
            assert lab.same(a, b) or (experiment.network.dropout and original == ("dense", 0) and split), copy
    units.forget_draws()


@pytest.mark.parametrize("copy", COPIES)
def test_the_line_to_a_copy_starts_at_its_original(copied, copy) -> None:
    original, _ = COPIES[copy]
    assert line_start(*copy) == original
    assert len(copied.measured("barrier", *copy)) == 2


def test_the_declarations_say_so() -> None:
    for copy, original in (("ticket-copy", "ticket"), ("rewound-copy", "rewound"), ("dense-copy", "dense")):
        alike = {"says": "", "own_order": False, "line_from": "", "mask": "", "of": "ticket"}
        assert dataclasses.replace(ARMS[copy], **alike) == dataclasses.replace(ARMS[original], **alike)
        assert ARMS[copy].own_order
        assert not ARMS[original].own_order
    late = dataclasses.replace(ARMS["dense-late-copy"], weights="init", says="")
    assert late == dataclasses.replace(ARMS["dense-copy"], says="")
