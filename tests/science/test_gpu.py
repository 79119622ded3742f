"""The stacked engine on a CUDA device. Skipped, visibly, where there is none."""

import dataclasses

import numpy as np
import pytest
import torch
from test_engines import FOLDS, RECIPES, task

from lthbench.training import reference, stacked
from lthbench.training.run import Folds

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def on_device(folds: Folds) -> Folds:
    moved = {n: v.cuda() for n, v in vars(folds).items() if isinstance(v, torch.Tensor)}
    return dataclasses.replace(folds, **moved)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_stack_on_a_gpu_starts_as_the_reference_on_a_cpu(recipe: str, batch_norm: bool) -> None:
    """A few steps agree closely; later ones may part where rounding differs."""
    short = dataclasses.replace(RECIPES[recipe], iterations=4, evaluate_every=2, milestones=())
    t = task(short, batch_norm, density=0.5)
    slow, fast = reference.train(t, FOLDS), stacked.train(t, on_device(FOLDS))
    for a, b in zip(slow.states, fast.states, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], atol=2e-4)
    np.testing.assert_allclose(slow.validation_loss, fast.validation_loss, atol=2e-3)


def test_pruned_weights_stay_zero_on_a_gpu() -> None:
    t = task(RECIPES["sgd"], batch_norm=True, density=0.3)
    for state, mask in zip(stacked.train(t, on_device(FOLDS)).states, t.masks, strict=True):
        for name, kept in mask.items():
            assert not state[name][~kept].any()
