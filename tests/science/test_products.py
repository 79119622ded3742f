"""Matrix products on the CPU: oneDNN's where they are float32's, in any stack the same bits."""

import pytest
import torch

from lthbench.training import device


@pytest.fixture(autouse=True)
def restored():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def test_products_are_as_exact_as_float32() -> None:
    torch.set_float32_matmul_precision("highest")
    default = device.product_error()
    device.prepare("cpu")
    assert 0 < device.product_error() <= device.FLOAT32
    assert default <= device.FLOAT32
    on = torch.get_float32_matmul_precision() == "medium"
    assert device.described(torch.device("cpu"))["products"] == ("oneDNN" if on else "default")


def test_a_processor_that_takes_bfloat16_keeps_the_default(monkeypatch) -> None:
    monkeypatch.setattr(device, "product_error", lambda: 2e-3)
    device.prepare("cpu")
    assert torch.get_float32_matmul_precision() == "highest"
    assert device.described(torch.device("cpu"))["products"] == "default"


def test_the_error_tells_bfloat16_from_float32() -> None:
    a, b = torch.randn(64, 512), torch.randn(512, 64)
    exact = a.double() @ b.double()
    rough = (a.bfloat16().double() @ b.bfloat16().double() - exact).norm() / exact.norm()
    assert rough > 100 * device.FLOAT32


@pytest.mark.parametrize(("batch", "width", "out"), [(60, 784, 300), (60, 300, 100), (20, 100, 10)])
def test_a_network_has_the_same_bits_in_every_stack(batch, width, out) -> None:
    device.prepare("cpu")
    x, w = torch.randn(6, batch, width), torch.randn(6, width, out)
    d = torch.randn(6, batch, out)
    for one, two in ((x, w), (x.transpose(1, 2), d), (d, w.transpose(1, 2))):
        stacked = torch.bmm(one, two)
        assert all(torch.equal(torch.bmm(one[s : s + 1], two[s : s + 1])[0], stacked[s]) for s in range(6))
        assert torch.equal(torch.bmm(one[2:5], two[2:5]), stacked[2:5])
