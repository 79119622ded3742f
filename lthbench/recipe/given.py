"""Functions that Python was handed as objects, a notebook's say: `give` makes each an attribute of this module.

So a recipe names them as it names all others, `package.module:function`. They live in this process alone, and
nobody knows all that they depend on: results of one given function are never taken for those of another.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from lthbench.errors import UserError

identities: dict[str, str] = {}


def give(function: Callable[..., Any]) -> str:
    """The name by which recipes call a function from now on."""
    called = re.sub(r"\W", "_", getattr(function, "__name__", type(function).__name__)).strip("_") or "function"
    name = called if called not in globals() else f"{called}_{len(identities) + 1}"
    identities[name] = f"given {uuid4().hex}"
    globals()[name] = function
    return f"{__name__}:{name}"


def plain(name: str) -> str:
    """A function's name for people: without this module's, which is no place to look for it."""
    return name.removeprefix(f"{__name__}:")


def identity(name: str) -> str:
    """What stands for the code of a given function. Raises UserError where this process was not given it."""
    if name not in identities:
        raise UserError(f"{name}: a function that another Python process was given; put it into a module")
    return identities[name]
