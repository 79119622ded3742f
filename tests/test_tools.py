"""The development tools end alike: an error is a line and a code, and a signal removes what was temporary."""

import os
import signal
from pathlib import Path

import pytest

from lthbench.claims.load import ClaimFileError
from lthbench.data.errors import DataError
from lthbench.errors import UserError
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
