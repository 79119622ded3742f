import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthbench.data.errors import DataError
from lthbench.data.split import train_validation_split


@given(st.data())
def test_split_is_disjoint_exhaustive_sorted_and_repeatable(data):
    n = data.draw(st.integers(1, 300))
    validation = data.draw(st.integers(0, n - 1))
    seed = data.draw(st.integers(0, 2**32))
    train, val = train_validation_split(n, validation, np.random.default_rng(seed))
    assert (len(train), len(val)) == (n - validation, validation)
    assert train.dtype == val.dtype == np.int64
    assert sorted([*train, *val]) == list(range(n))
    assert (np.diff(train) > 0).all()
    assert (np.diff(val) > 0).all()
    again = train_validation_split(n, validation, np.random.default_rng(seed))
    assert np.array_equal(train, again[0])
    assert np.array_equal(val, again[1])


def test_generators_give_different_splits_and_every_index_its_turn():
    chosen = [train_validation_split(20, 5, np.random.default_rng(seed))[1] for seed in range(200)]
    counts = np.bincount(np.concatenate(chosen), minlength=20)
    # 200 draws at 5/20 each: mean 50, standard deviation 6.1
    assert counts.min() > 20
    assert counts.max() < 80


@pytest.mark.parametrize("validation", [-1, 10, 11])
def test_impossible_sizes_are_refused(validation):
    with pytest.raises(DataError, match=rf"^validation must be 0\.\.9 of 10 .* not {validation}$"):
        train_validation_split(10, validation, np.random.default_rng(0))
