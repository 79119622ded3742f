import sys
from pathlib import Path

import pytest
import science_lab as lab
import torch

sys.path.append(str(Path(__file__).parents[1] / "models"))  # networks.py: the contract holds for all of them

torch.set_num_threads(1)

CELLS = {
    ("dense-copy", 0),
    ("ticket", 2),
    ("rewound", 2),
    ("one-shot", 2),
    ("reinit", 2),
    ("reinit-rescaled", 2),
    ("shuffled", 2),
    ("random-mask", 2),
}


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One folder for the drawn data of all tests."""
    return tmp_path_factory.mktemp("data-cache")


@pytest.fixture(scope="session")
def plain(tmp_path_factory, cache):
    """Every arm once: no batch norm, Adam, layer-wise pruning. 3 replicates in blocks of 2 and 1."""
    return lab.run(lab.plain(), CELLS, tmp_path_factory.mktemp("plain"), cache, replicates=3, block=2)


@pytest.fixture(scope="session")
def normed(tmp_path_factory, cache):
    """Every arm once: batch norm, SGD with momentum, decay, warm-up and milestones, global pruning."""
    return lab.run(lab.normed(), CELLS, tmp_path_factory.mktemp("normed"), cache, replicates=3, block=2)


@pytest.fixture(scope="session")
def module(tmp_path_factory, cache):
    """Every arm once: a network that autograd trains, with dropout, batch norm and a weight never pruned."""
    return lab.run(lab.module(), CELLS, tmp_path_factory.mktemp("module"), cache, replicates=3, block=2)


@pytest.fixture(params=["plain", "normed", "module"])
def ran(request):
    """Each of them."""
    return request.getfixturevalue(request.param)
