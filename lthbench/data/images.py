"""Images as uint8 tensors: shifted, mirrored and normalised, whole batches at a time.

Every function is a fixed sequence of tensor operations that never waits for the device, so it may be captured in
a CUDA graph. Leading dimensions, written "...", are any number of batch dimensions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def normalise(x: Tensor, mean: Sequence[float] | Tensor = (), std: Sequence[float] | Tensor = ()) -> Tensor:
    """Return uint8 images (..., channels, height, width) as float32: (x / 255 - mean) / std, channel by channel.

    Without mean and std, x / 255. Numbers are copied to the device, which a CUDA graph cannot capture: give
    float32 tensors of the device there.
    """
    scaled = x.to(torch.float32) / 255
    if len(mean) == 0:
        return scaled
    m, s = (torch.as_tensor(v, dtype=torch.float32, device=x.device)[:, None, None] for v in (mean, std))
    return (scaled - m) / s


def pad_crop(x: Tensor, dy: Tensor, dx: Tensor, pad: int) -> Tensor:
    """Pad images (..., channels, height, width) by `pad` black pixels on every side and crop to the old size.

    dy and dx, int64 (...) in 0..2 * pad, are the crops' upper left corners in the padded images: dy = dx = pad
    changes nothing. Black is 0, so this comes before `normalise`.
    """
    height, width = x.shape[-2:]
    rows = torch.arange(height, device=x.device) + (dy[..., None] - pad)
    columns = torch.arange(width, device=x.device) + (dx[..., None] - pad)
    source = rows.clamp(0, height - 1)[..., :, None] * width + columns.clamp(0, width - 1)[..., None, :]
    source = source.flatten(-2)[..., None, :].expand(*x.shape[:-2], height * width)
    cropped = x.flatten(-2).gather(-1, source).reshape(x.shape)
    above_or_below, beside = (rows < 0) | (rows >= height), (columns < 0) | (columns >= width)
    outside = above_or_below[..., :, None] | beside[..., None, :]
    return cropped.masked_fill(outside[..., None, :, :], 0)


def flip(x: Tensor, chosen: Tensor) -> Tensor:
    """Mirror those images (..., channels, height, width) left to right whose bool in `chosen` (...) is true."""
    return torch.where(chosen[..., None, None, None], x.flip(-1), x)
