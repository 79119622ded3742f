"""Exit codes, the exceptions a user sees as a line instead of a traceback, and signals."""

import os
import re
import signal
import sys
from threading import Timer

PASS, FAIL, USAGE, INCONCLUSIVE, BLOCKED = 0, 1, 2, 3, 4
INTERRUPTED, TERMINATED = 130, 143


class UserError(Exception):
    """Something the user can mend; the message names the thing and the way out."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message_lines(message))
        self.code = code


class OutOfMemory(MemoryError):  # noqa: N818 - as Python's own
    """A unit needs more memory than there is; the message names it and the way out."""


class Terminated(BaseException):
    """SIGTERM came; like KeyboardInterrupt, nothing on the way swallows it."""


def terminate(*_: object) -> None:
    """What SIGTERM does, so that children are ended and half-written files removed, as with Ctrl-C."""
    raise Terminated


def sent_again(lost: "sys.UnraisableHookArgs") -> None:
    """Python ignores exceptions in some callbacks (of a fork, say): a signal that met one comes again."""
    for error, number in ((Terminated, signal.SIGTERM), (KeyboardInterrupt, signal.SIGINT)):
        if lost.exc_type is error:
            Timer(0.05, os.kill, (os.getpid(), number)).start()
            return
    sys.__unraisablehook__(lost)


def quiet() -> None:
    """The run is over: a signal that comes while Python cleans up changes nothing any more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def stopped(error: BaseException) -> int:
    """Say that a signal ended the run, and give its exit code."""
    quiet()
    terminated = isinstance(error, Terminated)
    how = "terminated" if terminated else "interrupted"
    say(f"{how}; finished units are kept, the same command goes on from here")
    return TERMINATED if terminated else INTERRUPTED


def say(message: str) -> None:
    """An error line."""
    print(message_lines(f"lthbench: {message}"), file=sys.stderr, flush=True)


# Control characters, and those that reorder text: on a terminal they act, in XML most are forbidden.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def shown(text: object, most: int = 40) -> str:
    """Somebody's text inside a message: on one line, nothing that acts on a terminal, and not too long."""
    return UNPRINTABLE.sub("", " ".join(str(text)[: 4 * most].split()))[:most]


def message_lines(message: str) -> str:
    """A message of at most two lines, whatever the names in it hold."""
    *first, last = [UNPRINTABLE.sub("", line) for line in message.splitlines()] or [""]
    return " ".join(first) + "\n" + last if first else last
