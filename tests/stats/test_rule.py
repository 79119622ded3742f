"""A test is a row: what the rows say, and that a fourth one is all it takes to add a test."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from lthbench.calibration import pvalues
from lthbench.calibration.design import Column
from lthbench.claims.schema import Hypothesis
from lthbench.judging.verdict import LineResult
from lthbench.judging.words import line_words
from lthbench.report import sentences
from lthbench.report.figures import intervals
from lthbench.stats.decision import decide, weigh
from lthbench.stats.groups import group_of, weigh_groups
from lthbench.stats.power import fail_power, power
from lthbench.stats.rule import ROWS, Bound, Row, Rule, fail_words, pass_words

BY_DELTA = "superiority by the margin"


@pytest.fixture
def fourth_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """PASS when d is shown above delta, FAIL when it is shown below delta: nothing but a row is added."""
    monkeypatch.setitem(ROWS, BY_DELTA, Row(passes=(Bound("above", 1),), fails=(Bound("below", 1),)))


def brute_force(d: np.ndarray, bound: float, side: str) -> float:
    """The larger of the t test's p and the share of all sign assignments that reach the observed sum."""
    x = (d - bound) if side == "above" else (bound - d)
    sums = [np.dot(signs, x) for signs in itertools.product((1, -1), repeat=len(x))]
    flips = np.mean(np.array(sums) >= x.sum() - 1e-12 * np.abs(x).sum())
    return max(stats.ttest_1samp(x, 0, alternative="greater").pvalue, float(flips))


DEFINED = {  # by hand: (PASS shows all, FAIL shows any, the mean reaches), in multiples of delta
    "superiority": ([(0, "above")], [(1, "below")], 1),
    "non-inferiority": ([(-1, "above")], [(-1, "below")], None),
    "equivalence": ([(-1, "above"), (1, "below")], [(-1, "below"), (1, "above")], None),
}


def test_every_row_is_defined_here() -> None:
    assert ROWS.keys() == DEFINED.keys()


@pytest.mark.parametrize("test", DEFINED)
@given(
    d=st.lists(st.floats(-3, 3), min_size=3, max_size=7).filter(lambda d: np.ptp(d) > 1e-3),
    delta=st.sampled_from([0.3, 1.0]),
)
def test_a_row_is_what_its_test_means(test: str, d: list[float], delta: float) -> None:
    passes, fails, least = DEFINED[test]
    x, evidence = np.array(d), weigh(d, Rule(test, delta))
    assert evidence.p_pass == pytest.approx(max(brute_force(x, at * delta, side) for at, side in passes), abs=1e-9)
    assert evidence.p_fail == pytest.approx(min(brute_force(x, at * delta, side) for at, side in fails), abs=1e-9)
    if least is None or abs(x.mean() - least * delta) > 1e-9:
        assert evidence.reaches_delta == (least is None or x.mean() >= least * delta)


def test_an_unknown_test_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="superiority, non-inferiority, equivalence"):
        Rule("inferiority", 1)


# The fourth


@pytest.mark.usefixtures("fourth_row")
def test_its_p_values_and_decisions() -> None:
    rng = np.random.default_rng(0)
    d = 1.4 + 0.3 * rng.normal(size=10)
    evidence = weigh(d, Rule(BY_DELTA, 1.0))
    assert evidence.p_pass == pytest.approx(brute_force(d, 1.0, "above"))
    assert evidence.reaches_delta
    assert decide(evidence, 0.05, 0.05) == "PASS"
    assert decide(weigh(d - 0.8, Rule(BY_DELTA, 1.0)), 0.05, 0.05) == "FAIL"
    assert decide(weigh(d - 0.4, Rule(BY_DELTA, 1.0)), 0.01, 0.01) == "INCONCLUSIVE"
    nearly = 1.05 + 0.3 * rng.normal(size=10)  # superiority asks for less: shown above 0, and a mean of delta
    nearly += 1.05 - nearly.mean()
    assert decide(weigh(nearly, Rule("superiority", 1.0)), 0.05, 0.05) == "PASS"
    assert decide(weigh(nearly, Rule(BY_DELTA, 1.0)), 0.05, 0.05) == "INCONCLUSIVE"
    control = rng.normal(size=10)
    unpaired = weigh_groups(group_of(control + d), group_of(control), Rule(BY_DELTA, 1.0))
    welch = stats.ttest_ind(control + d - 1.0, control, equal_var=False, alternative="greater").pvalue
    assert unpaired.p_pass == pytest.approx(welch)


@pytest.mark.usefixtures("fourth_row")
def test_its_power_is_how_often_it_passes() -> None:
    rule, rng = Rule(BY_DELTA, 1.0), np.random.default_rng(1)
    for effect in (1.5, 0.6):
        samples = effect + 0.6 * rng.normal(size=(3000, 14))
        decisions = [decide(weigh(d, rule), 0.05, 0.05) for d in samples]
        for word, of in (("PASS", power), ("FAIL", fail_power)):
            share = decisions.count(word) / len(decisions)
            assert of(rule, effect, 0.6, 14, 0.05) == pytest.approx(share, abs=0.03)


@pytest.mark.usefixtures("fourth_row")
def test_calibration_simulates_it() -> None:
    rule = Rule(BY_DELTA, 1.0)
    samples = 1.2 + 0.5 * np.random.default_rng(2).normal(size=(200, 9))
    for many, name in ((pvalues.p_pass, "p_pass"), (pvalues.p_fail, "p_fail")):
        one_by_one = np.array([getattr(weigh(d, rule), name) for d in samples])
        simulated = many(samples, rule, 0.05)
        decides = one_by_one <= 0.05
        np.testing.assert_allclose(simulated[decides], one_by_one[decides])
        assert np.all(simulated[~decides] > 0.05)
    column = Column("A-1", "H1", rule, 9)
    assert column.pass_boundaries == column.fail_boundaries == (1.0,)


def hypothesis(test: str) -> dict:
    return {
        "id": "H1", "says": "the ticket is better by the margin", "endpoint": "final_test_accuracy", "test": test,
        "delta": 1.5, "contrast": {"minuend": "ticket@2", "subtrahend": "reinit@2"}, "margin_from": "a rule",
        "margin_rule": "none",
    }  # fmt: skip


def test_a_claim_file_may_ask_for_it(fourth_row: None) -> None:
    assert Hypothesis.model_validate(hypothesis(BY_DELTA)).rule == Rule(BY_DELTA, 1.5)
    enum = TypeAdapter(Hypothesis).json_schema()["properties"]["test"]["enum"]
    assert enum == [*DEFINED, BY_DELTA]


def test_without_its_row_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="superiority, non-inferiority, equivalence"):
        Hypothesis.model_validate(hypothesis(BY_DELTA))


@pytest.mark.usefixtures("fourth_row")
def test_verdicts_reports_and_figures_speak_of_it() -> None:
    d = [1.9, 2.1, 2.0, 1.8, 2.2, 1.7]
    evidence = weigh(d, Rule(BY_DELTA, 1.5))
    result = LineResult(
        "H1", "says", "final_test_accuracy", "ticket@2 - reinit@2", BY_DELTA, 1.5, "pp", d, d, [0.0] * 6,
        vars(evidence), decide(evidence, 0.05, 0.05), 0.05, 0.05,
    )  # fmt: skip
    assert "shown above 1.5 pp (p = " in line_words(result)
    failed = line_words(replace(result, decision="FAIL"))
    assert "shown below 1.5 pp (p = " in failed
    assert failed.endswith("): smaller than required.")
    assert sentences.required(result) == "above 1.5 pp"
    assert sentences.opposite(result) == "below 1.5 pp"
    assert sentences.test_words(BY_DELTA, False) == (
        "PASS when the mean is shown above δ; FAIL when it is shown below δ"
    )
    assert intervals.bounds(result) == [1.5]
    assert Rule(BY_DELTA, 1.5).range == (1.5, math.inf)


def test_words_of_the_three() -> None:
    assert pass_words("superiority", "2") == "above 0 and, untested, at least 2"
    assert (pass_words("equivalence", "2"), fail_words("equivalence", "2")) == (
        "between −2 and 2",
        "below −2 or above 2",
    )
    assert (pass_words("non-inferiority", "2"), fail_words("non-inferiority", "2")) == ("above −2", "below −2")
