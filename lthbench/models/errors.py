"""The one error of this room, and how it quotes others."""

from lthbench.data.errors import one_line
from lthbench.errors import own_frames, place_of


class ModelError(ValueError):
    """A network cannot be built as asked; the one-line message names the network and the way out."""


def told(error: BaseException) -> str:
    """Kind and message of somebody else's error on one line, to quote in ours, and its place in a user's code."""
    said = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
    return f"{said}, {place_of(error)}" if own_frames(error) or isinstance(error, SyntaxError) else said
