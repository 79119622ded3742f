"""Recipes are compared with the numbers in the words of their own files: hyper-parameters must not drift (M12).

The title of a paper-scale experiment states the paper's protocol in prose; it is read here, number by number.
"""

import re
from dataclasses import replace

import pytest

from lthbench.claims.load import load

REGISTRY = load()
PAPER_SCALE = sorted(
    {r.experiment for _, r in REGISTRY.registrations("full-core")}
    | {cell.experiment for _, r in REGISTRY.registrations("full-core") for line in r.lines()
       for cell in line.contrast.cells(r.experiment)}
)  # fmt: skip
SHORT = ["fashion-lenet-short", "mnist-lenet-short"]  # the paper's recipe, fewer iterations
NUMBER = r"([\d.,]*\d(?:e-?\d+)?)"


def stated(pattern: str, title: str) -> float:
    """The number that a title states."""
    found = re.search(pattern.replace("#", NUMBER), title)
    assert found, f"the title does not state {pattern!r}: {title}"
    return float(found[1].replace(",", ""))


RATE = {"adam": "Adam #", "sgd": "rate of #"}


@pytest.mark.parametrize("name", PAPER_SCALE + SHORT)
def test_training_is_as_the_title_states(name) -> None:
    title, training = REGISTRY.experiments[name].title, REGISTRY.experiments[name].training
    optimizer = re.search(r"\b(Adam|SGD)\b", title)[1].lower()
    assert optimizer == training.optimizer
    assert stated(RATE[optimizer], title) == training.learning_rate
    assert stated("batches of #", title) == training.batch
    assert stated("# iterations", title) == training.iterations
    for word, value in (("momentum", training.momentum), ("weight decay", training.weight_decay)):
        assert (stated(f"{word} #", title) if word in title else 0) == value
    assert ("flips" in title, "crops" in title) == (training.flip, training.pad_crop > 0)


@pytest.mark.parametrize(
    ("name", "common", "output", "convolutions"),
    [
        ("mnist-lenet", "pruning of # %", r"output layer # %", None),
        *((name, "pruning of # %", r"output layer # %", None) for name in SHORT),
        ("cifar10-conv4", r"# % \(fully connected\)", r"# % \(output layer\)", r"# % \(convolutions\)"),
        ("cifar10-resnet20", "pruning of # %", None, None),
    ],
)
def test_pruning_is_as_the_title_states(name, common, output, convolutions) -> None:
    title, pruning = REGISTRY.experiments[name].title, REGISTRY.experiments[name].pruning
    assert re.search("layer-wise|global", title)[0] == pruning.scope
    assert stated(common, title) == pytest.approx(100 * pruning.rate)
    assert (pruning.output_rate, pruning.layer_rates) == (
        stated(output, title) / 100 if output else None,
        {"conv*": stated(convolutions, title) / 100} if convolutions else {},
    )


def test_every_paper_scale_experiment_is_looked_at() -> None:
    assert PAPER_SCALE == ["cifar10-conv4", "cifar10-resnet20", "mnist-lenet"]


@pytest.mark.parametrize("name", SHORT)
def test_the_short_experiments_are_the_papers_but_for_their_length_and_data(name) -> None:
    short, paper = REGISTRY.experiments[name], REGISTRY.experiments["mnist-lenet"]
    assert (short.network, short.pruning, short.weights) == (paper.network, paper.pruning, paper.weights)
    assert replace(short.training, iterations=50_000) == paper.training
    assert (short.data.validation, short.data.train, short.data.test) == (5000, None, None)


def test_whatever_runs_on_them_says_so() -> None:
    """Fewer iterations than the paper's are never left unsaid."""
    for _, registration in REGISTRY.registrations("cpu"):
        assert registration.experiment in SHORT
        assert registration.reduced_scale
        assert "3,000 iterations" in registration.title
        assert ("Fashion" in registration.title) == (registration.experiment == "fashion-lenet-short")
        assert registration.not_tested
