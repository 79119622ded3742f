"""Survivors per input: counted by hand from masks that the test writes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lthbench.errors import UserError
from lthbench.plan.unit import Unit, plan_experiment
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results import inputs, store

EXPERIMENT = Experiment(
    "toy", "", Network("mlp", (4,)), DataSpec("digits"), Training("adam", 0.01, 10, 20, 10),
    Pruning("layer-wise", 0.2), draws={"random-mask": 2},
)  # fmt: skip
CELLS = {("ticket", 3), ("random-mask", 2), ("reinit", 2), ("one-shot", 3)}


def mask_of(unit: Unit, network: int) -> np.ndarray:
    """Another mask per arm, level and network, which a test can make again."""
    rng = np.random.default_rng([len(unit.arm), unit.level, unit.block, network])
    return rng.random((64, 4)) < 0.5


@pytest.fixture
def units(tmp_path: Path) -> list[Unit]:
    """Four replicates in two blocks, stored below the temporary folder."""
    planned = plan_experiment(EXPERIMENT, CELLS, 4, 2, 0)
    for unit in planned:
        masks = np.stack([mask_of(unit, network) for network in range(unit.networks)])
        store.write(tmp_path, unit, [], {"mask/fc1.weight": masks, "final/fc1.weight": 0.5 * masks}, {})
    return planned


def test_survivors_are_means_over_replicates_and_draws(tmp_path: Path, units: list[Unit]) -> None:
    table = inputs.count(tmp_path, [*units, *units])  # two looks may ask for a unit twice
    assert set(zip(table["arm"], table["level"], strict=True)) == {
        ("ticket", 1), ("ticket", 2), ("ticket", 3), ("random-mask", 2), ("one-shot", 3),
    }  # fmt: skip
    for (arm, level), rows in table.groupby(["arm", "level"]):
        own = [unit for unit in units if (unit.arm, unit.level) == (arm, level)]
        masks = np.stack([mask_of(unit, network) for unit in own for network in range(unit.networks)])
        assert set(rows["networks"]) == {8 if arm == "random-mask" else 4}
        assert set(rows["outputs"]) == {4}
        np.testing.assert_allclose(rows["survivors"], masks.sum(2).mean(0))
        assert list(rows["input"]) == list(range(64))


def test_it_comes_back_from_its_file(tmp_path: Path, units: list[Unit]) -> None:
    assert inputs.read(tmp_path) is None
    table = inputs.count(tmp_path, units)
    (tmp_path / inputs.FILE).write_text(inputs.to_csv(table))
    pd.testing.assert_frame_equal(inputs.read(tmp_path), table, check_dtype=False)


def test_units_without_tensors_and_damaged_ones_are_left_out(tmp_path: Path, units: list[Unit], caplog) -> None:
    tickets = [store.path_of(tmp_path, u).with_suffix(".safetensors") for u in units if u.arm == "ticket"]
    for path in tickets[1:]:
        path.unlink()
    tickets[0].write_bytes(b"damaged")
    table = inputs.count(tmp_path, units)
    assert "ticket" not in set(table["arm"])
    assert tickets[0].name in caplog.text


def test_networks_that_see_no_single_inputs_are_left_out(tmp_path: Path, units: list[Unit]) -> None:
    conv = [unit.__class__(**(vars(unit) | {"experiment": other("conv-2", "cifar10")})) for unit in units]
    own = [unit.__class__(**(vars(unit) | {"experiment": other("mlp", "npz")})) for unit in units]
    assert inputs.count(tmp_path, [*conv, *own]).empty


def other(kind: str, data: str) -> Experiment:
    """The experiment with another network or other data."""
    network = Network(kind, (4,) if kind == "mlp" else ())
    return Experiment(
        "toy",
        "",
        network,
        DataSpec(data, path="x" if data == "npz" else None),
        EXPERIMENT.training,
        EXPERIMENT.pruning,
    )


@pytest.mark.parametrize(
    ("cells", "levels"),
    [
        ({("ticket", n) for n in range(1, 10)}, {1, 9}),
        ({("ticket", n) for n in range(1, 10)} | {("one-shot", 4), ("one-shot", 9), ("random-mask", 9)}, {1, 9}),
        ({("ticket", n) for n in range(1, 21)} | {("one-shot", 15), ("continued", 10), ("continued", 15),
          ("random-mask", 10)}, {10, 15, 20}),
        ({("one-shot", 4)}, set()),
        (set(), set()),
    ],
)  # fmt: skip
def test_levels_show_every_arm_once(cells: set, levels: set) -> None:
    assert inputs.levels_shown(cells) == levels


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "", "experiment,arm,level\nx,y,many\n", "\x00\xff"])
def test_a_strangers_table_is_refused_in_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / inputs.FILE).write_text(text)
    with pytest.raises(UserError, match=r"inputs\.csv.*remove it, and the report has no maps"):
        inputs.read(tmp_path)
