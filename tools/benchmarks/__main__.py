"""`python -m tools.benchmarks`: speed beside a DataLoader baseline, the serial reference and arithmetic floors."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from lthbench.errors import PASS, UserError, say
from tools.benchmarks import table


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="python -m tools.benchmarks", description=__doc__)
    options.add_argument("--device", default="cpu", help="auto, cpu or cuda")
    options.add_argument("--only", metavar="NAME", default="", help="cases whose name begins so")
    options.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    options.add_argument("--json", metavar="FILE", type=Path, help="write the numbers to a file")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; returns its exit code."""
    given = parser().parse_args(arguments)
    try:
        table.bench(given.device, given.only, given.quick, given.json, Console())
    except UserError as error:
        say(str(error))
        return error.code
    return PASS


if __name__ == "__main__":
    sys.exit(main())
