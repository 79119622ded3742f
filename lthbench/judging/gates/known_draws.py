"""Random numbers whose nature is known, tried before every claim about networks that were trained here.

Three mistakes leave no trace in one run's table: a master seed without effect, a random mask that keeps the
ticket's structure, and validation examples that are trained on. So the code that draws is asked for draws of which
the answer is known. Torch-free.
"""

from functools import cache

import numpy as np

from lthbench.data.split import train_validation_split
from lthbench.judging.gates.checks import GateResult
from lthbench.pruning.masks import random_like
from lthbench.recipe.streams import stream

SIDE = 24  # of the mask that is tried: half of its rows are whole, half empty
EXAMPLES = 50  # that are split
FEWEST_MIXED = SIDE // 2  # rows of a random mask that are neither; all but never fewer


@cache
def known_draws() -> tuple[GateResult, ...]:
    """A failed gate where streams, random masks or splits are not what their name says; else none."""
    wrong = [*streams(), *random_masks(), *splits()]
    return tuple(GateResult("known random draws", False, text) for text in wrong[:1])


def streams() -> list[str]:
    """Seed, scope, replicate and name each make another stream, and the same four make the same."""
    base = {"master": 0, "scope": "known", "replicate": 0, "name": "init"}
    others = {"master": 1, "scope": "another", "replicate": 1, "name": "order"}
    numbers = numbers_of(base)
    wrong = [
        f"another {key} gives the same numbers" for key in base if numbers_of(base | {key: others[key]}) == numbers
    ]
    return wrong + ["the same stream gives other numbers the second time"] * (numbers_of(base) != numbers)


def numbers_of(stream_name: dict) -> list[float]:
    """The first numbers of a stream."""
    return stream(**stream_name).random(4).tolist()


def random_masks() -> list[str]:
    """Two random masks for a ticket of whole rows: as many weights, anywhere, and not twice the same."""
    ticket = {"weight": np.repeat(np.arange(SIDE) % 2 == 0, SIDE).reshape(SIDE, SIDE)}
    first, second = (random_like(ticket, stream(0, "known", 0, f"mask/{draw}"))["weight"] for draw in (0, 1))
    wrong = []
    if not first.sum() == second.sum() == ticket["weight"].sum():
        wrong.append("a random mask has another number of weights than its ticket")
    if np.array_equal(first, second):
        wrong.append("two draws of a random mask are the same")
    for axis, part in ((1, "rows"), (0, "columns")):
        mixed = [int((mask.any(axis) & ~mask.all(axis)).sum()) for mask in (first, second)]
        if min(mixed) < FEWEST_MIXED:
            wrong.append(f"random masks keep whole {part} of their ticket")
    return wrong


def splits() -> list[str]:
    """A split gives every example to training or to validation, and none to both."""
    train, validation = train_validation_split(EXAMPLES, EXAMPLES // 5, stream(0, "known", 0, "split"))
    if np.intersect1d(train, validation).size:
        return ["validation examples are trained on"]
    whole = np.array_equal(np.union1d(train, validation), np.arange(EXAMPLES))
    return [] if whole and len(validation) == EXAMPLES // 5 else ["a split loses examples"]
