"""Masks as boolean arrays per prunable weight; True remains.

Survivors are exact counts, never a threshold: the k smallest scores go, ties in storage order. Matrices are
taken in the order of their names wherever the order matters (ties, random draws): a mask read back from disk
comes in any order.
"""

import zlib
from collections.abc import Collection, Mapping

import numpy as np

Mask = dict[str, np.ndarray]


def ones(shapes: Mapping[str, tuple[int, ...]]) -> Mask:
    """The dense network's mask."""
    return {name: np.ones(shape, dtype=bool) for name, shape in shapes.items()}


def counts(mask: Mask) -> dict[str, int]:
    """Weights remaining per matrix."""
    return {name: int(kept.sum()) for name, kept in mask.items()}


def keep_largest(scores: np.ndarray, mask: np.ndarray, remaining: int) -> np.ndarray:
    """Among the weights of a mask keep the `remaining` largest scores (flat arrays of equal length).

    Of scores that tie at the cut, those first in storage go. Scores that are not numbers are the largest.
    """
    alive = np.flatnonzero(mask)
    if not 0 <= remaining <= alive.size:
        raise ValueError(f"cannot keep {remaining} of {alive.size} weights")
    kept, removed = mask.copy(), alive.size - remaining
    if removed:
        among = scores[alive]
        cut = np.partition(among, removed - 1)[removed - 1]  # much quicker than sorting them all
        nan = np.isnan(cut)
        below, tied = (~np.isnan(among), np.isnan(among)) if nan else (among < cut, among == cut)
        kept[alive[below]] = False
        kept[alive[np.flatnonzero(tied)[: removed - int(below.sum())]]] = False
    return kept


def prune(
    scores: Mapping[str, np.ndarray], mask: Mask, remaining: Mapping[str, int], keep: Collection[str] = ()
) -> Mask:
    """Remove the smallest scores until `remaining` weights are left (a rung of `counts.ladder`).

    Keys of `remaining` are the weights' names (layer-wise) or "all" (global). Global pruning leaves the weights
    named in `keep` alone, and counts them.
    """
    if remaining.keys() == {"all"}:
        names = sorted(name for name in mask if name not in keep)
        flat = np.concatenate([scores[name].ravel() for name in names])
        left = remaining["all"] - sum(int(mask[name].sum()) for name in keep)
        kept = keep_largest(flat, np.concatenate([mask[n].ravel() for n in names]), left)
        parts = np.split(kept, np.cumsum([mask[name].size for name in names])[:-1])
        pruned = {name: part.reshape(mask[name].shape) for name, part in zip(names, parts, strict=True)}
        return {name: pruned.get(name, mask[name]) for name in mask}
    return {
        name: keep_largest(scores[name].ravel(), mask[name].ravel(), remaining[name]).reshape(mask[name].shape)
        for name in mask
    }


def random_like(mask: Mask, generator: np.random.Generator) -> Mask:
    """A uniformly random mask with the same number of weights in every matrix, independent of `mask`."""
    drawn = {}
    for name in sorted(mask):
        kept = mask[name]
        flat = np.zeros(kept.size, dtype=bool)
        flat[generator.choice(kept.size, size=int(kept.sum()), replace=False)] = True
        drawn[name] = flat.reshape(kept.shape)
    return drawn


def apply(mask: Mask, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state with pruned weights set to zero; everything else untouched."""
    return {name: np.where(mask[name], value, 0) if name in mask else value for name, value in state.items()}


def fingerprint(mask: Mask) -> int:
    """CRC-32 of the mask: two arms wear the same mask if and (but for one in 4e9) only if these agree."""
    crc = 0
    for name in sorted(mask):
        crc = zlib.crc32(np.packbits(mask[name]).tobytes(), crc)
    return crc
