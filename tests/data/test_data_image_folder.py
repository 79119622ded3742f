import os
import re

import numpy as np
import pytest
from PIL import Image

from lthbench.data import image_folder
from lthbench.data.arrays import Arrays
from lthbench.data.errors import DataError
from lthbench.data.registry import load
from lthbench.recipe.data import DataSpec

SIZE = 28


def write_image(path, seed, width=40, height=50, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path):
    """Three classes, six training and three test images of different shapes and modes."""
    root = tmp_path / "images"
    for label, name in enumerate(["n02", "n10", "n01"]):
        write_image(root / "train" / name / "a.png", 10 + label)
        write_image(root / "train" / name / "b.JPEG", 20 + label, width=70, mode="L")
        write_image(root / "val" / name / "c.png", 30 + label, width=33, height=33)
    image_folder.listing.cache_clear()
    return root


def spec(folder, **changes):
    return DataSpec("image_folder", path=str(folder), **({"size": SIZE} | changes))


def expected(path):
    """The same steps with Pillow alone."""
    with Image.open(path) as image:
        image = image.convert("RGB")
    width, height = image.size
    side = round(SIZE * 256 / 224)
    short, long = side, int(side * max(width, height) / min(width, height))
    image = image.resize((short, long) if width <= height else (long, short), Image.Resampling.BILINEAR)
    left, top = (round((whole - SIZE) / 2.0) for whole in image.size)
    return np.asarray(image.crop((left, top, left + SIZE, top + SIZE))).transpose(2, 0, 1)


def test_images_and_labels_in_the_order_of_sorted_names(folder, tmp_path):
    arrays = load(spec(folder, validation=2), 0, tmp_path / "cache")
    assert (arrays.x_train.shape, arrays.x_train.dtype) == ((6, 3, SIZE, SIZE), np.uint8)
    assert arrays.y_train.tolist() == [0, 0, 1, 1, 2, 2]
    assert (arrays.y_test.tolist(), arrays.y_test.dtype, arrays.classes) == ([0, 1, 2], np.int64, 3)
    files = [folder / "train" / name / file for name in ("n01", "n02", "n10") for file in ("a.png", "b.JPEG")]
    for image, file in zip(arrays.x_train, files, strict=True):
        assert np.array_equal(image, expected(file))
    assert np.array_equal(arrays.x_test[1], expected(folder / "val" / "n02" / "c.png"))
    assert isinstance(arrays.x_train, np.memmap)
    assert isinstance(arrays.x_test, np.memmap)


def test_images_are_decoded_once_and_hashed_once(folder, tmp_path, monkeypatch):
    first = load(spec(folder), 0, tmp_path)
    fresh = Arrays(first.x_train, first.y_train, first.x_test, first.y_test, first.classes)
    assert first.sha256 == fresh.sha256
    image_folder.listing.cache_clear()
    monkeypatch.setattr(image_folder, "_transform", None)  # from here on only the cache can answer
    again = load(spec(folder), 5, tmp_path)
    assert np.array_equal(again.x_train, first.x_train)
    assert again.__dict__["sha256"] == first.sha256  # known before anybody asks
    assert {p.suffix for p in (tmp_path / "image_folder").iterdir()} == {".npy", ".lock", ".sha256"}


def test_chunks_do_not_change_the_images(folder, tmp_path, monkeypatch):
    whole = load(spec(folder), 0, tmp_path / "a")
    monkeypatch.setattr(image_folder, "_CHUNK", 4)
    assert load(spec(folder), 0, tmp_path / "b").sha256 == whole.sha256


def test_a_changed_file_a_new_file_and_another_size_are_decoded_anew(folder, tmp_path):
    first = load(spec(folder), 0, tmp_path)
    path = folder / "train" / "n10" / "a.png"
    write_image(path, 99)
    os.utime(path, ns=(1, 1))
    image_folder.listing.cache_clear()
    changed = load(spec(folder), 0, tmp_path)
    assert np.array_equal(changed.x_train[4], expected(path))
    assert changed.sha256 != first.sha256
    write_image(folder / "train" / "n10" / "c.png", 5)
    image_folder.listing.cache_clear()
    assert len(load(spec(folder), 0, tmp_path).x_train) == 7
    assert load(spec(folder, size=8), 0, tmp_path).x_train.shape[1:] == (3, 8, 8)


def test_only_the_drawn_images_are_decoded(folder, tmp_path):
    whole = load(spec(folder), 0, tmp_path / "whole")
    part = load(spec(folder, train=4, test=2), 1, tmp_path / "part")
    chosen = np.sort(np.random.default_rng(1).permutation(6)[:4])
    assert np.array_equal(part.x_train, whole.x_train[chosen])
    assert np.array_equal(part.y_train, whole.y_train[chosen])
    assert part.classes == 3
    assert max(p.stat().st_size for p in (tmp_path / "part" / "image_folder").iterdir()) < whole.x_train.nbytes
    with pytest.raises(DataError, match=r"^image_folder: train is 7, but the data has 6; ask for 1\.\.6$"):
        load(spec(folder, train=7), 0, tmp_path)


def test_without_a_cache_folder_the_images_go_to_the_cache_root(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LTHBENCH_CACHE", str(tmp_path / "chosen"))
    load(spec(folder), 0, None)
    assert (tmp_path / "chosen" / "image_folder").is_dir()


def test_an_interrupted_decoding_starts_again(folder, tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            load(spec(folder), 0, tmp_path)
    store = tmp_path / "image_folder"
    assert {p.suffix for p in store.iterdir()} <= {".lock"}
    killed = store / f".{image_folder.listing(folder / 'train').key(SIZE)}.npy.x.tmp"
    killed.write_bytes(b"of a killed process")
    assert len(load(spec(folder), 0, tmp_path).x_train) == 6
    assert not killed.exists()


def test_a_damaged_cache_is_made_again(folder, tmp_path, caplog):
    first = load(spec(folder), 0, tmp_path)
    path = tmp_path / "image_folder" / f"{image_folder.listing(folder / 'train').key(SIZE)}.npy"
    path.write_bytes(path.read_bytes()[:1000])
    again = load(spec(folder), 0, tmp_path)
    assert np.array_equal(again.x_train, np.array([expected(p) for p in _files(folder)]))
    assert again.sha256 == first.sha256
    assert f"cache: {path} cannot be used and is made again" in caplog.text


def _files(folder):
    return sorted((folder / "train").glob("*/*"))


def test_a_cache_that_cannot_be_written_says_how_much_it_needs(folder, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match=r"^image_folder: cannot write .*it needs 0\.0 GB: .*LTHBENCH_CACHE$"):
        load(spec(folder), 0, tmp_path / "file")


def test_a_damaged_image_is_named(folder, tmp_path):
    path = folder / "train" / "n02" / "a.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(
        DataError, match=rf"^image_folder: {re.escape(str(path))} is no readable image \(.*remove it$"
    ):
        load(spec(folder), 0, tmp_path)
    assert not list((tmp_path / "image_folder").glob(".*.tmp"))


def test_folders_that_cannot_be_used(folder, tmp_path):
    def refused(wanted, message):
        image_folder.listing.cache_clear()
        with pytest.raises(DataError, match=message):
            load(wanted, 0, tmp_path / "cache")

    refused(
        spec(tmp_path / "nowhere"),
        r"^image_folder: .*nowhere/train is no folder; path must hold train/<class>/\* and val/<class>/\*$",
    )
    refused(spec(folder, size=None), r"^image_folder: size is missing; give the side in pixels .* 224$")
    refused(spec(folder, size=0), r"^image_folder: size must be at least 1, not 0$")
    refused(DataSpec("image_folder", size=8), r"^image_folder: path is missing; give the path of the folder")
    refused(DataSpec("digits", size=8), r"^digits: size is 8, but only image_folder and cifar10 can have one")
    write_image(folder / "val" / "n03" / "c.png", 0)
    refused(spec(folder), r"^image_folder: the class 'n03' is only in .*val; train and val need the same classes$")
    (folder / "train" / "n03").mkdir()
    refused(spec(folder), r"^image_folder: .*train cannot be used: .*n03")
    (tmp_path / "empty" / "train").mkdir(parents=True)
    refused(spec(tmp_path / "empty"), r"^image_folder: .*empty/train cannot be used: .*class folder")
