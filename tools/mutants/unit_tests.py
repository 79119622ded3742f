"""Run the tests that should notice a mutant, in the mutated copy."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lthbench.errors import BLOCKED, UserError

PASSED, FAILED = 0, 1  # exit codes of pytest
LONGEST = 900  # seconds; a mutant that makes a test hang is noticed as well


@dataclass(frozen=True)
class Noticed:
    """Which test failed first, if any."""

    test: str | None


def run(tests: Sequence[str], copy: Path, environment: Mapping[str, str]) -> Noticed:
    """Run tests until the first that fails. UserError when they cannot be run at all: then nothing is known."""
    alone = ["-n", "0", "-m", "slow or not slow", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-rfE", *alone, *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=dict(environment), capture_output=True, text=True, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return Noticed(f"{tests[0]} (still running after {LONGEST} s)")
    if done.returncode == PASSED:
        return Noticed(None)
    first = first_failure(done.stdout)
    if done.returncode != FAILED or first is None:
        raise UserError(f"mutants: pytest could not run {' '.join(tests)}: {last_line(done)}", BLOCKED)
    return Noticed(first)


def first_failure(output: str) -> str | None:
    """The node id of the first test that failed."""
    for line in output.splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            return line.split(" ", 1)[1].partition(" - ")[0].strip()
    return None


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a process said last."""
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
