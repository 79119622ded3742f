"""The stages of the line, each reading only what the stage before it wrote.

chunk (train) -> tidy -> judge -> report. Snakemake's rules call these through `python -m lthbench stage`;
`lthbench run --no-snakemake` calls them itself. Heavy imports happen inside the stage that needs them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lthbench.files import write_text
from lthbench.plan.run import FIRST_LOOK, Run
from lthbench.plan.suite import Chunk
from lthbench.plan.unit import Unit
from lthbench.results import store
from lthbench.results.sums import check, write_summed


def train(run: Run, chunk: Chunk, tell: Callable[[str], None] = print) -> None:
    """Train what is missing of a chunk and write its manifest."""
    from lthbench.data.cache import cache_root
    from lthbench.drive.execute import run_chunk
    from lthbench.drive.preflight.run import before

    for line in before(run):  # for Snakemake by hand: the first job looks, the others wait for it
        tell(line)

    def report(unit: Unit, how: str) -> None:
        tell(f"{how} {unit.name} ({unit.networks} networks)")

    run_chunk(chunk.units, run.results, cache_root(), run.device, report)
    write_manifest(run, chunk)


def manifest(run: Run, chunk: Chunk) -> Path:
    """The file that says that a chunk is finished."""
    return run.scope_folder / f"{chunk.id}.done.json"


def write_manifest(run: Run, chunk: Chunk) -> None:
    """Say that a chunk is finished."""
    content = {"chunk": chunk.id, "units": [unit.name for unit in chunk.units]}
    write_text(manifest(run, chunk), json.dumps(content, indent=1) + "\n")


def first_look(run: Run) -> None:
    """Judge the first look and write which claims go on to the second; nothing as long as it is not complete."""
    from lthbench.judging import judge
    from lthbench.results.tidy import collect, device_kinds

    units = [unit for chunk in run.first_chunks() for unit in chunk.units]
    file = run.scope_folder / FIRST_LOOK
    if len(finished(run, units)) < len(units):
        file.unlink(missing_ok=True)
        return
    table, provenance = collect(run.results, units)
    kinds = device_kinds(provenance)
    opened = judge.left_open(run.registry, run.suite, run.seed, table, run.claims, devices=kinds)
    write_summed(file, json.dumps({"left_open": opened, "of": run.first_look_key()}, indent=1) + "\n")


def tidy(run: Run) -> None:
    """Collect the finished units of the scope into tidy.csv; who measured them goes to provenance.json.

    What their masks leave of each input goes to inputs.csv, as far as tensors are there.

    A suite without training starts here, with the released results that ship with the package.
    """
    from lthbench.results import inputs
    from lthbench.results.tidy import collect, to_csv

    table: Any
    provenance: list[Any]
    units = [] if run.given else run.units()
    if run.given:
        from lthbench.published.adapters import published, sources

        table, provenance = published(), sources()
    else:
        table, provenance = collect(run.results, units)
    write_summed(run.scope_folder / "tidy.csv", to_csv(table))
    write_summed(run.scope_folder / inputs.FILE, inputs.to_csv(inputs.count(run.results, units)))
    write_summed(run.scope_folder / "provenance.json", json.dumps(provenance, indent=1) + "\n")


def judge(run: Run) -> None:
    """Judge tidy.csv and write verdicts.json."""
    from lthbench.judging.verdict import to_json

    write_summed(run.scope_folder / "verdicts.json", to_json(judged(run)))


def judged(run: Run) -> Any:
    """The verdicts on tidy.csv."""
    from lthbench.judging.judge import judge as decide
    from lthbench.results.tidy import device_kinds, read

    for name in ("tidy.csv", "provenance.json"):
        check(run.scope_folder / name)
    if run.given:
        return judge_released(run)
    table = read(run.scope_folder / "tidy.csv")
    provenance = json.loads((run.scope_folder / "provenance.json").read_text(encoding="utf-8"))
    return decide(
        run.registry, run.suite, run.seed, table, run.claims, engines(provenance), device_kinds(provenance)
    )


def judge_released(run: Run) -> Any:
    """The verdicts on the table of a suite without training."""
    from lthbench.judging.judge import judge as decide
    from lthbench.results.format import read_results

    table = read_results(run.scope_folder / "tidy.csv").table
    return decide(run.registry, run.suite, 0, table, run.claims)


def engines(provenance: list[dict[str, Any]]) -> str:
    """The engines that results were trained with; one, unless results were mixed by hand."""
    return ", ".join(sorted({str(entry.get("engine", "unknown")) for entry in provenance}))


def report(run: Run) -> None:
    """Draw the report from verdicts, tables and provenance."""
    from lthbench.footprint import format as footprint
    from lthbench.judging.verdict import from_json
    from lthbench.report.write import write_report
    from lthbench.results import inputs
    from lthbench.results.format import read_results
    from lthbench.results.tidy import read

    counts = [inputs.FILE] if (run.scope_folder / inputs.FILE).exists() else []
    for name in ("tidy.csv", "provenance.json", *counts, "verdicts.json"):
        check(run.scope_folder / name)
    path = run.scope_folder / "tidy.csv"
    write_report(
        folder=run.report,
        registry=run.registry,
        verdicts=from_json((run.scope_folder / "verdicts.json").read_text(encoding="utf-8")),
        tidy=read_results(path).table if run.given else read(path),
        provenance=json.loads((run.scope_folder / "provenance.json").read_text(encoding="utf-8")),
        footprint=footprint.read(run.scope_folder / footprint.FILE),
        inputs=inputs.read(run.scope_folder),
    )


def finished(run: Run, units: list[Unit]) -> list[Unit]:
    """Units whose record is there (its content is verified when it is read)."""
    return [unit for unit in units if store.path_of(run.results, unit).exists()]
