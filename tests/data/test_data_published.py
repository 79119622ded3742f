"""The real data sets, where a folder `shared` with them lies beside the repository."""

import hashlib
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from lthbench.data import cifar10
from lthbench.data.registry import load
from lthbench.recipe.data import DataSpec

SHARED = Path(__file__).parents[2].parent / "shared"
TOOL = SHARED / "tools" / "prepare_data.py"
needs_shared = pytest.mark.skipif(not TOOL.is_file(), reason=f"needs the real data sets in {SHARED}")


@needs_shared
@pytest.mark.parametrize(
    ("name", "folder", "sha256"),
    [
        ("mnist", "MNIST", "8ce7bd989164b36a2bda00bc51cf89f7d1676b5171f9b69bd0d91b9248926514"),
        ("fashion_mnist", "FashionMNIST", "ee10f717339c345666007b7cb000244f086e7ba56e6504b6c0a4f0aedeed912e"),
    ],
)
def test_mnist_and_fashion_mnist_are_the_published_ones(name, folder, sha256, monkeypatch):
    assert (SHARED / "data" / folder).is_dir()
    monkeypatch.setenv("LTHBENCH_DATA", str(SHARED / "data"))  # laid out as a data root itself
    arrays = load(DataSpec(name, validation=5_000, mean=(0.5,), std=(0.5,)), 0, None)
    assert (arrays.x_train.shape, arrays.x_test.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert np.bincount(arrays.y_test).shape == (10,)
    assert arrays.sha256 == sha256


@needs_shared
@pytest.mark.slow
def test_cifar10_as_prepared_is_recognised(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(sys, "argv", ["prepare_data", str(tmp_path), "cifar10"])
    runpy.run_path(str(TOOL), run_name="__main__")
    monkeypatch.setenv("LTHBENCH_DATA", str(tmp_path))
    arrays = load(DataSpec("cifar10", validation=5_000), 0, None)
    assert (arrays.x_train.shape, arrays.x_test.shape) == ((50_000, 3, 32, 32), (10_000, 3, 32, 32))
    assert np.bincount(arrays.y_train).tolist() == [5_000] * 10
    (record,) = caplog.records
    assert cifar10.JPEG_COPIES in record.getMessage()
    pixels = np.ascontiguousarray(arrays.x_test.transpose(0, 2, 3, 1)).tobytes()
    told = "1249626010949d8f448e0faf792debbc3da0c50ed31bfff3678c99c37fbc7e48"  # beside the data
    assert hashlib.sha256(pixels).hexdigest() == told
    cifar10.read.cache_clear()
