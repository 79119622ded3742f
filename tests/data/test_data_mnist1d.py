import random
import subprocess
import sys

import mnist1d.data
import numpy as np
import pytest

from lthbench.data import mnist1d as ours
from lthbench.data.errors import DataError


def package(seed, samples):
    """The package's own draw, with numpy's and Python's global random states put back afterwards."""
    args = mnist1d.data.get_dataset_args()
    args.seed, args.num_samples = seed, samples
    before, before_python = np.random.get_state(), random.getstate()
    try:
        return mnist1d.data.make_dataset(args)
    finally:
        np.random.set_state(before)
        random.setstate(before_python)


@pytest.mark.parametrize(
    ("seed", "samples"),
    [(0, 500), (1, 500), (12345, 500), (2**32 - 1, 10), (7, 4_010)],  # the last needs three chunks
)
def test_equals_the_package_bit_for_bit(seed, samples):
    theirs = package(seed, samples)
    x, y = ours.generate(seed, samples)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((samples, 40), np.float64, (samples,), np.int64)
    assert x.tobytes() == np.concatenate([theirs["x"], theirs["x_test"]]).tobytes()
    assert y.tolist() == [*theirs["y"], *theirs["y_test"]]


def test_the_compared_draws_contain_a_translation_by_zero():
    """The package's x[-0:] is all of x: the equality above has to have met that case."""
    shifts = ours._draw(np.random.RandomState(0), 500, 72, 48)[2]
    assert (shifts == 0).sum() > 0
    assert shifts.max() == 47


@pytest.mark.parametrize("chunk", [1, 7])
def test_chunk_size_does_not_change_the_bits(monkeypatch, chunk):
    whole = ours.generate(3, 50)
    monkeypatch.setattr(ours, "_CHUNK", chunk)
    parts = ours.generate(3, 50)
    assert whole[0].tobytes() == parts[0].tobytes()
    assert whole[1].tobytes() == parts[1].tobytes()


def test_load_splits_as_the_package_does():
    theirs = package(5, 500)  # the package's split is 80 to 20
    arrays = ours.load(400, 100, 5)
    assert arrays.x_train.tobytes() == theirs["x"].astype(np.float32).tobytes()
    assert arrays.x_test.tobytes() == theirs["x_test"].astype(np.float32).tobytes()
    assert np.array_equal(arrays.y_train, theirs["y"])
    assert np.array_equal(arrays.y_test, theirs["y_test"])
    assert arrays.classes == 10


def test_global_random_states_are_neither_read_nor_changed():
    np.random.seed(99)
    random.seed(99)
    before, before_python = np.random.get_state(), random.getstate()
    first, _ = ours.generate(4, 20)
    after = np.random.get_state()
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]
    assert before_python == random.getstate()
    np.random.seed(100)
    assert ours.generate(4, 20)[0].tobytes() == first.tobytes()


def test_seeds_give_different_draws_of_balanced_classes():
    x0, y0 = ours.generate(0, 200)
    x1, y1 = ours.generate(1, 200)
    assert not np.isclose(x0, x1).any(axis=1).all()
    assert not np.array_equal(y0, y1)
    assert np.bincount(y0).tolist() == np.bincount(y1).tolist() == [20] * 10
    assert abs(x0.mean()) < 1e-12
    assert abs(x0.std() - 1) < 1e-12


@pytest.mark.parametrize("samples", [0, -10, 5, 501])
def test_samples_must_be_a_multiple_of_ten(samples):
    with pytest.raises(DataError, match=rf"^mnist1d: .* positive multiple of 10, not {samples}$"):
        ours.generate(0, samples)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_range(seed):
    with pytest.raises(DataError, match=rf"^mnist1d: seed must be 0\.\.4294967295, not {seed}$"):
        ours.generate(seed, 10)


@pytest.mark.parametrize(("train", "test"), [(0, 10), (20, -10)])
def test_both_parts_need_examples(train, test):
    with pytest.raises(DataError, match=r"^mnist1d: train and test must be at least 1"):
        ours.load(train, test, 0)


def test_importing_the_data_room_stays_light():
    """No torch at all; matplotlib, requests and scikit-learn only when a data set needs them."""
    code = "import sys, lthbench.data.registry; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "torchvision", "PIL", "mnist1d", "matplotlib", "requests", "sklearn", "scipy"}
    modules = set(loaded.stdout.split())
    assert "lthbench.data.registry" in modules
    assert not heavy & modules
