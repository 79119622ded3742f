import json
import zipfile
from io import BytesIO

import numpy as np
import pytest
import torch
from safetensors.numpy import load
from torch import nn

from lthbench.errors import UserError
from lthbench.footprint import latency, storage
from lthbench.footprint.format import SAYS, Footprint, read
from lthbench.report.sections.ticket_cost import latency_grid, machine_words, storage_grid

RNG = np.random.default_rng(0)
SHAPES = {"fc1.weight": (30, 40), "conv.weight": (8, 3, 3, 3), "out.weight": (10, 30)}
WEIGHTS = {name: RNG.standard_normal(shape).astype(np.float32) for name, shape in SHAPES.items()}
MASKS = {name: RNG.random(shape) < 0.2 for name, shape in SHAPES.items()}


def restored(name: str, found: dict[str, np.ndarray], layer: str) -> np.ndarray:
    """The matrix that the arrays of a format stand for."""
    shape = (SHAPES[layer][0], int(np.prod(SHAPES[layer][1:])))
    if name == "dense":
        return found[layer]
    whole = np.zeros(shape, np.float32)
    if name == "bitmask":
        kept = np.unpackbits(found[f"{layer}.bits"], count=whole.size).astype(bool).reshape(shape)
    else:
        kept = np.zeros(shape, bool)
        rows = np.repeat(np.arange(shape[0]), np.diff(found[f"{layer}.rows"]))
        kept[rows, found[f"{layer}.columns"]] = True
    whole[kept] = found[f"{layer}.values"]
    return whole


@pytest.mark.parametrize("name", SAYS)
def test_every_format_holds_the_ticket_in_the_bytes_that_arithmetic_gives(name) -> None:
    found = storage.arrays(name, WEIGHTS, MASKS)
    for layer, weight in WEIGHTS.items():
        wanted = (weight * MASKS[layer]).reshape(len(weight), -1)
        assert np.array_equal(restored(name, found, layer), wanted)
    assert sum(array.nbytes for array in found.values()) == storage.exact_bytes(name, MASKS)


def test_files_hold_the_arrays_and_zip_packs_them() -> None:
    size = storage.file_sizes("csr16", WEIGHTS, MASKS)[0]
    exact = storage.exact_bytes("csr16", MASKS)
    assert exact < size < exact + 2000  # the header
    dense, packed = storage.file_sizes("dense", WEIGHTS, MASKS)
    assert packed < 0.5 * dense  # four of five are zeros


@pytest.mark.parametrize("name", ["bitmask", "csr32", "csr16"])
def test_break_even_is_where_the_bytes_cross(name) -> None:
    shape = (100, 200)
    even = storage.break_even(name, {"w": np.ones(shape, bool)})
    for kept, smaller in ((int(even * 20_000) - 1, True), (int(even * 20_000) + 1, False)):
        mask = (np.arange(20_000) < kept).reshape(shape)
        below = storage.exact_bytes(name, {"w": mask}) < storage.exact_bytes("dense", {"w": mask})
        assert below == smaller
    by_hand = {"bitmask": 31 / 32, "csr32": 0.5 - 101 / 40_000, "csr16": 2 / 3 - 101 / 30_000}
    assert even == pytest.approx(by_hand[name], abs=1e-12)


def test_wide_layers_do_not_fit_16_bits() -> None:
    wide = {"w": np.ones((1, 2**16 + 1), bool)}
    assert not storage.fits("csr16", wide)
    assert storage.fits("csr16", {"w": wide["w"][:, 1:]})
    with pytest.raises(ValueError, match="more than 16 bits"):
        storage.arrays("csr16", {"w": np.ones((1, 2**16 + 1), np.float32)}, wide)


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))


def test_variants_compute_the_same_and_take_time() -> None:
    module = perceptron()
    masks = {"0.weight": RNG.random((30, 20)) < 0.3, "2.weight": RNG.random((5, 30)) < 0.3}
    x = torch.randn(7, 20)
    found = latency.variants(module, masks, x)
    assert list(found) == ["dense", "masked", "csr"]  # single weights: nothing to shrink
    with torch.inference_mode():
        assert torch.allclose(found["csr"](x), found["masked"](x), atol=1e-5)
        assert not torch.allclose(found["dense"](x), found["masked"](x), atol=1e-2)
    times = latency.medians(found, x, 3)
    assert all(0 < low <= median <= high for median, low, high in times.values())


def test_pruned_filters_make_a_really_smaller_network() -> None:
    module, kept = perceptron(), np.arange(30) < 12
    masks = {"0.weight": np.repeat(kept[:, None], 20, 1), "2.weight": np.ones((5, 30), bool), "0.bias": kept}
    found = latency.variants(module, masks, torch.randn(2, 20))
    assert list(found) == ["dense", "masked", "smaller"]
    assert sum(p.numel() for p in found["smaller"].parameters()) == 12 * 21 + 5 * 13


def footprint() -> dict:
    sizes = {name: {"arithmetic": 400, "file": 500, "zipped": 300} for name in SAYS}
    times = [
        {
            "batch": batch,
            "network": name,
            "median": 10.0 * batch * factor,
            "low": 9.0 * batch,
            "high": 12.0 * batch,
        }
        for batch in (1, 256)
        for name, factor in (("dense", 1.0), ("masked", 1.1))
    ]
    rung = {"level": 2, "density": 0.64, "sizes": sizes, "latency": times}
    one = {"experiment": "tiny", "arm": "ticket", "weights": 100, "break_even": {"csr32": 0.5}, "rungs": [rung]}
    return {"machine": "CPU X", "torch": "2.6", "threads": 1, "repetitions": 30, "experiments": [one]}


def test_the_file_is_read_back_and_shown_with_its_machine(tmp_path) -> None:
    file = tmp_path / "footprint.json"
    assert read(file) is None
    file.write_text(json.dumps(footprint()))
    found = read(file)
    assert isinstance(found, Footprint)
    assert storage_grid(found.experiments[0]).rows[0][:2] == ("64.0 %", "500 (100 %)")
    rows = latency_grid(found.experiments[0]).rows
    assert rows[1] == ("64.0 %", "256", "2,560 (1.00 ×)", "2,816 (1.10 ×)", "–", "–")
    assert "CPU X, 1 thread" in machine_words(found)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.update(seconds=1),
        lambda c: c["experiments"][0].update(rungs=[]),
        lambda c: c["experiments"][0]["rungs"][0]["sizes"].pop("dense"),
        lambda c: c["experiments"][0]["rungs"][0]["latency"].pop(0),
        lambda c: c["experiments"][0]["rungs"][0]["latency"][0].update(median=0),
    ],
)
def test_other_files_are_refused_in_a_line(tmp_path, spoil) -> None:
    content = footprint()
    spoil(content)
    file = tmp_path / "footprint.json"
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match="not what lthbench footprint wrote"):
        read(file)


def test_a_zip_holds_the_file() -> None:
    # What `file_sizes` measures is what a reader would unpack: the same calls by hand.
    from safetensors.numpy import save

    content = save(storage.arrays("bitmask", WEIGHTS, MASKS))
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(zipfile.ZipInfo("ticket.safetensors"), content, zipfile.ZIP_DEFLATED, 6)
    assert storage.file_sizes("bitmask", WEIGHTS, MASKS) == (len(content), len(packed.getvalue()))
    assert set(load(content)) == {f"{name}.{part}" for name in SHAPES for part in ("bits", "values")}
