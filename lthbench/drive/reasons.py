"""Which suite and which run `lthbench explain` and `show` speak of; the words are in report/."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lthbench.claims.load import Registry
from lthbench.claims.variants import with_variant
from lthbench.errors import UserError
from lthbench.judging import diff
from lthbench.judging.verdict import ClaimVerdict, Verdicts
from lthbench.report import explain
from lthbench.results.foreign import provenance_of
from lthbench.words import as_registered


@dataclass(frozen=True)
class Reasons:
    """A claim, the suite whose rule is meant, the stored verdicts, and where they are or how to get some."""

    registry: Registry
    claim: str
    suite: str
    verdicts: Verdicts | None
    source: str
    file: Path | None = None  # of the verdicts

    @property
    def verdict(self) -> ClaimVerdict | None:
        """The claim's own."""
        claims = self.verdicts.claims if self.verdicts else []
        return next((claim for claim in claims if claim.id == self.claim), None)


def behind(registry: Registry, claim: str, suite: str | None, run: str, out: Path, seed: int) -> Reasons:
    """What is known of a claim and its verdict.

    `run` names a verdicts.json or a folder that holds one; empty: the last run of the suite in `out`.
    """
    claim = as_registered(claim, registry.claims)
    verdicts = diff.load(run, out, seed) if run else None
    asked = suite or (verdicts.suite if verdicts else None)
    registry = with_variant(registry, asked or "")
    name = explain.suite_of(
        registry, claim, asked, lambda suite: explain.last_run(out, suite, seed, claim) is not None
    )
    if verdicts and verdicts.suite != name:
        raise UserError(f"{run}: verdicts of suite '{verdicts.suite}', not of '{name}'; leave out --suite")
    if run:
        named = Path(run) if Path(run).is_file() else Path(run) / "verdicts.json"
        return Reasons(registry, claim, name, verdicts, f"read from {run}", named)
    file = explain.last_run(out, name, seed, claim)
    if file is None:
        return Reasons(registry, claim, name, None, explain.way_to_a_run(registry, name, claim, seed, out))
    return Reasons(registry, claim, name, diff.load(str(file), out), f"read from {file}", file)


def provenance(reasons: Reasons) -> list[dict[str, Any]]:
    """The provenance beside the verdicts, as far as there is any."""
    try:
        return provenance_of(reasons.file.parent / "provenance.json") if reasons.file else []
    except (OSError, UserError, ValueError, RecursionError):
        return []


def last_runs(suites: Sequence[str], out: Path, seed: int) -> dict[str, Verdicts]:
    """The stored verdicts of suites that were run as a whole, by suite."""
    files = {suite: explain.last_run(out, suite, seed, "all") for suite in suites}
    return {suite: diff.load(str(file), out) for suite, file in files.items() if file is not None}
