"""Learning rates and batch order: known before the first step, the same for every arm of a replicate."""

import numpy as np

from lthbench.recipe.experiment import Training


def learning_rates(training: Training) -> np.ndarray:
    """The rate of every iteration, shape (iterations,): linear warm-up from 0, then steps down.

    A rewound network trains at the rates of iterations k .. T, so its schedule is rewound with it.
    """
    iteration = np.arange(training.iterations)
    rates = np.full(training.iterations, training.learning_rate)
    for milestone in training.milestones:
        rates[iteration >= milestone] *= training.decay
    if training.warmup:
        rates *= np.minimum(1.0, (iteration + 1) / training.warmup)
    return rates


def last_rate(training: Training) -> np.ndarray:
    """Fine-tuning (Renda et al. 2020, section 2): the last rate of the schedule throughout, (iterations,)."""
    return np.full(training.iterations, learning_rates(training)[-1])


def batch_order(examples: int, training: Training, generator: np.random.Generator) -> np.ndarray:
    """Which training examples form each batch, shape (iterations, batch).

    The training set is reshuffled every epoch; batches run on across the end of an epoch, so none is short.
    """
    needed = training.iterations * training.batch
    epochs = -(-needed // examples)
    order = np.concatenate([generator.permutation(examples) for _ in range(epochs)])
    return order[:needed].reshape(training.iterations, training.batch)


def augmentation(training: Training, generator: np.random.Generator) -> np.ndarray | None:
    """Crop offsets (0 .. 2 x pad_crop, vertical, horizontal) and flips, (iterations, batch, 3); None for none."""
    if not (training.flip or training.pad_crop):
        return None
    shape = (training.iterations, training.batch)
    offsets = generator.integers(0, 2 * training.pad_crop + 1, size=(*shape, 2), dtype=np.uint8)
    flips = generator.integers(0, 2, size=(*shape, 1), dtype=np.uint8)
    return np.concatenate([offsets, flips if training.flip else np.zeros_like(flips)], axis=-1)
