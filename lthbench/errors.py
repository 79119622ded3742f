"""Exit codes, the exceptions a user sees as a line instead of a traceback, and signals."""

import inspect
import os
import signal
import sys
import sysconfig
from pathlib import Path
from threading import Timer
from traceback import FrameSummary, extract_tb

from lthbench.words import message_lines

PASS, FAIL, USAGE, INCONCLUSIVE, BLOCKED = 0, 1, 2, 3, 4
INTERRUPTED, TERMINATED = 130, 143
PACKAGE, STANDARD = Path(__file__).parent, Path(sysconfig.get_path("stdlib"))
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "pandas", "safetensors", "filelock", "PIL")


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


def place_of(error: BaseException) -> str:
    """Where an error came up, `file, line N`: in code of the user's, if any is there."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    own = own_frames(error)
    beside = [frame for frame in own if "-packages/" not in frame.filename]  # rather than of what it calls
    last = (beside or own or extract_tb(error.__traceback__))[-1:]
    return f"{last[0].filename}, line {last[0].lineno}" if last else "no place"


def own_frames(error: BaseException) -> list[FrameSummary]:
    """The steps of a traceback in code that is neither ours, nor Python's, nor of a library we build on."""
    return [frame for frame in extract_tb(error.__traceback__) if is_own(frame.filename)]


def is_own(file: str) -> bool:
    """Whether a file is a user's code; that may be installed as well."""
    if file.startswith("<") or Path(file).is_relative_to(PACKAGE):
        return False
    if "-packages/" in file:
        return not any(f"-packages/{name}/" in file for name in LIBRARIES)
    return not Path(file).is_relative_to(STANDARD)


def place_of_function(function: object) -> str:
    """Where a function or class of the user's is defined, ` (file, line N)`; empty where nobody can tell."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if code is not None:
        return f" ({code.co_filename}, line {code.co_firstlineno})"
    try:
        file, (_, line) = inspect.getsourcefile(function), inspect.getsourcelines(function)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""
    return f" ({file}, line {line})"


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


def signal_behind(error: BaseException) -> BaseException | None:
    """The signal that an error comes from, if any: where one met the making of a class, Python 3.11 hides it.

    `__set_name__` is called there (enumerations, cached properties), and what it raises becomes a RuntimeError.
    """
    behind: BaseException | None = error
    while behind is not None and not isinstance(behind, KeyboardInterrupt | Terminated):
        behind = behind.__cause__
    return behind


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
