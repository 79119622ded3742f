"""The harness: what is noticed, what survives, and the scores."""

import dataclasses
from pathlib import Path

import pytest

from lthbench.claims.load import load
from lthbench.errors import UserError
from tools.mutants import compare
from tools.mutants.catalogue import CATALOGUE
from tools.mutants.harness import REFERENCE, Harness, Result
from tools.mutants.mutant import Mutant, Patch
from tools.mutants.outcome import outcome
from tools.mutants.reduced import least_replicates, reduced
from tools.mutants.table import markdown, merged, scores, survivors
from tools.mutants.unit_tests import first_failure

ROOT = Path(__file__).parents[2]
COUNTS, KEEP = "lthbench/pruning/counts.py", "tests/pruning/test_keep_largest.py"
HARMLESS = Mutant(
    id="H0",
    says="a comment",
    seen_in="",
    patches=(Patch(COUNTS, '"""How many', '"""How very many'),),
    tests=(KEEP,),
    claims=(),
    unseen="changes nothing",
)


def test_a_mutant_that_changes_nothing_is_reported_as_surviving() -> None:
    result = Harness(outcomes=False).attempt(HARMLESS)
    assert (result.tested, result.test, result.noticed) == (True, None, False)
    assert survivors([result]) == ["H0"]
    assert "SURVIVES" in markdown([result])


def test_a_bug_is_noticed_by_the_test_that_fails() -> None:
    result = Harness(outcomes=False).attempt(CATALOGUE["M6"])
    assert result.test is not None
    assert result.test.startswith(f"{KEEP}::")
    assert survivors([result]) == []


def test_tests_that_cannot_be_run_are_an_error_not_a_success() -> None:
    with pytest.raises(UserError, match="pytest could not run"):
        Harness(outcomes=False).attempt(dataclasses.replace(HARMLESS, tests=(f"{KEEP}::test_not_there",)))


def test_a_patch_that_does_not_fit_stops_the_harness() -> None:
    with pytest.raises(UserError, match="mutant H0"):
        Harness(outcomes=False).attempt(
            dataclasses.replace(HARMLESS, patches=(Patch(COUNTS, "no such text", ""),))
        )


def test_the_first_failure_is_read_from_what_pytest_says() -> None:
    assert first_failure("F\nFAILED tests/a.py::test_b[c] - AssertionError: x - y\n") == "tests/a.py::test_b[c]"
    assert first_failure("1 passed") is None


def result(name: str, **more) -> Result:
    return Result(name, f"says {name}", **more)


def test_scores_count_what_was_tried() -> None:
    results = [
        result("both", tested=True, test="t", claims=("FC-1",), outcome=["gate: x"]),
        result("test alone", tested=True, test="t", claims=("FC-1",), outcome=[]),
        result("verdict alone", tested=True, claims=("FC-1",), outcome=["FC-1: PASS becomes FAIL"]),
        result("nothing", tested=True, claims=("FC-1",), outcome=[]),
        result("no run can show it", tested=True, test="t"),
        result("outcome not run", tested=True, test="t", claims=("FC-1",)),
        result("tests not run", claims=("FC-1",), outcome=["gate: x"]),
    ]
    assert scores(results) == {"everything on": "5 of 6", "outcome only": "3 of 6"}
    assert survivors(results) == ["nothing"]
    assert scores([])["outcome only"] == "none was tried"


def test_the_table_tells_nothing_noticed_from_not_run() -> None:
    text = markdown([result("a", claims=("FC-1",), outcome=[]), result("b", claims=("FC-1",)), result("c")])
    ends = [line.split(" | ")[-1] for line in text.splitlines()[2:]]
    assert ends == ["nothing (FC-1) |", "not run |", "nothing, by construction |"]


def test_tests_and_outcomes_of_several_runs_come_together() -> None:
    tested = {"results": [dataclasses.asdict(result("M3", tested=True, test="t", claims=("ST-2",)))]}
    judged = {"results": [dataclasses.asdict(result("M3", claims=("ST-2",), outcome=["gate: x"]))]}
    for order in ([tested, judged], [judged, tested]):
        (both,) = merged(order)
        assert (both.tested, both.test, both.outcome) == (True, "t", ["gate: x"])


CLAIM = {"verdict": "PASS", "gates": [], "lines": {"H1": {"decision": "PASS", "mean": 1.0, "sd": 0.5, "n": 8}}}
SOUND = {"stopped": None, "claims": {"FC-1": CLAIM}}


def changed(**more) -> dict:
    return {"stopped": None, "claims": {"FC-1": {**CLAIM, **more}}}


def test_what_noticed_is_the_gates_that_fail_and_the_verdicts_that_change() -> None:
    assert compare.noticed(SOUND, SOUND) == []
    assert compare.noticed(SOUND, changed(gates=["x"], verdict="BLOCKED")) == [
        "gate: x", "FC-1: PASS becomes BLOCKED",
    ]  # fmt: skip
    failed = {"H1": {**CLAIM["lines"]["H1"], "decision": "FAIL"}}
    assert compare.noticed(SOUND, changed(verdict="FAIL", lines=failed)) == ["FC-1 (H1): PASS becomes FAIL"]
    assert compare.noticed(SOUND, {"stopped": "AssertionError: x", "claims": {}}) == [
        "the run stops: AssertionError: x"
    ]


def test_the_signature_is_mean_and_spread_of_every_contrast() -> None:
    assert compare.signature(SOUND) == {"FC-1 H1": [1.0, 0.5]}
    assert compare.signature(changed(lines={"H1": {"decision": "NOT DECIDED", "mean": None, "sd": None}})) == {}


def test_outcomes_use_the_fewest_replicates_that_can_decide_both_ways() -> None:
    """2^-n must reach a quarter of 5 % (four primary claims), a third of it for a claim of three hypotheses."""
    registry = load(ROOT / "claims")
    assert least_replicates(registry, "quick") == 8
    small = reduced(registry, "quick", 8)
    assert small.suites["quick"].block == 8
    for claim, registration in small.registrations("quick"):
        whole = registry.claims[claim.id].suites["quick"]
        assert (registration.replicates, registration.beside) == (8, [])
        assert registration.hypotheses == whole.hypotheses
    full = reduced(registry, "quick", None)
    assert [r.replicates for _, r in full.registrations("quick")] == [20] * 7


def test_the_sound_source_passes_at_that_cost(tmp_path) -> None:
    """Judged from the committed run: else a mutant would be noticed that is none."""
    registry = load(ROOT / "claims")
    claims = registry.suites["quick"].claims
    found = outcome(registry, "quick", claims, 8, 0, tmp_path, str(ROOT / REFERENCE))
    assert found["stopped"] is None
    assert {name: one["verdict"] for name, one in found["claims"].items()} == dict.fromkeys(claims, "PASS")
    assert not any(one["gates"] for one in found["claims"].values())


def test_only_the_cells_of_the_claims_asked_for_are_looked_at(tmp_path) -> None:
    found = outcome(load(ROOT / "claims"), "quick", ["ST-1"], 8, 0, tmp_path, str(ROOT / REFERENCE))
    assert list(found["claims"]) == ["ST-1"]


def test_a_run_that_stops_says_what_stopped_it(tmp_path) -> None:
    found = outcome(load(ROOT / "claims"), "quick", ["ST-1"], 8, 0, tmp_path, str(tmp_path / "no table"))
    assert found["stopped"].startswith("FileNotFoundError")


@pytest.mark.slow
def test_a_wrong_sign_is_noticed_without_unit_tests() -> None:
    mutant = dataclasses.replace(CATALOGUE["P7"], claims=("FC-8",))
    result = Harness(tests=False).attempt(mutant)
    assert result.outcome == ["gate: the judge decides known cases", "FC-8 (H1): PASS becomes BLOCKED"]
    assert result.signature["FC-8 H1"][0] == pytest.approx(-result.sound["FC-8 H1"][0])
