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


MET = """
import os, signal, sys, time, types

class Met:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.{name})
        time.sleep(5)

def made(*given):
    type("Made", (), {{"met": Met()}})

if {importing}:
    lazy = type("Lazy", (types.ModuleType,), {{"__getattr__": made}})
    sys.modules["lthbench.cli.app"] = lazy("lthbench.cli.app")
else:
    import lthbench.cli.app
    lthbench.cli.app.answered = made
sys.argv = ["lthbench", "run", "quick"]
from lthbench.__main__ import main
main()
"""


@pytest.mark.parametrize("importing", [True, False])
@pytest.mark.parametrize(
    ("name", "code", "word"), [("SIGTERM", 143, "terminated"), ("SIGINT", 130, "interrupted")]
)
def test_a_signal_that_met_the_making_of_a_class_is_no_fault(
    importing: bool, name: str, code: int, word: str
) -> None:
    """Python 3.11 makes it a RuntimeError of `__set_name__`: matplotlib's import was met so."""
    done = subprocess.run(
        [sys.executable, "-c", MET.format(name=name, importing=importing)],
        capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(f"lthbench: {word}; ")
    assert "Traceback" not in done.stderr
