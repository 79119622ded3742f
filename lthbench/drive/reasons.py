"""Which suite and which run `lthbench explain` speaks of; the words are in report/explain.py."""

from pathlib import Path

from lthbench.claims.load import Registry
from lthbench.errors import UserError
from lthbench.judging import diff
from lthbench.report import explain
from lthbench.words import as_registered


def reasons(registry: Registry, claim: str, suite: str | None, run: str, out: Path, seed: int) -> str:
    """A claim, how it is decided, and the numbers behind its verdict, as text.

    `run` names a verdicts.json or a folder that holds one; empty: the last run of the suite in `out`.
    """
    claim = as_registered(claim, registry.claims)
    verdicts = diff.load(run, out, seed) if run else None
    asked = suite or (verdicts.suite if verdicts else None)
    name = explain.suite_of(
        registry, claim, asked, lambda suite: explain.last_run(out, suite, seed, claim) is not None
    )
    if verdicts and verdicts.suite != name:
        raise UserError(f"{run}: verdicts of suite '{verdicts.suite}', not of '{name}'; leave out --suite")
    if run:
        return explain.explain(registry, claim, name, verdicts, f"read from {run}")
    file = explain.last_run(out, name, seed, claim)
    if file is None:
        return explain.explain(registry, claim, name, None, explain.way_to_a_run(registry, name, claim))
    return explain.explain(registry, claim, name, diff.load(str(file), out), f"read from {file}")
