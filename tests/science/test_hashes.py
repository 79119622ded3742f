"""Results are found by the hash of their declaration: it never changes by itself, and always with the content."""

import dataclasses

import pytest

from lthbench.claims.load import default_folder, parse
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import NOT_OF_THE_NUMBERS, Experiment, Network, Pruning, Training, digest

PINNED = {
    "mnist1d-deep-bn-calm": "cea6c2e1e9f26725",
    "mnist1d-deep-bn": "e1037c586ff33e77",
    "mnist1d-mlp": "10d9b3f9f87094fd",
}
# Another value for every key that came later.
OTHER = {
    ("network", "width"): 0.5,
    ("network", "dropout"): 0.1,
    ("network", "activation"): "tanh",
    ("network", "initialisation"): "kaiming",
    ("network", "options"): {"depth": 2},
    ("training", "flip"): True,
    ("training", "pad_crop"): 4,
    ("training", "measure"): (),
    ("training", "precision"): "bf16",
    ("training", "memory_format"): "channels-last",
    ("pruning", "layer_rates"): {"out.weight": 0.1},
    ("pruning", "keep"): ("out.weight",),
    ("pruning", "criterion"): "random",
    ("pruning", "unit"): "filter",
    ("data", "mean"): (0.5,),
    ("data", "std"): (0.5,),
    ("data", "size"): 32,
    ("", "paired_with"): "another",
}
PARTS = {"network": Network, "training": Training, "pruning": Pruning, "data": DataSpec, "": Experiment}
LATER = [
    (part, f.name)
    for part, kind in PARTS.items()
    for f in dataclasses.fields(kind)
    # The others count through tickets, code and files (test_transfer.py, test_method.py).
    if f.metadata.get("later") and f.name not in NOT_OF_THE_NUMBERS
]


def experiment(part: str = "", key: str = "") -> Experiment:
    network = Network("mlp", (8, 6)) if key not in ("options", "memory_format") else Network("package:function")
    return Experiment(
        "hashed",
        "",
        network,
        DataSpec("mnist1d", train=100, validation=10, test=50),
        Training("sgd", 0.1, batch=5, iterations=10, evaluate_every=5),
        Pruning("layer-wise", 0.2, output_rate=0.1),
    )


def changed(whole: Experiment, part: str, key: str, value) -> Experiment:
    if not part:
        return dataclasses.replace(whole, **{key: value})
    return dataclasses.replace(whole, **{part: dataclasses.replace(getattr(whole, part), **{key: value})})


def test_the_quick_experiments_keep_their_hashes() -> None:
    files = {name: default_folder() / "experiments" / f"{name}.yaml" for name in PINNED}
    assert {name: digest(parse(file, Experiment).recipe()) for name, file in files.items()} == PINNED


def test_a_recipe_of_nothing_but_first_keys_keeps_its_hash() -> None:
    assert digest(experiment().recipe()) == "b6acf247bab56aab"


def test_every_later_key_is_looked_at_here() -> None:
    assert set(LATER) == set(OTHER)


@pytest.mark.parametrize(("part", "key"), LATER)
def test_a_later_key_at_its_default_leaves_the_hash_and_the_recipe_alone(part, key) -> None:
    whole = experiment(part, key)
    declared = next(f for f in dataclasses.fields(PARTS[part]) if f.name == key)
    missing = dataclasses.MISSING
    default = declared.default if declared.default is not missing else declared.default_factory()
    recipe = changed(whole, part, key, default).recipe()
    assert key not in (recipe[part] if part else recipe)
    assert digest(recipe) == digest(whole.recipe())


@pytest.mark.parametrize(("part", "key"), LATER)
def test_any_other_value_of_it_changes_the_hash(part, key) -> None:
    whole = experiment(part, key)
    recipe = changed(whole, part, key, OTHER[part, key]).recipe()
    assert (recipe[part] if part else recipe)[key] == OTHER[part, key]
    assert digest(recipe) != digest(whole.recipe())


def first_keys() -> list[tuple[str, str, object]]:
    """Another value for every key that every recipe has from the beginning."""
    return [
        ("network", "hidden", (8, 7)), ("network", "batch_norm", True), ("data", "name", "digits"),
        ("data", "train", 101), ("data", "test", 51), ("data", "validation", 11), ("data", "path", "x"),
        ("training", "optimizer", "adam"), ("training", "learning_rate", 0.2), ("training", "batch", 6),
        ("training", "iterations", 20), ("training", "evaluate_every", 10), ("training", "momentum", 0.9),
        ("training", "weight_decay", 0.1), ("training", "warmup", 1), ("training", "milestones", (5,)),
        ("training", "decay", 0.2), ("pruning", "rate", 0.3), ("pruning", "output_rate", 0.2),
        ("pruning", "rewind", 1), ("", "barrier_points", 5), ("", "shuffled_labels", True), ("", "id", "other"),
    ]  # fmt: skip


@pytest.mark.parametrize(("part", "key", "value"), first_keys())
def test_every_first_key_counts_at_any_value(part, key, value) -> None:
    whole = experiment()
    assert digest(changed(whole, part, key, value).recipe()) != digest(whole.recipe())


@pytest.mark.parametrize(("key", "value"), [("title", "words"), ("draws", {"reinit": 3}), ("weights", 5)])
def test_words_draws_and_expectations_do_not_count(key, value) -> None:
    whole = experiment()
    assert digest(changed(whole, "", key, value).recipe()) == digest(whole.recipe())
