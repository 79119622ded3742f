"""The vectorised p values are those of lthbench.stats, and those of scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lthbench.calibration import pvalues
from lthbench.stats.decision import Rule, claim_p_fail, claim_p_pass, weigh
from lthbench.stats.location import shown_pvalue, sign_flip_pvalue, t_pvalue

RULES = [
    Rule("superiority", 0.8),
    Rule("non-inferiority", 0.5),
    Rule("equivalence", 0.7),
    Rule("superiority", 0.8, clip=3.0),
    Rule("non-inferiority", 0.5, clip=1.5),
    Rule("equivalence", 0.7, clip=1.5),
]


@pytest.mark.parametrize("n", [2, 3, 7, 8, 12, 16])
@pytest.mark.parametrize("shift", [-0.3, 0.0, 0.6, 2.0])
def test_both_tests_are_the_scalar_ones(n: int, shift: float) -> None:
    x = np.random.default_rng(n).standard_normal((60, n)) + shift
    assert pvalues.sign_flip_pvalues(x) == pytest.approx([sign_flip_pvalue(row, 0, "above") for row in x], abs=0)
    assert pvalues.t_pvalues(x) == pytest.approx([t_pvalue(row, 0, "above") for row in x], rel=1e-9)


def test_more_than_sixteen_replicates_are_exact_too() -> None:
    x = np.random.default_rng(1).standard_normal((20, 22)) + 0.2
    assert pvalues.sign_flip_pvalues(x) == pytest.approx([sign_flip_pvalue(row, 0, "above") for row in x], abs=0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-4, 6), min_size=6, max_size=6), min_size=1, max_size=8))
def test_ties_zeros_and_equal_values_are_as_in_the_scalar_tests(rows: list[list[int]]) -> None:
    x = np.array(rows, dtype=float) * 0.1  # sums that are equal on paper and not in floating point
    assert pvalues.sign_flip_pvalues(x) == pytest.approx([sign_flip_pvalue(row, 0, "above") for row in x], abs=0)
    assert pvalues.t_pvalues(x) == pytest.approx([t_pvalue(row, 0, "above") for row in x], rel=1e-9)


@pytest.mark.parametrize("side", ["above", "below"])
def test_shown_is_exact_up_to_alpha_and_above_alpha_beyond(side: str) -> None:
    d = np.random.default_rng(2).standard_normal((400, 9)) * np.linspace(0.3, 2, 9) + 0.4
    wanted = np.array([shown_pvalue(row, 0.1, side) for row in d])
    found = pvalues.shown(d, 0.1, side, 0.05)
    small = wanted <= 0.05
    assert found[small] == pytest.approx(wanted[small], rel=1e-9)
    assert (found[~small] > 0.05).all()
    assert (found <= wanted * (1 + 1e-9)).all()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.test}, {rule.clip}")
def test_hypotheses_are_weighed_as_the_judge_does(rule: Rule) -> None:
    d = (
        np.random.default_rng(3).standard_normal((500, 10)) * 0.6
        + np.repeat(np.linspace(-1.5, 1.5, 50), 10)[:, None]
    )
    evidences = [weigh(row, rule) for row in d]
    for found, wanted in (
        (pvalues.p_pass(d, rule, 0.05), [claim_p_pass([e]) for e in evidences]),
        (pvalues.p_fail(d, rule, 0.05), [claim_p_fail([e]) for e in evidences]),
    ):
        decides = np.array(wanted) <= 0.05
        assert decides.any()
        assert found[decides] == pytest.approx(np.array(wanted)[decides], rel=1e-9)
        assert (found[~decides] > 0.05).all()


def test_the_t_part_is_scipys_and_uniform_under_the_null() -> None:
    x = np.random.default_rng(4).standard_normal((20_000, 12))
    p = pvalues.t_pvalues(x)
    assert p[:50] == pytest.approx(stats.ttest_1samp(x[:50], 0, axis=1, alternative="greater").pvalue)
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    flips = pvalues.sign_flip_pvalues(x)
    assert np.mean(flips <= 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 20_000))
