"""Weights that are left are counted by their mask; a pruned weight that is not zero counts too, and shows."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lthbench.plan.unit import plan_experiment
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results import store
from lthbench.tickets.unit import remaining, run_unit
from lthbench.training.run import Examples, Folds

MODULE = """import torch
from torch import nn


class Zeros(nn.Module):
    \"\"\"A head and a gamma that start at zero, and a layer that nothing reads: no gradient ever moves it.\"\"\"

    def __init__(self, inputs, classes):
        super().__init__()
        self.body, self.norm = nn.Linear(inputs, 6), nn.BatchNorm1d(6)
        self.head, self.aside = nn.Linear(6, classes), nn.Linear(6, 5)
        for start in (self.head.weight, self.norm.weight, self.aside.weight):
            nn.init.zeros_(start)

    def forward(self, x):
        return self.head(self.body(x) + self.norm(self.body(x)))


def zeros(shape, classes):
    return Zeros(shape[0], classes)
"""


def test_a_kept_weight_may_be_zero_and_a_pruned_one_may_not() -> None:
    mask = np.array([[True, True, False], [False, False, True]])
    ended = np.float32([[0, 2, 0], [0, 0, -1]])
    assert remaining(mask, ended, frozen=False) == 3
    ended[1, 0] = 0.5  # came back
    assert remaining(mask, ended, frozen=False) == 4
    assert remaining(mask, ended, frozen=True) == 3
    ended[1, 1] = np.nan
    assert remaining(mask, ended, frozen=False) == 5


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Experiment]:
    (tmp_path / "zero_starts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield Experiment(
        "zeros",
        "",
        Network("zero_starts:zeros"),
        DataSpec("digits"),
        Training("adam", 0.01, batch=8, iterations=6, evaluate_every=3),
        Pruning("layer-wise", 0.5),
    )
    sys.modules.pop("zero_starts", None)


def noise() -> Folds:
    g = torch.Generator().manual_seed(0)
    examples = Examples(torch.randn(40, 7, generator=g), torch.arange(40) % 3)
    rows = torch.arange(40).expand(2, 40)
    return Folds(examples, examples, rows[:, :30], rows[:, 30:], rows, classes=3)


def test_initial_weights_of_exactly_zero_are_counted_as_any_other(experiment: Experiment, tmp_path: Path) -> None:
    units = plan_experiment(experiment, {("ticket", 1), ("random-mask", 1)}, 2, 2, 0)
    made: dict = {}
    for unit in units:
        above = {cell: made[key] for cell, key in unit.parents.items()}
        run_unit(unit, tmp_path, noise(), above)
        made[unit.key] = store.tensors_of(tmp_path, unit)
        record = store.read(store.path_of(tmp_path, unit))
        counts = {
            (row[3].removeprefix("nonzero:"), row[4]) for row in record.rows if row[3].startswith("nonzero:")
        }
        sizes = {"body.weight": 42, "head.weight": 18, "aside.weight": 30}
        assert counts == {(name, size // (2 if unit.level else 1)) for name, size in sizes.items()}
        assert record.provenance["code"] == dict(unit.code)
