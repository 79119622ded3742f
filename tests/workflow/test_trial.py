"""A method is tried before anything is trained: each mistake is told in a line or two that name what to return."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

import lthbench
from lthbench.drive.trial import tried
from lthbench.errors import UserError
from lthbench.recipe import given
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training

TINY = Experiment(
    "tiny", "", Network("mlp", (12,)), DataSpec("digits", validation=100), Training("adam", 0.01, 20, 40, 20),
    Pruning("layer-wise", 0.5),
)  # fmt: skip


def masks(problem, seed=None):
    """Random masks of the right size."""
    drawn = np.random.default_rng(problem.seed if seed is None else seed)
    return problem.keep_largest({name: drawn.random(shape) for name, shape in problem.shapes.items()})


def trial(method, **changes) -> None:
    """Try a function."""
    from dataclasses import replace

    tried(replace(TINY, method=given.give(method), **changes), 2, 0, None, "cpu")


def said(method, **changes) -> str:
    """What is said of a method that cannot be used."""
    with pytest.raises(UserError) as raised:
        trial(method, **changes)
    assert len(str(raised.value).splitlines()) <= 2
    assert Path(__file__).name in str(raised.value)
    return str(raised.value)


def ticket(change):
    """A method that finds a sound mask, and changes it."""

    def find(problem):
        return lthbench.Ticket(change(masks(problem), problem))

    return find


MISTAKES = {
    "a mask of floats": (lambda m, p: {n: a.astype(float) for n, a in m.items()}, "is float64; give booleans"),
    "a missing name": (lambda m, p: {"fc1.weight": m["fc1.weight"]}, "lacks out.weight"),
    "a strange name": (
        lambda m, p: m | {"fc2.weight": m["fc1.weight"]},
        "fc2.weight, which is no prunable weight",
    ),
    "turned round": (lambda m, p: {n: a.T for n, a in m.items()}, "not (12, 64); weights lie as in torch"),
    "too dense": (lambda m, p: m | {"fc1.weight": m["fc1.weight"] | True}, "problem.keep asks for 222"),
    "no dict": (lambda m, p: list(m.values()), "mask is a list; give a dict"),
    "no mask": (lambda m, p: None, "mask is a NoneType"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_mask_is_told(name) -> None:
    change, words = MISTAKES[name]
    assert words in said(ticket(change))


def test_another_answer_than_a_ticket() -> None:
    assert "returned a dict; return lthbench.Ticket(mask=...)" in said(lambda problem: masks(problem))


def test_an_exception_is_told_with_its_file_and_line() -> None:
    line = test_an_exception_is_told_with_its_file_and_line.__code__.co_firstlineno + 4

    def find(problem):
        return problem.no_such_thing

    assert f"{Path(__file__).name}, line {line}" in said(find)


DRAWS = (
    lambda: torch.rand(12, 64),
    lambda: np.random.rand(12, 64),
    lambda: np.reshape([random.random() for _ in range(768)], (12, 64)),
)


@pytest.mark.parametrize("draw", DRAWS)
def test_the_global_generators_of_the_host_follow_the_replicates_seed(draw) -> None:
    before = random.getstate(), torch.get_rng_state()

    def find(problem):
        return lthbench.Ticket(masks(problem) | problem.keep_largest(
            {"fc1.weight": draw(), "out.weight": np.ones((10, 12))}))  # fmt: skip

    trial(find)
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_generator_without_a_seed() -> None:
    unseeded = np.random.SeedSequence().entropy % 2**30
    calls = iter(range(10))
    find = lambda problem: lthbench.Ticket(masks(problem, unseeded + next(calls)))  # noqa: E731
    assert "another ticket to the same question: draw all random numbers from problem.seed" in said(find)


def test_one_mask_for_every_replicate() -> None:
    assert "one mask to two initialisations" in said(lambda problem: lthbench.Ticket(masks(problem, 0)))


def not_reset(problem):
    """The mistake of Lightning's callback: the trained weights, pruned, are taken for the ticket."""
    module = problem.module()
    start = module.state_dict()  # no copy: training changes it
    problem.train(module)
    return lthbench.Ticket(masks(problem), weights=start)


def test_a_ticket_that_was_not_reset() -> None:
    words = said(not_reset)
    assert "starts elsewhere than at the initialisation (fc1.weight" in words
    assert "--own-start" in words
    trial(not_reset, own_start=True)


def test_a_ticket_that_was_reset_may_say_so() -> None:
    def find(problem):
        return lthbench.Ticket(masks(problem), weights=problem.module().state_dict())

    trial(find)


@pytest.mark.parametrize(("weights", "words"), [
    ({"fc9.weight": np.zeros(3)}, "weights has fc9.weight, which the network has not"),
    ({"fc1.weight": np.zeros(3)}, "weights has fc1.weight as float64 (3,); give numbers (12, 64)"),
    ([1, 2], "weights is a list"),
])  # fmt: skip
def test_weights_that_do_not_fit(weights, words) -> None:
    assert words in said(lambda problem: lthbench.Ticket(masks(problem), weights=weights))


def test_what_a_method_changes_in_place_is_its_own() -> None:
    seen = []

    def find(problem):
        seen.append([t.clone() for t in (*problem.training_data, *problem.module().parameters())])
        for tensor in (*problem.training_data, *problem.module().parameters()):
            tensor.data.zero_()
        return lthbench.Ticket(masks(problem))

    trial(find)
    assert all(torch.equal(first, again) for first, again in zip(seen[0], seen[1], strict=True))


def test_training_for_too_long_or_something_else_is_refused() -> None:
    def longer(problem):
        problem.train(problem.module(), iterations=10**6)

    assert "problem.train: iterations 0 to 1000000 are not within the recipe's 20" in said_of_train(longer)
    strange = torch.nn.Linear(3, 3)
    assert "not the network of problem.module()" in said_of_train(lambda problem: problem.train(strange))


def said_of_train(method) -> str:
    with pytest.raises(UserError) as raised:
        trial(method)
    return str(raised.value)


def test_modules_that_are_wrapped_or_pruned_by_torch_train_as_the_plain_one() -> None:
    from torch.nn.utils import prune

    def find(problem):
        mask = masks(problem)
        wrapped = torch.nn.DataParallel(problem.module())
        plain, pruned = problem.module(), problem.module()
        for name in mask:
            layer = getattr(pruned, name.partition(".")[0])
            prune.custom_from_mask(layer, "weight", torch.from_numpy(mask[name]))
        problem.train(wrapped, mask=mask)
        problem.train(plain, mask={f"module.{name}": kept for name, kept in mask.items()})
        problem.train(pruned)
        for layer in ("fc1", "out"):
            weight = getattr(plain, layer).weight
            assert torch.equal(weight, getattr(wrapped.module, layer).weight)
            assert torch.equal(weight, getattr(pruned, layer).weight_orig)
            prune.remove(getattr(pruned, layer), "weight")
            assert torch.equal(weight, getattr(pruned, layer).weight)
        return lthbench.Ticket({f"_orig_mod.{name}": kept for name, kept in mask.items()})

    trial(find)
