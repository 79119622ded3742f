"""Bytes of a ticket's weights in four formats: exact arithmetic, and files as one would send them.

Only weights that may be pruned are counted; biases and norms cost the same in every format.
"""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import save

Matrices = Mapping[str, np.ndarray]
COMPRESSION = 6  # of zip, its usual level


def arrays(name: str, weights: Matrices, masks: Matrices) -> dict[str, np.ndarray]:
    """The arrays of a format. Filters lie flattened: (outputs, the rest); 16-bit columns need at most 65,536."""
    stored: dict[str, np.ndarray] = {}
    for layer, weight in weights.items():
        values = weight.reshape(len(weight), -1).astype(np.float32)
        mask = masks[layer].reshape(values.shape)
        if name == "dense":
            stored[layer] = values * mask
        elif name == "bitmask":
            stored |= {f"{layer}.bits": np.packbits(mask), f"{layer}.values": values[mask]}
        else:
            index = np.uint16 if name == "csr16" else np.int32
            if values.shape[1] > np.iinfo(index).max + 1:
                raise ValueError(f"{layer}: {values.shape[1]} columns need more than 16 bits")
            pointers = np.concatenate([[0], np.cumsum(mask.sum(1))]).astype(np.int32)
            stored |= {
                f"{layer}.values": values[mask],
                f"{layer}.columns": np.nonzero(mask)[1].astype(index),
                f"{layer}.rows": pointers,
            }
    return stored


def exact_bytes(name: str, masks: Matrices) -> int:
    """Bytes of a format's arrays, by arithmetic."""
    total = 0
    for mask in masks.values():
        size, kept, rows = mask.size, int(mask.sum()), len(mask)
        total += {
            "dense": 4 * size,
            "bitmask": -(-size // 8) + 4 * kept,
            "csr32": 8 * kept + 4 * (rows + 1),
            "csr16": 6 * kept + 4 * (rows + 1),
        }[name]
    return total


def break_even(name: str, masks: Matrices) -> float:
    """The density below which a format takes fewer bytes than dense float32."""
    empty = {layer: np.zeros_like(mask) for layer, mask in masks.items()}
    per_weight = {"bitmask": 4, "csr32": 8, "csr16": 6}[name]
    size = sum(mask.size for mask in masks.values())
    return (4 * size - exact_bytes(name, empty)) / (per_weight * size)


def file_sizes(name: str, weights: Matrices, masks: Matrices) -> tuple[int, int]:
    """Bytes of a safetensors file of the format, and of that file in a zip."""
    content = save({key: np.ascontiguousarray(value) for key, value in arrays(name, weights, masks).items()})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        archive.writestr(zipfile.ZipInfo("ticket.safetensors"), content, zipfile.ZIP_DEFLATED, COMPRESSION)
    return len(content), len(packed.getvalue())


def fits(name: str, masks: Matrices) -> bool:
    """Whether a format can hold these layers."""
    widest = max(mask[0].size for mask in masks.values())
    return name != "csr16" or widest <= np.iinfo(np.uint16).max + 1
