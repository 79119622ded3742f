import gzip
import hashlib
import re
import threading

import numpy as np
import pytest

from lthbench.data import download, mnist
from lthbench.data.errors import DataError
from lthbench.data.registry import load
from lthbench.recipe.data import DataSpec

SHAPES = {
    "train-images-idx3-ubyte": (30, 28, 28),
    "train-labels-idx1-ubyte": (30,),
    "t10k-images-idx3-ubyte": (10, 28, 28),
    "t10k-labels-idx1-ubyte": (10,),
}


def idx(array):
    shape = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


@pytest.fixture
def made(monkeypatch):
    """A small data set in the place of both: its arrays, and its files' contents by name."""
    rng = np.random.default_rng(0)
    arrays = {f: rng.integers(0, 10 if len(s) == 1 else 256, s, dtype=np.uint8) for f, s in SHAPES.items()}
    contents = {file: idx(array) for file, array in arrays.items()}
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    monkeypatch.setattr(mnist, "FILES", {"mnist": sums, "fashion_mnist": sums})
    mnist.read.cache_clear()
    yield arrays, contents
    mnist.read.cache_clear()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("LTHBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def lay_out(folder, contents, packed=True):
    folder.mkdir(parents=True)
    for file, content in contents.items():
        (folder / (f"{file}.gz" if packed else file)).write_bytes(gzip.compress(content) if packed else content)


@pytest.fixture
def no_network(monkeypatch):
    def fail(*args):
        raise OSError("<urlopen error no route to host>")

    monkeypatch.setattr(download, "_download_url", fail)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_files_already_there_are_used(made, root, name, folder, packed):
    arrays, contents = made
    lay_out(root / folder / "raw", contents, packed)
    (root / folder / "raw").chmod(0o555)
    got = load(DataSpec(name, validation=5), 0, None)
    for field, array in zip(("x_train", "y_train", "x_test", "y_test"), arrays.values(), strict=True):
        expected = array[:, None] if array.ndim == 3 else array
        assert np.array_equal(getattr(got, field), expected)
    assert (got.x_train.dtype, got.x_train.shape, got.classes) == (np.uint8, (30, 1, 28, 28), 10)
    assert got.x_train.flags.c_contiguous
    assert got.x_train.flags.writeable  # torch warns of read-only memory
    assert load(DataSpec(name), 1, None) is got  # shared by replicates


@pytest.mark.usefixtures("no_network")
def test_fewer_examples_are_a_random_draw(made, root):
    lay_out(root / "MNIST" / "raw", made[1])
    whole = load(DataSpec("mnist"), 0, None)
    part = load(DataSpec("mnist", train=12, test=3), 4, None)
    chosen = np.sort(np.random.default_rng(4).permutation(30)[:12])
    assert np.array_equal(part.x_train, whole.x_train[chosen])
    assert np.array_equal(part.y_train, whole.y_train[chosen])
    assert len(part.x_test) == 3
    assert load(DataSpec("mnist", train=12), 5, None).sha256 != part.sha256
    with pytest.raises(DataError, match=r"^mnist: train is 31, but the data has 30; ask for 1\.\.30$"):
        load(DataSpec("mnist", train=31), 0, None)


@pytest.mark.usefixtures("no_network")
def test_mean_and_std_fit_one_channel(made, root):
    lay_out(root / "MNIST" / "raw", made[1])
    load(DataSpec("mnist", mean=(0.1,), std=(0.3,)), 0, None)
    for changes, message in (
        (
            {"mean": (0.1, 0.2), "std": (1.0,)},
            "mnist: mean has 2 numbers, but images have 1 channels; give one each",
        ),
        ({"mean": (0.1,)}, "mnist: std has 0 numbers, but images have 1 channels; give one each"),
        ({"mean": (0.1,), "std": (0.0,)}, "mnist: mean must be finite and std above 0, not (0.1,) and (0.0,)"),
        (
            {"mean": (float("nan"),), "std": (1.0,)},
            "mnist: mean must be finite and std above 0, not (nan,) and (1.0,)",
        ),
    ):
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            load(DataSpec("mnist", **changes), 0, None)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("damage", ["flipped", "truncated", "not gzip", "empty"])
def test_a_damaged_file_is_named(made, root, damage):
    folder = root / "MNIST" / "raw"
    lay_out(folder, made[1])
    path = folder / "t10k-images-idx3-ubyte.gz"
    content = path.read_bytes()
    flipped = gzip.compress(made[1]["t10k-images-idx3-ubyte"][:-1] + b"\0\0")
    path.write_bytes({"flipped": flipped, "truncated": content[:-9], "not gzip": b"<html>", "empty": b""}[damage])
    with pytest.raises(DataError, match=rf"^mnist: {re.escape(str(path))} .*delete it to have it downloaded$"):
        load(DataSpec("mnist"), 0, None)


@pytest.mark.usefixtures("no_network")
def test_no_network_says_what_to_do_by_hand(made, root):
    contents = dict(made[1])
    del contents["train-labels-idx1-ubyte"], contents["t10k-labels-idx1-ubyte"]
    folder = root / "MNIST" / "raw"
    lay_out(folder, contents)
    before = {p.name for p in folder.iterdir()}
    with pytest.raises(DataError) as caught:
        load(DataSpec("mnist"), 0, None)
    site = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    assert str(caught.value) == (
        f"mnist: cannot download train-labels-idx1-ubyte.gz, t10k-labels-idx1-ubyte.gz to {folder} "
        "(<urlopen error no route to host>)\n"
        f"Fetch {site}train-labels-idx1-ubyte.gz {site}t10k-labels-idx1-ubyte.gz by hand and put it there, "
        "or name the data root that has it with --data or LTHBENCH_DATA"
    )
    assert {p.name for p in folder.iterdir()} - before <= {".download.lock"}


def test_what_is_missing_is_downloaded_from_the_first_mirror_that_has_it(made, root, monkeypatch):
    asked = []

    def serve(url, part, remote):
        asked.append(url)
        if "ossci" in url:
            raise RuntimeError("File not found or corrupted.")
        part.write_bytes(gzip.compress(made[1][remote.file.removesuffix(".gz")]))

    monkeypatch.setattr(download, "_download_url", serve)
    arrays = load(DataSpec("mnist"), 0, None)
    assert np.array_equal(arrays.x_train[:, 0], made[0]["train-images-idx3-ubyte"])
    assert len(asked) == 8
    names = {p.name for p in (root / "MNIST" / "raw").iterdir()}
    assert names - {".download.lock"} == {f"{file}.gz" for file in SHAPES}
    mnist.read.cache_clear()
    load(DataSpec("mnist"), 0, None)
    assert len(asked) == 8  # nothing is fetched twice


def test_the_published_addresses_are_torchvisions():
    files = mnist.published("fashion_mnist")
    assert [f.file.removesuffix(".gz") for f in files] == list(mnist.FILES["fashion_mnist"])
    assert all(url.endswith(f"/{remote.file}") for remote in files for url in remote.urls)
    assert all(len(remote.md5) == 32 for remote in files)


def test_a_wrong_md5_names_the_file(made, root, monkeypatch, tmp_path):
    """Through torchvision's own checks, with its transport replaced by one that sends other bytes."""
    from lthbench.data.torchvision_ops import import_torchvision

    utils = import_torchvision().datasets.utils
    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, **_: url)

    def send(url, path):
        with open(path, "wb") as file:
            file.write(b"a captive portal")

    monkeypatch.setattr(utils, "_urlretrieve", send)
    with pytest.raises(DataError, match=r"sends is not the published train-images-idx3-ubyte\.gz"):
        load(DataSpec("mnist"), 0, None)
    assert {p.name for p in (root / "MNIST" / "raw").iterdir()} <= {".download.lock"}


def test_a_root_that_cannot_be_written_is_named(made, root, tmp_path):
    root.write_text("a file")
    with pytest.raises(DataError, match=r"^mnist: cannot download .* to .*MNIST/raw \("):
        load(DataSpec("mnist"), 0, None)


def test_processes_take_turns(tmp_path, monkeypatch):
    calls = []

    def slow(url, part, remote):
        calls.append(remote.file)
        threading.Event().wait(0.05)
        part.write_bytes(b"x")

    monkeypatch.setattr(download, "_download_url", slow)
    files = [download.Remote("a", ("u/a",), ""), download.Remote("b", ("u/b",), "")]
    threads = [threading.Thread(target=download.download, args=("toy", files, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == ["a", "b"]
