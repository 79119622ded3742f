"""What the pre-flight says of a user's network and criterion: refused with the way out, named, or nothing."""

import random
import re

import numpy as np
import pytest
import torch

from lthbench.data.arrays import Arrays
from lthbench.drive.preflight.parts import remarks
from lthbench.models.errors import ModelError
from lthbench.recipe.experiment import Network, Pruning

G = np.random.default_rng(0)
ARRAYS = Arrays(
    G.random((40, 3, 4), dtype=np.float32),
    np.arange(40) % 4,
    G.random((8, 3, 4), dtype=np.float32),
    np.arange(8) % 4,
    4,
)
PRUNING = Pruning("layer-wise", 0.2)
COMPUTED = r"1\.weight: computed from other parameters at every call .* build the layer without it"
NO_GRADIENT = r"body\.weight: used, but no gradient reaches it \(detach, .* all weights are trained here"
SAME = "the same weights for every seed .* draw them from torch"
REFUSED = {
    "with_weight_norm": COMPUTED,
    "with_spectral_norm": COMPUTED,
    "with_orthogonal_rows": COMPUTED,
    "with_the_older_weight_norm": COMPUTED,
    "with_the_older_spectral_norm": COMPUTED,
    "kernel": r"kernel \(20 x 12\): 240 of 320 weights would never be pruned, .* rename them",
    "matrix_as_a_vector": r"1\.theta\.0 \(96\): 96 of 132 parameters are vectors, .* keep weights as matrices",
    "matrix_as_rows": r"1\.theta\.0 \(12\), .* and 5 more: 96 of 132 parameters are vectors",
    "pruned": r"1\.weight: brings a mask of its own .* return the network unpruned",
    "pruned_twice": r"brings a mask of its own",
    "own_mask": r"1\.mask: brings a mask of its own",
    "parallel": r"nn\.DataParallel: .* return the one inside it \(\.module\)",
    "parallel_inside": r"nn\.DataParallel: ",
    "checkpoint": r"1\.weight, 3\.weight: " + SAME,
    "backbone_of_a_checkpoint": r"1\.weight: " + SAME,
    "seed_of_its_own": r"1\.weight, 3\.weight: " + SAME,
    "all_ones": r"1\.weight, 3\.weight: " + SAME,
    "numpy_noise": r"ends elsewhere: its forward draws numpy's random numbers; draw from torch's own",
    "python_noise": r"ends elsewhere: its forward draws Python's random numbers; draw",
    "noise_of_the_system": r"its forward draws numbers of its own, or depends on more than weights and input",
    "noise_of_its_own": r"interrupted and resumed ends elsewhere: .* register_buffer it",
    "noise_in_evaluation": r"another output for the same input in evaluation, .* only while self\.training",
    "input_in_place": r"changes its input in place, and with it the data; copy first",
    "input_clamped": r"changes its input in place",  # though none of these numbers
    "memory": r"another output for the same input|interrupted and resumed ends elsewhere",
    "detached_trunk": NO_GRADIENT,
    "rewriting": r"two iterations of training failed: AssertionError: pruned weights moved",
    "breaks": r"two iterations of training failed: ZeroDivisionError: .*faulty_networks\.py, line \d+\)",
}  # fmt: skip
NAMED = {
    "small_matrix_as_a_vector": [r"3\.theta\.0 \(32\): 32 of 136 parameters are vectors, which are never pruned"],
    "last_layer_of_zeros": [r"3\.weight: starts as one number for every seed"],
    "counter": [r"calls: changed by forward, and no buffer"],
    "unused_head": [r"auxiliary\.weight: no gradient reaches it, so it is never trained, and yet it counts"],
    "table": [
        r"not pruned, and not counted as weights: norm\.bias \(12 x 4\)",
        r"table\.weight: a table of embeddings is pruned like any matrix; --keep table\.weight leaves it whole",
        r"norm\.weight: the scale of a norm is pruned like any matrix; --keep norm\.weight",
        r"norm\.weight: starts as one number for every seed",
    ],
    "noise_of_torch": [],
    "plain": [],
}


def said(name: str, pruning: Pruning = PRUNING):
    return remarks(Network(f"faulty_networks:{name}"), ARRAYS, pruning)


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_that_would_give_a_wrong_verdict_is_refused_in_a_line_with_the_way_out(name: str) -> None:
    refused = [remark.says for remark in said(name) if remark.refused]
    assert len(refused) == 1, refused
    assert re.search(REFUSED[name], refused[0])
    assert refused[0].startswith(f"faulty_networks:{name}: ")
    assert re.search(r"\(.*faulty_networks\.py, line \d+\)$", refused[0])
    assert "\n" not in refused[0]


@pytest.mark.parametrize("name", NAMED)
def test_what_is_legitimate_is_named_in_a_line_and_nothing_else_is_said(name: str) -> None:
    found = said(name)
    assert [remark.says for remark in found if remark.refused] == []
    assert len(found) == len(NAMED[name]), found
    for remark, words in zip(found, NAMED[name], strict=True):
        assert re.search(words, remark.says)


def test_weights_that_a_recipe_keeps_are_not_named() -> None:
    found = said("table", Pruning("layer-wise", 0.2, keep=("table*", "norm.weight")))
    assert not any("is pruned like any matrix" in remark.says for remark in found)


def test_weights_drawn_by_the_recipe_may_come_from_a_function_that_always_gives_the_same() -> None:
    network = Network("faulty_networks:checkpoint", initialisation="kaiming")
    assert remarks(network, ARRAYS, PRUNING) == []


def test_a_frozen_part_is_refused_with_the_way_out() -> None:
    with pytest.raises(ModelError, match=r"frozen .* parameters: 1\.bias; all are trained: return it in float32"):
        remarks(Network("test_preflight_networks:frozen"), ARRAYS, PRUNING)


def frozen(shape, classes):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, classes))
    network[1].bias.requires_grad_(False)
    return network


CRITERIA = {
    "drawn_scores": r"other scores for the same weights; draw from trace\.generator",
    "scores_in_place": r"changes the weights that it is shown; work on copies",
    "scores_that_fail": r"failed: AttributeError: .*faulty_networks\.py, line \d+\)$",
    "scores_of_the_stream": None,
}


@pytest.mark.parametrize("network", ["faulty_networks:plain", "conv-2"])
@pytest.mark.parametrize("name", CRITERIA)
def test_a_criterion_is_tried_once(name: str, network: str) -> None:
    x = G.random((12, 1, 4, 4), dtype=np.float32)
    arrays = ARRAYS if ":" in network else Arrays(x, np.arange(12) % 4, x, np.arange(12) % 4, 4)
    kind = Network(network) if ":" in network else Network(network, width=0.1)
    found = remarks(kind, arrays, Pruning("layer-wise", 0.2, criterion=f"faulty_networks:{name}"))
    words = CRITERIA[name]
    assert len(found) == (words is not None), found
    assert all(remark.refused and re.search(str(words), remark.says) for remark in found)


def test_a_perceptrons_criterion_is_tried_too() -> None:
    pruning = Pruning("layer-wise", 0.2, criterion="faulty_networks:drawn_scores")
    (remark,) = remarks(Network("mlp", (6,)), ARRAYS, pruning)
    assert remark.refused
    assert "other scores" in remark.says


def test_looking_leaves_the_callers_random_numbers_and_threads_and_data_alone() -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[2], torch.get_rng_state(), torch.get_num_threads()
    x = ARRAYS.x_train.copy()
    for name in ("plain", "noise_of_torch", "input_in_place"):
        said(name)
    after = random.getstate(), np.random.get_state()[2], torch.get_rng_state(), torch.get_num_threads()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert before[3] == after[3]
    assert (ARRAYS.x_train == x).all()


def test_a_network_of_this_projects_own_and_a_criterion_of_its_own_are_taken_as_they_are() -> None:
    assert remarks(Network("mlp", (6,)), ARRAYS, PRUNING) == []
