"""The command line as a user types it, called in this process: a start of Python that imports torch costs seconds.

What a process keeps to itself is put back afterwards: the environment, the folder, the arguments, what signals do.
Where a process is what is tested (kills, signals, imports), a test starts one.
"""

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lthbench.cli.app import main

QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)  # as Python is by default


def typed(
    arguments: Sequence[object], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Call `lthbench <arguments>` in a folder: the exit code, and what was said on stdout and stderr."""
    words = ["lthbench", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with of_a_process(words, environment, folder), redirected(out, err):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code or 0
        except Exception:
            traceback.print_exc(file=err)
            code = 1
    return subprocess.CompletedProcess(words, int(str(code)), out.getvalue(), err.getvalue())


@contextlib.contextmanager
def of_a_process(words: list[str], environment: Mapping[str, str] | None, folder: Path | None) -> Iterator[None]:
    """Arguments, environment, folder and signal handlers for one call."""
    arguments, variables, place, paths = sys.argv, dict(os.environ), Path.cwd(), list(sys.path)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        sys.argv = words
        change(os.environ if environment is None else environment)
        os.chdir(folder or place)
        yield
    finally:
        os.chdir(place)
        change(variables)
        sys.argv = arguments
        sys.path[:] = paths
        for number, handler in handlers.items():
            signal.signal(number, handler)


def change(environment: Mapping[str, str]) -> None:
    """Let the environment be this one."""
    wanted = dict(environment)
    os.environ.clear()
    os.environ.update(wanted)


@contextlib.contextmanager
def redirected(out: io.StringIO, err: io.StringIO) -> Iterator[None]:
    """What a process prints, log lines and warnings included, which pytest would keep to itself."""
    lines, log = logging.StreamHandler(err), logging.getLogger("lthbench")
    lines.setLevel(logging.WARNING)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("default")
        for category in QUIET:
            warnings.simplefilter("ignore", category)
        warnings.showwarning = lambda message, category, file, number, *_: err.write(
            warnings.formatwarning(message, category, file, number)
        )
        log.addHandler(lines)
        try:
            yield
        finally:
            log.removeHandler(lines)
