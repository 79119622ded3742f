import dataclasses
import re

import numpy as np
import pytest

from lthbench.data.arrays import FIELDS, Arrays, check
from lthbench.data.errors import DataError


def small(**changes):
    values = {
        "x_train": np.arange(12, dtype=np.float32).reshape(4, 3),
        "y_train": np.array([0, 1, 2, 0]),
        "x_test": np.ones((2, 3), dtype=np.float32),
        "y_test": np.array([2, 1]),
        "classes": 3,
    }
    return Arrays(**(values | changes))


def test_good_arrays_pass():
    check(small(), "toy")


def images(**changes):
    rng = np.random.default_rng(0)
    x = {
        f"x_{part}": rng.integers(0, 256, (n, 3, 5, 6), dtype=np.uint8) for part, n in (("train", 4), ("test", 2))
    }
    return small(**(x | changes))


def test_uint8_images_pass():
    check(images(), "toy")


def test_memory_maps_pass_and_hash_as_arrays_do(tmp_path):
    arrays = images()
    maps = {}
    for field in ("x_train", "x_test"):
        np.save(tmp_path / f"{field}.npy", getattr(arrays, field))
        maps[field] = np.load(tmp_path / f"{field}.npy", mmap_mode="r")
    mapped = dataclasses.replace(arrays, **maps)
    check(mapped, "toy")
    assert mapped.sha256 == arrays.sha256


def test_sha256_is_taken_once_and_not_carried_to_other_arrays():
    arrays = small()
    assert arrays.sha256 is arrays.sha256
    assert dataclasses.replace(arrays, classes=4).sha256 != arrays.sha256


@pytest.mark.parametrize("field", FIELDS)
def test_sha256_changes_with_one_value(field):
    arrays = small()
    changed = getattr(arrays, field).copy()
    changed.flat[1] += 1
    assert dataclasses.replace(arrays, **{field: changed}).sha256 != arrays.sha256
    assert small().sha256 == arrays.sha256


@pytest.mark.parametrize(
    "changes",
    [
        {"x_train": np.arange(12, dtype=np.float32).reshape(4, 3, 1)},  # same bytes, other shape
        {"y_train": np.array([0, 1, 2, 0]).view(np.uint64)},  # same bytes, other dtype
        {"classes": 4},
    ],
)
def test_sha256_covers_shape_dtype_and_classes(changes):
    assert small(**changes).sha256 != small().sha256


def test_sha256_is_of_contents_not_of_memory_layout():
    fortran = np.asfortranarray(small().x_train)
    assert not fortran.flags.c_contiguous
    assert small(x_train=fortran).sha256 == small().sha256


NAN = np.full((2, 3), np.nan, dtype=np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 1}, "toy: classes is 1; a classification task needs at least 2"),
        ({"x_train": np.zeros((4, 3))}, "toy: x_train is float64, must be float32; use .astype('float32')"),
        (
            {"x_train": np.zeros((4, 3), np.uint8)},
            "toy: x_train is uint8 of shape (4, 3); make it images (n, channels, height, width) or float32",
        ),
        (
            {"x_train": np.zeros((4, 1, 1, 3), np.uint8)},
            "toy: x_test is float32, x_train uint8; make them equal",
        ),
        (
            {"x_test": np.zeros((2, 1, 0, 3), np.uint8)},
            "toy: x_test has shape (2, 1, 0, 3); it must be (n, ...features), none of them 0",
        ),
        (
            {"y_train": np.zeros(4, np.uint8)},
            "toy: y_train is uint8, must be int64; use .astype('int64')",
        ),
        ({"y_test": np.zeros(2, np.int32)}, "toy: y_test is int32, must be int64; use .astype('int64')"),
        (
            {"x_test": np.zeros(2, np.float32)},
            "toy: x_test has shape (2,); it must be (n, ...features), none of them 0",
        ),
        (
            {"x_test": np.zeros((0, 3), np.float32), "y_test": np.zeros(0, np.int64)},
            "toy: x_test has shape (0, 3); it must be (n, ...features), none of them 0",
        ),
        (
            {"y_train": np.zeros(5, np.int64)},
            "toy: y_train has shape (5,); it must be (4,), one label per row of x_train",
        ),
        (
            {"y_test": np.zeros((2, 1), np.int64)},
            "toy: y_test has shape (2, 1); it must be (2,), one label per row of x_test",
        ),
        (
            {"y_train": np.array([0, 1, 3, 0])},
            "toy: y_train holds the label 3; labels must be 0..2, renumber them",
        ),
        ({"y_test": np.array([0, -1])}, "toy: y_test holds the label -1; labels must be 0..2, renumber them"),
        ({"x_test": NAN}, "toy: x_test holds NaN or infinite values; remove or replace those examples"),
        (
            {"x_test": np.zeros((2, 4), np.float32)},
            "toy: x_test has examples of shape (4,), x_train of (3,); make them equal",
        ),
    ],
)
def test_bad_arrays_are_refused_in_one_line(changes, message):
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        check(small(**changes), "toy")
