"""Exit codes, the exceptions a user sees as a line instead of a traceback, and signals."""

import os
import signal
import sys
from threading import Timer

from lthbench.words import message_lines

PASS, FAIL, USAGE, INCONCLUSIVE, BLOCKED = 0, 1, 2, 3, 4
INTERRUPTED, TERMINATED = 130, 143


class UserError(Exception):
    """Something the user can mend; the message names the thing and the way out."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message_lines(message))
        self.code = code


class OutOfMemory(MemoryError):  # noqa: N818 - as Python's own
    """A unit needs more memory than there is; the message names it and the way out."""


class OutOfTime(Exception):  # noqa: N818 - not an error: the deadline came, the work is saved
    """The deadline has passed; the training is saved and can be resumed."""


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
