"""`lthbench diff`: did a verdict change between two stored runs? Verdicts are compared, never bits.

BEFORE and AFTER are a verdicts.json, a folder that holds one, or a suite's name. A change in either direction
counts: a claim that starts to pass is news as well, and the baseline then wants a look and a commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lthbench.errors import UserError
from lthbench.judging.stored import read_verdicts
from lthbench.judging.verdict import ClaimVerdict, Verdicts, verdict_word
from lthbench.plan.run import Run

CHANGED = 1
ABSENT = "not there"


@dataclass(frozen=True)
class Change:
    """One claim, before and after; None on the side that does not have it."""

    before: ClaimVerdict | None
    after: ClaimVerdict | None
    exploratory: bool = False

    @property
    def claim(self) -> ClaimVerdict:
        """Whichever side has it, the later one first."""
        claim = self.after or self.before
        assert claim is not None
        return claim

    @property
    def words(self) -> tuple[str, str]:
        """The verdicts, before and after."""
        before, after = (
            verdict_word(claim.verdict, self.exploratory) if claim else ABSENT
            for claim in (self.before, self.after)
        )
        return before, after

    @property
    def changed(self) -> bool:
        """Whether the verdict changed; a claim that came new has nothing to differ from."""
        return self.before is not None and (self.after is None or self.before.verdict != self.after.verdict)

    @property
    def counts(self) -> bool:
        """Whether it decides the exit code: a primary claim, on the side that knew it first."""
        return self.changed and (self.before or self.claim).kind == "primary"

    @property
    def says(self) -> str:
        """The change in one line."""
        return f"{self.claim.id}: {self.words[0]} before, {self.words[1]} now"

    @property
    def differs(self) -> str:
        """What else differs: the registration makes two verdicts answers to different questions."""
        if self.before is None:
            return "new"
        if self.after is None:
            return ""
        return "" if registration(self.before) == registration(self.after) else "registration"


@dataclass(frozen=True)
class Diff:
    """All claims of two runs of a suite."""

    before: Verdicts
    after: Verdicts
    changes: list[Change]

    @property
    def exit_code(self) -> int:
        """0: no primary verdict changed; 1: one did, in whichever direction."""
        return CHANGED if any(change.counts for change in self.changes) else 0

    @property
    def circumstances(self) -> list[str]:
        """What differs between the runs besides verdicts."""
        pairs = {
            "master seed": (self.before.master_seed, self.after.master_seed),
            "engine": (self.before.engine, self.after.engine),
            "level": (self.before.alpha, self.after.alpha),
            "results": (self.before.origin, self.after.origin),
        }
        return [f"{name} {old} before, {new} now" for name, (old, new) in pairs.items() if old != new]

    @property
    def summary(self) -> str:
        """The last line."""
        said = [change.says for change in self.changes if change.counts]
        others = sum(change.changed for change in self.changes) - len(said)
        beside = f" ({others} of other claims did, which does not count)" if others else ""
        return f"primary verdicts that changed: {'; '.join(said) or 'none'}{beside}. Exit code {self.exit_code}."


def registration(claim: ClaimVerdict) -> tuple[object, ...]:
    """What was asked: the verdicts of two runs answer the same question where this is equal."""
    asked = [(h.id, h.endpoint, h.contrast, h.test, h.delta) for h in claim.hypotheses]
    replicates = claim.replicates if claim.look is None else None  # two looks: the data decide which n it is
    return claim.kind, claim.experiment, replicates, asked


def compare(before: Verdicts, after: Verdicts, only: Sequence[str] = ()) -> Diff:
    """The claims of both, in the order of the earlier run; `only` leaves the others out."""
    if before.suite != after.suite:
        raise UserError(
            f"verdicts of suite '{before.suite}' and of suite '{after.suite}' answer different questions; "
            "compare runs of one suite"
        )
    old, new = ({claim.id: claim for claim in verdicts.claims} for verdicts in (before, after))
    ids = [claim for claim in dict.fromkeys([*old, *new]) if not only or claim in only]
    exploratory = before.exploratory or after.exploratory
    return Diff(before, after, [Change(old.get(claim), new.get(claim), exploratory) for claim in ids])


def stored(where: str, out: Path, seed: int = 0, scope: str = "all") -> Path:
    """The verdicts.json that is meant: a file, a folder, or the run of a suite in `out`."""
    path = Path(where)
    if path.is_file():
        return path
    if path.is_dir():
        tried = [path / "verdicts.json", path / "scopes" / scope / "verdicts.json"]
    elif "/" in where or "\\" in where or where in (".", ".."):
        tried = []
    else:
        tried = [out / "results" / where / f"seed-{seed}" / "scopes" / scope / "verdicts.json"]
    file = next((file for file in tried if file.is_file()), None)
    if file is None:
        looked = f" (looked for {tried[-1]})" if tried else ""
        raise UserError(
            f"{where}: no verdicts there{looked}; give a verdicts.json, a folder that holds one, or a suite "
            "that was run in --out"
        )
    return file


def load(where: str, out: Path, seed: int = 0) -> Verdicts:
    """The verdicts that BASELINE or RUN names."""
    return read_verdicts(stored(where, out, seed))


def baseline(where: str, run: Run) -> Verdicts:
    """The verdicts to compare a run with, read before the run can replace them in its folder."""
    verdicts = load(where, run.out, run.seed)
    if verdicts.suite != run.suite:
        raise UserError(f"{where}: verdicts of suite '{verdicts.suite}'; this run is of suite '{run.suite}'")
    return verdicts
