"""Hiding never helps: what a table shows without labels, or without runs, it shows with them too."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from lthbench.stats.decision import decide, weigh
from lthbench.stats.groups import Group, group_of, weigh_groups
from lthbench.stats.location import sign_flip_pvalue, t_pvalue
from lthbench.stats.rule import ROWS, Rule
from lthbench.stats.unpaired import (
    flip_bound,
    flip_count_bound,
    permutation_pvalue,
    t_bound,
    unpaired_pvalue,
    weigh_unpaired,
)

VALUES = st.floats(-5, 5).map(lambda x: round(x, 3))
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=10)
LEVELS = (0.05, 0.0125, 0.00625)


def summary(x):
    return Group(float(np.mean(x)), float(np.std(x, ddof=1)), len(x))


@settings(max_examples=300)
@given(PAIRS, st.sampled_from(sorted(ROWS)), st.floats(0.1, 3), st.floats(-3, 6), st.sampled_from(LEVELS))
def test_what_is_hidden_never_decides_more(pairs, test, delta, shift, level):
    a, b = np.array(pairs).T
    a, rule = a + shift, Rule(test, delta)
    paired = decide(weigh(a - b, rule), level, level)
    without_labels = decide(weigh_unpaired(group_of(a), group_of(b), rule, (np.sort(a), np.sort(b))), level, level)
    without_runs = decide(weigh_unpaired(summary(a), summary(b), rule), level, level)
    assert without_labels in (paired, "INCONCLUSIVE")
    assert without_runs in (without_labels, "INCONCLUSIVE")


@settings(max_examples=100)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=3, max_size=5), st.floats(0, 6))
@example([(0.0, 0.0), (0.75, 0.0), (0.75, 0.0)], 0.0)  # one difference is 0, and the others leave no doubt
def test_no_pairing_has_a_larger_p(pairs, shift):
    a, b = np.array(pairs).T
    a = a + shift
    hidden = unpaired_pvalue(group_of(a), group_of(b), (a, b), 0.0, "above")
    for order in permutations(range(len(b))):
        d = a - b[list(order)]
        paired = max(t_pvalue(d, 0, "above"), sign_flip_pvalue(d, 0, "above"))
        assert paired <= hidden * (1 + 1e-9) or d.mean() <= 1e-9  # a mean on the wrong side shows nothing at all


def test_the_bounds_are_reached_by_the_least_favourable_pairing():
    a, b = np.array([5.0, 6, 7, 8]), np.array([1.0, 2, 3, 4])  # against each other: a ascending, b descending
    d = a - b[::-1]
    errors = [float(np.std(x, ddof=1)) / 2 for x in (a, b)]
    assert t_bound(4.0, *errors, 4) == pytest.approx(t_pvalue(d, 0, "above"))
    assert flip_count_bound(a, b) == sign_flip_pvalue(d, 0, "above") == 2**-4


@settings(max_examples=50)
@given(st.lists(VALUES, min_size=2, max_size=6), st.lists(VALUES, min_size=2, max_size=6))
def test_the_permutation_test_counts_every_split(a, b):
    a, b = np.array(a), np.array(b)
    x = np.concatenate([a, b])
    reach = [x[list(chosen)].sum() >= a.sum() - 1e-9 for chosen in combinations(range(len(x)), len(a))]
    assert permutation_pvalue(a, b) == pytest.approx(np.mean(reach))


def test_the_permutation_test_is_scipys():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.8, 1, 7), rng.normal(0, 1, 6)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: x.mean() - y.mean(), alternative="greater", n_resamples=np.inf
    )
    assert permutation_pvalue(a, b) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_runs_have_a_floor_however_clear_they_are(n):
    a, b = np.linspace(90, 90.1, n), np.linspace(10, 10.1, n)
    assert unpaired_pvalue(group_of(a), group_of(b), (a, b), 0.0, "above") == 2.0**-n
    assert unpaired_pvalue(summary(a), summary(b), None, 0.0, "above") == 2.0**-n
    assert 1 / math.comb(2 * n, n) < 2.0**-n  # the floor of the permutation test alone would be lower


def test_five_clear_seeds_show_no_more_without_their_labels():
    """Welch's p is 1e-7 here; by it alone hiding the pairing would buy a PASS at alpha / 4."""
    a, b, rule = np.linspace(65, 66, 5), np.linspace(62, 63, 5), Rule("non-inferiority", 1.0)
    assert weigh_groups(group_of(a), group_of(b), rule).p_pass < 1e-6
    assert weigh(a - b, rule).p_pass == weigh_unpaired(group_of(a), group_of(b), rule, (a, b)).p_pass == 2**-5


def test_many_runs_are_weighed_by_their_means_and_sds():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 0.5, 45), rng.normal(0, 0.5, 45)
    from_runs = unpaired_pvalue(group_of(a), group_of(b), (a, b), 0.0, "above")
    assert from_runs == unpaired_pvalue(summary(a), summary(b), None, 0.0, "above")
    assert 0 < from_runs < 1e-4
    assert flip_bound(-1, 0.1, 0.1, 45) == 1


def test_no_spread_shows_nothing():
    assert weigh_unpaired(Group(80, 0, 8), Group(70, 0, 8), Rule("superiority", 0.5)).p_pass == 1
