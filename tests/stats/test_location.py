import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from lthbench.stats.location import shown_pvalue, sign_flip_pvalue, t_pvalue

# Cross- minus self-fertilised maize, eighths of an inch (Darwin 1876; Fisher 1935, section 17).
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
# Extra hours of sleep, drug 2 minus drug 1 (Cushny & Peebles 1905; Student 1908).
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]

# Multiples of 1/8 add and shift without rounding, so that invariances hold to the last bit.
EIGHTHS = st.integers(-80, 80).map(lambda k: k / 8)
SAMPLES = st.lists(EIGHTHS, min_size=1, max_size=9)
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)
TESTS = pytest.mark.parametrize("pvalue", [t_pvalue, sign_flip_pvalue, shown_pvalue])


def test_darwin_as_fisher_published_it() -> None:
    # t = 2.148 on 14 degrees of freedom, two-sided 4.970 %; 863 of the 32,768 sign assignments.
    assert 2 * t_pvalue(DARWIN, 0, "above") == pytest.approx(0.0497, abs=5e-5)
    assert sign_flip_pvalue(DARWIN, 0, "above") == 863 / 32768
    assert shown_pvalue(DARWIN, 0, "above") == 863 / 32768


def test_sleep_as_student_published_it() -> None:
    # t = 4.0621 on 9 degrees of freedom, two-sided 0.002833. No difference is negative and one is zero:
    # only the observed signs and those with the zero flipped reach the sum, 2 of 1,024.
    assert 2 * t_pvalue(SLEEP, 0, "above") == pytest.approx(0.002833, abs=5e-7)
    assert sign_flip_pvalue(SLEEP, 0, "above") == 2 / 1024
    assert shown_pvalue(SLEEP, 0, "above") == 2 / 1024


def test_three_numbers_by_hand() -> None:
    # 3, 2, -1: the sums of the 8 assignments are 6, 4, 2, 0, 0, -2, -4, -6; the observed 4 is reached by
    # two of them, and the claim "below" (sum <= 4) by seven.
    assert sign_flip_pvalue([3, 2, -1], 0, "above") == 2 / 8
    assert sign_flip_pvalue([3, 2, -1], 0, "below") == 7 / 8


@pytest.mark.parametrize("bound", [-0.2, 0.0, 0.35])
@pytest.mark.parametrize(("side", "alternative"), [("above", "greater"), ("below", "less")])
def test_scipy_agrees(bound, side, alternative) -> None:
    rng = np.random.default_rng(1)
    for n in (2, 3, 7, 10):
        d = rng.normal(0.2, 0.5, n)
        expected = stats.ttest_1samp(d, bound, alternative=alternative).pvalue
        assert t_pvalue(d, bound, side) == pytest.approx(expected, rel=1e-9)
        permutation = stats.permutation_test(
            (d - bound,), np.sum, permutation_type="samples", alternative=alternative, n_resamples=np.inf
        )
        assert sign_flip_pvalue(d, bound, side) == permutation.pvalue


@pytest.mark.parametrize("n", [1, 5, 8, 12, 40])
def test_the_sign_flip_floor(n) -> None:
    assert sign_flip_pvalue(np.arange(1, n + 1), 0, "above") == 2.0**-n
    assert sign_flip_pvalue(np.arange(1, n + 1), 0, "below") == 1.0


def test_forty_equal_sizes_are_a_binomial() -> None:
    # 30 times +1 and 10 times -1: p = P(Binomial(40, 1/2) >= 30), all through ties.
    d = np.repeat([1.0, -1.0], [30, 10])
    assert sign_flip_pvalue(d, 0, "above") == pytest.approx(stats.binom.sf(29, 40, 0.5), rel=1e-12)


def test_ties_count_against_the_claim_despite_rounding() -> None:
    # 0.3 - (0.1 + 0.2) is zero: of 0.1, 0.2, -0.3 the sums are +-.6, +-.4, +-.2 and twice 0.
    assert sign_flip_pvalue([0.1, 0.2, -0.3], 0, "above") == 5 / 8
    assert sign_flip_pvalue([0.1, 0.2, -0.3], 0, "below") == 5 / 8


def test_no_spread() -> None:
    d = [0.1] * 12
    assert t_pvalue(d, 0, "above") == 0.0
    assert t_pvalue(d, 0.1, "above") == t_pvalue(d, 0.1, "below") == t_pvalue(d, 0, "below") == 1.0
    assert shown_pvalue(d, 0, "above") == 2.0**-12
    assert shown_pvalue(d, 0.1, "above") == 1.0


def test_too_few_replicates_show_nothing() -> None:
    assert t_pvalue([], 0, "above") == t_pvalue([9.0], 0, "above") == shown_pvalue([9.0], 0, "above") == 1.0
    assert sign_flip_pvalue([], 0, "above") == 1.0


@TESTS
@pytest.mark.parametrize("bad", [[1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]]])
def test_refuses_what_is_not_a_sample(pvalue, bad) -> None:
    with pytest.raises(ValueError, match="replicate"):
        pvalue(bad, 0, "above")


def test_beyond_forty_the_normal_limit_goes_on_where_the_exact_test_ends() -> None:
    rng = np.random.default_rng(7)
    for shift in (0.1, 0.3, 0.5):
        d = rng.normal(shift, 1, 40)
        exact = sign_flip_pvalue(d, 0, "above")
        limit = float(special.ndtr(-d.sum() / np.sqrt((d**2).sum())))
        assert 0.95 * exact < limit < 2 * exact  # in the tail it errs against the claim
        more = np.concatenate([d, [0.0]])  # a value of 0 changes neither count nor limit
        assert sign_flip_pvalue(more, 0, "above") == pytest.approx(limit)
    assert sign_flip_pvalue(np.ones(41), 0, "above") > 0
    assert sign_flip_pvalue(np.zeros(41), 0, "above") == 1


@TESTS
@PROPERTY
@given(d=SAMPLES, bound=EIGHTHS, shift=EIGHTHS)
def test_shift_invariance(pvalue, d, bound, shift) -> None:
    moved = np.array(d) + shift
    assert pvalue(moved, bound + shift, "above") == pvalue(d, bound, "above")


@TESTS
@PROPERTY
@given(d=SAMPLES, bound=EIGHTHS)
def test_sign_mirrors_side(pvalue, d, bound) -> None:
    assert pvalue(-np.array(d), -bound, "below") == pvalue(d, bound, "above")


@TESTS
@PROPERTY
@given(data=st.data(), d=SAMPLES, bound=EIGHTHS)
def test_order_does_not_matter(pvalue, data, d, bound) -> None:
    shuffled = data.draw(st.permutations(d))
    assert pvalue(shuffled, bound, "above") == pytest.approx(pvalue(d, bound, "above"), rel=1e-9)


@PROPERTY
@given(d=SAMPLES, bound=EIGHTHS)
def test_the_two_sides_cover_everything(d, bound) -> None:
    floor = 2.0 ** -len(d)
    above, below = sign_flip_pvalue(d, bound, "above"), sign_flip_pvalue(d, bound, "below")
    assert floor <= min(above, below)
    assert above + below >= 1 + floor  # the observed assignment counts on both
