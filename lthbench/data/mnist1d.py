"""MNIST-1D (Greydanus 2020, arXiv:2011.14439): the mnist1d package's own generator, vectorised.

The random numbers are drawn one sample at a time, in the package's order from the same MT19937 stream, so
that the result equals the package's bit for bit; everything done with them runs over chunks of samples.
Templates and constants are those of the package (0.0.2), which tests compare with: it need not be installed.
"""

from collections.abc import Sequence

import numpy as np

from lthbench.data.arrays import Arrays
from lthbench.data.errors import DataError

GENERATOR_VERSION = 1  # raise it whenever `load` may return other bits: it is part of the cache key
CLASSES = 10
_CHUNK = 2_000  # samples transformed at once; bounds the memory to a few MB

TEMPLATES = (  # the shapes of the ten digits, 12 points each
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
PADDING = 36, 60  # zeros behind a template, at least and at most
LENGTH = 12 + PADDING[1]  # points of a dilated template
FEATURES = 40  # points of an example
SCALE, SHEAR, SHIFTS = 0.4, 0.75, 48
CORRELATED_NOISE, INDEPENDENT_NOISE = 0.25, 2e-2


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
    rng = np.random.RandomState(seed)
    dilated = _dilated_templates()
    labels = np.repeat(np.arange(CLASSES, dtype=np.int64), samples // CLASSES)
    x = np.empty((samples, FEATURES))
    for start in range(0, samples, _CHUNK):
        part = slice(start, start + _CHUNK)
        x[part] = _transform(dilated, labels[part], rng)
    order = rng.permutation(samples)
    x = x[order]
    return (x - x.mean()) / x.std(), labels[order]


def _templates() -> np.ndarray:
    """The templates as the package prepares them: whitened, starting at 0; (class, point)."""
    x = np.array(TEMPLATES, dtype=np.float64)
    x -= x.mean(1, keepdims=True)
    x /= x.std(1, keepdims=True)
    x -= x[:, :1]
    return x / 6.0


def _dilated_templates() -> np.ndarray:
    """Every template padded by every possible length and stretched: (class, padding - low, LENGTH)."""
    low, high = PADDING
    eps = 1e-8  # of mnist1d.transform.transform: tells the signal's own zeros from the padding
    padded = [[np.append(x + eps, np.zeros(p)) for p in range(low, high + 1)] for x in _templates()]
    return np.array([[_interpolate([x], LENGTH)[0] for x in row] for row in padded])


def _interpolate(rows: Sequence[np.ndarray] | np.ndarray, length: int) -> np.ndarray:
    """Signals of one length at `length` points.

    np.interp row by row is what scipy's interp1d calls: the same bits on every processor, and cheap.
    """
    old, new = np.linspace(0, 1, len(rows[0])), np.linspace(0, 1, length)
    return np.array([np.interp(new, old, row) for row in rows])


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


def _transform(dilated: np.ndarray, labels: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """mnist1d.transform.transform for one sample per label; (len(labels), FEATURES)."""
    from scipy.ndimage import gaussian_filter1d  # here: half a second that a cached draw does not need

    pad, scale, shift, correlated, independent, shear = _draw(rng, len(labels), LENGTH, SHIFTS)
    low, high = PADDING
    x = dilated[labels, (pad * (high - low + 1)).astype(np.int64)]
    x *= (1 + SCALE * (scale - 0.5))[:, None]
    # Roll right by the shift. A shift of 0 rolls nothing, also in the package: there x[-0:] is all of x.
    x = np.take_along_axis(x, (np.arange(LENGTH) - shift[:, None]) % LENGTH, axis=1)
    x = np.where(x != 0, x, gaussian_filter1d(CORRELATED_NOISE * correlated, 2, axis=1))
    x += INDEPENDENT_NOISE * independent
    x -= (SHEAR * (shear - 0.5))[:, None] * np.linspace(-0.5, 0.5, LENGTH)
    return _interpolate(x, FEATURES)
