import math

import numpy as np
import pytest
from scipy import integrate, stats

from lthbench.stats.decision import Rule, decide, weigh
from lthbench.stats.power import fail_power, floor_n, power, settling_n, smallest_n


@pytest.mark.parametrize(("n", "effect", "level"), [(8, 0.0, 0.05), (12, -0.2, 0.05), (30, 0.1, 0.005)])
def test_non_inferiority_is_the_noncentral_t(n, effect, level) -> None:
    # t = (mean + delta) / (s / sqrt n) is noncentral t with shift sqrt(n) (effect + delta) / sd.
    t_crit = stats.t.isf(level, n - 1)
    expected = stats.nct.sf(t_crit, n - 1, math.sqrt(n) * (effect + 0.5) / 0.9)
    assert power(Rule("non-inferiority", 0.5), effect, 0.9, n, level) == pytest.approx(expected, abs=1e-4)
    expected = stats.nct.sf(t_crit, n - 1, math.sqrt(n) * (0.5 - effect) / 0.9)
    assert fail_power(Rule("superiority", 0.5), effect, 0.9, n, level) == pytest.approx(expected, abs=1e-4)


def test_superiority_with_a_small_delta_is_the_noncentral_t() -> None:
    # G*Power / R power.t.test(n = 20, delta = 0.5, type = "one.sample", alternative = "one.sided"): 0.695.
    assert power(Rule("superiority", 1e-6), 0.5, 1.0, 20, 0.05) == pytest.approx(0.695, abs=5e-4)


def adaptive(inside, n: int, sd: float, level: float) -> float:
    """Integrate the conditional probability ``inside(t_crit s / sqrt n)`` over the law of s, adaptively."""
    t_crit = stats.t.isf(level, n - 1)

    def integrand(s: float) -> float:
        x = s * math.sqrt(n - 1) / sd
        return inside(t_crit * s / math.sqrt(n)) * stats.chi.pdf(x, n - 1) * math.sqrt(n - 1) / sd

    return integrate.quad(integrand, 0, 6 * sd, limit=400)[0]


@pytest.mark.parametrize(("n", "sd", "effect"), [(9, 1.0, 0.5), (15, 1.0, 0.9), (40, 0.5, 0.45), (7, 2.0, 0.7)])
def test_superiority_quadrature(n, sd, effect) -> None:
    mean = stats.norm(effect, sd / math.sqrt(n))
    expected = adaptive(lambda h: mean.sf(max(0.5, h)), n, sd, 0.05)
    assert power(Rule("superiority", 0.5), effect, sd, n, 0.05) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("n", "sd", "effect"), [(10, 0.6, 0.0), (15, 1.0, -0.1), (40, 1.0, 0.2)])
def test_equivalence_quadrature(n, sd, effect) -> None:
    mean = stats.norm(effect, sd / math.sqrt(n))
    expected = adaptive(lambda h: max(mean.cdf(0.5 - h) - mean.cdf(h - 0.5), 0), n, sd, 0.05)
    assert power(Rule("equivalence", 0.5), effect, sd, n, 0.05) == pytest.approx(expected, abs=1e-4)


SIMULATED = [
    (Rule("superiority", 0.5), 0.6, 1.0, 20, 0.05),
    (Rule("superiority", 0.5), 0.1, 0.5, 12, 0.05),
    (Rule("non-inferiority", 0.5), 0.0, 0.6, 14, 0.05),
    (Rule("non-inferiority", 0.5), -1.0, 0.6, 14, 0.05),
    (Rule("equivalence", 0.5), 0.1, 0.5, 14, 0.05),
    (Rule("equivalence", 0.5), -0.9, 0.5, 12, 0.05),
]


@pytest.mark.parametrize(("rule", "effect", "sd", "n", "level"), SIMULATED)
def test_the_decision_itself_simulated(rule, effect, sd, n, level) -> None:
    rng, runs = np.random.default_rng(6), 700
    decisions = [decide(weigh(rng.normal(effect, sd, n), rule), level, level) for _ in range(runs)]
    for outcome, expected in [("PASS", power), ("FAIL", fail_power)]:
        p = expected(rule, effect, sd, n, level)
        se = math.sqrt(p * (1 - p) / runs)
        # 0.02: what the sign-flip test may cost beyond the t test at these n.
        assert p - 0.02 - 3 * se <= decisions.count(outcome) / runs <= p + 3 * se + 1e-3


def test_at_the_floor_all_replicates_must_agree() -> None:
    # n = 8 at 0.5 %: 2^-8 < .005 < 2^-7, so p reaches the level only where all eight lie above zero.
    calculated = power(Rule("superiority", 0.5), 1.5, 1.0, 8, 0.005)
    assert calculated == pytest.approx(stats.norm.cdf(1.5) ** 8, rel=1e-9)


def test_at_the_floor_equivalence_needs_all_inside() -> None:
    inside = stats.norm.cdf(1.8) - stats.norm.cdf(-1.8)
    calculated = power(Rule("equivalence", 1.8), 0.0, 1.0, 8, 0.005)
    assert inside**8 <= calculated <= inside**8 + 0.01


def test_nothing_below_the_floor() -> None:
    rule = Rule("equivalence", 1.0)
    assert power(rule, 0.0, 1e-3, 7, 0.005) == fail_power(rule, 9.0, 1e-3, 7, 0.005) == 0.0
    assert power(rule, 0.0, 1e-3, 8, 0.005) == fail_power(rule, 9.0, 1e-3, 8, 0.005) == pytest.approx(1.0)
    assert power(rule, 0.0, 1e-3, 1, 0.6) == 0.0  # one replicate has no spread to test with


@pytest.mark.parametrize(("level", "n"), [(0.05, 5), (0.005, 8), (2.0**-8, 8), (0.5, 1), (0.05 / 12, 8)])
def test_floor_n(level, n) -> None:
    assert floor_n(level) == n
    assert 2.0**-n <= level < 2.0 ** -(n - 1)


def test_no_spread() -> None:
    rule = Rule("superiority", 0.5)
    assert power(rule, 0.6, 0.0, 8, 0.05) == pytest.approx(1.0)
    assert power(rule, 0.4, 0.0, 8, 0.05) == 0.0
    assert fail_power(rule, 0.4, 0.0, 8, 0.05) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="SD of replicates"):
        power(rule, 0.6, float("nan"), 8, 0.05)


GRID = [
    (Rule(test, 0.5), effect, sd)
    for test in ("superiority", "non-inferiority", "equivalence")
    for effect in (-1.0, 0.1, 0.4, 0.7)
    for sd in (0.3, 1.0)
]


@pytest.mark.parametrize(("rule", "effect", "sd"), GRID)
def test_bisection_finds_the_first_n(rule, effect, sd) -> None:
    passing = [n for n in range(2, 41) if power(rule, effect, sd, n, 0.01) >= 0.9]
    assert smallest_n(rule, effect, sd, 0.01) == (passing[0] if passing else None)
    settling = [
        n
        for n in range(2, 71)
        if max(power(rule, effect, sd, n, 0.01), fail_power(rule, effect, sd, n, 0.01)) >= 0.9
    ]
    assert settling_n(rule, effect, sd, 0.01, n_max=70) == (settling[0] if settling else None)


def test_smallest_n_by_formula() -> None:
    # The normal approximation (z.05 + z.1)^2 (sd / shift)^2 = 8.564 x 4 = 34.3, and 1 to 2 for the t.
    assert smallest_n(Rule("non-inferiority", 0.5), 0.0, 1.0, 0.05) == 36
    assert smallest_n(Rule("non-inferiority", 0.5), 0.0, 1.0, 0.05, n_max=35) is None
    assert smallest_n(Rule("non-inferiority", 0.5), 9.0, 0.01, 0.005) == floor_n(0.005)
    assert smallest_n(Rule("non-inferiority", 0.5), 9.0, 0.01, 0.005, n_max=7) is None


def test_what_cannot_be_settled() -> None:
    # On delta itself the mean reaches delta half the time, however many replicates there are.
    assert settling_n(Rule("superiority", 0.5), 0.5, 1.0, 0.05) is None
    # Just below it only FAIL can come: (z.05 + z.1)^2 (1 / 0.1)^2 = 856.4, and 1 to 2 for the t.
    assert settling_n(Rule("superiority", 0.5), 0.4, 1.0, 0.05) in (857, 858)
