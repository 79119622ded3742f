"""What to say about a run's folder: records that are not used, a table that others made, a second look to come."""

import json
from collections.abc import Iterator
from pathlib import Path

from lthbench.plan.run import Run
from lthbench.plan.suite import second_chunks
from lthbench.results.stale import packed_line, stale_lines, stale_records, table_lines


def stale(run: Run) -> list[str]:
    """Lines about unit records in the run's folder that are not used."""
    return stale_lines(run.results, run.whole_plan, run.command("plan")) + packed_line(run.results)


def stale_files(run: Run) -> Iterator[Path]:
    """The files of those records."""
    for record in stale_records(run.results, run.whole_plan):
        yield from filter(Path.exists, (record, record.with_suffix(".safetensors")))


def origin(run: Run) -> list[str]:
    """Lines about what the run's table was made by, where that is not what is installed."""
    path = run.scope_folder / "provenance.json"
    return (
        table_lines(json.loads(path.read_text(encoding="utf-8")), run.command("run", claims=True))
        if path.exists()
        else []
    )


def second_look(run: Run) -> str:
    """What a suite with a first look may train besides; empty for others."""
    first = run.registry.suites[run.suite].first_look if run.looks_twice else None
    if first is None:
        return ""
    claims = run.claims or run.registry.suites[run.suite].claims
    most = sum(chunk.iterations for chunk in second_chunks(run.registry, run.suite, run.seed, claims))
    return (
        f"first look at {first.replicates} replicates; claims it leaves inconclusive go on (at most {most:,} more "
        "iterations)"
    )
