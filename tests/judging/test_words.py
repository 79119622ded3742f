"""Sentences that are true: each says what its numbers show, and no more."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from lthbench.claims.schema import Line
from lthbench.judging.verdict import ClaimVerdict, Collapses, LineResult, verdict_word
from lthbench.judging.words import (
    at_floor,
    collapse_words,
    interval_at_level,
    level_interval,
    line_words,
    settle,
)
from lthbench.stats.decision import decide, weigh
from lthbench.stats.groups import group_of, weigh_groups
from lthbench.stats.power import fail_power, power
from lthbench.stats.rule import Rule
from lthbench.stats.unpaired import weigh_unpaired

SPREAD = np.array([-0.3, -0.2, -0.1, 0.0, 0.0, 0.1, 0.2, 0.3])
LEVEL = 0.025


def line(test: str, delta: float, d: np.ndarray, level: float = LEVEL, clip: float | None = None) -> LineResult:
    """One hypothesis on paired differences, weighed and decided as judging does."""
    evidence = weigh(d, Rule(test, delta, clip))
    return LineResult(
        "H1", "as it says", "final_test_accuracy", "ticket@2 - reinit@2", test, delta, "pp", list(d), list(d),
        [0.0] * len(d), asdict(evidence), decide(evidence, level, level), level, level, clip=clip,
    )  # fmt: skip


def unpaired(evidence, groups, level: float = LEVEL) -> LineResult:
    """The same for two groups."""
    found = line("superiority", 1.0, SPREAD)
    return replace(
        found, d=[], minuend=[], subtrahend=[], groups=list(groups), evidence=asdict(evidence),
        decision=decide(evidence, level, level),
    )  # fmt: skip


FLOOR = "(p = 0.0039 ≤ 0.025; the smallest p that n = 8 can give)"


@pytest.mark.parametrize(
    ("test", "mean", "says"),
    [
        ("superiority", 2.0, f"above 0 {FLOOR}, and the mean reaches the 1 pp required (not tested)."),
        ("superiority", 0.1, f"below 1 pp {FLOOR}: smaller than required, not shown to be reversed (p = 0.93)."),
        ("superiority", -0.5, f"below 0 {FLOOR}: reversed."),
        ("non-inferiority", 0.0, f"above −1 pp {FLOOR}."),
        ("non-inferiority", -2.0, f"below −1 pp {FLOOR}: worse by more than the margin."),
        ("equivalence", 0.0, f"between −1 and 1 pp {FLOOR}."),
        ("equivalence", -2.0, f"below −1 pp {FLOOR}: different by more than the margin."),
        ("equivalence", 2.0, f"above 1 pp {FLOOR}: different by more than the margin."),
    ],
)
def test_what_was_shown_is_said_and_no_more(test: str, mean: float, says: str) -> None:
    assert line_words(line(test, 1.0, SPREAD + mean)).endswith(f"n = 8; shown {says}")


def test_a_failed_superiority_of_an_older_file_says_nothing_of_the_reverse() -> None:
    found = line("superiority", 1.0, SPREAD - 0.5)
    old = replace(found, evidence={k: v for k, v in found.evidence.items() if k != "p_reversed"})
    assert line_words(old).endswith("can give): smaller than required.")


def test_what_is_undecided_says_each_side_and_the_mean_that_is_too_small() -> None:
    noisy = SPREAD * 7
    neither = line_words(line("superiority", 1.0, noisy + 0.9))
    assert neither.endswith(
        "; neither shown above 0 (p = 0.062 > 0.025) nor below 1 pp (p = 0.43 > 0.025); the mean does not reach "
        "the 1 pp required."
    )
    small = line_words(line("superiority", 1.0, SPREAD * 2 + 0.8))
    assert "; shown above 0 (p = " in small
    assert ", but the mean does not reach the 1 pp required; not shown below 1 pp (p = " in small
    assert "neither shown between −1 and 1 pp" in line_words(line("equivalence", 1.0, noisy + 0.9))


def test_too_few_replicates_are_called_so() -> None:
    d = np.array([3.0, 3.1, 2.9, 3.05])
    assert "(p = 0.062 > 0.025; the smallest p that n = 4 can give)" in line_words(line("superiority", 1.0, d))


def test_welch_alone_has_no_floor_and_the_least_favourable_pairing_has() -> None:
    a, b = group_of([5.0, 5.1, 4.9, 5.0]), group_of([1.0, 1.1, 0.9, 1.0])
    rule = Rule("superiority", 1.0)
    exact = unpaired(weigh_unpaired(a, b, rule), (a, b))
    assert at_floor(exact, exact.p("p_pass"))
    assert "the smallest p that n = 4 and 4 can give" in line_words(exact)
    assert not at_floor(unpaired(weigh_groups(a, b, rule), (a, b)), 2.0**-4)


def test_a_clipped_line_says_how_much_a_replicate_counts() -> None:
    d = np.append(SPREAD[1:] + 2, -40.0)
    clipped = line("non-inferiority", 1.0, d, clip=3.0)
    assert "n = 8 (each replicate counts at most ±3 pp: 1 cut, so that the mean counts as" in line_words(clipped)
    assert "each replicate" not in line_words(line("non-inferiority", 1.0, d))


def test_the_second_interval_is_the_one_at_the_level_that_decides() -> None:
    d = SPREAD + 0.5
    found = line("superiority", 0.2, d, level=0.00625)
    confidence, low, high = interval_at_level(found)
    assert confidence == pytest.approx(0.9875)
    assert (low, high) == pytest.approx(stats.ttest_1samp(d, 0).confidence_interval(0.9875))
    assert stats.ttest_1samp(d, low, alternative="greater").pvalue == pytest.approx(0.00625)
    assert level_interval(found).startswith("98.75 %: +0.2")
    a, b = [5.0, 5.4, 4.9, 5.0], [1.0, 1.1, 0.9, 1.0, 1.7]
    groups = group_of(a), group_of(b)
    welch = unpaired(weigh_unpaired(*groups, Rule("superiority", 1.0)), groups)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert interval_at_level(welch)[1:] == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("mean", "level"), [(-0.4, 0.0125), (-1.5, 0.005)])
def test_what_would_settle_it_has_the_power_at_the_level_of_its_side(mean: float, level: float) -> None:
    rule = Rule("non-inferiority", 1.0)
    asked = Line.model_validate(
        {
            "id": "H1",
            "says": "s",
            "endpoint": "final_test_accuracy",
            "test": rule.test,
            "delta": rule.delta,
            "contrast": {"minuend": "ticket@2", "subtrahend": "reinit@2"},
        }
    )
    evidence = weigh(SPREAD * 5 + mean, rule)
    said = settle(evidence, asked, 0.0125, 0.005)
    n = int(said.partition("n = ")[2].split()[0])
    of = power if mean > -1 else fail_power
    enough, fewer = (of(rule, evidence.mean, evidence.sd, k, level) for k in (n, n - 1))
    assert enough >= 0.9 > fewer
    assert said.endswith("would settle it with about 90 % power.")


def claim(verdict: str, *lines: LineResult) -> ClaimVerdict:
    return ClaimVerdict(
        "A-1", "primary", "t", "t", "s", True, "tiny", 8, verdict, "w", None, None, None, LEVEL, LEVEL, None,
        [replace(one, id=f"H{i + 1}") for i, one in enumerate(lines)], [], [], [],
    )  # fmt: skip


def test_the_hypothesis_shown_is_the_one_that_decided() -> None:
    clear, close = line("superiority", 1.0, SPREAD + 3), line("superiority", 1.0, SPREAD * 4 + 1.1)
    assert (clear.decision, close.decision) == ("PASS", "PASS")
    assert claim("PASS", clear, close).deciding.id == "H2"
    assert claim("PASS", close, clear).deciding.id == "H1"
    weak, failed = line("superiority", 1.0, SPREAD * 3 + 0.1), line("superiority", 1.0, SPREAD - 1)
    assert (weak.decision, failed.decision) == ("FAIL", "FAIL")
    assert claim("FAIL", clear, weak, failed).deciding.id == "H3"
    open_, wide = line("superiority", 1.0, SPREAD * 5 + 0.9), line("superiority", 1.0, SPREAD * 9 + 0.9)
    small = line("superiority", 1.0, SPREAD * 2 + 0.8)  # p is small, but counts as 1
    assert {open_.decision, wide.decision, small.decision} == {"INCONCLUSIVE"}
    assert claim("INCONCLUSIVE", clear, replace(open_, evidence=open_.evidence | {"reaches_delta": True}),
                 small).deciding.id == "H3"  # fmt: skip
    assert claim("INCONCLUSIVE", close, wide).deciding.id == "H2"


def test_where_no_number_decided_the_first_is_shown() -> None:
    without = replace(line("superiority", 1.0, SPREAD), evidence=None, decision="NOT DECIDED")
    assert claim("NOT RUN", without, without).deciding.id == "H1"
    undecidable = replace(without, decision="NOT DECIDABLE", undecidable="a single run")
    assert claim("NOT DECIDABLE", line("superiority", 1.0, SPREAD + 3), undecidable).deciding.id == "H2"


def test_collapses_are_a_line_per_floor() -> None:
    counts = [
        Collapses("tiny:rewound@5", 1, 20, 15.0, 0.00127, 0.2487),
        Collapses("other:ticket@5", 0, 20, 15.0, 0.0, 0.1684),
    ]
    assert collapse_words(counts, "tiny") == [
        "collapsed (at or below 15 %): rewound@5 1 of 20, 95 % interval 0.1 to 24.9 %; "
        "other:ticket@5 0 of 20, 95 % interval 0.0 to 16.8 %"
    ]
    assert len(collapse_words([counts[0], replace(counts[1], floor=20.0)], "tiny")) == 2
    assert collapse_words([], "tiny") == []


def test_exploratory_verdicts_have_words_of_their_own() -> None:
    words = {verdict: verdict_word(verdict, True) for verdict in ("PASS", "FAIL", "INCONCLUSIVE", "BLOCKED")}
    assert list(words.values()) == ["SUPPORTED HERE", "NOT SUPPORTED HERE", "INCONCLUSIVE", "BLOCKED"]
    assert all(verdict_word(verdict) == verdict for verdict in words)
