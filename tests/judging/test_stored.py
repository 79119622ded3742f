"""What a verdicts.json must be: its shape is checked where it is read, and it comes out again as it was."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lthbench.errors import UserError
from lthbench.judging.stored import read_verdicts, text_of, verdicts_of
from lthbench.judging.verdict import to_json

REFERENCES = sorted((Path(__file__).parents[2] / "reports/reference").glob("*/*/verdicts.json"))
QUICK = next(path for path in REFERENCES if "quick/seed-0" in path.as_posix())
Edit = Callable[[dict], object]


def first_claim(content: dict) -> dict:
    return content["claims"][0]


def line(content: dict) -> dict:
    return first_claim(content)["hypotheses"][0]


def gate(content: dict) -> dict:
    return first_claim(content)["gates"][0]


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.parent.as_posix().rpartition("reference/")[2])
def test_what_is_read_is_written_as_it_was(path) -> None:
    assert to_json(read_verdicts(path)) == path.read_text(encoding="utf-8")


def test_line_ends_of_another_system_are_no_difference(tmp_path) -> None:
    """A checkout may change them; `judge --check` compares this text."""
    copy = tmp_path / "verdicts.json"
    copy.write_bytes(QUICK.read_bytes().replace(b"\n", b"\r\n"))
    assert text_of(copy) == to_json(read_verdicts(copy)) == text_of(QUICK)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda v: v.update(x=1), "(x: unknown key"),
        (lambda v: first_claim(v).update(x=1), "(claims.0.x: unknown key"),
        (lambda v: line(v).update(x=1), "(claims.0.hypotheses.0.x: unknown key"),
        (lambda v: gate(v).update(x=1), "(claims.0.gates.0.x: unknown key"),
        (lambda v: v.pop("suite"), "(suite: missing"),
        (lambda v: v.update(origin="mine"), "(origin: Input should be 'own', 'published' or 'given'"),
        (lambda v: v.update(master_seed=1.5), "(master_seed: Input should be a valid integer"),
        (lambda v: v.update(alpha=float("inf")), "(alpha: Input should be a finite number"),
        (lambda v: v["claims"].append(first_claim(v)), "(file: a claim is there twice)"),
        (lambda v: first_claim(v).update(verdict="GREAT"), "(claims.0.verdict: Input should be 'PASS', 'FAIL'"),
        (lambda v: first_claim(v).update(title=1), "(claims.0.title: Input should be a valid string"),
        (lambda v: first_claim(v).update(hypotheses=[]), "(claims.0: a claim without hypotheses)"),
        (lambda v: gate(v).update(passed=1), "(claims.0.gates.0.passed: Input should be a valid boolean"),
        (lambda v: gate(v).pop("detail"), "(claims.0.gates.0.detail: missing"),
        (lambda v: line(v).update(test="luck"), "(claims.0.hypotheses.0: the test is none of superiority, "),
        (lambda v: line(v).update(delta=True), "(claims.0.hypotheses.0.delta: Input should be a valid number"),
        (lambda v: line(v).update(delta="1"), "(claims.0.hypotheses.0.delta: Input should be a valid number"),
        (lambda v: line(v).update(d=["1"]), "(claims.0.hypotheses.0.d.0: Input should be a valid number"),
        (lambda v: line(v).update(evidence=[]), "(claims.0.hypotheses.0.evidence: Input should be"),
        (lambda v: line(v)["evidence"].update(dz=True), "(claims.0.hypotheses.0: evidence: dz is no number)"),
        (lambda v: line(v)["evidence"].update(n="40"), "(claims.0.hypotheses.0: evidence: n is no number)"),
        (lambda v: line(v)["evidence"].pop("sd"), "(claims.0.hypotheses.0: evidence: sd is no number)"),
        (lambda v: line(v).update(groups=[{"mean": 1.0}]), "(claims.0.hypotheses.0.groups.0.sd: missing"),
        (lambda v: line(v).update(sweep=[[1.0]]), "(claims.0.hypotheses.0.sweep.0.1: missing"),
    ],
)  # fmt: skip
def test_another_shape_is_refused_by_its_field(edit: Edit, said: str) -> None:
    content = json.loads(text_of(QUICK))
    edit(content)
    with pytest.raises(UserError) as error:
        verdicts_of(json.dumps(content), Path("v.json"))
    assert str(error.value).startswith(f"v.json: not the verdicts of a run {said}")
    assert str(error.value).endswith("; give a verdicts.json that lthbench wrote")
    assert "\n" not in str(error.value)


def test_a_run_that_diverged_has_no_number_there() -> None:
    content = json.loads(text_of(QUICK))
    line(content).update(d=[None, 1.0], evidence=None, decision="NOT DECIDED")
    verdicts = verdicts_of(json.dumps(content), Path("v.json"))
    assert verdicts.claims[0].hypotheses[0].d == [None, 1.0]
    assert verdicts_of(to_json(verdicts), Path("v.json")) == verdicts
