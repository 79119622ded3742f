"""The one error of this room, and how it quotes others."""


class DataError(ValueError):
    """A data set cannot be used as asked; one or two lines name the set, the field or file and the way out."""


def one_line(error: BaseException) -> str:
    """Return the message of `error` on one line, for quoting in ours."""
    return " ".join(str(error).split())
