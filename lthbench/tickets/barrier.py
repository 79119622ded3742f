"""Error barrier between two trained networks (1912.05671, section 2): two copies, or two rounds of pruning.

Instability = the highest classification error on the straight line between two trained networks minus the
mean of the two ends, in percentage points, on the test set. The paper leaves open whether batch-norm
statistics are recomputed on the line; here they are, at every point, ends included, from up to BN_EXAMPLES
training examples.
"""

import numpy as np
import torch

from lthbench.models.mlp import Arrays
from lthbench.training.loop import accuracy, engine_for
from lthbench.training.run import Folds, Model
from lthbench.training.stack import stack

BN_EXAMPLES = 4000


def between(first: Arrays, second: Arrays, alpha: float) -> Arrays:
    """The network alpha of the way from the first to the second; counters and the like are the first's."""
    return {
        name: (1 - np.float32(alpha)) * value + np.float32(alpha) * second[name]
        if np.issubdtype(value.dtype, np.floating)
        else value
        for name, value in first.items()
    }


@torch.no_grad()
def errors_on_line(
    model: Model, first: list[Arrays], second: list[Arrays], folds: Folds, points: int
) -> np.ndarray:
    """Test error in percent at evenly spaced points of the line, shape (points, S); ends included."""
    errors = []
    for alpha in np.linspace(0, 1, points):
        line = [between(a, b, float(alpha)) for a, b in zip(first, second, strict=True)]
        net = stack(model, line, folds.device)
        engine = engine_for(model, net, (0,) * len(line))  # the same dropout at every point
        engine.recompute_statistics(net, folds.examples, folds.train[:, :BN_EXAMPLES])
        errors.append(100 - accuracy(engine, net, folds.held_out, folds.test))
    return np.stack(errors)


def barrier(errors: np.ndarray) -> np.ndarray:
    """Highest error on the line minus the mean of its ends, shape (S,); 0 where the ends are the highest."""
    return np.maximum(errors.max(0) - (errors[0] + errors[-1]) / 2, 0)
