"""Declarations that can grow: a new key must default to doing nothing, and then leaves every hash as it was.

Results are named by the hash of their declaration. A key marked `later` is left out of the hash while it has its
default, so that adding one does not make anybody's results stale.
"""

from collections.abc import Callable
from dataclasses import MISSING, field, fields, is_dataclass
from typing import Any

# For pydantic, when read from YAML: unknown keys are errors, nan and infinity are no numbers.
STRICT: Any = {"extra": "forbid", "allow_inf_nan": False}
LATER = {"later": True}


def later(default: Any = MISSING, default_factory: Callable[[], Any] | Any = MISSING) -> Any:
    """A key that was added after results existed; its default changes nothing."""
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata=LATER)
    return field(default=default, metadata=LATER)


def content(declaration: Any) -> dict[str, Any]:
    """A declaration (a dataclass) as plain data, without the later keys that still have their default."""
    plain = {}
    for key in fields(declaration):
        value = getattr(declaration, key.name)
        unset = key.default if key.default_factory is MISSING else key.default_factory()
        if key.metadata.get("later") and value == unset:
            continue
        plain[key.name] = content(value) if is_dataclass(value) else value
    return plain
