"""The development tools end alike: an error is a line and a code, and a signal removes what was temporary."""

import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from lthbench.claims.load import ClaimFileError
from lthbench.data.errors import DataError
from lthbench.drive.cost import SHIPPED
from lthbench.errors import UserError
from tools import pythons, rates
from tools.answer import answer


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("no such mutant", 4), 4, "no such mutant"),
        (DataError("mnist: no network"), 2, "mnist: no network"),
        (ClaimFileError("FC-1.yaml: id: missing"), 2, "FC-1.yaml: id: missing"),
        (OSError(28, "No space left on device", "n.json"), 4, "n.json: No space left on device; free space or"),
        (OSError("odd"), 4, "file system: odd; free space or"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_is_a_line_and_a_code(capsys, error, code, said) -> None:
    def tool() -> int:
        raise error

    assert answer(tool) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"lthbench: {said}")


def test_sigterm_leaves_no_temporary_file_and_the_handler_of_before(capsys, tmp_path: Path) -> None:
    def tool() -> int:
        try:
            (tmp_path / "x.tmp").touch()
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
            return 0
        finally:
            (tmp_path / "x.tmp").unlink()

    before = signal.getsignal(signal.SIGTERM)
    assert answer(tool) == 143
    assert capsys.readouterr().err == "lthbench: terminated\n"
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_errors_are_bugs_and_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        answer(lambda: 1 // 0)
    assert answer(lambda: 1) == 1


def test_a_python_that_is_not_here_is_said_and_nothing_is_made(capsys, tmp_path: Path) -> None:
    assert pythons.main(["--python", "3.99", "--folder", str(tmp_path / "kept")]) == 2
    assert capsys.readouterr().out == "Python 3.99: NOT RUN: no such Python here (pyenv or uv can install one)\n"
    assert not list((tmp_path / "kept").iterdir())


def test_an_interpreter_is_found_where_pyenv_puts_it_and_only_where_it_is_what_it_says(
    monkeypatch, tmp_path
) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    real, shim = (tmp_path / ".pyenv/versions" / name / "bin" / f"python{here}" for name in (f"{here}.1", "zzz"))
    for path in (real, shim):
        path.parent.mkdir(parents=True)
    real.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    shim.write_text("#!/bin/sh\nexit 127\n")
    for path in (real, shim):
        path.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(pythons.shutil, "which", lambda name: str(shim))
    assert pythons.interpreter(here) == real
    assert not pythons.works(real, "3.1")


def test_torch_comes_first_and_is_not_upgraded_with_the_rest(monkeypatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setattr(pythons, "run", lambda command, log, folder: asked.append(command[1:]) or 0)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "bin/python").chmod(0o755)
    inside = pythons.environment(Path("python"), tmp_path, "torch==2.13.0", "https://an.index", tmp_path / "log")
    pythons.everything_else(inside, tmp_path / "log", tmp_path)
    first, rest = asked
    assert first[4:] == ["torch==2.13.0", "torchvision", "--index-url", "https://an.index"]
    here = {f"{name}=={version(name)}" for name in ("torch", "torchvision")}
    assert here < set(rest)
    assert rest[-2:] == ["-e", ".[dev]"]


def test_an_environment_without_torch_is_said() -> None:
    with pytest.raises(RuntimeError, match="no-such-package"):
        pythons.listed(Path(sys.executable), ["no-such-package"])


def test_the_last_sum_of_a_log_is_what_came_of_it(tmp_path: Path) -> None:
    log = tmp_path / "3.13.log"
    log.write_text("..F\n1 failed, 2 passed in 3s\n")
    assert pythons.last_line(log) == "1 failed, 2 passed in 3s"
    log.write_text("Fatal Python error: Aborted\n")
    assert pythons.last_line(log) == "no test ended"


def test_shipped_rates_are_those_of_the_committed_runs() -> None:
    assert rates.text(rates.RUNS) == SHIPPED.read_text(encoding="utf-8"), "run `python -m tools.rates`"
