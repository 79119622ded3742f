"""Matrix products on the CPU: oneDNN's where they are float32's, in any stack the same bits."""

import numpy as np
import pytest
import science_lab as lab
import torch

from lthbench.models import registry
from lthbench.training import device
from lthbench.training.loop import engine_for
from lthbench.training.stack import stack

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def restored():
    before = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(before)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = cudnn
    torch.use_deterministic_algorithms(False)
    device.onednn_keeps_to_float32.cache_clear()


def test_products_are_as_exact_as_float32() -> None:
    device.choose_products(CPU, onednn=False)
    assert 0 < device.product_error() <= device.FLOAT32
    assert device.described(CPU)["products"] == "default"
    device.choose_products(CPU, onednn=True)
    assert 0 < device.product_error() <= device.FLOAT32
    assert device.described(CPU)["products"] == ("oneDNN" if device.onednn_keeps_to_float32() else "default")


def test_a_processor_that_takes_bfloat16_keeps_the_default(monkeypatch) -> None:
    monkeypatch.setattr(device, "product_error", lambda: 2e-3)
    device.onednn_keeps_to_float32.cache_clear()
    device.choose_products(CPU, onednn=True)
    assert torch.get_float32_matmul_precision() == "highest"
    assert device.described(CPU)["products"] == "default"


@pytest.mark.parametrize("network", [lab.plain, lab.normed, lab.module])
def test_every_engine_sets_its_own_products_whatever_ran_before(network) -> None:
    model = registry.model(network().network, (40,), 10)
    states = [model.initial_state(np.random.default_rng(0))]
    for before in ("highest", "medium"):
        torch.set_float32_matmul_precision(before)
        engine_for(model, stack(model, states, CPU), (0,))
        onednn = network is lab.plain and device.onednn_keeps_to_float32()
        assert torch.get_float32_matmul_precision() == ("medium" if onednn else "highest")


def test_the_error_tells_bfloat16_from_float32() -> None:
    a, b = torch.randn(64, 512), torch.randn(512, 64)
    exact = a.double() @ b.double()
    rough = (a.bfloat16().double() @ b.bfloat16().double() - exact).norm() / exact.norm()
    assert rough > 100 * device.FLOAT32


@pytest.mark.parametrize(("batch", "width", "out"), [(60, 784, 300), (60, 300, 100), (20, 100, 10)])
def test_a_network_has_the_same_bits_in_every_stack(batch, width, out) -> None:
    device.choose_products(CPU, onednn=True)
    x, w = torch.randn(6, batch, width), torch.randn(6, width, out)
    d = torch.randn(6, batch, out)
    for one, two in ((x, w), (x.transpose(1, 2), d), (d, w.transpose(1, 2))):
        stacked = torch.bmm(one, two)
        assert all(torch.equal(torch.bmm(one[s : s + 1], two[s : s + 1])[0], stacked[s]) for s in range(6))
        assert torch.equal(torch.bmm(one[2:5], two[2:5]), stacked[2:5])


@pytest.mark.parametrize("exact", [False, True])
def test_a_process_that_trains_on_both_devices_can_say_how_it_multiplies(monkeypatch, exact: bool) -> None:
    """Torch refuses to read a precision that was set through two of its functions."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv(device.DETERMINISTIC, "1" if exact else "0")
    gpu = torch.device("cuda")
    for _ in range(2):  # in turn: each sets its own, whatever ran before
        device.choose_products(CPU, onednn=True)
        assert device.described(CPU)["products"] in ("oneDNN", "default")
        assert device.prepare("cuda") == gpu
        device.choose_products(CPU, onednn=True)
        device.choose_products(gpu, onednn=True)
        assert device.described(gpu)["tf32"] is not exact
        assert torch.backends.cuda.matmul.allow_tf32 is not exact
        assert torch.backends.cudnn.allow_tf32 is not exact
