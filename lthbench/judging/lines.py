"""One line of a claim: its two sides in a table, how they can be compared, and what that shows.

Sides with the same replicates are paired (t test and exact sign-flip test, the larger p decides). Others are two
groups, of runs or of mean, SD and n: Welch decides. Where not even that is possible the line is NOT DECIDABLE,
with the reason; no test is invented.
"""

from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lthbench.claims.schema import Hypothesis, Line, Registration, parse_cell
from lthbench.errors import UserError
from lthbench.judging.endpoints import Label
from lthbench.judging.table import Measured, Table
from lthbench.judging.verdict import LineResult
from lthbench.judging.words import settle
from lthbench.stats.decision import Evidence, Rule, decide, weigh
from lthbench.stats.groups import Group, group_of, lacking, threshold, weigh_groups
from lthbench.stats.location import SIGN_FLIP_MAX_N
from lthbench.stats.power import floor_n
from lthbench.words import shown

Array = npt.NDArray[np.float64]
Side = Measured | float
PAIRED = "paired: t test and exact sign-flip test"
DIVERGED = "a run diverged"


@dataclass(frozen=True)
class Pairs:
    """Paired replicates: one value (n,) per replicate and side, in the replicates' order."""

    minuend: Array
    subtrahend: Array

    @property
    def d(self) -> Array:
        """The differences (n,)."""
        return self.minuend - self.subtrahend


@dataclass(frozen=True)
class WeighedLine:
    """What a table says about one line, before any level is known.

    `pairs` or two `groups` where its cells are there (else they are `missing`), and `evidence` where a test is
    possible. `how` says which test the form of the numbers allowed, where that was not fixed before.
    """

    line: Line
    missing: tuple[str, ...] = ()
    pairs: Pairs | None = None
    groups: tuple[Group, Group] | None = None
    how: str = ""
    undecidable: str | None = None
    evidence: Evidence | None = None

    def weigh(self, delta: float) -> Evidence | None:
        """The evidence at another margin."""
        return None if self.evidence is None else weighed(self.pairs, self.groups, Rule(self.line.test, delta))


def weighed(pairs: Pairs | None, groups: tuple[Group, Group] | None, rule: Rule) -> Evidence:
    """What pairs, or else two groups, show."""
    if pairs is not None:
        return weigh(np.sort(pairs.d), rule)  # sorted: no order of the rows can move a rounding error
    assert groups is not None
    return weigh_groups(*groups, rule)


def sides_of(table: Table, line: Line, experiment: str, n: int) -> list[Side | None]:
    """Minuend and subtrahend: a number, or what the table holds of a cell (None: not all of it)."""
    return [
        table.measured(parse_cell(side, experiment), line.endpoint, n) if isinstance(side, str) else float(side)
        for side in (line.contrast.minuend, line.contrast.subtrahend)
    ]


def pairs_of(labels: list[Label], first: Side, second: Side) -> Pairs:
    """The two sides, replicate by replicate; a number is the same for each."""
    return Pairs(
        *(
            np.array([side.runs[label] if isinstance(side, Measured) else side for label in labels], dtype=float)
            for side in (first, second)
        )
    )


def contrast(table: Table, line: Line, experiment: str, n: int) -> tuple[Array, Array] | None:
    """Minuend and subtrahend of replicates 0 .. n-1, shape (n,) each; None when a cell is not there."""
    first, second = sides_of(table, line, experiment, n)
    if first is None or second is None:
        return None
    pairs = pairs_of(list(range(n)), first, second)
    return pairs.minuend, pairs.subtrahend


def weigh_line(table: Table, line: Line, registration: Registration) -> WeighedLine:
    """The sides of a line and what they show; of as many replicates as are registered, or as are there."""
    sides = sides_of(table, line, registration.experiment, registration.replicates)
    missing = [
        f"{parse_cell(side, registration.experiment)} ({line.endpoint})"
        for side, measured in zip((line.contrast.minuend, line.contrast.subtrahend), sides, strict=True)
        if isinstance(side, str) and measured is None
    ]
    first, second = sides
    if first is None or second is None:
        return WeighedLine(line, tuple(missing))
    unpaired = why_unpaired(first, second)
    if unpaired is not None:
        return weigh_groups_of(line, first, second, unpaired)
    return weigh_pairs(line, first, second, "" if registration.replicates else PAIRED)


def why_unpaired(first: Side, second: Side) -> str | None:
    """Why two sides cannot be paired, or None when they can: same replicates, or a threshold."""
    measured = [side for side in (first, second) if isinstance(side, Measured)]
    if any(side.summary for side in measured):
        return "summaries"
    labels = [set(side.runs) for side in measured]
    if labels[1:] and labels[0] != labels[1]:
        if not labels[0] & labels[1]:
            return "unpaired runs, no replicate label is in both arms"
        only = min(map(str, labels[0] ^ labels[1]))
        return f"unpaired runs, replicate '{shown(only)}' is in one arm only"
    return None


def weigh_pairs(line: Line, first: Side, second: Side, how: str) -> WeighedLine:
    """Paired replicates."""
    labels = in_order(set().union(*(side.runs for side in (first, second) if isinstance(side, Measured))))
    if len(labels) > SIGN_FLIP_MAX_N:
        raise UserError(
            f"{line.id} ({line.contrast}): {len(labels)} paired replicates; the exact sign-flip test takes "
            f"at most {SIGN_FLIP_MAX_N}; keep {SIGN_FLIP_MAX_N} of them, chosen without looking at the numbers"
        )
    pairs = pairs_of(labels, first, second)
    if not np.isfinite(pairs.d).all():
        return WeighedLine(line, pairs=pairs, how=how and DIVERGED)
    if len(labels) < 2:
        return WeighedLine(line, pairs=pairs, undecidable="a single replicate, which shows no spread")
    return WeighedLine(line, pairs=pairs, how=how, evidence=weighed(pairs, None, line.rule))


def in_order(labels: set[Label]) -> list[Label]:
    """Replicates by number, and labels that are none after them."""
    numbers = sorted(label for label in labels if isinstance(label, int))
    return [*numbers, *sorted(label for label in labels if isinstance(label, str))]


def weigh_groups_of(line: Line, first: Side, second: Side, why_not: str) -> WeighedLine:
    """Two groups: Welch decides where both have a spread."""
    groups = as_group(first), as_group(second)
    if not np.isfinite([group.mean for group in groups]).all():
        return WeighedLine(line, how=DIVERGED)
    reasons = [
        f"{name}: {reason}"
        for name, group in zip((line.contrast.minuend, line.contrast.subtrahend), groups, strict=True)
        if (reason := lacking(group))
    ]
    if len(reasons) == 2 and lacking(groups[0]) == lacking(groups[1]):
        reasons = [f"both arms: {lacking(groups[0])}"]
    if reasons:
        return WeighedLine(line, groups=groups, undecidable="; ".join(reasons))
    how = f"{why_not}: Welch's t test"
    return WeighedLine(line, groups=groups, how=how, evidence=weighed(None, groups, line.rule))


def as_group(side: Side) -> Group:
    """A side as a group; runs sorted, so that their order cannot move a rounding error."""
    if not isinstance(side, Measured):
        return threshold(side)
    if side.summary is not None:
        return side.summary
    values = np.sort(side.values)
    return group_of(values) if np.isfinite(values).all() else Group(np.nan, None, len(values))


def line_result(w: WeighedLine, pass_level: float, fail_level: float, registration: Registration) -> LineResult:
    """A line with its numbers and, where there is evidence, its decision."""
    line, evidence = w.line, w.evidence
    sweep = line.sweep if isinstance(line, Hypothesis) else []
    return LineResult(
        **registered_part(line),
        d=[rounded(float(v)) for v in w.pairs.d] if w.pairs else [],
        minuend=[rounded(float(v)) for v in w.pairs.minuend] if w.pairs else [],
        subtrahend=[rounded(float(v)) for v in w.pairs.subtrahend] if w.pairs else [],
        evidence=None if evidence is None else {k: rounded(v) for k, v in asdict(evidence).items()},
        decision=decision(w, pass_level, fail_level),
        pass_level=rounded(pass_level),
        fail_level=rounded(fail_level),
        settle=None if evidence is None else settle_line(w, evidence, pass_level, fail_level),
        margin_from=line.margin_from if isinstance(line, Hypothesis) else None,
        # What was expected was expected of the registered n.
        expected=expected_of(line) if registration.replicates else None,
        how=w.how,
        groups=[Group(*map(rounded, astuple(group))) for group in w.groups] if w.groups else None,
        undecidable=w.undecidable,
        sweep=[
            (margin, decide(other, pass_level, fail_level)) for margin in sweep if (other := w.weigh(margin))
        ] or None,
    )  # fmt: skip


def decision(w: WeighedLine, pass_level: float, fail_level: float) -> str:
    """What a line comes to."""
    if w.evidence is not None:
        return decide(w.evidence, pass_level, fail_level)
    return "NOT DECIDABLE" if w.undecidable else "NOT DECIDED"


def registered_part(line: Line) -> dict[str, Any]:
    """What a line says and how it is decided, as it stands in its file."""
    return {
        "id": line.id,
        "says": line.says,
        "endpoint": line.endpoint,
        "contrast": str(line.contrast),
        "test": line.test,
        "delta": line.delta,
        "unit": line.unit,
    }


def expected_of(line: Line) -> dict[str, Any] | None:
    """What was expected of a hypothesis when it was registered."""
    expected = line.expected if isinstance(line, Hypothesis) else None
    return None if expected is None else expected.model_dump(exclude_none=True)


def settle_line(w: WeighedLine, evidence: Evidence, pass_level: float, fail_level: float) -> str | None:
    """What would settle an undecided line; too few pairs for the exact test is said before anything else."""
    needed = floor_n(pass_level)
    if w.pairs and evidence.n < needed and decide(evidence, pass_level, fail_level) == "INCONCLUSIVE":
        return (
            f"{w.line.id}: n = {evidence.n} pairs cannot reach significance at {pass_level:.3g} (the exact "
            f"sign-flip test needs 2^-n below it); n >= {needed} would."
        )
    return settle(evidence, w.line, pass_level, fail_level)


def rounded(value: Any) -> Any:
    """Floats to ten significant digits, as everything that is stored."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.10g}") if np.isfinite(value) else None
