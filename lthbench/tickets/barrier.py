"""Error barrier between two copies of a network (1912.05671, section 2).

Instability = the highest classification error on the straight line between two trained copies minus the
mean of the two ends, in percentage points, on the test set. The paper leaves open whether batch-norm
statistics are recomputed on the line; here they are, at every point, ends included, from up to BN_EXAMPLES
training examples.
"""

import numpy as np
import torch

from lthbench.models.mlp import Arrays, Mlp
from lthbench.training.run import Folds
from lthbench.training.stacked import Stack, accuracy, forward, stack

BN_EXAMPLES = 4000


def between(first: Arrays, second: Arrays, alpha: float) -> Arrays:
    """The network alpha of the way from the first to the second."""
    return {name: (1 - np.float32(alpha)) * first[name] + np.float32(alpha) * second[name] for name in first}


def recompute_statistics(model: Mlp, net: Stack, x_train: torch.Tensor) -> None:
    """Set batch norm's running statistics to those of the given examples, (S, examples, features)."""
    if model.batch_norm:
        x = x_train[:, :BN_EXAMPLES].transpose(0, 1).contiguous()
        forward(model, net, x, training=True, momentum=1.0)


@torch.no_grad()
def errors_on_line(model: Mlp, first: list[Arrays], second: list[Arrays], folds: Folds, points: int) -> np.ndarray:
    """Test error in percent at evenly spaced points of the line, shape (points, S); ends included."""
    owners = torch.arange(len(first), device=folds.x_test.device)
    errors = []
    for alpha in np.linspace(0, 1, points):
        line = [between(a, b, float(alpha)) for a, b in zip(first, second, strict=True)]
        net = stack(model, line, folds.x_test.device)
        recompute_statistics(model, net, folds.x_train)
        errors.append(100 - accuracy(model, net, folds.x_test, folds.y_test, owners))
    return np.stack(errors)


def barrier(errors: np.ndarray) -> np.ndarray:
    """Highest error on the line minus the mean of its ends, shape (S,); 0 where the ends are the highest."""
    return np.maximum(errors.max(0) - (errors[0] + errors[-1]) / 2, 0)
