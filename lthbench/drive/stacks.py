"""Which units train side by side: the control arms of a block, of all levels, once what they wear is there.

A small network waits for its GPU's launches, and a stack shares them among its networks. Units that others are
made from, the chain of tickets, train one after the other as ever. A unit's key says nothing of this: its recipe
is the same, sums may come in another order, and results agree to rounding, as between stacks of any two widths.
Where the same bits are promised, on a CPU and with `--deterministic`, each unit has a stack of its own unless
asked otherwise. Torch-free.
"""

import os
from collections.abc import Sequence
from typing import Any

from lthbench.drive.devices import on_gpu
from lthbench.errors import UserError
from lthbench.plan.unit import Unit
from lthbench.recipe.arms import ARMS

WIDTH = "LTHBENCH_STACK"  # an environment variable, so that child processes inherit it
USUAL, MOST = 60, 1000  # networks


def width(unit: Unit, device: str) -> int:
    """How many networks may share a stack with a unit's, itself included; 1: it trains alone.

    On a GPU by default those of perceptrons, which are one product each, whatever the width. Others train on
    streams of their own, and need memory each.
    """
    asked = os.environ.get(WIDTH, "")
    if asked:
        if not (asked.isdigit() and 1 <= int(asked) <= MOST):
            raise UserError(f"{WIDTH}={asked}: networks in one stack; give 1 to {MOST}")
        return int(asked)
    network = unit.experiment.network
    products = network.kind == "mlp" and not network.dropout and network.activation == "relu"
    exact = os.environ.get("LTHBENCH_DETERMINISTIC", "") not in ("", "0")
    return USUAL if products and on_gpu(device) and not exact else 1


def stacks(units: Sequence[Unit], device: str) -> list[tuple[Unit, ...]]:
    """The units by stack, each stack where its first unit was; a stack may wait for others that come after it."""
    parents = set(made_from(units))
    side_by_side: list[list[Unit]] = []
    open_: dict[Any, list[Unit]] = {}
    for unit in units:
        own = open_.get(kind := alike(unit))
        networks = sum(each.networks for each in own or ()) + unit.networks
        if unit.key in parents or own is None or networks > width(unit, device):
            side_by_side.append([unit])
            if unit.key not in parents:
                open_[kind] = side_by_side[-1]
        else:
            own.append(unit)
    return [tuple(stack) for stack in side_by_side]


def made_from(units: Sequence[Unit]) -> list[str]:
    """The keys of what units are made from, each once."""
    return list(dict.fromkeys(key for unit in units for key in unit.parents.values()))


def alike(unit: Unit) -> tuple[Any, ...]:
    """What units in one stack have in common: data, recipe, rates, where they start. Some are like no other."""
    arm = ARMS[unit.arm]
    alone = unit.arm == "dense" or arm.learns != "weights" or arm.mask == "method"
    return (unit.experiment.id, unit.block, unit.start, arm.rates, arm.pruned, unit.key if alone else "")


def first_ready(waiting: Sequence[tuple[Unit, ...]]) -> tuple[Unit, ...]:
    """The first stack that is made from none that waits."""
    to_come = {unit.key for stack in waiting for unit in stack}
    return next(s for s in waiting if to_come.isdisjoint(made_from(s)))
