"""What `python -m tools.mutants` does: try, print, write."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lthbench.errors import FAIL, PASS
from tools.mutants.catalogue import chosen
from tools.mutants.harness import Harness, Result
from tools.mutants.table import HEAD, outcome_words, rows, scores, survivors, test_words


def run(only: Sequence[str], harness: Harness, jobs: int, json_file: Path | None, console: Console) -> int:
    """Try the mutants, print the table; the exit code is 1 when one survives its tests."""
    done: list[Result] = []

    def tell(result: Result) -> None:
        done.append(result)
        console.print(
            f"{result.id}: {test_words(result)} ({result.test_seconds:.0f} s); {outcome_words(result)} "
            f"({result.outcome_seconds:.0f} s)",
            highlight=False,
            markup=False,
        )
        if json_file is not None:  # after each, so that a run that is stopped leaves what it found
            write(done, json_file)

    results = harness.try_all(chosen(only), jobs, tell)
    table = Table(*HEAD)
    for row in rows(results):
        table.add_row(*row)
    console.print(table)
    for name, value in scores(results).items():
        console.print(f"Noticed, {name}: {value}.", highlight=False)
    lost = survivors(results)
    if lost:
        console.print(f"SURVIVING, and so a bug of ours: {', '.join(lost)}", highlight=False)
    return FAIL if lost else PASS


def write(results: Sequence[Result], file: Path) -> None:
    """All that was found, for other programs."""
    content = {"results": [asdict(result) for result in results], "scores": scores(results)}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
