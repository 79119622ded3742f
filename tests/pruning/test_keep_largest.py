"""The quick selection against the definition: sort by score, ties in storage order, numbers before non-numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lthbench.pruning.masks import keep_largest

SCORES = st.one_of(st.sampled_from([0.0, 1.0, 2.0, np.inf, -np.inf, np.nan]), st.floats(-3, 3, width=32))


def by_sorting(scores: np.ndarray, mask: np.ndarray, remaining: int) -> np.ndarray:
    alive = np.flatnonzero(mask)
    order = np.argsort(scores[alive], kind="stable")
    kept = np.zeros_like(mask)
    kept[alive[order[alive.size - remaining :]]] = True
    return kept


@given(st.data())
def test_the_selection_is_that_of_a_stable_sort(data) -> None:
    pairs = data.draw(st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=30))
    scores = np.array([score for score, _ in pairs], dtype=np.float32)
    mask = np.array([alive for _, alive in pairs])
    remaining = data.draw(st.integers(0, int(mask.sum())))
    kept = keep_largest(scores, mask, remaining)
    assert kept.sum() == remaining
    assert np.array_equal(kept, by_sorting(scores, mask, remaining))
