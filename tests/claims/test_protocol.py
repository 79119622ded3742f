"""Recipes are compared with the numbers in the words of their own files: hyper-parameters must not drift (M12).

The title of a paper-scale experiment states the paper's protocol in prose; it is read here, number by number.
"""

import re

import pytest

from lthbench.claims.load import load

REGISTRY = load()
PAPER_SCALE = sorted(
    {r.experiment for _, r in REGISTRY.registrations("full-core")}
    | {cell.experiment for _, r in REGISTRY.registrations("full-core") for line in r.lines()
       for cell in line.contrast.cells(r.experiment)}
)  # fmt: skip
NUMBER = r"([\d.,]*\d(?:e-?\d+)?)"


def stated(pattern: str, title: str) -> float:
    """The number that a title states."""
    found = re.search(pattern.replace("#", NUMBER), title)
    assert found, f"the title does not state {pattern!r}: {title}"
    return float(found[1].replace(",", ""))


RATE = {"adam": "Adam #", "sgd": "rate of #"}


@pytest.mark.parametrize("name", PAPER_SCALE)
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
