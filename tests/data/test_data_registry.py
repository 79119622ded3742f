import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from lthbench.data import digits, mnist1d
from lthbench.data.arrays import check
from lthbench.data.errors import DataError
from lthbench.data.registry import load, names
from lthbench.recipe.data import DataSpec

DIGITS = "8bdb5fa0cabe89bd1bc1ec0e5a226288578465b257d44f4b5e75dc656dfc96ed"


def refused(spec, message, seed=0):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        load(spec, seed, None)


def test_names():
    assert names() == ["cifar10", "digits", "fashion_mnist", "image_folder", "mnist", "mnist1d", "npz"]


def test_unknown_name():
    known = "there are: cifar10, digits, fashion_mnist, image_folder, mnist, mnist1d, npz"
    refused(DataSpec("mnist-1d"), f"unknown data set 'mnist-1d'; did you mean 'mnist1d'? {known}")
    refused(DataSpec("xyz"), f"unknown data set 'xyz'; {known}")


def test_mnist1d_is_the_draw_of_its_seed_and_cached(tmp_path, monkeypatch):
    spec = DataSpec("mnist1d", train=80, test=20, validation=10)
    arrays = load(spec, 3, tmp_path)
    assert arrays.sha256 == mnist1d.load(80, 20, 3).sha256 == load(spec, 3, None).sha256
    assert [p.name for p in tmp_path.iterdir()] == ["mnist1d-1-80-20-3.safetensors"]
    assert load(spec, 4, tmp_path).sha256 != arrays.sha256
    monkeypatch.setattr(mnist1d, "generate", None)  # from here on only the cache can answer
    assert load(spec, 3, tmp_path).sha256 == arrays.sha256
    assert load(spec, 3, tmp_path).x_train.shape == (80, 40)


def test_mnist1d_version_is_part_of_the_key(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist1d, "GENERATOR_VERSION", 2)
    load(DataSpec("mnist1d", train=10, test=10), 0, tmp_path)
    assert (tmp_path / "mnist1d-2-10-10-0.safetensors").exists()


def test_mnist1d_has_the_sizes_of_the_package_by_default():
    arrays = load(DataSpec("mnist1d"), 0, None)
    assert (arrays.x_train.shape, arrays.x_test.shape) == ((4000, 40), (1000, 40))


def test_mnist1d_refusals():
    refused(
        DataSpec("mnist1d", train=11, test=10),
        "mnist1d: train + test must be a positive multiple of 10, not 21",
    )
    refused(DataSpec("mnist1d"), "mnist1d: seed must be 0..4294967295, not -1", seed=-1)


def test_digits_are_scikit_learns_each_used_once(tmp_path):
    arrays = load(DataSpec("digits"), 0, tmp_path)
    assert (arrays.x_train.shape, arrays.x_test.shape, arrays.classes) == ((1437, 64), (360, 64), 10)
    x = np.concatenate([arrays.x_train, arrays.x_test])
    assert (x.min(), x.max()) == (0, 1)
    y = np.concatenate([arrays.y_train, arrays.y_test])
    ours = sorted((*row, label) for row, label in zip((x * 16).tolist(), y.tolist(), strict=True))
    pixels, labels = load_digits(return_X_y=True)
    assert ours == sorted((*row, label) for row, label in zip(pixels.tolist(), labels.tolist(), strict=True))
    assert list(tmp_path.iterdir()) == []


def test_digits_split_follows_the_seed():
    spec = DataSpec("digits", test=500)
    assert load(spec, 0, None).sha256 == digits.load(500, np.random.default_rng(0)).sha256
    assert load(spec, 0, None).sha256 != load(spec, 1, None).sha256
    check(load(DataSpec("digits", test=1), 5, None), "digits")


def test_digits_sizes():
    assert len(load(DataSpec("digits", train=1000), 0, None).x_test) == 797
    refused(DataSpec("digits", train=1000, test=100), "digits: train is 1000, but the data has 1697; correct it")
    refused(DataSpec("digits", test=1797), "digits: test must be 1..1796, not 1797")
    refused(DataSpec("digits"), "digits: seed must be at least 0, not -1", seed=-1)


@pytest.mark.parametrize("validation", [-1, 1437])
def test_validation_must_leave_training_examples(validation):
    refused(DataSpec("digits", validation=validation), f"digits: validation must be 0..1436, not {validation}")


def test_npz(tmp_path):
    path = str(tmp_path / "mine.npz")
    x, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 1, 0])
    np.savez(path, x_train=x[:4], y_train=y[:4], x_test=x[4:], y_test=y[4:])
    arrays = load(DataSpec("npz", path=path, train=4, validation=1), 0, None)
    assert np.array_equal(arrays.x_test, x[4:])
    assert arrays.sha256 == load(DataSpec("npz", path=path), 1, None).sha256
    refused(DataSpec("npz", path=path, test=3), "npz: test is 3, but the data has 2; correct it")
    refused(DataSpec("npz"), "npz: path is missing; give the path of the folder or of the .npz file")
    refused(
        DataSpec("digits", path=path),
        f"digits: path is {path!r}, but only image_folder and npz can have one; remove path",
    )


@pytest.mark.parametrize("key", ["mean", "std"])
def test_normalisation_is_for_images(key):
    refused(
        DataSpec("digits", **{key: (0.5,)}),
        "digits: mean and std are for uint8 images, but x is float32; remove them",
    )


def test_the_digest_is_what_it_was_before_there_were_images():
    assert load(DataSpec("digits"), 0, None).sha256 == DIGITS
