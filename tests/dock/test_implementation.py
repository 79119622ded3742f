"""An implementation of a user's: what it is given, what may come back, and what is kept."""

import json
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import typed

import lthbench
from lthbench.claims.load import Registry
from lthbench.drive.implementation import Asked, resumed
from lthbench.drive.implementation import tested as in_the_dock
from lthbench.drive.implementation_work import train
from lthbench.errors import UserError
from lthbench.judging.dock.standing import Standing
from lthbench.recipe.experiment import Network
from lthbench.results.returned import Arm, Record, Result, stored, taken, write
from lthbench.tickets.command import Command
from lthbench.tickets.implementation import Question, answers, arms_of, function

Ask = Callable[..., Question]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (3, "returned a int; return a dict"),
        ({}, "no final_test_accuracy"),
        (
            {"final_test_acuracy": 1.0},
            "'final_test_acuracy', which nothing reads; did you mean 'final_test_accuracy'",
        ),
        ({"final_test_accuracy": "64 %"}, "final_test_accuracy is a str; give a number"),
        ({"final_test_accuracy": 64, "mask": [1]}, "mask is a list; give a dict"),
        ({"final_test_accuracy": 64, "validation_loss": [1]}, "validation_loss is a list; give a dict"),
        ({"final_test_accuracy": 64, "weights": {"w": np.array(["a"])}}, "w holds <U1, no numbers"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(answer: Any, words: str) -> None:
    with pytest.raises(UserError, match=words.replace("(", r"\(")) as error:
        taken(answer, "mine:run")
    assert str(error.value).startswith("mine:run")


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    given = {
        "final_test_accuracy": torch.tensor(64.5), "validation_loss": {10: float("nan"), 20: 0.5}, "rates": [0.1],
        "weights": {"w": torch.ones(2, 3)}, "mask": {},
    }  # fmt: skip
    result = taken(given, "mine:run")
    write(tmp_path / "arm", Record(result, {"test_examples": 10.0}))
    again = stored(tmp_path / "arm")
    assert again is not None
    assert again.measured == {"test_examples": 10.0}
    back = again.result
    assert (back.final_test_accuracy, back.rates, back.mask, back.start) == (64.5, [0.1], {}, None)
    assert str(back.validation_loss) == "{10: nan, 20: 0.5}"
    assert back.weights is not None
    assert np.array_equal(back.weights["w"], np.ones((2, 3)))


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    write(tmp_path, Record(Result(1.0), {}))
    file = tmp_path / "result.safetensors"
    file.write_bytes(file.read_bytes()[:20])
    assert stored(tmp_path) is None


def test_arms_come_with_what_they_are_made_from_and_in_all_draws() -> None:
    arms = [arm.cell for arm in arms_of({("reinit", 2)}, {"reinit": 2})]
    assert arms == [("dense", 0, 0), ("ticket", 1, 0), ("ticket", 2, 0), ("reinit", 2, 0), ("reinit", 2, 1)]


def test_a_finished_arm_is_not_asked_for_again(question: Ask) -> None:
    asked, calls = question("mine:run", arms=[Arm("dense", 0)]), []

    def run(problem: Any, arm: Arm) -> dict[str, Any]:
        calls.append(arm.name)
        return {"final_test_accuracy": 50.0}

    first, again = answers(asked, run), answers(asked, run)
    assert calls == ["dense"]
    assert first == again


def test_problems_are_the_same_twice_and_share_nothing(question: Ask) -> None:
    seen = []

    def run(problem: Any, arm: Arm) -> dict[str, Any]:
        weights = [module.fc1.weight.detach().clone() for module in (problem.module(5), problem.module())]
        own = [problem.train[0].clone(), problem.order.clone(), torch.rand(1), torch.tensor(problem.seed)]
        seen.append([*weights, *own])
        problem.train[0].zero_()
        return {"final_test_accuracy": 50.0}

    for name in ("a", "b"):
        answers(question(f"{name}:run", arms=[Arm("dense", 0)]), run)
        for file in question(name).folder.rglob("result.safetensors"):
            file.unlink()
    answers(question("c:run", 1, arms=[Arm("dense", 0)]), run)
    assert all(torch.equal(a, b) for a, b in zip(seen[0], seen[1], strict=True))
    same = [torch.equal(a, b) for a, b in zip(seen[0], seen[2], strict=True)]
    assert same == [True, False, False, False, False, False]  # module(5) is what the caller's seed makes it


def test_weights_that_are_not_the_network_are_told(question: Ask) -> None:
    def run(problem: Any, arm: Arm) -> dict[str, Any]:
        return {"final_test_accuracy": 50.0, "weights": {"layer.weight": torch.ones(2)}}

    with pytest.raises(UserError, match=r"not the state dict of problem\.module"):
        answers(question("mine:run", arms=[Arm("dense", 0)]), run)


def test_a_crash_names_its_file_and_line(question: Ask, implementations: Path, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    (tmp_path / "crashes.py").write_text("def run(problem, arm):\n    return problem.nonsense\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match=r"nonsense.*crashes.py, line 2"):
        train([question("crashes:run")], 0, lambda _: None)


def test_a_command_is_asked_arm_by_arm(question: Ask, implementations: Path) -> None:
    template = f"{os.sys.executable} {implementations}/by_hand.py {{arm}} {{level}} {{draw}} {{replicate}} "  # type: ignore[attr-defined]
    template += "{problem} {earlier} {out}"
    asked = question(template, arms=[Arm("dense", 0), Arm("ticket", 1)])
    with pytest.raises(UserError, match=r"^--command ended with 1 for dense@0"):
        answers(asked, Command(template))  # this network has batch norm, which by_hand.py does not know


@pytest.mark.parametrize(
    ("template", "words"),
    [("train {arm}", "has no {level}"), ("train {arm} {what}", "the places are"), ("train '{arm}", "closing")],
)
def test_a_command_that_cannot_be_filled_in(template: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Command(template)


def differences(standing: Standing) -> float:
    """The largest of all arms and replicates."""
    return max(abs(value) for point in standing.points for value in point.d)


def test_the_builtin_through_the_door_gives_its_own_numbers(
    registry: Registry, implementations: Path, tmp_path: Path
) -> None:
    # Networks that are trained side by side round otherwise: one replicate at a time is the same bits.
    alone = {name: suite.model_copy(update={"block": 1}) for name, suite in registry.suites.items()}
    asked = Asked("builtin:run", "own", ("FC-1",), 8, 0, tmp_path, cores=0)
    standing = in_the_dock(asked, replace(registry, suites=alone), lambda _: None)
    assert differences(standing) == 0
    assert standing.sound, standing.words()
    assert [c.verdict for c in standing.verdicts.claims] == [c.verdict for c in standing.reference.claims]
    assert [c.hypotheses[0].d for c in standing.verdicts.claims] == [
        c.hypotheses[0].d for c in standing.reference.claims
    ]
    assert (tmp_path / "standing.md").read_text().startswith("# builtin:run in the dock")


@pytest.mark.slow
@pytest.mark.parametrize(("run", "state"), [("mistakes:m14", "broken"), ("sound:run", "holds")])
def test_a_run_that_was_killed_goes_on_as_if_it_was_not(question: Ask, run: str, state: str) -> None:
    asked = question(run, arms=[Arm("dense", 0)])
    answers(asked, function(run))
    assert resumed(asked).state == state


def blobs() -> tuple[np.ndarray, ...]:
    """Four overlapping classes of 20 features: examples and labels to train on and to test on."""
    g = np.random.default_rng(0)
    centres, labels = g.standard_normal((4, 20)), g.integers(0, 4, 700)
    examples = (centres[labels] + g.standard_normal((700, 20))).astype(np.float32)
    return examples[:500], labels[:500], examples[500:], labels[500:]


def test_from_python_an_implementation_is_an_answer_with_its_standing(implementations: Path) -> None:
    answer = lthbench.test_implementation(
        "sound:run", network=Network("mlp", (12,)), data=blobs(), claims="FC-1", iterations=40, learning_rate=0.03,
        density=0.6, quiet=True,
    )  # fmt: skip
    standing = answer.standing
    assert standing is not None
    assert not standing.accused, standing.words()
    assert answer["FC-1"].differences.shape == (8,)
    assert answer["FC-1"].verdict == standing.verdicts.claims[0].verdict
    assert answer.exit_code == standing.exit_code
    assert standing.words() in answer.notes


def test_a_program_without_a_framework_stands_on_a_network_and_data_of_its_own(
    implementations: Path, tmp_path: Path
) -> None:
    """As it is typed: a path with spaces, arrays beside the results, data relative to where one stands."""
    program = tmp_path / "my code" / "numpy alone.py"
    program.parent.mkdir()
    program.write_bytes((implementations / "numpy_alone.py").read_bytes())
    np.savez(tmp_path / "mine.npz", **dict(zip(("x_train", "y_train", "x_test", "y_test"), blobs(), strict=True)))
    places = "{arm} {level} {replicate} {problem} {earlier} {out}"
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(program))} {places}"
    done = typed(
        ["test", "--command", command, "--network", "mlp", "--hidden", "12", "--data", "mine.npz", "--iterations",
         "40", "--learning-rate", "0.03", "--density", "0.6", "--claim", "fc-1", "--cores", "1", "--out",
         "its results"],
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stdout + done.stderr
    standing = json.loads((tmp_path / "its results" / "standing.json").read_text())
    states = {each["id"]: each["state"] for each in standing["invariants"]}
    assert "broken" not in states.values(), states
    assert list(states.values()).count("holds") >= 10, states
    assert standing["claims"] == standing["claims_of_reference"]
    assert standing["claims"]["FC-1"] != "BLOCKED"
    differ = [d for point in standing["reference_points"] for d in point["d"]]
    assert len(differ) == 8 * 2
    assert max(map(abs, differ)) < 5  # of 200 test examples, by another library's rounding
