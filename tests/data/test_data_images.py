import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st

from lthbench.data.images import flip, normalise, pad_crop


@st.composite
def batches(draw):
    """Images of random size and kind, a padding, and offsets and choices for each."""
    n, channels, height, width = (draw(st.integers(1, most)) for most in (5, 3, 9, 9))
    pad = draw(st.integers(0, 12))  # also more than the image
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    x = torch.randint(0, 256, (n, channels, height, width), generator=generator)
    x = x.to(draw(st.sampled_from([torch.uint8, torch.float32])))
    dy, dx = torch.randint(0, 2 * pad + 1, (2, n), generator=generator)
    chosen = torch.rand(n, generator=generator) < 0.5
    return x, dy, dx, pad, chosen


@given(batches())
def test_pad_crop_is_pad_and_crop_image_by_image(batch):
    x, dy, dx, pad, _ = batch
    height, width = x.shape[-2:]
    expected = torch.stack(
        [
            F.pad(image, (pad,) * 4)[:, top : top + height, left : left + width]
            for image, top, left in zip(x, dy.tolist(), dx.tolist(), strict=True)
        ]
    )
    result = pad_crop(x, dy, dx, pad)
    assert result.dtype == x.dtype
    assert torch.equal(result, expected)
    assert torch.equal(pad_crop(x, torch.full_like(dy, pad), torch.full_like(dx, pad), pad), x)


@given(batches())
def test_flip_mirrors_the_chosen_images(batch):
    x, _, _, _, chosen = batch
    expected = torch.stack([i.flip(-1) if c else i for i, c in zip(x, chosen.tolist(), strict=True)])
    result = flip(x, chosen)
    assert result.dtype == x.dtype
    assert torch.equal(result, expected)
    assert torch.equal(flip(result, chosen), x)


@given(batches())
def test_leading_dimensions_are_batch_dimensions(batch):
    x, dy, dx, pad, chosen = batch
    stacked = pad_crop(torch.stack([x, x]), torch.stack([dy, dx % (2 * pad + 1)]), torch.stack([dx, dy]), pad)
    assert torch.equal(stacked[0], pad_crop(x, dy, dx, pad))
    assert torch.equal(stacked[1], pad_crop(x, dx, dy, pad))
    assert torch.equal(flip(torch.stack([x, x]), torch.stack([chosen, ~chosen]))[1], flip(x, ~chosen))


def test_normalise_equals_torchvisions_transforms():
    from lthbench.data.torchvision_ops import import_torchvision

    transforms = import_torchvision().transforms
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    plain = torch.stack([transforms.functional.to_tensor(image) for image in pixels])
    assert torch.equal(normalise(x), plain)
    expected = transforms.Normalize(mean, std)(plain)
    assert torch.equal(normalise(x, mean, std), expected)
    assert torch.equal(normalise(x, torch.tensor(mean), torch.tensor(std)), expected)
    assert torch.equal(normalise(x.reshape(2, 2, 3, 32, 32), mean, std), expected.reshape(2, 2, 3, 32, 32))
    assert normalise(x).dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_all_can_be_captured_in_a_cuda_graph():
    generator = torch.Generator("cuda").manual_seed(0)
    x = torch.randint(0, 256, (16, 3, 32, 32), device="cuda", dtype=torch.uint8, generator=generator)
    dy, dx = torch.randint(0, 9, (2, 16), device="cuda", generator=generator)
    chosen = torch.rand(16, device="cuda", generator=generator) < 0.5
    mean, std = torch.rand(2, 3, device="cuda", generator=generator) + 0.1

    def augmented():
        return normalise(flip(pad_crop(x, dy, dx, 4), chosen), mean, std)

    expected = augmented()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = augmented()
    graph.replay()
    assert torch.equal(result, expected)
    dx.copy_(8 - dx)
    graph.replay()
    assert torch.equal(result, augmented())
    assert not torch.equal(result, expected)
