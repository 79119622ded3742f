"""Two unpaired groups: Welch and pooled tests against scipy, and what allows no test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lthbench.stats.decision import Rule, decide
from lthbench.stats.groups import Group, group_of, lacking, pooled, threshold, weigh_groups, welch

GROUP = st.builds(Group, st.floats(-50, 50), st.floats(0.01, 5), st.integers(2, 60))
TESTS = st.sampled_from(["superiority", "non-inferiority", "equivalence"])


@given(GROUP, GROUP, st.floats(-2, 2), st.booleans())
def test_p_values_are_scipys(a, b, bound, above) -> None:
    side, alternative = ("above", "greater") if above else ("below", "less")
    for mine, equal in ((welch(a, b), False), (pooled(a, b), True)):
        theirs = stats.ttest_ind_from_stats(
            a.mean - bound, a.sd, a.n, b.mean, b.sd, b.n, equal_var=equal, alternative=alternative
        )
        assert mine.p_value(bound, side) == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


def test_runs_and_their_summary_are_the_same() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(70, 0.2, 9), rng.normal(69, 0.5, 5)
    summaries = [Group(x.mean(), x.std(ddof=1), x.size) for x in (a, b)]
    from_runs = weigh_groups(group_of(a), group_of(b), Rule("superiority", 0.5))
    from_summaries = weigh_groups(*summaries, Rule("superiority", 0.5))
    assert from_runs.p_pass == pytest.approx(from_summaries.p_pass)
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (from_runs.low, from_runs.high) == pytest.approx((interval.low, interval.high))


def test_against_a_threshold_it_is_the_one_sample_test() -> None:
    x = np.random.default_rng(1).normal(1, 1, 7)
    evidence = weigh_groups(group_of(x), threshold(0.5), Rule("superiority", 0.1))
    assert evidence.p_pass == pytest.approx(stats.ttest_1samp(x, 0.5, alternative="greater").pvalue)
    assert evidence.pooled_p_pass is None


@pytest.mark.parametrize(
    ("group", "says"),
    [
        (Group(70, None, 1), "single run"),
        (group_of([70.0]), "single run"),
        (Group(70, 0.2, None), "number of runs is not stated"),
        (Group(70, None, None), "nor their SD"),
        (Group(70, None, 5), "no SD"),
    ],
)
def test_what_allows_no_test(group, says) -> None:
    assert says in lacking(group)
    with pytest.raises(ValueError, match="allow no t test"):
        weigh_groups(group, Group(69, 0.2, 3), Rule("superiority", 0.5))


def test_without_any_spread_nothing_is_shown() -> None:
    evidence = weigh_groups(Group(80, 0, 3), Group(70, 0, 3), Rule("superiority", 0.5))
    assert (evidence.p_pass, evidence.p_fail) == (1, 1)
    assert decide(evidence, 0.05, 0.05) == "INCONCLUSIVE"


@given(GROUP, GROUP, TESTS, st.floats(0.05, 3), st.floats(1, 10))
def test_more_noise_never_makes_a_pass(a, b, test, delta, factor) -> None:
    rule = Rule(test, delta)
    quiet = decide(weigh_groups(a, b, rule), 0.05, 0.05)
    louder = [Group(g.mean, g.sd * factor, g.n) for g in (a, b)]
    loud = decide(weigh_groups(*louder, rule), 0.05, 0.05)
    assert loud != "PASS" or quiet == "PASS"
    assert loud != "FAIL" or quiet == "FAIL"


@given(GROUP, GROUP, st.floats(0.05, 3))
def test_the_other_sign_turns_a_superiority_pass_into_a_fail(a, b, delta) -> None:
    rule = Rule("superiority", delta)
    if decide(weigh_groups(a, b, rule), 0.05, 0.05) == "PASS":
        assert decide(weigh_groups(b, a, rule), 0.05, 0.05) == "FAIL"
