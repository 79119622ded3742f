import dataclasses
import random

import pandas as pd
import pytest

from lthbench.plan.unit import plan_experiment
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results import store, tidy

EXPERIMENT = Experiment(
    "toy", "", Network("mlp", (4,)), DataSpec("digits"), Training("adam", 0.01, 10, 20, 10),
    Pruning("layer-wise", 0.2), draws={"reinit": 2},
)  # fmt: skip
SIZES = {"dense": (40, 10), "ticket": (32, 8), "reinit": (32, 8)}


def plan(experiment=EXPERIMENT):
    return plan_experiment(experiment, {("reinit", 1), ("dense", 0)}, 3, 2, 0)


def fill(root, units, shuffle=None) -> None:
    for unit in units:
        rows = []
        for replicate in unit.replicates:
            for draw in range(unit.draws):
                value = 50 + replicate + draw / 3
                rows += [
                    (replicate, draw, 20, "validation_accuracy", value + 1),
                    (replicate, draw, 10, "validation_accuracy", value),
                    (replicate, draw, 20, "final_test_accuracy", None if replicate == 2 else value),
                    (replicate, draw, 20, "nonzero:fc1.weight", float(SIZES[unit.arm][0])),
                    (replicate, draw, 20, "nonzero:out.weight", float(SIZES[unit.arm][1])),
                    (replicate, draw, None, "mask_crc32", 4294967295.0),
                ]
        if shuffle:
            shuffle.shuffle(rows)
        store.write(root, unit, rows, {}, {"seconds": 1.0, "finished": "2026-01-01"})


@pytest.fixture
def table(tmp_path):
    fill(tmp_path, plan())
    return tidy.collect(tmp_path, plan())[0]


def test_columns_and_order(table) -> None:
    assert list(table.columns) == tidy.COLUMNS
    keys = table[tidy.ORDER].copy()
    keys["iteration"] = keys["iteration"].fillna(-1)
    listed = [tuple(row) for row in keys.itertuples(index=False)]
    assert listed == sorted(listed)
    assert len(table) == (3 + 3 + 6) * 6
    assert not table.duplicated(tidy.ORDER).any()


def test_the_density_is_relative_to_dense(table) -> None:
    for arm, sizes in SIZES.items():
        assert table[table["arm"] == arm]["density"].unique().tolist() == [sum(sizes) / 50]


def test_the_same_numbers_are_the_same_bytes(tmp_path, table) -> None:
    units, g = plan(), random.Random(3)
    g.shuffle(units)
    fill(tmp_path / "other", units, shuffle=g)
    other = tidy.collect(tmp_path / "other", units)[0]
    assert tidy.to_csv(other) == tidy.to_csv(table)


def test_the_text_holds_no_time_host_or_path(tmp_path, table) -> None:
    text = tidy.to_csv(table)
    assert text.splitlines()[0] == "experiment,arm,level,density,replicate,draw,iteration,metric,value"
    for word in ("2026", "seconds", str(tmp_path), "\r"):
        assert word not in text


def test_a_table_survives_its_file(tmp_path, table) -> None:
    (tmp_path / "tidy.csv").write_text(tidy.to_csv(table))
    again = tidy.read(tmp_path / "tidy.csv")
    assert tidy.to_csv(again) == tidy.to_csv(table)
    assert again["iteration"].isna().sum() == 12
    assert again[again["metric"] == "mask_crc32"]["value"].eq(4294967295).all()
    diverged = again[(again["metric"] == "final_test_accuracy") & (again["replicate"] == 2)]
    assert diverged["value"].isna().all()
    assert len(diverged) == 4


def test_ten_significant_digits_are_kept(tmp_path) -> None:
    frame = pd.DataFrame([["toy", "dense", 0, 1.0, 0, 0, 20, "final_test_accuracy", 64.12345678912345]],
                         columns=tidy.COLUMNS)  # fmt: skip
    assert "64.12345679\n" in tidy.to_csv(frame)


def test_units_that_are_not_there_are_left_out(tmp_path) -> None:
    units = plan()
    fill(tmp_path, [unit for unit in units if unit.block == 0])
    table, provenance = tidy.collect(tmp_path, units)
    assert sorted(table["replicate"].unique()) == [0, 1]
    assert [entry["unit"] for entry in provenance] == [unit.name for unit in units if unit.block == 0]
    assert all(entry["seconds"] == 1.0 for entry in provenance)


def test_nothing_there_is_an_empty_table(tmp_path) -> None:
    table, provenance = tidy.collect(tmp_path, plan())
    assert table.empty
    assert list(table.columns) == tidy.COLUMNS
    assert provenance == []


def test_records_of_another_recipe_are_not_mixed_in(tmp_path) -> None:
    fill(tmp_path, plan())
    changed = dataclasses.replace(EXPERIMENT, training=dataclasses.replace(EXPERIMENT.training, batch=11))
    assert tidy.collect(tmp_path, plan(changed))[0].empty


def test_a_damaged_record_stops_the_table(tmp_path) -> None:
    fill(tmp_path, plan())
    path = store.path_of(tmp_path, plan()[0])
    path.write_text(path.read_text().replace("51", "61", 1))
    with pytest.raises(store.RecordError, match=str(path)):
        tidy.collect(tmp_path, plan())
