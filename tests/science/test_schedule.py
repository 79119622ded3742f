import numpy as np
import pytest

from lthbench.recipe.experiment import Training
from lthbench.training.run import evaluation_iterations
from lthbench.training.schedule import batch_order, learning_rates


def recipe(**changes) -> Training:
    base = {"optimizer": "sgd", "learning_rate": 0.1, "batch": 7, "iterations": 60, "evaluate_every": 10}
    return Training(**(base | changes))


def test_a_constant_rate_is_the_registered_one() -> None:
    np.testing.assert_array_equal(learning_rates(recipe()), np.full(60, 0.1))


def test_milestones_multiply_the_rate_from_that_iteration_on() -> None:
    rates = learning_rates(recipe(milestones=(20, 30), decay=0.1))
    np.testing.assert_allclose(rates, [0.1] * 20 + [0.01] * 10 + [0.001] * 30)


def test_warm_up_is_linear_and_ends_at_the_full_rate() -> None:
    rates = learning_rates(recipe(warmup=10))
    np.testing.assert_allclose(rates[:10], 0.1 * np.arange(1, 11) / 10)
    np.testing.assert_array_equal(rates[9:], 0.1)


def test_warm_up_and_milestones_together() -> None:
    rates = learning_rates(recipe(warmup=20, milestones=(10,), decay=0.5))
    np.testing.assert_allclose(rates[[0, 9, 10, 19, 59]], [0.005, 0.05, 0.0275, 0.05, 0.05])


@pytest.mark.parametrize(("examples", "batch"), [(35, 7), (37, 7), (5, 7), (500, 7), (420, 7), (1, 1)])
def test_every_epoch_is_a_permutation_and_no_batch_is_short(examples, batch) -> None:
    order = batch_order(examples, recipe(batch=batch), np.random.default_rng(0))
    assert order.shape == (60, batch)
    seen = order.ravel()
    epochs = len(seen) // examples
    for epoch in range(epochs):
        part = seen[epoch * examples : (epoch + 1) * examples]
        np.testing.assert_array_equal(np.sort(part), np.arange(examples))
    rest = seen[epochs * examples :]
    assert len(set(rest.tolist())) == len(rest)
    assert seen.max() < examples


def test_the_training_set_is_reshuffled_every_epoch() -> None:
    seen = batch_order(42, recipe(), np.random.default_rng(0)).ravel().reshape(-1, 42)
    assert len({epoch.tobytes() for epoch in seen}) == 10
    assert not any(np.array_equal(epoch, np.arange(42)) for epoch in seen)


@pytest.mark.parametrize(("start", "wanted"), [(0, [20, 40, 60]), (19, [20, 40, 60]), (20, [40, 60]), (59, [60])])
def test_the_end_is_always_evaluated(start, wanted) -> None:
    assert evaluation_iterations(recipe(evaluate_every=20), start) == wanted


@pytest.mark.parametrize(
    "wrong",
    [{"evaluate_every": 7}, {"batch": 0}, {"iterations": -60}, {"learning_rate": 0.0}, {"optimizer": "adam",
     "momentum": 0.9}],
)  # fmt: skip
def test_recipes_that_make_no_sense_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"must|momentum"):
        recipe(**wrong)
