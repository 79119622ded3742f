"""Judging again, without training: a run in its folder, or a stored table beside the verdicts it once gave."""

from dataclasses import dataclass
from pathlib import Path

from lthbench.claims.load import Registry
from lthbench.drive import stages
from lthbench.errors import BLOCKED, UserError, say
from lthbench.judging.judge import judge
from lthbench.judging.stored import text_of, verdicts_of
from lthbench.judging.verdict import Verdicts, from_json, to_json
from lthbench.plan.run import Run
from lthbench.results import inputs
from lthbench.results.foreign import foreign_kinds, read_foreign
from lthbench.results.store import RecordError
from lthbench.results.sums import check
from lthbench.words import choices, shown


@dataclass(frozen=True)
class Rejudged:
    """Verdicts that were made again, and the text that was stored before."""

    verdicts: Verdicts
    stored: str

    @property
    def same(self) -> bool:
        """Whether the stored text comes out again, byte for byte."""
        return to_json(self.verdicts) == self.stored

    @property
    def differing(self) -> list[str]:
        """The claims that come out different; none where the difference lies elsewhere."""
        old, new = ({claim.id: claim for claim in v.claims} for v in (from_json(self.stored), self.verdicts))
        return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def rejudged(run: Run) -> Rejudged:
    """A run in its folder, judged again; nothing is written but a table that has to be collected."""
    collect(run)
    stored = needed(run.scope_folder / "verdicts.json", run.command("judge", claims=True)).read_text(
        encoding="utf-8"
    )
    return Rejudged(stages.judged(run), stored)


def rejudged_folder(folder: Path, registry: Registry) -> Rejudged:
    """A folder that holds tidy.csv or tidy.csv.gz beside verdicts.json, judged again; nothing is written."""
    table = table_in(folder)
    stored = text_of(needed(folder / "verdicts.json", "a folder that holds verdicts.json"))
    old = verdicts_of(stored, folder / "verdicts.json")
    trained = [name for name, suite in registry.suites.items() if suite.trains]
    if old.suite not in trained:
        raise UserError(f"{folder}: judged by suite '{old.suite}'; {choices(old.suite, trained)}")
    rows, kinds = read_foreign(table), foreign_kinds(folder / "provenance.json")
    try:
        new = judge(registry, old.suite, old.master_seed, rows, trained_with=old.engine, devices=kinds)
    except (ValueError, KeyError) as error:  # measurements there for some runs only, or twice
        raise UserError(f"{table}: not the whole table of one run ({shown(error, 80)})") from None
    return Rejudged(new, stored)


def table_in(folder: Path) -> Path:
    """The tidy table of a folder."""
    tables = [path for path in (folder / "tidy.csv.gz", folder / "tidy.csv") if path.exists()]
    return needed(tables[0] if tables else folder / "tidy.csv", "a folder that holds tidy.csv or tidy.csv.gz")


def collect(run: Run) -> None:
    """The tidy table is there: released results are collected at once, trained ones need a run first.

    A table that is not as it was written is collected again from the unit records, where there are any.
    """
    if run.given:
        stages.tidy(run)
        return
    table = needed(run.scope_folder / "tidy.csv", run.command("run", claims=True))
    counts = run.scope_folder / inputs.FILE  # a folder of an earlier version has none
    sound = [whole(path) for path in (table, run.scope_folder / "provenance.json")]
    sound += [whole(counts)] if counts.exists() else []
    if all(sound):
        return
    if not stages.finished(run, run.units()):
        raise UserError(
            f"{table}: no unit records to make it from; needed first: {run.command('run', claims=True)}", BLOCKED
        )
    stages.tidy(run)


def whole(path: Path) -> bool:
    """Whether a table or verdicts are there as they were written; a damaged file is named on stderr."""
    if not path.exists():
        return False
    try:
        check(path)
    except RecordError as error:
        say(f"{error}; it is made again")
        return False
    return True


def needed(path: Path, way_out: str) -> Path:
    """Refuse to go on without a file."""
    if not path.exists():
        raise UserError(f"{path}: not there; needed first: {way_out}")
    return path


def verdicts_of_run(run: Run) -> Verdicts:
    """The verdicts that the stage `judge` wrote last."""
    return from_json((run.scope_folder / "verdicts.json").read_text(encoding="utf-8"))
