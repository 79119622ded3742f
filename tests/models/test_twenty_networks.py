"""Networks as others write and install them: each trains what was asked of it, or is refused in a line.

One goes through the pre-flight, then through two iterations of an experiment: dense, one round of pruning, and the
ticket with fresh weights. Numbers of weights are counted by hand from the code in their_networks.py.
"""

import re
from importlib.util import find_spec
from math import prod
from pathlib import Path

import numpy as np
import pytest

from lthbench.data.arrays import Arrays
from lthbench.drive.execute import run_chunk
from lthbench.drive.preflight.parts import remarks
from lthbench.models.errors import ModelError
from lthbench.plan.unit import plan_experiment
from lthbench.pruning.counts import density, ladder
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results import store
from lthbench.tickets.networks import part

IMAGE, LARGE, CLASSES = (3, 16, 16), (3, 32, 32), 10
PRUNING = Pruning("layer-wise", 0.3)
TRAINING = Training("sgd", 0.01, batch=8, iterations=2, evaluate_every=1, momentum=0.9)
WEIGHTS = {  # by hand, from the sizes in the code: matrices and kernels, every one once
    "two_way_lstm": 2 * (48 * 16 + 48 * 12) + 2 * (48 * 24 + 48 * 12) + 10 * 24,
    "gru": 36 * 16 + 36 * 12 + 10 * 12,
    "transformer_encoder": 16 * 16 + 2 * (48 * 16 + 16 * 16 + 32 * 16 + 16 * 32) + 10 * 16,
    "causal_attention": 48 * 16 + 10 * 16,
    "mlp_mixer": 12 * 3 * 16 + 2 * 8 * 16 + 2 * 16 * 12 + 10 * 12,
    "u_net": 4 * 3 * 9 + 8 * 4 * 9 + 8 * 4 * 4 + 6 * 8 * 9 + 10 * 6,
    "depthwise_separable": 8 * 3 * 9 + 8 * 9 + 16 * 8 + 10 * 16,
    "tied_autoencoder": 10 * 768 + 10 * 768,
    "siamese": 12 * 384 + 10 * 12,
    "capsules": 8 * 3 * 25 + 10 * 2 * 3 * 4,
    "bilinear": 6 * 768 + 5 * 768 + 10 * 6 * 5,
    "convolution_1d": 6 * 3 * 9 + 6 * 6 * 3 + 10 * 24,
    "convolution_3d": 4 * 3 * 3 * 3 + 10 * 4 * 7 * 7,
    "nested": 16 * 768 + 2 * 16 * 16 + 10 * 16,
    "one_block_three_times": 12 * 768 + 12 * 12 + 10 * 12,
    "functional_weights": 6 * 3 * 9 + 10 * 6,
    "group_norm_and_dropout": 8 * 3 * 9 + 10 * 8 * 14 * 14,
    "straight_through": 20 * 768 + 10 * 20,
    "squeeze_and_excitation": 8 * 3 * 9 + 2 * (8 * 8 * 9 + 2 * 8 + 8 * 2) + 10 * 8,
    "hypernetwork": 480 * 4,
    "mixture_of_experts": 3 * 768 + 3 * 10 * 768,
    "running_average": 12 * 768 + 10 * 12,
    "compiled": 12 * 768 + 10 * 12,
    "checkpointed": 12 * 768 + 10 * 12,
}
REFUSED = {
    "parameter_list": r"layers\.0 \(12 x 768\), layers\.1 \(10 x 12\): 9,336 of 9,436 weights would never",
    "scripted": r"torch\.jit: the weights .* cannot be exchanged; return the module",
    "checkpointed_the_old_way": r"inner\.1\.weight, inner\.3\.weight: used, but no gradient reaches it",
    "complex_weights": r"non-float32 parameters: weight",
    "noise_of_a_generator_of_its_own": r"interrupted and resumed ends elsewhere",
}
SAID = {"transformer_encoder": r"not pruned, .*: position_embedding \(1 x 17 x 16\)"}  # legitimate, and named
INSTALLED = ["timm/test_efficientnet", "timm/test_vit", "timm/test_resnet", "torchvision/squeezenet1_1"]


def data(shape: tuple[int, ...]) -> Arrays:
    g = np.random.default_rng(0)
    x = g.random((60, *shape), dtype=np.float32)
    y = np.arange(60) % CLASSES
    return Arrays(x[:40], y[:40], x[40:], y[40:], CLASSES)


def experiment_on(network: Network, arrays: Arrays, folder: Path) -> Experiment:
    file = folder / "noise.npz"
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(file, **{name: getattr(arrays, name) for name in names})
    spec = DataSpec("npz", path=str(file), validation=8)
    return Experiment("theirs", "", network, spec, TRAINING, PRUNING)


def trains_what_was_asked(network: Network, arrays: Arrays, folder: Path) -> int:
    """Train dense, ticket and reinitialised ticket; the number of weights that the dense network had."""
    units = plan_experiment(experiment_on(network, arrays, folder), {("reinit", 1)}, 1, 1, 0)
    run_chunk(units, folder, None, "cpu", lambda unit, how: None)
    stored = {unit.arm: store.tensors_of(folder, unit) for unit in units}
    counts = {unit.arm: counted(folder, unit) for unit in units}
    total = counts["dense"]
    left = ladder(total, PRUNING, 1)
    assert counts["ticket"] == counts["reinit"] == left
    share = density(total, PRUNING, 1)
    assert sum(left.values()) / sum(total.values()) == share
    assert share == pytest.approx(0.7, abs=0.5 * len(total) / sum(total.values()))
    mask, ended = part(stored["ticket"], "mask", 0), part(stored["ticket"], "final", 0)
    assert {name: int(kept.sum()) for name, kept in mask.items()} == left
    assert all(not ended[name][~kept].any() for name, kept in mask.items())
    dense = part(stored["dense"], "final", 0)
    assert all(np.isfinite(dense[name]).all() for name in dense)
    return sum(total.values())


def counted(folder: Path, unit) -> dict[str, int]:
    rows = store.read(store.path_of(folder, unit)).rows
    return {row[3].partition(":")[2]: int(row[4]) for row in rows if row[3].startswith("nonzero:")}


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_network_that_can_be_trained_is_trained_as_asked(name: str, tmp_path: Path) -> None:
    network, arrays = Network(f"their_networks:{name}"), data(IMAGE)
    found = remarks(network, arrays, PRUNING)
    assert [remark.says for remark in found if remark.refused] == []
    said = [remark.says for remark in found]
    assert len(said) == (name in SAID), said
    assert all(re.search(SAID[name], line) for line in said)
    assert trains_what_was_asked(network, arrays, tmp_path) == WEIGHTS[name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_that_cannot_be_trained_rightly_is_refused_in_a_line(name: str) -> None:
    network = Network(f"their_networks:{name}")
    try:
        refused = [remark.says for remark in remarks(network, data(IMAGE), PRUNING) if remark.refused]
    except ModelError as error:
        refused = [str(error)]
    assert len(refused) == 1
    assert re.search(REFUSED[name], refused[0])
    assert refused[0].startswith(f"{network.kind}: ")
    assert re.search(r"their_networks\.py, line \d+\)$", refused[0])
    assert "\n" not in refused[0]


@pytest.mark.parametrize("kind", INSTALLED)
def test_an_installed_network_is_trained_as_asked(kind: str, tmp_path: Path) -> None:
    if find_spec(kind.partition("/")[0]) is None:
        pytest.skip(f"needs {kind.partition('/')[0]}")
    from lthbench.models.registry import build

    options = {"img_size": 32} if kind == "timm/test_vit" else {}
    network, arrays = Network(kind, options=options), data(LARGE)
    assert not [remark.says for remark in remarks(network, arrays, PRUNING) if remark.refused]
    module = build(network, LARGE, CLASSES)
    weights = {n: p for n, p in module.named_parameters() if p.dim() > 1 and n.endswith("weight")}
    count = sum(prod(weight.shape) for weight in weights.values())
    assert trains_what_was_asked(network, arrays, tmp_path) == count
