import numpy as np
import pytest

from lthbench.judging.gates.checks import (
    GateResult,
    all_finite,
    exact_counts,
    identical_masks,
    no_arm_at_chance,
    not_censored,
    same_scale,
    within_band,
)


def test_exact_counts_of_layers() -> None:
    expected = {"fc1": 188160, "fc2": 24000}
    assert exact_counts("weights", dict(expected), expected) == GateResult(
        "weights", True, "All 2 counts are exact, 212160 in total."
    )
    off_by_one = exact_counts("weights", {"fc1": 188160, "fc2": 24001}, expected)
    assert not off_by_one.passed
    assert off_by_one.detail == "1 of 2 counts are wrong, the first at fc2: 24001 instead of 24000."


@pytest.mark.parametrize(
    ("observed", "reason"),
    [({"a": 1}, "b: missing instead of 2"), ({"a": 1, "b": 2, "c": 3}, "c: 3 instead of nothing")],
)
def test_exact_counts_needs_the_same_layers(observed, reason) -> None:
    result = exact_counts("weights", observed, {"a": 1, "b": 2})
    assert not result.passed
    assert reason in result.detail


def test_exact_counts_of_arrays() -> None:
    assert exact_counts("ladder", np.array([100, 80, 64]), [100, 80, 64]).passed
    assert "at 1: 81 instead of 80" in exact_counts("ladder", [100, 81, 64], [100, 80, 64]).detail
    assert not exact_counts("ladder", [100, 80], [100, 80, 64]).passed
    assert not exact_counts("ladder", [[100, 80]], [100, 80]).passed


def test_counts_are_integers() -> None:
    with pytest.raises(TypeError):
        exact_counts("ladder", [100.0], [100])
    with pytest.raises(TypeError):
        exact_counts("ladder", {"a": 1.5}, {"a": 1})


@pytest.mark.parametrize(
    ("low", "high", "passed"), [(97, 99, True), (98, 98, True), (98.1, 99, False), (0, 97.9, False)]
)
def test_within_band(low, high, passed) -> None:
    result = within_band("dense accuracy", [97.5, 98.5], low, high, "%")
    assert result.passed is passed
    where = "inside" if passed else "outside"
    assert result.detail == f"The mean 98 % lies {where} the band {low:g} to {high:g} %."
    assert not within_band("dense accuracy", [98, np.nan], 97, 99, "%").passed


def test_no_arm_at_chance() -> None:
    good, bad = np.array([0.9, 0.8]), np.array([0.9, 0.15, 0.1])
    assert no_arm_at_chance({"ticket": good}, 0.1) == GateResult(
        "no arm at chance", True, "In every arm more than half of the runs are above 0.15 (1.5 x chance)."
    )
    result = no_arm_at_chance({"ticket": good, "reinit": bad}, 0.1)
    assert not result.passed
    assert result.detail == "2 of 3 of reinit are not above 0.15 (1.5 x chance): the arm does not train."
    assert no_arm_at_chance({"reinit": [0.9, 0.8, 0.1]}, 0.1).passed
    assert not no_arm_at_chance({"reinit": [0.9, 0.1]}, 0.1).passed  # half is not most
    assert no_arm_at_chance({"reinit": bad}, 0.05).passed
    assert not no_arm_at_chance({"reinit": [np.nan]}, 0.1).passed


def test_identical_masks() -> None:
    ticket = np.array(["aa", "bb", "cc"])
    assert identical_masks({"ticket": ticket, "reinit": ticket.copy()}) == GateResult(
        "identical masks", True, "The masks of ticket, reinit are identical in all 3 runs."
    )
    result = identical_masks({"ticket": ticket, "reinit": ticket, "shuffled": np.array(["aa", "bb", "xx"])})
    assert not result.passed
    assert result.detail == "The masks of ticket, reinit, shuffled differ in 1 of 3 runs."
    uneven = identical_masks({"ticket": ticket, "reinit": ticket[:2]})
    assert not uneven.passed
    assert uneven.detail == "The arms have different numbers of replicates: ticket 3, reinit 2."


def test_not_censored() -> None:
    assert not_censored([900, 1900], 2000).passed
    result = not_censored([900, 2000, np.nan], 2000)
    assert not result.passed
    assert result.detail == "2 of 3 of early stop do not come before the last evaluation at iteration 2000."


def test_all_finite() -> None:
    assert all_finite({"dense": [0.1, 0.2], "ticket": [0.3]}) == GateResult(
        "no diverged run", True, "All 3 values are finite."
    )
    result = all_finite({"dense": [0.1, np.inf], "ticket": [np.nan]})
    assert not result.passed
    assert result.detail == "1 of 2 of dense, 1 of 1 of ticket are not finite."


@pytest.mark.parametrize(
    "result",
    [
        exact_counts("weights", {}, {}),
        within_band("dense accuracy", [], 0, 1, "%"),
        no_arm_at_chance({}, 0.1),
        no_arm_at_chance({"ticket": [0.9], "reinit": []}, 0.1),
        identical_masks({"ticket": np.array(["aa"])}),
        identical_masks({"ticket": np.array([]), "reinit": np.array([])}),
        not_censored([], 100),
        all_finite({}),
        same_scale("fresh", {}, {}),
        same_scale("fresh", {"fc": (np.array([]), np.array([]))}, {"fc": (np.array([9]), np.array([1.0]))}),
    ],
)
def test_no_gate_passes_on_nothing(result) -> None:
    assert not result.passed
