import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthbench.data.arrays import Arrays
from lthbench.data.errors import DataError
from lthbench.data.subset import draw, subset


@given(st.data())
def test_a_draw_is_sorted_without_repeats_and_repeatable(data):
    there = data.draw(st.integers(2, 200))
    wanted = data.draw(st.integers(1, there - 1))
    seed = data.draw(st.integers(0, 2**32))
    chosen = draw("toy", "train", wanted, there, seed)
    assert len(chosen) == wanted
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] >= 0
    assert chosen[-1] < there
    assert np.array_equal(chosen, draw("toy", "train", wanted, there, seed))
    if there > 100 and 30 < wanted < 70:
        assert not np.array_equal(chosen, draw("toy", "train", wanted, there, seed + 1))
        assert not np.array_equal(chosen, draw("toy", "test", wanted, there, seed))


def test_every_example_has_its_turn():
    counts = np.bincount(np.concatenate([draw("toy", "train", 5, 20, seed) for seed in range(200)]))
    # 200 draws at 5/20 each: mean 50, standard deviation 6.1
    assert counts.min() > 20
    assert counts.max() < 80


@pytest.mark.parametrize("wanted", [None, 7])
def test_all_of_them_is_no_draw(wanted):
    assert draw("toy", "train", wanted, 7, -1) is None


def test_impossible_draws_are_refused():
    for wanted in (0, -1, 8):
        with pytest.raises(DataError, match=rf"^toy: test is {wanted}, but the data has 7; ask for 1\.\.7$"):
            draw("toy", "test", wanted, 7, 0)
    with pytest.raises(DataError, match=f"^{re.escape('toy: seed must be at least 0, not -1')}$"):
        draw("toy", "train", 3, 7, -1)


def test_subset_keeps_examples_and_labels_together():
    x = np.arange(20, dtype=np.float32)[:, None]
    arrays = Arrays(x, np.arange(20) % 10, x + 100, (np.arange(20) + 3) % 10, classes=10)
    assert subset(arrays, "toy", None, 20, 0) is arrays
    whole = arrays.sha256
    part = subset(arrays, "toy", 6, 4, 1)
    assert (part.x_train.shape, part.x_test.shape, part.classes) == ((6, 1), (4, 1), 10)
    assert np.array_equal(part.x_train[:, 0] % 10, part.y_train)
    assert np.array_equal((part.x_test[:, 0] + 3) % 10, part.y_test)
    assert part.sha256 != whole  # the digest is not carried along
    assert subset(arrays, "toy", None, 4, 1).x_train is arrays.x_train
    assert np.array_equal(subset(arrays, "toy", None, 4, 1).x_test, part.x_test)
