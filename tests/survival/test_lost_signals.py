"""A signal that meets a callback in which Python ignores exceptions is not lost."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, time
from lthbench.errors import Terminated, sent_again, terminate

signal.signal(signal.SIGTERM, terminate)
sys.unraisablehook = sent_again

class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        time.sleep(5)

try:
    Deaf()
    time.sleep(10)
except (Terminated, KeyboardInterrupt) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(("name", "error"), [("SIGTERM", "Terminated"), ("SIGINT", "KeyboardInterrupt")])
def test_a_signal_that_was_ignored_comes_again(name: str, error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(name=name)],
        capture_output=True, text=True, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{error}\n", "")
