import math

import numpy as np
import pytest
from scipy import stats

from lthbench.stats.intervals import cohens_dz, hedges_gz, mean_interval, one_sided_bound
from lthbench.stats.location import t_pvalue

SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def test_sleep_interval_as_published() -> None:
    # R: t.test(extra ~ group, paired = TRUE), 95 percent confidence interval 0.7001142 2.4598858.
    assert mean_interval(SLEEP) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


def test_scipy_interval() -> None:
    d = np.random.default_rng(2).normal(3, 2, 9)
    expected = stats.ttest_1samp(d, 0).confidence_interval(0.8)
    assert mean_interval(d, 0.8) == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize("side", ["above", "below"])
def test_bound_is_where_the_t_test_reaches_the_level(side) -> None:
    bound = one_sided_bound(SLEEP, 0.05, side)
    assert (bound < np.mean(SLEEP)) == (side == "above")
    assert t_pvalue(SLEEP, bound, side) == pytest.approx(0.05, rel=1e-9)


def test_effect_sizes_by_hand() -> None:
    # 1, 2, 3, 4: mean 2.5, SD sqrt(5/3); J(3) = gamma(1.5) / (sqrt(1.5) gamma(1)) = sqrt(pi / 6).
    assert cohens_dz([1, 2, 3, 4]) == pytest.approx(2.5 / math.sqrt(5 / 3))
    assert hedges_gz([1, 2, 3, 4]) == pytest.approx(2.5 / math.sqrt(5 / 3) * math.sqrt(math.pi / 6))


def test_hedges_correction_removes_the_bias() -> None:
    rng = np.random.default_rng(3)
    g = [hedges_gz(rng.normal(0.8, 1, 8)) for _ in range(3000)]
    d = [cohens_dz(rng.normal(0.8, 1, 8)) for _ in range(3000)]
    se = np.std(g) / math.sqrt(len(g))
    assert abs(np.mean(g) - 0.8) < 3 * se
    assert np.mean(d) > 0.8 + 3 * se


def test_edges() -> None:
    assert mean_interval([2.0]) == (-math.inf, math.inf)
    assert mean_interval([2.0, 2.0]) == (2.0, 2.0)
    assert cohens_dz([-1.0, -1.0]) == -math.inf
    assert math.isnan(cohens_dz([0.0, 0.0]))
    assert math.isnan(cohens_dz([1.0]))
    assert math.isnan(hedges_gz([1.0, 2.0]))
    with pytest.raises(ValueError, match="no replicates"):
        mean_interval([])
