"""Learning rates and batch order: known before the first step, the same for every arm of a replicate."""

import numpy as np

from lthbench.recipe import Training


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


def batch_order(examples: int, training: Training, generator: np.random.Generator) -> np.ndarray:
    """Which training examples form each batch, shape (iterations, batch).

    The training set is reshuffled every epoch; batches run on across the end of an epoch, so none is short.
    """
    needed = training.iterations * training.batch
    epochs = -(-needed // examples)
    order = np.concatenate([generator.permutation(examples) for _ in range(epochs)])
    return order[:needed].reshape(training.iterations, training.batch)
