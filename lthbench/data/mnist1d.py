"""MNIST-1D (Greydanus 2020, arXiv:2011.14439): the mnist1d package's own generator, vectorised.

The random numbers are drawn one sample at a time, in the package's order from the same MT19937 stream, so
that the result equals the package's bit for bit; everything done with them runs over chunks of samples.
"""

from typing import Any

import numpy as np

from lthbench.data.arrays import Arrays
from lthbench.data.errors import DataError

GENERATOR_VERSION = 1  # raise it whenever `load` may return other bits: it is part of the cache key
CLASSES = 10
_CHUNK = 2_000  # samples transformed at once; bounds the memory to a few MB


def load(train: int, test: int, seed: int) -> Arrays:
    """Draw train + test samples at once and split them as the package does: training samples first."""
    if train < 1 or test < 1:
        raise DataError(f"mnist1d: train and test must be at least 1, not {train} and {test}")
    x, y = generate(seed, train + test)
    x = x.astype(np.float32)
    return Arrays(x[:train], y[:train], x[train:], y[train:], classes=CLASSES)


def generate(seed: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x (samples, 40) float64 and y (samples,) int64, shuffled, as `mnist1d.data.make_dataset` does.

    x is centred and scaled over all the samples together. numpy's global random state is not used.
    Raises DataError unless `samples` is a positive multiple of 10 and 0 <= seed < 2**32.
    """
    if samples < 1 or samples % CLASSES:
        raise DataError(f"mnist1d: train + test must be a positive multiple of {CLASSES}, not {samples}")
    if not 0 <= seed < 2**32:
        raise DataError(f"mnist1d: seed must be 0..{2**32 - 1}, not {seed}")
    # Imported here because it costs about a second: the package imports matplotlib and requests.
    from mnist1d.data import get_dataset_args, get_templates

    args, templates = get_dataset_args(), get_templates()
    rng = np.random.RandomState(seed)
    dilated = _dilated_templates(templates["x"], args)
    labels = np.repeat(templates["y"].astype(np.int64), samples // CLASSES)
    x = np.empty((samples, args.final_seq_length))
    for start in range(0, samples, _CHUNK):
        part = slice(start, start + _CHUNK)
        x[part] = _transform(dilated, labels[part], rng, args)
    order = rng.permutation(samples)
    x = x[order]
    return (x - x.mean()) / x.std(), labels[order]


def _dilated_templates(templates: np.ndarray, args: Any) -> np.ndarray:
    """Pad every template by every possible length and stretch it: (class, padding - low, length)."""
    from mnist1d.transform import interpolate

    low, high = args.padding
    eps = 1e-8  # of mnist1d.transform.transform: tells the signal's own zeros from the padding
    length = args.template_len + high
    padded = [[np.append(x + eps, np.zeros(p)) for p in range(low, high + 1)] for x in templates]
    return np.array([[interpolate(x, length) for x in row] for row in padded])


def _draw(rng: np.random.RandomState, samples: int, length: int, shifts: int) -> tuple[np.ndarray, ...]:
    """Draw what `samples` samples consume, in the package's order: the order is the contract."""
    pad, scale, shear = np.empty((3, samples))
    shift = np.empty(samples, dtype=np.int64)
    noise = np.empty((samples, 2 * length))
    uniform, integer, normal = rng.random_sample, rng.randint, rng.standard_normal
    for i in range(samples):
        pad[i] = uniform()
        scale[i] = uniform()
        shift[i] = integer(shifts)  # what np.random.choice(int) draws
        noise[i] = normal(2 * length)  # correlated noise first, then independent noise
        shear[i] = uniform()
    return pad, scale, shift, noise[:, :length], noise[:, length:], shear


def _transform(dilated: np.ndarray, labels: np.ndarray, rng: np.random.RandomState, args: Any) -> np.ndarray:
    """mnist1d.transform.transform for one sample per label; (len(labels), final_seq_length)."""
    from scipy.ndimage import gaussian_filter1d

    length = dilated.shape[-1]
    pad, scale, shift, correlated, independent, shear = _draw(rng, len(labels), length, args.max_translation)
    low, high = args.padding
    x = dilated[labels, (pad * (high - low + 1)).astype(np.int64)]
    x *= (1 + args.scale_coeff * (scale - 0.5))[:, None]
    # Roll right by the shift. A shift of 0 rolls nothing, also in the package: there x[-0:] is all of x.
    x = np.take_along_axis(x, (np.arange(length) - shift[:, None]) % length, axis=1)
    x = np.where(x != 0, x, gaussian_filter1d(args.corr_noise_scale * correlated, 2, axis=1))
    x += args.iid_noise_scale * independent
    x -= (args.shear_scale * (shear - 0.5))[:, None] * np.linspace(-0.5, 0.5, length)
    # np.interp row by row is what scipy's interp1d calls: the same bits on every processor, and cheap.
    old, new = np.linspace(0, 1, length), np.linspace(0, 1, args.final_seq_length)
    return np.array([np.interp(new, old, row) for row in x])
