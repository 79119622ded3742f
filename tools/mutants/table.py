"""Results as a table and two scores: everything on, and outcome only.

`python -m tools.mutants.table FILE ...` adds what runs of `python -m tools.mutants --json` found to table.json,
which stays with this tool, and prints table and scores for docs/mutants.md.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tools.mutants.catalogue import CATALOGUE
from tools.mutants.harness import Result

TARGET = Path(__file__).parent / "table.json"
KEPT = ("id", "says", "tested", "test", "claims", "outcome")
HEAD = ("mutant", "the mistake", "noticed by the test", "outcome only (gates and verdicts)")


def test_words(result: Result) -> str:
    """Which test noticed it."""
    if not result.tested:
        return "not run"
    if result.test is None:
        return "SURVIVES"
    return result.test.rpartition("/")[2].partition("[")[0]


def outcome_words(result: Result) -> str:
    """Which gates and verdicts noticed it."""
    if result.outcome:
        return "; ".join(result.outcome)
    if not result.claims:
        return "nothing, by construction"
    if result.outcome is None:
        return "not run"
    return f"nothing ({', '.join(result.claims)})"


def rows(results: Sequence[Result]) -> list[tuple[str, str, str, str]]:
    """One row per mutant."""
    return [(result.id, result.says, test_words(result), outcome_words(result)) for result in results]


def score(noticed: Sequence[bool]) -> str:
    """How many of how many."""
    return f"{sum(noticed)} of {len(noticed)}" if noticed else "none was tried"


def scores(results: Sequence[Result]) -> dict[str, str]:
    """Two scores. A mutant that no uninterrupted run can show counts as not noticed by any outcome."""
    everything = [r.noticed for r in results if r.tested]
    outcomes = [bool(r.outcome) for r in results if r.outcome is not None or not r.claims]
    return {"everything on": score(everything), "outcome only": score(outcomes)}


def survivors(results: Sequence[Result]) -> list[str]:
    """Mutants that the tests were run on and nothing noticed: bugs of ours."""
    return [result.id for result in results if result.tested and not result.noticed]


def markdown(results: Sequence[Result]) -> str:
    """The table for docs/mutants.md."""
    lines = [HEAD, ("---",) * len(HEAD), *rows(results)]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def merged(contents: Iterable[dict[str, Any]]) -> list[Result]:
    """One result per mutant from several runs: its tests from one, its outcome from another; the last count."""
    by_id: dict[str, Result] = {}
    for entry in (entry for content in contents for entry in content["results"]):
        new = Result(**{**entry, "claims": tuple(entry["claims"])})
        old = by_id.get(new.id, new)
        if not new.tested:
            new = replace(new, tested=old.tested, test=old.test, test_seconds=old.test_seconds)
        if new.outcome is None:
            seconds = old.outcome_seconds
            new = replace(
                new, outcome=old.outcome, outcome_seconds=seconds, signature=old.signature, sound=old.sound
            )
        by_id[new.id] = new
    return [by_id[name] for name in CATALOGUE if name in by_id]


def stored() -> list[Result]:
    """What the committed table says: no times, no signatures."""
    return merged([{"results": json.loads(TARGET.read_text(encoding="utf-8"))}])


def to_json(results: Sequence[Result]) -> str:
    """The text of table.json, one mutant per line."""
    rows = ({key: getattr(result, key) for key in KEPT} for result in results)
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"


if __name__ == "__main__":
    new = [json.loads(Path(file).read_text(encoding="utf-8")) for file in sys.argv[1:]]
    every = merged([{"results": json.loads(to_json(stored()))}, *new])
    TARGET.write_text(to_json(every), encoding="utf-8")
    print(markdown(every), *(f"{name}: {value}" for name, value in scores(every).items()), sep="\n")
