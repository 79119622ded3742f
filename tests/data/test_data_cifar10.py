import hashlib
import io
import logging
import re
import tarfile

import numpy as np
import pytest

from lthbench.data import cifar10, download
from lthbench.data.errors import DataError
from lthbench.data.registry import load
from lthbench.recipe.data import DataSpec

N = 4  # images in a batch


@pytest.fixture
def batches(monkeypatch):
    """Small batches in the place of the published ones: records (N, 3073) by file."""
    rng = np.random.default_rng(0)
    made = {}
    for file in cifar10.BATCHES:
        made[file] = rng.integers(0, 256, (N, 3073), dtype=np.uint8)
        made[file][:, 0] = rng.integers(0, 10, N)
    sums = {file: hashlib.sha256(records.tobytes()).hexdigest() for file, records in made.items()}
    monkeypatch.setattr(cifar10, "BATCHES", sums)
    train = np.concatenate(list(made.values())[:5])
    published = (hashlib.sha256(train.tobytes()).hexdigest(), sums["test_batch.bin"])
    monkeypatch.setattr(cifar10, "PUBLISHED", published)
    cifar10.read.cache_clear()
    yield made
    cifar10.read.cache_clear()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def fail(*args):
        raise OSError("<urlopen error no route to host>")

    monkeypatch.setattr(download, "_download_url", fail)


@pytest.fixture
def root(tmp_path, monkeypatch):
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv("LTHBENCH_DATA", str(root))
    return root


def write_folder(root, batches):
    folder = root / "cifar-10-batches-bin"
    folder.mkdir()
    for file, records in batches.items():
        (folder / file).write_bytes(records.tobytes())
    return folder


def write_archive(path, batches):
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("cifar-10-batches-bin")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for file, records in [("readme.html", np.zeros(3, np.uint8)), *reversed(batches.items())]:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{file}")
            member.size = records.nbytes
            archive.addfile(member, io.BytesIO(records.tobytes()))
    return path


def write_npz(root, batches, **changes):
    train, test = np.concatenate(list(batches.values())[:5]), batches["test_batch.bin"]
    fields = {}
    for part, records in (("train", train), ("test", test)):
        fields[f"x_{part}"] = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        fields[f"y_{part}"] = records[:, 0]
    np.savez(root / "cifar10.npz", **(fields | changes))
    return root / "cifar10.npz"


def expect(arrays, batches):
    train = np.concatenate(list(batches.values())[:5])
    assert (arrays.x_train.dtype, arrays.x_train.shape, arrays.classes) == (np.uint8, (5 * N, 3, 32, 32), 10)
    assert np.array_equal(arrays.x_train.reshape(5 * N, -1), train[:, 1:])
    assert np.array_equal(arrays.y_train, train[:, 0])
    assert np.array_equal(arrays.x_test.reshape(N, -1), batches["test_batch.bin"][:, 1:])
    assert np.array_equal(arrays.y_test, batches["test_batch.bin"][:, 0])
    for x in (arrays.x_train, arrays.x_test):
        assert x.flags.c_contiguous
        assert x.flags.writeable  # torch warns of read-only memory


def write_any(kind, root, batches):
    if kind == "folder":
        return write_folder(root, batches)
    if kind == "archive":
        return write_archive(root / "cifar-10-binary.tar.gz", batches)
    return write_npz(root, batches)


@pytest.mark.parametrize("kind", ["folder", "archive", "npz"])
def test_what_is_there_is_used_without_a_word(batches, root, kind, caplog):
    write_any(kind, root, batches)
    arrays = load(DataSpec("cifar10"), 0, None)
    expect(arrays, batches)
    assert load(DataSpec("cifar10"), 1, None) is arrays
    assert not caplog.records
    assert len(list(root.iterdir())) == 1  # nothing else is written


def test_all_three_hold_the_same_contents(batches, tmp_path):
    hashes = set()
    for kind in ("folder", "archive", "npz"):
        (tmp_path / kind).mkdir()
        write_any(kind, tmp_path / kind, batches)
        hashes.add(cifar10.read(tmp_path / kind).sha256)
    assert len(hashes) == 1


def test_the_published_files_come_before_the_npz(batches, root, caplog):
    write_npz(root, batches, y_train=np.zeros(5 * N, np.uint8))
    write_archive(root / "cifar-10-binary.tar.gz", batches)
    expect(load(DataSpec("cifar10"), 0, None), batches)
    assert not caplog.records


def test_fewer_examples_are_a_random_draw(batches, root):
    write_folder(root, batches)
    whole, part = load(DataSpec("cifar10"), 0, None), load(DataSpec("cifar10", train=7, test=2), 3, None)
    chosen = np.sort(np.random.default_rng(3).permutation(5 * N)[:7])
    assert np.array_equal(part.x_train, whole.x_train[chosen])
    assert np.array_equal(part.y_train, whole.y_train[chosen])
    with pytest.raises(DataError, match=r"^cifar10: test is 5, but the data has 4; ask for 1\.\.4$"):
        load(DataSpec("cifar10", test=5), 0, None)


@pytest.mark.parametrize("size", [16, 8])
def test_shrunk_images_are_means_of_squares(batches, root, size):
    write_folder(root, batches)
    whole, small = load(DataSpec("cifar10"), 0, None), load(DataSpec("cifar10", size=size), 0, None)
    side = 32 // size
    assert (small.x_train.dtype, small.x_train.shape) == (np.uint8, (5 * N, 3, size, size))
    assert np.array_equal(small.y_train, whole.y_train)
    for image, channel, row, column in [(0, 0, 0, 0), (7, 1, size - 1, 0), (19, 2, 3, size - 1)]:
        square = whole.x_train[image, channel, row * side : (row + 1) * side, column * side : (column + 1) * side]
        assert small.x_train[image, channel, row, column] == np.rint(square.mean())
    assert load(DataSpec("cifar10", size=size), 1, None) is small


@pytest.mark.parametrize("size", [0, 5, 64, -8])
def test_a_size_that_does_not_divide_32_is_refused(batches, root, size):
    write_folder(root, batches)
    with pytest.raises(DataError, match=f"^cifar10: size is {size}, but images of 32 x 32 shrink to 16, 8 or 4"):
        load(DataSpec("cifar10", size=size), 0, None)


def test_other_contents_are_used_with_one_warning(batches, root, caplog, monkeypatch):
    labels = np.arange(5 * N) % 10
    path = write_npz(root, batches, y_train=labels)
    for _ in range(3):
        assert np.array_equal(load(DataSpec("cifar10"), 0, None).y_train, labels)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("lthbench", logging.WARNING)
    assert record.getMessage() == (
        f"cifar10: {path} is not the published data; its results stand for these data only"
    )


def test_known_other_contents_are_described(batches, root, caplog, monkeypatch):
    monkeypatch.setattr(cifar10, "WITH_JPEG_COPIES", cifar10.PUBLISHED)
    path = write_npz(root, batches)
    expect(load(DataSpec("cifar10"), 0, None), batches)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"cifar10: {path} is not quite the published data: 73 training and 20 test images are JPEG copies"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"x_test": np.zeros((4, 3, 32, 32), np.uint8)},
            "x_test is uint8 (4, 3, 32, 32); it must be uint8 (n, 32, 32, 3)",
        ),
        (
            {"x_train": np.zeros((20, 32, 32, 3))},
            "x_train is float64 (20, 32, 32, 3); it must be uint8 (n, 32, 32, 3)",
        ),
        ({"y_test": np.array([1, 2])}, "y_test must be 4 whole numbers in 0..9, one per image"),
        ({"y_test": np.array([1, 2, 3, 10])}, "y_test must be 4 whole numbers in 0..9, one per image"),
        ({"y_test": np.ones(4)}, "y_test must be 4 whole numbers in 0..9, one per image"),
    ],
)
def test_unusable_npz(batches, root, changes, message):
    path = write_npz(root, batches, **changes)
    with pytest.raises(DataError, match=f"^{re.escape(f'{path}: {message}')}$"):
        load(DataSpec("cifar10"), 0, None)


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_other_batches_are_named_and_refused(batches, root, kind):
    batches["data_batch_3.bin"][1, 5] ^= 1
    place = write_any(kind, root, batches)
    message = (
        f"cifar10: {place / 'data_batch_3.bin'} is not the published file (checksum mismatch); "
        f"delete {place} to have it downloaded"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        load(DataSpec("cifar10"), 0, None)


def test_an_archive_without_a_batch_is_refused(batches, root):
    del batches["test_batch.bin"]
    place = write_archive(root / "cifar-10-binary.tar.gz", batches)
    with pytest.raises(DataError, match=f"^cifar10: {re.escape(str(place))}/test_batch.bin is not the published"):
        load(DataSpec("cifar10"), 0, None)


@pytest.mark.parametrize("keep", [0, 20, 300, -3000])
def test_a_damaged_archive_is_named(batches, root, keep):
    path = write_archive(root / "cifar-10-binary.tar.gz", batches)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=rf"^cifar10: {re.escape(str(path))}.* delete .*to have it downloaded$"):
        load(DataSpec("cifar10"), 0, None)


def test_a_folder_without_a_batch_is_named(batches, root):
    folder = write_folder(root, batches)
    (folder / "data_batch_5.bin").unlink()
    with pytest.raises(
        DataError, match=rf"^cifar10: {re.escape(str(folder))} cannot be read \(.*data_batch_5\.bin"
    ):
        load(DataSpec("cifar10"), 0, None)


def test_no_network_says_what_to_do_by_hand(root):
    cifar10.read.cache_clear()
    with pytest.raises(DataError) as caught:
        load(DataSpec("cifar10"), 0, None)
    assert str(caught.value) == (
        f"cifar10: cannot download cifar-10-binary.tar.gz to {root} (<urlopen error no route to host>)\n"
        "Fetch https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz by hand and put it there, "
        "or name the data root that has it with --data or LTHBENCH_DATA"
    )


def test_the_archive_is_downloaded_once(batches, root, monkeypatch, tmp_path):
    asked = []

    def serve(url, part, remote):
        asked.append((url, remote.md5))
        write_archive(part, batches)

    monkeypatch.setattr(download, "_download_url", serve)
    expect(load(DataSpec("cifar10"), 0, None), batches)
    cifar10.read.cache_clear()
    expect(load(DataSpec("cifar10"), 0, None), batches)
    assert asked == [(cifar10.ARCHIVE.urls[0], "c32a1d4ab5d03f1284b67883e8d87530")]
