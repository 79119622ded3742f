"""The comparison with the reference: its margin has its power, and its words are no surer than its numbers."""

import numpy as np
import pytest

from lthbench.claims.schema import Cell
from lthbench.judging.dock.invariants import Invariant
from lthbench.judging.dock.reference_points import ALPHA, margin, point
from lthbench.judging.dock.standing import Standing
from lthbench.judging.verdict import Verdicts

CELL = Cell("own", "ticket", 2)


def decisions(shift: float, rng: np.random.Generator, n: int = 8) -> str:
    reference = rng.normal(50, 1, n)
    return point(
        CELL, "final_test_accuracy", rng.normal(50 + shift, 1, n), reference, reference, ALPHA / 8
    ).decision


def test_the_same_procedure_is_confirmed_and_never_called_different() -> None:
    rng = np.random.default_rng(0)
    found = [decisions(0, rng) for _ in range(200)]
    assert found.count("FAIL") <= 4
    assert found.count("PASS") >= 0.8 * 200  # 90 % at the true SD, which is estimated from 8 runs


def test_what_it_says_it_would_notice_is_noticed() -> None:
    rng = np.random.default_rng(1)
    reference = rng.normal(50, 1, 200)
    noticed = point(CELL, "final_test_accuracy", reference[:8], reference[:8], reference, ALPHA / 8).noticed
    found = []
    for _ in range(150):
        ours = rng.normal(50, 1, 8)
        theirs = rng.normal(50 + noticed, 1, 8)
        found.append(point(CELL, "final_test_accuracy", theirs, ours, reference, ALPHA / 8).decision)
    # 90 %, overstated by up to a tenth where the level is near the exact test's floor (lthbench/stats/power.py)
    assert found.count("FAIL") >= 0.75 * 150


def test_more_replicates_make_a_smaller_margin() -> None:
    assert margin(1, 8, ALPHA) > margin(1, 16, ALPHA) > margin(1, 32, ALPHA) > 0


def test_a_run_that_diverged_is_not_the_references() -> None:
    reference = np.arange(8.0)
    theirs = np.array([*reference[:7], np.nan])
    assert point(CELL, "final_test_accuracy", theirs, reference, reference, ALPHA).decision == "FAIL"


def standing(states: dict[str, str], shift: float, verdict_code: int = 0) -> Standing:
    rng = np.random.default_rng(2)
    reference = rng.normal(50, 1, 8)
    theirs = reference + shift + rng.normal(0, 0.1, 8)
    each = point(CELL, "final_test_accuracy", theirs, reference, reference, ALPHA)
    verdicts = Verdicts("own", "a title", 0, "engine", 0.05, verdict_code, [], "given")
    rows = [Invariant(name, name, state, "", ("M1",)) for name, state in states.items()]  # type: ignore[arg-type]
    return Standing(rows, [each], verdicts, verdicts)


@pytest.mark.parametrize(
    ("states", "shift", "words", "code"),
    [
        ({"a": "holds"}, 0.0, "Sound", 0),
        ({"a": "holds", "b": "not looked at"}, 0.0, "Not accused, and not confirmed", 0),
        ({"a": "broken"}, 0.0, "Accused: 1 broken invariants", 1),
        ({"a": "holds"}, 20.0, "Accused: 1 arms that are not the reference's", 1),
    ],
)
def test_the_verdict_says_no_more_than_was_seen(
    states: dict[str, str], shift: float, words: str, code: int
) -> None:
    seen = standing(states, shift)
    assert seen.words().startswith(words)
    assert seen.exit_code == code


def test_a_blocked_claim_is_the_worst() -> None:
    assert standing({"a": "broken"}, 0.0, 4).exit_code == 4
