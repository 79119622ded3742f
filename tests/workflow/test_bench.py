"""What `lthbench bench` counts and says: bytes and products of an iteration, rates beside the limits."""

import json
from pathlib import Path

import pytest
import torch

from lthbench.claims.load import load
from lthbench.cli import plan as commands
from lthbench.drive import bench, cost_model
from lthbench.drive.bench import Limits, Row
from lthbench.drive.probe import begun
from lthbench.errors import OutOfMemory, UserError
from lthbench.recipe.variants import varied
from lthbench.training import loop

EXPERIMENTS = load().experiments
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(bench, "SECONDS", 0.02)


def test_what_an_iteration_of_lenet_moves_and_multiplies() -> None:
    """Adam reads 4 numbers a weight and writes 3, the mask 2 and 1, products 2 (the first layer's 1) and 1."""
    counts, batch = (784 * 300, 300 * 100, 100 * 10), 60
    weights, biases = sum(counts), 300 + 100 + 10
    for networks in (1, 3):
        moved, multiplied = bench.counted(begun(EXPERIMENTS["mnist-lenet"], networks, CPU, loop, 10))
        assert multiplied / networks == 2 * batch * (2 * weights + sum(counts[1:]))
        of_weights = 4 * ((7 + 3) * (weights + biases) + 2 * weights + sum(counts[1:]))
        assert of_weights < moved / networks < 1.25 * of_weights  # activations and the batch are the rest


def test_a_row_stands_beside_its_limits() -> None:
    of = Limits("A device", "2.0", bytes=2e12, operations=4e14)
    row = Row("lenet", 5, "graph", ms=0.02, bytes=20e6, operations=4e8)
    assert row.least_ms(of) == pytest.approx((0.01, 0.001))
    first, heads, line, _ = bench.table([row], of)
    assert first == "A device, torch 2.0: copies 2,000 GB/s, multiplies 400 TFLOP/s"
    assert heads.split()[:3] == ["experiment", "networks", "step"]
    assert line.split() == ["lenet", "5", "graph", "20", "50,000", "100,000", "1,000,000", "50", "%"]


def test_the_command_measures_and_writes_the_numbers(tmp_path: Path, capsys) -> None:
    commands.bench("full-core", "cpu", "1,2", "lenet", tmp_path / "numbers.json", None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[2:4]] == [
        ["mnist-lenet", "1", "host"],
        ["mnist-lenet", "2", "host"],
    ]
    content = json.loads((tmp_path / "numbers.json").read_text())
    assert [row["networks"] for row in content["rows"]] == [1, 2]
    assert all(row["ms"] > 0 for row in content["rows"])
    assert all(content["limits"][name] > 0 for name in ("bytes", "operations"))


def test_variants_stand_beside_their_experiment_and_their_own_limit(tmp_path: Path, capsys) -> None:
    commands.bench("full-core", "cpu", "1", "conv4", tmp_path / "numbers.json", None, "bf16,channels-last")
    first, _, *lines, _ = capsys.readouterr().out.splitlines()
    names = ["cifar10-conv4", "cifar10-conv4-bf16", "cifar10-conv4-channels-last"]
    assert [line.split()[0] for line in lines] == names
    assert " in bfloat16)" in first
    content = json.loads((tmp_path / "numbers.json").read_text())
    plain, rounded, laid = content["rows"]
    assert [row["bf16"] for row in content["rows"]] == [False, True, False]
    assert plain["operations"] == rounded["operations"] == laid["operations"]
    assert plain["bytes"] != rounded["bytes"]
    of = Limits(**content["limits"])
    assert Row(**rounded).least_ms(of)[1] == pytest.approx(1000 * rounded["operations"] / of.bf16)
    assert Row(**plain).least_ms(of)[1] == pytest.approx(1000 * plain["operations"] / of.operations)


def test_a_variant_that_is_none_is_said_and_one_without_images_left_out() -> None:
    lenet = {"mnist-lenet": EXPERIMENTS["mnist-lenet"]}
    assert list(bench.with_variants(lenet, "bf16, channels-last")) == ["mnist-lenet", "mnist-lenet-bf16"]
    with pytest.raises(UserError, match="no variant 'fp8'; there are: bf16"):
        bench.with_variants(lenet, "fp8")


def test_the_model_takes_the_limit_of_the_precision() -> None:
    experiment = EXPERIMENTS["cifar10-conv4"]
    of = Limits("Any", "", bytes=1e30, operations=1e12, bf16=4e12)
    plain, rounded = (cost_model.step_of(each) for each in (experiment, varied(experiment, "bf16")))
    assert plain.operations == rounded.operations
    assert plain.ms(of) == pytest.approx(4 * rounded.ms(of))


def test_what_does_not_fit_ends_the_table_and_is_named(monkeypatch) -> None:
    real = bench.measured

    def measured(experiment, networks, how, device):
        if networks > 1:
            raise OutOfMemory(f"{experiment.id} ({networks} networks): out of memory")
        return real(experiment, networks, how, device)

    monkeypatch.setattr(bench, "measured", measured)
    lines = list(bench.bench({"mnist-lenet": EXPERIMENTS["mnist-lenet"]}, (1, 9), "cpu", None))
    assert lines[0] == "mnist-lenet (9 networks): out of memory"
    assert any(line.startswith("mnist-lenet ") for line in lines[1:])


@pytest.mark.parametrize("text", ["", "a", "1,,2", "0", "-3"])
def test_widths_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="--widths"):
        bench.parse_widths(text)
