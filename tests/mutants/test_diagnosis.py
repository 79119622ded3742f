"""Numbers that are a known bug's are told as that; others as none."""

import dataclasses
import json
from pathlib import Path

import pytest

from lthbench.judging.diagnosis import APART, NEAR, Signature, diagnose, distance, of, resembles, signatures
from lthbench.judging.verdict import from_json
from tools.mutants.signatures import collected

SOUND = {"A H1": (0.0, 1.0), "A H2": (10.0, 2.0)}
FAR = Signature("M1", "far", {"A H1": 5.0, "A H2": 0.0}, SOUND)
OTHER = Signature("M2", "other", {"A H1": -5.0, "A H2": 0.0}, SOUND)
SILENT = Signature("M3", "silent", {"A H1": 0.1, "A H2": 10.1}, SOUND)
KNOWN = (FAR, OTHER, SILENT)


def test_the_distance_is_in_standard_deviations_over_common_lines() -> None:
    sds = {"a": 1.0, "b": 2.0, "d": 1.0}
    assert distance({"a": 1, "b": 4, "c": 9}, {"a": 0, "b": 0, "d": 9}, sds) == pytest.approx(((1 + 4) / 2) ** 0.5)
    assert distance({"a": 1}, {"b": 1}, sds) is None
    assert distance({"a": 1}, {"a": 1}, {"a": 0.0}) is None


def test_a_bugs_own_numbers_are_named() -> None:
    assert [one.id for _, one in resembles({"A H1": 5.3, "A H2": 0.5, "B H1": 3.0}, KNOWN)] == ["M1"]
    assert diagnose(FAR.means, KNOWN) == "The numbers are as if far (M1; 0.0 SD away over 2)."


@pytest.mark.parametrize("means", [{"A H1": 0.0, "A H2": 10.0}, {"A H1": 5.0, "A H2": 30.0}, {}])
def test_sound_and_strange_numbers_resemble_none(means) -> None:
    assert diagnose(means, KNOWN) == "The numbers resemble no known bug's."


def test_a_bug_whose_numbers_are_the_sound_ones_is_never_named() -> None:
    assert resembles(SILENT.means, KNOWN) == []
    assert NEAR < APART


def test_one_line_of_two_is_not_enough() -> None:
    assert resembles({"A H1": 5.0}, KNOWN) == []


def test_of_several_the_nearest_comes_first() -> None:
    near = Signature("M9", "near", {"A H1": 5.5, "A H2": 0.0}, SOUND)
    assert [one.id for _, one in resembles({"A H1": 5.5, "A H2": 0.0}, (FAR, near))] == ["M9", "M1"]


ROOT = Path(__file__).parents[2]


def reference():
    return from_json((ROOT / "reports/reference/quick/seed-0/verdicts.json").read_text())


def failing(verdicts, suite="quick"):
    first = dataclasses.replace(verdicts.claims[0], verdict="FAIL")
    return dataclasses.replace(verdicts, suite=suite, claims=[first, *verdicts.claims[1:]])


def test_only_a_quick_run_with_a_failure_or_a_block_is_explained() -> None:
    verdicts = reference()
    assert of(verdicts) is None
    assert of(failing(verdicts)) == "The numbers resemble no known bug's."
    assert of(failing(verdicts, "full-core")) is None


def test_every_measured_signature_that_shows_is_recognised_and_the_sound_runs_are_not() -> None:
    for one in signatures():
        shows = distance(
            one.means, {k: v[0] for k, v in one.sound.items()}, {k: v[1] for k, v in one.sound.items()}
        )
        assert (one in [found for _, found in resembles(one.means, signatures())]) == (shows >= APART), one.id


def test_signatures_are_collected_from_what_the_harness_writes() -> None:
    run = {
        "id": "M1",
        "says": "x",
        "signature": {"A H1": [5.00001, 1]},
        "sound": {"A H1": [0, 1], "B H1": [1, 1]},
    }
    (one,) = collected(json.loads(json.dumps([{"results": [run, {**run, "id": "M2", "signature": {}}]}])), [])
    assert one == {"id": "M1", "says": "x", "means": {"A H1": 5.0}, "sound": {"A H1": [0, 1]}}
