import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lthbench.stats.decision import Evidence, Rule, claim_p_fail, claim_p_pass, combine, decide, weigh

EIGHTHS = st.integers(-40, 40).map(lambda k: k / 8)
SAMPLES = st.lists(EIGHTHS, min_size=1, max_size=9)
DELTAS = st.integers(1, 24).map(lambda k: k / 8)
TEST_NAMES = ("superiority", "non-inferiority", "equivalence")
RULES = st.builds(Rule, st.sampled_from(TEST_NAMES), DELTAS)
LEVELS = st.floats(1e-4, 0.4999)

PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)
BASE = Evidence(8, 0.0, 1.0, p_pass=0.5, p_fail=0.5, reaches_delta=True, low=-1, high=1, dz=0.0)


def evidence(p_pass: float = 0.5, p_fail: float = 0.5, reaches_delta: bool = True) -> Evidence:
    return dataclasses.replace(BASE, p_pass=p_pass, p_fail=p_fail, reaches_delta=reaches_delta)


@pytest.mark.parametrize("delta", [0.0, -0.1, float("nan"), float("inf")])
def test_delta_must_be_positive(delta) -> None:
    with pytest.raises(ValueError, match="delta must be positive"):
        Rule("superiority", delta)


def test_unknown_test_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown test 'superior'"):
        Rule("superior", 1.0)


def shown(d, bound, alternative) -> float:
    """The larger of scipy's t test and scipy's exact permutation test: an independent oracle."""
    t = stats.ttest_1samp(d, bound, alternative=alternative).pvalue
    flips = stats.permutation_test(
        (d - bound,), np.sum, permutation_type="samples", alternative=alternative, n_resamples=np.inf
    ).pvalue
    return max(t, flips)


@pytest.mark.parametrize("mean", [-0.6, -0.1, 0.3, 0.8])
def test_the_table_of_the_decision(mean) -> None:
    d = np.random.default_rng(4).normal(mean, 0.4, 7)
    superiority, matches, same = (weigh(d, Rule(name, 0.25)) for name in TEST_NAMES)
    p_above, p_below = shown(d, -0.25, "greater"), shown(d, 0.25, "less")
    assert superiority.p_pass == pytest.approx(shown(d, 0, "greater"), rel=1e-9)
    assert superiority.p_fail == pytest.approx(p_below, rel=1e-9)
    assert superiority.reaches_delta == (d.mean() >= 0.25)
    assert matches.p_pass == pytest.approx(p_above, rel=1e-9)
    assert matches.p_fail == pytest.approx(shown(d, -0.25, "less"), rel=1e-9)
    assert matches.reaches_delta
    assert same.p_pass == pytest.approx(max(p_above, p_below), rel=1e-9)
    assert same.p_fail == pytest.approx(min(shown(d, -0.25, "less"), shown(d, 0.25, "greater")), rel=1e-9)
    assert same.reaches_delta


def test_the_description() -> None:
    # 1, 2, 3, 4: mean 2.5, SD sqrt(5/3) = 1.29099, t(.975, 3) = 3.18245, half width 2.05426.
    e = weigh([1, 2, 3, 4], Rule("superiority", 1))
    assert (e.n, e.mean) == (4, 2.5)
    assert (e.sd, e.low, e.high, e.dz) == pytest.approx((1.29099, 0.44574, 4.55426, 1.93649), abs=5e-6)


# Eight replicates, SD 0.1: whatever side of a bound the mean is 0.3 away from, it is shown there.
NOISE = 0.1 * np.array([-1, -1, -0.5, 0, 0, 0.5, 1, 1])


@pytest.mark.parametrize(
    ("test", "mean", "expected"),
    [
        ("superiority", 0.8, "PASS"),
        ("superiority", 0.51, "PASS"),
        ("superiority", 0.49, "INCONCLUSIVE"),  # shown above 0, but below delta, and not shown there
        ("superiority", 0.2, "FAIL"),  # shown above 0 as well: FAIL is looked at first
        ("superiority", -0.8, "FAIL"),
        ("non-inferiority", 0.0, "PASS"),
        ("non-inferiority", -0.2, "PASS"),
        ("non-inferiority", -0.5, "INCONCLUSIVE"),
        ("non-inferiority", -0.8, "FAIL"),
        ("equivalence", 0.0, "PASS"),
        ("equivalence", 0.5, "INCONCLUSIVE"),
        ("equivalence", 0.8, "FAIL"),
        ("equivalence", -0.8, "FAIL"),
    ],
)
def test_decisions(test, mean, expected) -> None:
    assert decide(weigh(mean + NOISE, Rule(test, 0.5)), 0.05, 0.05) == expected


def test_all_replicates_equal_to_delta_pass_superiority() -> None:
    # The float mean of twelve times 0.3 need not be 0.3.
    assert decide(weigh([0.3] * 12, Rule("superiority", 0.3)), 0.05, 0.05) == "PASS"


def test_the_level_itself_is_reached() -> None:
    floor = 2.0**-8
    e = weigh(np.full(8, 1.0), Rule("superiority", 0.5))
    assert e.p_pass == floor
    assert decide(e, floor, floor) == "PASS"
    assert decide(e, np.nextafter(floor, 0), floor) == "INCONCLUSIVE"


def test_fail_comes_first() -> None:
    assert decide(evidence(p_pass=0.01, p_fail=0.01), 0.05, 0.05) == "FAIL"


def test_separate_levels() -> None:
    assert decide(evidence(p_pass=0.02), 0.05, 0.01) == "PASS"
    assert decide(evidence(p_pass=0.02), 0.01, 0.05) == "INCONCLUSIVE"
    assert decide(evidence(p_fail=0.02), 0.01, 0.05) == "FAIL"
    assert decide(evidence(p_fail=0.02), 0.05, 0.01) == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        (["PASS"], "PASS"),
        (["PASS", "PASS"], "PASS"),
        (["PASS", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["PASS", "INCONCLUSIVE", "FAIL"], "FAIL"),
    ],
)
def test_combine(decisions, expected) -> None:
    assert combine(decisions) == expected


def test_combine_needs_a_hypothesis() -> None:
    with pytest.raises(ValueError, match="at least one"):
        combine([])


def test_p_of_a_claim() -> None:
    evidences = [evidence(0.01, 0.3), evidence(0.02, 0.1)]
    assert claim_p_pass(evidences) == 0.02
    assert claim_p_fail(evidences) == pytest.approx(0.2)
    assert claim_p_fail([evidence(), evidence(), evidence()]) == 1.0
    assert claim_p_pass([*evidences, evidence(0.001, 0.5, reaches_delta=False)]) == 1.0


@PROPERTY
@given(samples=st.lists(SAMPLES, min_size=1, max_size=3), rule=RULES, level=LEVELS)
def test_claim_p_reproduces_the_combined_decision(samples, rule, level) -> None:
    evidences = [weigh(d, rule) for d in samples]
    fails, passes = claim_p_fail(evidences) <= level, claim_p_pass(evidences) <= level
    by_claim = "FAIL" if fails else "PASS" if passes else "INCONCLUSIVE"
    assert by_claim == combine([decide(e, level, level / len(evidences)) for e in evidences])


@PROPERTY
@given(d=SAMPLES, rule=RULES, level=LEVELS)
def test_pass_and_fail_exclude_each_other(d, rule, level) -> None:
    e = weigh(d, rule)
    assert not (e.p_pass <= level and e.reaches_delta and e.p_fail <= level)


@PROPERTY
@given(data=st.data(), d=SAMPLES, rule=RULES)
def test_order_does_not_matter(data, d, rule) -> None:
    ours = weigh(d, rule)
    theirs = weigh(data.draw(st.permutations(d)), rule)
    assert theirs.p_pass == pytest.approx(ours.p_pass, rel=1e-9)
    assert theirs.p_fail == pytest.approx(ours.p_fail, rel=1e-9)


@PROPERTY
@given(d=SAMPLES, delta=DELTAS)
def test_equivalence_does_not_know_left_from_right(d, delta) -> None:
    ours, mirrored = weigh(d, Rule("equivalence", delta)), weigh(-np.array(d), Rule("equivalence", delta))
    assert (mirrored.p_pass, mirrored.p_fail) == (ours.p_pass, ours.p_fail)


@PROPERTY
@given(
    d=st.lists(st.integers(-4, 40).map(lambda k: k / 8), min_size=5, max_size=9),
    test=st.sampled_from(["superiority", "non-inferiority"]),
    delta=DELTAS,
    gain=st.integers(1, 80).map(lambda k: k / 8),
)
def test_a_gain_never_takes_a_pass_away(d, test, delta, gain) -> None:
    before, after = weigh(d, Rule(test, delta)), weigh(np.array(d) + gain, Rule(test, delta))
    assert after.p_pass <= before.p_pass * (1 + 1e-9)
    assert after.p_fail >= before.p_fail * (1 - 1e-9)
    if decide(before, 0.1, 0.1) == "PASS":
        assert decide(after, 0.1, 0.1) == "PASS"


def rate(rule: Rule, mean: float, outcome: str, n: int, runs: int) -> float:
    rng = np.random.default_rng(5)
    decisions = [decide(weigh(rng.normal(mean, 1.0, n), rule), 0.05, 0.05) for _ in range(runs)]
    return decisions.count(outcome) / runs


@pytest.mark.parametrize(
    ("rule", "boundary", "outcome", "runs"),
    [
        (Rule("non-inferiority", 1.0), -1.0, "PASS", 3000),
        (Rule("non-inferiority", 1.0), -1.0, "FAIL", 1000),
        (Rule("superiority", 0.1), 0.0, "PASS", 1000),
        (Rule("superiority", 1.0), 1.0, "FAIL", 1000),
        (Rule("equivalence", 2.0), 2.0, "PASS", 1000),
        (Rule("equivalence", 1.0), 1.0, "FAIL", 1000),
    ],
)
def test_errors_on_the_boundary_keep_the_level(rule, boundary, outcome, runs) -> None:
    se = (0.05 * 0.95 / runs) ** 0.5
    error = rate(rule, boundary, outcome, n=12, runs=runs)
    assert error <= 0.05 + 3 * se
    assert error >= 0.03  # and they use it: a rule that never decides would keep the level too


def test_what_is_printed_is_measured_and_what_decides_is_clipped() -> None:
    d = np.array([0.4, 0.7, 0.5, 0.6, 0.3, 0.8, 0.5, -40.0])
    rule = Rule("non-inferiority", 1.0, clip=2.0)
    counted, whole = weigh(d, rule), weigh(d, Rule("non-inferiority", 1.0))
    assert (counted.mean, counted.sd, counted.low, counted.high) == (whole.mean, whole.sd, whole.low, whole.high)
    assert counted.clipped_mean == pytest.approx(np.clip(d, -2, 2).mean())
    assert counted.p_pass == weigh(np.clip(d, -2, 2), Rule("non-inferiority", 1.0)).p_pass < whole.p_pass
    assert whole.clipped_mean is weigh(d[:-1], rule).clipped_mean is None  # nothing is cut
