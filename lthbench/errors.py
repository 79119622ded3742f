"""Exit codes, and the one exception a user sees as a line instead of a traceback."""

import re

PASS, FAIL, USAGE, INCONCLUSIVE, BLOCKED = 0, 1, 2, 3, 4
INTERRUPTED = 130


class UserError(Exception):
    """Something the user can mend; the message names the thing and the way out."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message_lines(message))
        self.code = code


# Control characters, and those that reorder text: on a terminal they act, in XML most are forbidden.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def shown(text: object, most: int = 40) -> str:
    """Somebody's text inside a message: on one line, nothing that acts on a terminal, and not too long."""
    return UNPRINTABLE.sub("", " ".join(str(text)[: 4 * most].split()))[:most]


def message_lines(message: str) -> str:
    """A message of at most two lines, whatever the names in it hold."""
    *first, last = [UNPRINTABLE.sub("", line) for line in message.splitlines()] or [""]
    return " ".join(first) + "\n" + last if first else last
