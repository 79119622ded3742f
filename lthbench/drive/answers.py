"""Where the answers to Python calls come from: stored verdicts, a run judged again, a table of results."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lthbench.claims.load import Registry, load
from lthbench.claims.variants import with_variant
from lthbench.drive import ask, check, rejudge, stages
from lthbench.drive.answer import Answer
from lthbench.drive.mendable import mendable
from lthbench.errors import UserError
from lthbench.footprint import format as footprint
from lthbench.judging import diff
from lthbench.judging.stored import read_verdicts
from lthbench.judging.verdict import Verdicts
from lthbench.report.section import Material
from lthbench.results import inputs
from lthbench.results.foreign import foreign_kinds, provenance_of, read_foreign
from lthbench.results.format import Results, check_table, read_results
from lthbench.results.frame import as_text
from lthbench.words import as_registered, listed

if TYPE_CHECKING:
    import pandas as pd

IN_MEMORY = "the table"  # what messages call a table that is no file


def stored(run: str | Path, out: Path, seed: int, claims_dir: Path | None) -> Answer:
    """The verdicts of a run as they are stored."""
    with mendable():
        file = diff.stored(str(run), out, seed)
        verdicts = read_verdicts(file)
    return Answer(verdicts, lambda: material_beside(file.parent, verdicts, load(claims_dir)))


def judged(run: str | Path, out: Path, seed: int, claim: str | Sequence[str], claims_dir: Path | None) -> Answer:
    """A folder with a stored table, or the run of a suite, judged again; no verdicts are written."""
    with mendable():
        if Path(run).is_dir():
            folder, registry = Path(run), load(claims_dir)
            verdicts = rejudge.rejudged_folder(folder, registry).verdicts
        else:
            asked = ask.run_of(str(run), seed, claim, out, claims_dir=claims_dir)
            rejudge.collect(asked)
            folder, registry, verdicts = asked.scope_folder, asked.registry, stages.judged(asked)
    return Answer(verdicts, lambda: material_beside(folder, verdicts, registry))


def checked(
    table: "str | Path | pd.DataFrame",
    claims: str | Sequence[str],
    suite: str | None,
    as_: str | None,
    unit: str | None,
    claims_dir: Path | None,
) -> Answer:
    """Somebody's results, judged."""
    with mendable():
        registry = load(claims_dir)
        asked = tuple(as_registered(name, registry.claims) for name in listed(claims))
        path, given, content = results_of(table, unit)
        answer = check.answer(registry, check.Question(path, asked, suite, as_, unit), given)
    source = {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()}
    return Answer(
        answer.verdicts,
        lambda: Material(registry, answer.verdicts, answer.results.table, [source]),
        tuple(answer.lines),
    )


def results_of(table: "str | Path | pd.DataFrame", unit: str | None) -> tuple[Path, Results | None, bytes]:
    """The name of a results table, its content if it is no file, and its bytes, for the report's provenance."""
    if isinstance(table, str | Path):
        path = Path(table)
        return path, read_results(path, unit), path.read_bytes()
    return Path(IN_MEMORY), check_table(as_text(table), IN_MEMORY, unit), table.to_csv(index=False).encode()


def material_beside(folder: Path, verdicts: Verdicts, registry: Registry) -> Material:
    """What a report is written from, read from the folder that holds the verdicts."""
    registry = with_variant(registry, verdicts.suite)
    if verdicts.suite not in registry.suites:
        raise UserError(f"{folder}: there is no suite '{verdicts.suite}' any more, so no report of it")
    table = rejudge.table_in(folder)
    tidy = read_foreign(table) if verdicts.origin == "own" else read_results(table).table
    foreign_kinds(folder / "provenance.json")  # refuses what is no provenance
    sources = provenance_of(rejudge.needed(folder / "provenance.json", "a folder that holds provenance.json"))
    return Material(
        registry, verdicts, tidy, sources, footprint.read(folder / footprint.FILE), inputs.read(folder)
    )
