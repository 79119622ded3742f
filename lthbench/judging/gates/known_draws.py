"""Random numbers whose nature is known, tried before every claim about networks that were trained here.

Two mistakes leave no trace in one run's table: a master seed without effect, and a random mask that keeps the
ticket's structure. So the code that drew them is asked for draws of which the answer is known. Torch-free.
"""

from functools import cache

import numpy as np

from lthbench.judging.gates.checks import GateResult
from lthbench.pruning.masks import random_like
from lthbench.recipe.streams import stream

SIDE = 24  # of the mask that is tried: half of its rows are whole, half empty
FEWEST_MIXED = SIDE // 2  # rows of a random mask that are neither; all but never fewer


@cache
def known_draws() -> tuple[GateResult, ...]:
    """A failed gate where streams or random masks are not what their name says; else none."""
    wrong = [*streams(), *random_masks()]
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
