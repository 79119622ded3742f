"""The catalogue fits the source: it cannot rot without a test that says so."""

import ast
from pathlib import Path

import pytest
import yaml

from lthbench.claims.load import load
from lthbench.errors import UserError
from tools.mutants import command, copy
from tools.mutants.__main__ import main
from tools.mutants.catalogue import CATALOGUE, chosen
from tools.mutants.copy import PatchError, apply, patched
from tools.mutants.known import KNOWN
from tools.mutants.mutant import Mutant, Patch
from tools.mutants.plausible import PLAUSIBLE

ROOT = Path(__file__).parents[2]
QUICK = set(load(ROOT / "claims").suites["quick"].claims)
EVERY = pytest.mark.parametrize("mutant", CATALOGUE.values(), ids=CATALOGUE)


@EVERY
def test_every_patch_applies_and_leaves_something_that_can_be_read(mutant, tmp_path) -> None:
    for patch in mutant.patches:
        target = tmp_path / patch.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text((ROOT / patch.file).read_text())
    apply(mutant, tmp_path)
    for patch in mutant.patches:
        text = (tmp_path / patch.file).read_text()
        assert text != (ROOT / patch.file).read_text()
        assert ast.parse(text) if patch.file.endswith(".py") else yaml.safe_load(text)


@EVERY
def test_every_test_named_is_there(mutant) -> None:
    assert mutant.tests
    for node in mutant.tests:
        file, _, name = node.partition("::")
        assert f"def {name}" in (ROOT / file).read_text()


@EVERY
def test_claims_are_those_of_the_suite_or_it_is_said_why_there_are_none(mutant) -> None:
    assert set(mutant.claims) <= QUICK
    assert bool(mutant.claims) != bool(mutant.unseen)


def test_all_fifteen_known_bugs_are_there_and_no_id_twice() -> None:
    assert {f"M{i}" for i in range(1, 16)} <= {mutant.id for mutant in KNOWN}
    assert len(CATALOGUE) == len(KNOWN) + len(PLAUSIBLE)


@pytest.mark.parametrize("text", ["nothing of it", "old old"])
def test_a_patch_that_does_not_fit_exactly_once_names_its_mutant(text) -> None:
    with pytest.raises(PatchError, match=r"mutant M0: some/file.py has [02] times \(not once\): old"):
        patched(text, Patch("some/file.py", "old", "new"), "M0")


def test_a_patch_of_a_file_that_is_not_there_is_such_an_error(tmp_path) -> None:
    mutant = Mutant("M0", "", "", (Patch("no/such.py", "old", "new"),), ("t",), ())
    with pytest.raises(PatchError, match="mutant M0"):
        apply(mutant, tmp_path)


def test_an_unknown_id_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^mutants: there is no mutant 'M77'; there are M1, .*$") as error:
        chosen(["M3", "M77"])
    assert "\n" not in str(error.value)


def test_all_or_some_in_the_order_of_the_catalogue() -> None:
    assert [m.id for m in chosen([])] == list(CATALOGUE)
    assert [m.id for m in chosen(["P2", "M3"])] == ["M3", "P2"]


def test_what_is_judged_only_needs_no_training() -> None:
    assert [m.id for m in CATALOGUE.values() if not m.trains] == ["M15", "P7", "P12", "P13"]


def test_from_a_wheel_it_is_said_where_the_tests_are(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(copy, "__file__", str(tmp_path / "site-packages/lthbench/mutants/copy.py"))
    with pytest.raises(UserError, match="only in the source distribution"):
        copy.checkout()


def test_the_program_hands_its_options_over(monkeypatch, tmp_path) -> None:
    given = []
    monkeypatch.setattr(command, "run", lambda *options: given.append(options[:4]) or 1)
    file = tmp_path / "results.json"
    assert (
        main(["--only", "M3", "--only", "P1", "--outcome-only", "--full", "--jobs", "2", "--json", str(file)]) == 1
    )
    ((only, harness, jobs, target),) = given
    assert (only, jobs, target) == (["M3", "P1"], 2, file)
    assert (harness.tests, harness.outcomes, harness.full) == (False, True, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--tests-only", "--outcome-only"], "not allowed with"), (["--jobs", "0"], "less than 1")],
)
def test_the_program_refuses_options_that_make_no_sense(options, words, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(options)
    assert words in capsys.readouterr().err


def test_an_unknown_mutant_is_a_line(capsys) -> None:
    assert main(["--only", "M99"]) == 2
    assert "M99" in capsys.readouterr().err
