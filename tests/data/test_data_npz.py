import re
import zipfile

import numpy as np
import pytest

from lthbench.data import npz
from lthbench.data.errors import DataError

GOOD = {
    "x_train": np.arange(24, dtype=np.uint8).reshape(6, 2, 2),
    "y_train": np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8),
    "x_test": np.linspace(0, 1, 8).reshape(2, 2, 2),
    "y_test": np.array([2, 0], dtype=np.int32),
}


def save(path, **changes):
    np.savez(path, **{k: v for k, v in (GOOD | changes).items() if v is not None})
    return path


def refused(path, message):
    """The error of loading `path`: one line, naming the file first, and then as the pattern says."""
    with pytest.raises(DataError) as caught:
        npz.load(path)
    assert re.fullmatch(re.escape(str(path)) + ": " + message, str(caught.value))


@pytest.mark.parametrize("as_text", [True, False])
def test_values_survive_and_types_are_ours(tmp_path, as_text):
    path = save(tmp_path / "mine.npz", more=np.zeros(3))  # what else is in the file does not matter
    arrays = npz.load(str(path) if as_text else path)
    for field, values in GOOD.items():
        array = getattr(arrays, field)
        assert array.dtype == (np.float32 if field.startswith("x") else np.int64)
        assert np.array_equal(array, values.astype(array.dtype))
    assert arrays.classes == 3


def test_missing_file(tmp_path):
    message = "no such file; give the path of an .npz file with x_train, y_train, x_test, y_test"
    refused(tmp_path / "none.npz", message)
    refused(tmp_path, message)  # a folder is not a file


@pytest.mark.parametrize("field", list(GOOD))
def test_missing_key(tmp_path, field):
    path = save(tmp_path / "mine.npz", **{field: None})
    found = ", ".join(k for k in GOOD if k != field)
    message = rf"{field} is missing \(found: {found}\); save all of x_train, y_train, x_test, y_test"
    refused(path, message)


@pytest.mark.parametrize("field", list(GOOD))
def test_object_arrays_are_not_unpickled(tmp_path, field):
    path = save(tmp_path / "mine.npz", **{field: np.array([[1], [1, 2]], dtype=object)})
    message = rf"{field} holds Python objects; save a numeric array \(ragged lists become objects\)"
    refused(path, message)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "No data left in file"),
        (b"hello, I am text", ".*pickled.*"),
        (b"PK\x03\x04 cut", "File is not a zip.*"),
    ],
)
def test_not_an_npz_file(tmp_path, content, why):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    refused(path, rf"no readable \.npz file \({why}\); use np\.savez")


def test_bare_array(tmp_path):
    path = tmp_path / "mine.npy"
    np.save(path, np.zeros(3))
    refused(path, r"holds one bare array; save all four with np\.savez")


@pytest.mark.parametrize("writer", [np.savez, np.savez_compressed])
def test_damaged_member(tmp_path, writer):
    path = tmp_path / "mine.npz"
    writer(path, **GOOD)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("y_train.npy")
    content = bytearray(path.read_bytes())
    start = info.header_offset + 30 + len("y_train.npy")
    end = content.index(b"PK", start)
    content[end - 8 : end] = b"\xff" * 8
    path.write_bytes(content)
    refused(path, r"y_train cannot be read \(.*\); save the file again")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_test": np.array([["a"]])}, "x_test is <U1; save it as real numbers"),
        ({"x_train": GOOD["x_train"] + 1j}, "x_train is complex128; save it as real numbers"),
        ({"y_train": np.zeros(6)}, "y_train is float64; save it as integers"),
        ({"y_train": np.zeros(0, np.int64)}, "y_train is empty; save one label per training example"),
        (
            {"y_train": np.array([0, 1, 2, 0, 1, 6])},
            "y_train holds the label 6; number the labels from 0 without gaps",
        ),
        ({"y_test": np.array([0, 3])}, r"y_test holds the label 3; labels must be 0\.\.2, renumber them"),
        (
            {"y_test": np.array([0])},
            r"y_test has shape \(1,\); it must be \(2,\), one label per row of x_test",
        ),
        (
            {"x_train": np.zeros(6)},
            r"x_train has shape \(6,\); it must be \(n, \.\.\.features\), none of them 0",
        ),
        (
            {"x_test": np.zeros((2, 4))},
            r"x_test has examples of shape \(4,\), x_train of \(2, 2\); make them equal",
        ),
        (
            {"x_test": np.full((2, 2, 2), 1e300)},  # too large for float32
            "x_test holds NaN or infinite values; remove or replace those examples",
        ),
    ],
)
def test_unusable_contents(tmp_path, changes, message):
    refused(save(tmp_path / "mine.npz", **changes), message)
