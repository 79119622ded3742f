import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lthbench.plan import digests
from lthbench.plan import unit as plan
from lthbench.plan.unit import blocks, plan_experiment
from lthbench.recipe.arms import ARMS, check_cell, closure, parents
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results.provenance import provenance
from lthbench.tickets.export import facts_of

EXPERIMENT = Experiment(
    "toy", "a title", Network("mlp", (4,)), DataSpec("digits", validation=10), Training("adam", 0.01, 10, 20, 10),
    Pruning("layer-wise", 0.2, rewind=5), draws={"reinit": 2},
)  # fmt: skip
CELLS = {("dense", 0), ("ticket", 2), ("reinit", 2), ("rewound", 1)}


def keys(experiment=EXPERIMENT, cells=frozenset(CELLS), replicates=4, block=2, master=0) -> dict:
    units = plan_experiment(experiment, set(cells), replicates, block, master)
    return {(unit.arm, unit.level, unit.block): unit.key for unit in units}


def changed(part: str, **values) -> Experiment:
    return dataclasses.replace(EXPERIMENT, **{part: dataclasses.replace(getattr(EXPERIMENT, part), **values)})


RECIPES = {
    "rate": changed("training", learning_rate=0.02),
    "batch": changed("training", batch=11),
    "iterations": changed("training", iterations=30),
    "decay": changed("training", weight_decay=1e-4),
    "hidden": changed("network", hidden=(5,)),
    "norm": changed("network", batch_norm=True),
    "validation": changed("data", validation=11),
    "pruning": changed("pruning", rate=0.3),
    "rewind": changed("pruning", rewind=6),
    "points": dataclasses.replace(EXPERIMENT, barrier_points=21),
    "labels": dataclasses.replace(EXPERIMENT, shuffled_labels=True),
    "id": dataclasses.replace(EXPERIMENT, id="toy2"),  # the streams' scope
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_number_of_the_recipe_changes_every_key(name) -> None:
    before, after = keys(), keys(RECIPES[name])
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_the_master_seed_changes_every_key() -> None:
    assert not set(keys(master=0).values()) & set(keys(master=1).values())


def test_the_engine_changes_every_key(monkeypatch) -> None:
    before = keys()
    monkeypatch.setattr(plan, "engine", lambda: "another")
    assert not set(before.values()) & set(keys().values())


def test_the_title_changes_no_key() -> None:
    assert keys(dataclasses.replace(EXPERIMENT, title="another")) == keys()


def test_other_arms_change_no_key() -> None:
    all_of_them = keys()
    fewer = keys(cells={("reinit", 2)})
    assert fewer == {cell: all_of_them[cell] for cell in fewer}
    assert ("dense", 0, 0) in fewer
    assert ("rewound", 1, 0) not in fewer


def test_draws_change_the_keys_of_their_arm_only() -> None:
    before, after = keys(), keys(dataclasses.replace(EXPERIMENT, draws={"reinit": 3}))
    assert {cell[0] for cell in before if before[cell] != after[cell]} == {"reinit"}


def test_more_replicates_change_no_key_of_full_blocks() -> None:
    before, after = keys(replicates=4), keys(replicates=9)
    assert before == {cell: after[cell] for cell in before}
    assert {cell[2] for cell in after} == {0, 1, 2, 3, 4}


def test_keys_are_unique_and_name_their_parents() -> None:
    units = plan_experiment(EXPERIMENT, CELLS, 4, 2, 0)
    assert len({unit.key for unit in units}) == len(units) == len({unit.name for unit in units})
    found = keys()
    for unit in units:
        assert dict(unit.parents) == {cell: found[(*cell, unit.block)] for cell in parents(unit.arm, unit.level)}


def test_a_changed_parent_changes_its_children() -> None:
    unit = next(u for u in plan_experiment(EXPERIMENT, CELLS, 2, 2, 0) if u.arm == "reinit")
    arguments = (EXPERIMENT, "reinit", 2, unit.replicates, unit.draws, 0)
    assert plan.unit_key(*arguments, unit.parents.values()) == unit.key
    assert plan.unit_key(*arguments, ["0" * 16]) != unit.key


@pytest.mark.parametrize(
    ("replicates", "size", "wanted"),
    [(5, 2, [(0, 1), (2, 3), (4,)]), (4, 4, [(0, 1, 2, 3)]), (3, 6, [(0, 1, 2)]), (0, 3, [])],
)
def test_blocks(replicates, size, wanted) -> None:
    assert blocks(replicates, size) == wanted


def test_block_membership_and_parents_order_do_not_depend_on_hashing() -> None:
    """Sets of cells are iterated in another order in another process."""
    code = (
        "from lthbench.plan.unit import plan_experiment; from lthbench.recipe.experiment import *; "
        "from lthbench.recipe.data import DataSpec; e = " + repr(EXPERIMENT) + "; "
        f"print([(u.name, u.replicates) for u in plan_experiment(e, {CELLS!r}, 4, 2, 0)])"
    )
    here = str([(u.name, u.replicates) for u in plan_experiment(EXPERIMENT, CELLS, 4, 2, 0)])
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert printed.stdout.strip() == here, printed.stderr


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        (("dense", 0), []),
        (("dense-copy", 0), [("dense", 0)]),
        (("ticket", 1), [("dense", 0)]),
        (("ticket", 3), [("ticket", 2)]),
        (("rewound", 1), [("dense", 0)]),
        (("rewound", 3), [("rewound", 2), ("dense", 0)]),
        (("one-shot", 3), [("dense", 0)]),
        (("reinit", 3), [("ticket", 3)]),
        (("reinit-rescaled", 3), [("ticket", 3)]),
        (("shuffled", 3), [("ticket", 3)]),
        (("random-mask", 3), [("ticket", 3)]),
        (("fine-tuned", 1), [("dense", 0)]),
        (("lr-rewound", 3), [("lr-rewound", 2)]),
        (("continued", 1), [("dense", 0)]),
        (("continued", 3), [("lr-rewound", 2)]),
        (("pruned-at-init", 3), [("dense", 0)]),
        (("untrained", 3), [("ticket", 3)]),
    ],
)
def test_parents(cell, wanted) -> None:
    assert parents(*cell) == wanted


def test_the_closure_holds_all_ancestors_before_their_children() -> None:
    cells = {(arm, 0 if ARMS[arm].mask == "ones" else 3) for arm in ARMS}
    ordered = closure(cells)
    assert len(set(ordered)) == len(ordered)
    iterative = [name for name, arm in ARMS.items() if arm.mask == "iterative"]
    assert iterative == ["ticket", "rewound", "lr-rewound", "fine-tuned", "continued"]
    assert set(ordered) == cells | {(arm, level) for arm in iterative[:-1] for level in (1, 2)}
    for place, cell in enumerate(ordered):
        assert set(parents(*cell)) <= set(ordered[:place])


@pytest.mark.parametrize(
    ("arm", "level", "rewind", "says"),
    [
        ("tickets", 1, 5, "unknown arm 'tickets'; the arms are dense, "),
        ("dense", 1, 5, "arm 'dense' at level 1: dense arms have level 0, all others 1 or more"),
        ("dense-copy", 2, 5, "arm 'dense-copy' at level 2"),
        ("ticket", 0, 5, "arm 'ticket' at level 0"),
        ("random-mask", 0, 5, "arm 'random-mask' at level 0"),
        ("rewound", 1, 0, "arm 'rewound' needs an experiment with pruning.rewind > 0"),
    ],
)
def test_cells_that_cannot_exist_are_refused(arm, level, rewind, says) -> None:
    with pytest.raises(ValueError, match="arm") as error:
        check_cell(arm, level, rewind)
    assert str(error.value).startswith(says)
    with pytest.raises(ValueError, match="arm"):
        plan_experiment(changed("pruning", rewind=rewind), {(arm, level)}, 2, 2, 0)


@pytest.mark.parametrize(("arm", "level"), [("dense", 0), ("dense-copy", 0), ("ticket", 1), ("rewound", 9)])
def test_cells_that_can_exist_are_planned(arm, level) -> None:
    check_cell(arm, level, 5)
    assert (arm, level, 0) in keys(cells={(arm, level)})


def npz(folder, name: str, fill: float) -> Experiment:
    path = folder / name
    np.savez(path, x_train=np.full((2, 2), fill), y_train=np.array([0, 1]), x_test=np.ones((1, 2)), y_test=[0])
    return dataclasses.replace(EXPERIMENT, data=DataSpec("npz", path=str(path)))


def test_a_users_file_is_known_by_its_content_not_by_its_place(tmp_path) -> None:
    first, moved, other = npz(tmp_path, "a.npz", 1.0), npz(tmp_path, "b.npz", 1.0), npz(tmp_path, "c.npz", 2.0)
    assert keys(first) == keys(moved)
    assert not set(keys(first).values()) & set(keys(other).values())
    before = keys(first)
    npz(tmp_path, "a.npz", 3.0)
    assert not set(before.values()) & set(keys(first).values())


def test_a_file_that_is_not_there_can_be_planned_and_does_not_tell_where_it_would_lie(tmp_path) -> None:
    first, second = (
        dataclasses.replace(EXPERIMENT, data=DataSpec("npz", path=str(tmp_path / folder / "later.npz")))
        for folder in ("a", "b")
    )
    assert keys(first) == keys(second)


def images(folder: Path) -> Experiment:
    for part in ("train", "val"):
        (folder / part / "cats").mkdir(parents=True)
        (folder / part / "cats" / "1.png").write_bytes(b"not looked into")
    return dataclasses.replace(EXPERIMENT, data=DataSpec("image_folder", path=str(folder), size=8))


def test_a_folder_of_images_is_known_by_what_it_holds_in_all_that_is_kept(tmp_path) -> None:
    places = (tmp_path / "a", tmp_path / "elsewhere" / "b")
    units = [plan_experiment(images(place), {("dense", 0)}, 1, 1, 0)[0] for place in places]
    folds = SimpleNamespace(device=torch.device("cpu"), shape=(3, 8, 8), classes=1, sha256=("content",))
    kept = [
        (unit.key, provenance(unit, folds, 1.0)["recipe"], facts_of(unit, folds, {"w": np.ones(1, bool)}))
        for unit in units
    ]
    assert kept[0] == kept[1]
    assert str(tmp_path) not in str(kept)


def test_images_behind_a_link_count(tmp_path) -> None:
    experiment = images(tmp_path / "a")
    (tmp_path / "dogs").mkdir()
    before = keys(experiment)
    (tmp_path / "a" / "train" / "dogs").symlink_to(tmp_path / "dogs")
    (tmp_path / "dogs" / "1.png").write_bytes(b"a dog")
    digests._folder_digest.cache_clear()  # as another process
    assert not set(before.values()) & set(keys(experiment).values())


def test_an_untrained_network_costs_nothing_and_a_rewound_one_less() -> None:
    units = plan_experiment(EXPERIMENT, {("untrained", 1), ("rewound", 1)}, 2, 2, 0)
    assert {(u.arm, u.level): u.iterations for u in units} == {
        ("dense", 0): 40, ("ticket", 1): 40, ("rewound", 1): 30, ("untrained", 1): 0,
    }  # fmt: skip
