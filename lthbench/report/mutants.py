"""What this benchmark would notice: the committed table of known bugs, put into the source one at a time."""

from dataclasses import dataclass

from lthbench.judging.verdict import Verdicts
from tools.mutants import table


@dataclass(frozen=True)
class MutantPart:
    """The whole section."""

    said: str
    rows: list[tuple[str, str, str, str]]


def mutant_part(verdicts: Verdicts) -> MutantPart | None:
    """The section of a suite that was trained here; results of others did not come from this source."""
    if verdicts.origin != "own":
        return None
    results = table.stored()
    scores = table.scores(results)
    unknown = sum(result.outcome is None and bool(result.claims) for result in results)
    said = (
        f"{len(results)} mistakes of public lottery-ticket code, or easy to make, were put into a copy of the "
        f"source one at a time. Noticed by a unit test, a gate or a verdict: {scores['everything on']}. With unit "
        f"tests off, by gates and verdicts of the suite quick alone: {scores['outcome only']}"
        + (f" ({unknown} more were not tried so)." if unknown else ".")
    )
    return MutantPart(said, table.rows(results))
