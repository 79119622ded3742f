"""Completion as a user has it: installed by the command itself, then Tab pressed in a real shell on a terminal."""

import os
import pty
import select
import shutil
import sys
import time
from pathlib import Path

import pytest

from lthbench.cli import complete

ROOT = Path(__file__).parents[2]
SHELLS = [pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"no {name} here"))
          for name in ("bash", "zsh", "fish")]  # fmt: skip
PATIENCE = 60.0  # seconds for one answer


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with a home folder of its own, and the command on its path."""
    command = tmp_path / "bin" / "lthbench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lthbench "$@"\n')
    command.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PS", "BASH", "ZDOTDIR"))}
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"HOME": str(tmp_path), "PATH": path, "TERM": "dumb", "PYTHONPATH": str(ROOT)}


class Terminal:
    """A shell on a pseudo-terminal: what is typed into it, and what it shows."""

    def __init__(self, shell: str, environment: dict[str, str]) -> None:
        self.child, self.end = pty.fork()
        if self.child == 0:
            os.chdir(environment["HOME"])
            os.execvpe(shell, [shell, "-i"], environment)

    def typed(self, keys: str, until: str) -> str:
        """Type, and wait until the text is shown; gives all that was."""
        os.write(self.end, keys.encode())
        shown, patience = "", time.monotonic() + PATIENCE
        while until not in shown and time.monotonic() < patience:
            if select.select([self.end], [], [], 0.2)[0]:
                shown += os.read(self.end, 4096).decode(errors="replace")
        return shown

    def close(self) -> None:
        """Leave the line, then the shell."""
        os.write(self.end, b"\x03exit\n")
        os.close(self.end)
        os.waitpid(self.child, 0)


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_tab_in_a_real_shell(home: dict[str, str], shell: str) -> None:
    terminal = Terminal(shell, home)
    try:
        assert "installed" in terminal.typed(
            f"lthbench --install-completion {shell}\n", "Completion will take effect"
        )
    finally:
        terminal.close()
    terminal = Terminal(shell, home)
    try:
        terminal.typed("echo rea''dy\n", "ready")
        for begun, rest in (("lthbench cali", "brate"), ("lthbench plan --me", "asure"),
                            ("lthbench run qui", "ck"), ("lthbench explain EV", "-1")):  # fmt: skip
            assert rest in terminal.typed(f"{begun}\t", rest), begun
            terminal.typed("\x15\n", "\n")  # clear the line
    finally:
        terminal.close()


def test_names_are_those_of_the_claim_files() -> None:
    assert complete.suites("cpu") == ["cpu", "cpu-long", "cpu-paper"]
    assert complete.claims("FC-1f") == ["FC-1f"]
    assert complete.claims("FC-1f,PA-") == ["FC-1f,PA-1"]
    assert "popular" not in complete.claims("")
    assert complete.suites("nothing") == []
