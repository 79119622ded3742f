"""Implementations of users are modules of a folder of their own, importable as a user's are."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lthbench.claims.load import Registry, load
from lthbench.judging.dock.invariants import Invariant, Returned, invariants
from lthbench.results.returned import Arm
from lthbench.tickets.implementation import Question, answers, arms_of, function

HERE = Path(__file__).parent
IMPLEMENTATIONS = HERE / "implementations"
CELLS = {("ticket", 2), ("reinit", 2), ("random-mask", 2)}
Looked = Callable[[str], dict[str, Invariant]]


@pytest.fixture
def implementations(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(IMPLEMENTATIONS))
    monkeypatch.setenv("PYTHONPATH", f"{IMPLEMENTATIONS}:{HERE.parents[1]}")
    return IMPLEMENTATIONS


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load(HERE / "claims")


@pytest.fixture
def question(registry: Registry, implementations: Path, tmp_path: Path) -> Callable[..., Question]:
    """A question with a recipe of a few iterations."""
    experiment = registry.experiments["own"]
    short = replace(experiment, training=replace(experiment.training, iterations=40, evaluate_every=10))

    def ask(run: str, number: int = 0, arms: Sequence[Arm] = arms_of(CELLS, {})) -> Question:
        return Question(run, short, tuple(arms), 0, number, tmp_path / "records")

    return ask


@pytest.fixture
def looked(question: Callable[..., Question]) -> Looked:
    """The invariants of an implementation, by name, on two replicates."""

    def look(run: str) -> dict[str, Invariant]:
        questions = [question(run, number) for number in range(2)]
        replicates = [answers(each, function(run)) for each in questions]
        masks = replicates[0]["ticket", 2, 0].result.start
        assert masks is not None
        shapes = {name: masks[name].shape for name in ("fc1.weight", "fc2.weight", "out.weight")}
        return {each.id: each for each in invariants(Returned(questions[0].experiment, shapes, replicates))}

    return look


@pytest.fixture(autouse=True)
def forget_modules() -> None:
    for name in ("sound", "mistakes", "builtin"):
        sys.modules.pop(name, None)
