"""`python -m tools.mutants`: put known bugs into a copy of the source and say what notices each."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lthbench.errors import UserError, say
from tools.mutants import command
from tools.mutants.harness import Harness


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    options.add_argument("--only", metavar="ID", action="append", default=[], help="this mutant (repeatable)")
    part = options.add_mutually_exclusive_group()
    part.add_argument("--tests-only", action="store_true", help="unit tests alone (seconds each)")
    part.add_argument("--outcome-only", action="store_true", help="gates and verdicts alone")
    options.add_argument("--full", action="store_true", help="outcomes with the registered replicates")
    options.add_argument("--jobs", type=at_least_1, default=1, help="mutants at a time, one thread each")
    options.add_argument("--json", metavar="FILE", type=Path, help="write what was found to a file")
    return options


def at_least_1(text: str) -> int:
    """A whole number of jobs. Raises ArgumentTypeError below 1, ValueError where it is no number."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns its exit code, 1 when a mutant survives its tests."""
    given = parser().parse_args(arguments)
    harness = Harness(tests=not given.outcome_only, outcomes=not given.tests_only, full=given.full)
    try:
        return command.run(given.only, harness, given.jobs, given.json, Console())
    except UserError as error:
        say(str(error))
        return error.code


if __name__ == "__main__":
    sys.exit(main())
