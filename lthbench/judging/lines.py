"""One line of a claim: its two sides in a table, how they can be compared, and what that shows.

Replicates that both sides have are paired (t test and sign-flip test, the larger p decides). Others are two
groups, of runs or of mean, SD and n, and show no more than any pairing of them would; released results have
Welch's test. Where not even that is possible the line is NOT DECIDABLE, with the reason; no test is invented.
"""

from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lthbench.claims.schema import Hypothesis, Line, Registration, parse_cell
from lthbench.judging.endpoints import Label
from lthbench.judging.labels import in_order
from lthbench.judging.table import Measured, Table
from lthbench.judging.verdict import MAY_BE_GIVEN, LineResult
from lthbench.judging.words import settle
from lthbench.stats.decision import Evidence, decide, weigh
from lthbench.stats.groups import Group, group_of, lacking, threshold, weigh_groups
from lthbench.stats.location import SIGN_FLIP_MAX_N
from lthbench.stats.rule import Rule
from lthbench.stats.unpaired import weigh_differences, weigh_unpaired
from lthbench.words import shown

Array = npt.NDArray[np.float64]
Side = Measured | float
PAIRED = "paired: t test and exact sign-flip test"
PAIRED_MANY = f"paired: t test and, beyond {SIGN_FLIP_MAX_N} replicates, the normal limit of the sign-flip test"
UNPAIRED = "the least favourable pairing, Welch's and the permutation test"
STATED = "paired differences, mean, SD and n stated: t test, and the least favourable p of the sign-flip test"
SUMMARIES = "the least favourable runs with these means and SDs"
DIVERGED = "a run diverged"
LISTED = 4  # replicates named one by one
ALPHA = 0.05  # the largest level at which any claim is judged


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
    weigh: Callable[[Rule], Evidence] | None = None

    @cached_property
    def evidence(self) -> Evidence | None:
        """What is shown at the line's own rule."""
        return None if self.weigh is None else self.weigh(self.line.rule)


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
    differences = stated_differences(table, line, registration.experiment)
    if differences is not None and not all(has_runs(side) for side in sides):
        return weigh_stated(line, differences)
    if first is None or second is None:
        return WeighedLine(line, tuple(missing))
    unpaired = why_unpaired(first, second)
    if unpaired is not None:
        return weigh_groups_of(line, first, second, unpaired, registration.trains)
    return weigh_pairs(line, first, second, bool(registration.replicates))


def stated_differences(table: Table, line: Line, experiment: str) -> Group | None:
    """What a table says of the paired differences of a line's two cells."""
    cells = line.contrast.cells(experiment)
    return table.difference(cells[0], cells[1], line.endpoint) if len(cells) == 2 else None


def has_runs(side: Side | None) -> bool:
    """Whether single runs of a side are known."""
    return isinstance(side, Measured) and side.summary is None


def weigh_stated(line: Line, differences: Group) -> WeighedLine:
    """Paired differences of which mean, SD and n are stated."""
    if not np.isfinite(differences.mean):
        return WeighedLine(line, how=DIVERGED)
    if reason := lacking(differences):
        return WeighedLine(line, undecidable=f"their differences: {reason}")
    how = STATED + ("; nothing is clipped" if line.clip else "")
    return WeighedLine(line, how=how, weigh=partial(weigh_differences, differences))


def why_unpaired(first: Side, second: Side) -> str | None:
    """Why two sides cannot be paired, or None when they can: replicates in common, or a threshold."""
    measured = [side for side in (first, second) if isinstance(side, Measured)]
    if any(side.summary for side in measured):
        return "summaries"
    labels = [set(side.runs) for side in measured]
    common = set.intersection(*labels)
    if len(common) > 1 or labels[0] == labels[-1]:
        return None
    if not common:
        return "unpaired runs, no replicate label is in both arms"
    return f"unpaired runs, only replicate '{shown(str(*common))}' is in both arms"


def weigh_pairs(line: Line, first: Side, second: Side, registered: bool) -> WeighedLine:
    """The replicates that both sides have, as pairs; `registered` ones need no words about how."""
    measured = [set(side.runs) for side in (first, second) if isinstance(side, Measured)]
    labels = in_order(set.intersection(*measured))
    pairs = pairs_of(labels, first, second)
    how = "" if registered else (PAIRED if len(labels) <= SIGN_FLIP_MAX_N else PAIRED_MANY)
    how += left_out(line, first, second, set(labels))
    if not np.isfinite(pairs.d).all():
        return WeighedLine(line, pairs=pairs, how=how and DIVERGED)
    if len(labels) < 2:
        return WeighedLine(line, pairs=pairs, undecidable="a single replicate, which shows no spread")
    d = np.sort(pairs.d)  # sorted: no order of the rows can move a rounding error
    return WeighedLine(line, pairs=pairs, how=how, weigh=partial(weigh, d))


def left_out(line: Line, first: Side, second: Side, paired: set[Label]) -> str:
    """The replicates of one side that the other lacks, by name; empty where there are none."""
    said = []
    for name, side in ((line.contrast.minuend, first), (line.contrast.subtrahend, second)):
        alone = in_order(set(side.runs) - paired) if isinstance(side, Measured) else []
        if alone:
            more = f" and {len(alone) - LISTED} more" if len(alone) > LISTED else ""
            said.append(f"{name} {', '.join(shown(str(label), 40) for label in alone[:LISTED])}{more}")
    return f"; left out, without a partner: {'; '.join(said)}" if said else ""


def weigh_groups_of(line: Line, first: Side, second: Side, why_not: str, trains: bool) -> WeighedLine:
    """Two groups with a spread; where nothing is trained, of released results, Welch's test alone."""
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
    if not trains:
        how = f"{why_not}: Welch's t test alone; {without_exact(groups)}"
        return WeighedLine(line, groups=groups, how=how, weigh=partial(weigh_groups, *groups))
    runs = runs_of(first), runs_of(second)
    known = None if runs[0] is None or runs[1] is None else (runs[0], runs[1])
    clipped = "; nothing is clipped" if line.clip else ""
    how = f"{why_not}: {SUMMARIES if known is None else UNPAIRED}{clipped}"
    return WeighedLine(line, groups=groups, how=how, weigh=partial(weigh_unpaired, *groups, runs=known))


def without_exact(groups: tuple[Group, Group]) -> str:
    """What an exact test could say of so few released runs."""
    n = min(group.n for group in groups if group.n is not None)
    if 2.0**-n > ALPHA:
        return f"no exact test could confirm it, with n = {n} its p is {2.0**-n:.2g} or more"
    return "no exact test confirms it"


def runs_of(side: Side) -> Array | None:
    """The runs of a side, sorted; None where only a summary is known."""
    return np.sort(side.values) if isinstance(side, Measured) and side.summary is None else None


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
        evidence=None if evidence is None else numbers_of(evidence),
        decision=decision(w, pass_level, fail_level),
        pass_level=rounded(pass_level),
        fail_level=rounded(fail_level),
        settle=None if evidence is None else settle(evidence, line, pass_level, fail_level),
        margin_from=line.margin_from if isinstance(line, Hypothesis) else None,
        # What was expected was expected of the registered n.
        expected=expected_of(line) if registration.replicates else None,
        how=w.how,
        groups=[Group(*map(rounded, astuple(group))) for group in w.groups] if w.groups else None,
        undecidable=w.undecidable,
        sweep=[
            (margin, decide(w.weigh(Rule(line.test, margin)), pass_level, fail_level))
            for margin in sweep
            if w.weigh
        ] or None,
        clip=line.clip,
    )  # fmt: skip


def numbers_of(evidence: Evidence) -> dict[str, Any]:
    """Evidence as it is stored; p values that its kind does not have are left out."""
    return {k: rounded(v) for k, v in asdict(evidence).items() if v is not None or k not in MAY_BE_GIVEN}


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


def rounded(value: Any) -> Any:
    """Floats to ten significant digits, as everything that is stored."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.10g}") if np.isfinite(value) else None
