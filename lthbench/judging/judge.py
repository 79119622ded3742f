"""From tidy tables to verdicts. Reads numbers, never trains, never draws; the result is plain data.

`judge` does, in this order: contrasts (one number per replicate), gates, evidence per hypothesis, Holm over
the primary claims, decisions. The law is docs/decision.md (sections 2 to 6); lthbench/stats holds its parts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import pandas as pd

from lthbench.claims.load import Registry
from lthbench.claims.schema import Claim, Line, Registration, Suite, parse_cell
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.gates.claim import cells_and_parents, claim_gates, device_gates, not_looked_at
from lthbench.judging.gates.known_cases import known_cases
from lthbench.judging.looks import Look, goes_on, looks, settled
from lthbench.judging.missing import missing_words
from lthbench.judging.table import Table
from lthbench.judging.verdict import EXIT_CODES, ClaimVerdict, LineResult, Verdict, Verdicts
from lthbench.judging.words import look_words, magnitude, settle, why
from lthbench.recipe.engine import engine
from lthbench.stats.decision import Evidence, claim_p_fail, claim_p_pass, combine, decide, weigh
from lthbench.stats.multiplicity import holm_levels, settled_level

WORST_FIRST = (4, 1, 3, 0)


def term(table: Table, value: str | float, experiment: str, endpoint: str, n: int) -> np.ndarray | None:
    """One side of a contrast: a cell's values, or a number for every replicate."""
    if isinstance(value, str):
        return table.values(parse_cell(value, experiment), endpoint, n)
    return np.full(n, float(value))


def contrast(table: Table, line: Line, experiment: str, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Minuend and subtrahend, shape (n,) each; None when a cell is not there."""
    sides = [
        term(table, side, experiment, line.endpoint, n)
        for side in (line.contrast.minuend, line.contrast.subtrahend)
    ]
    return None if sides[0] is None or sides[1] is None else (sides[0], sides[1])


def weigh_line(table: Table, line: Line, registration: Registration) -> tuple[Any, Evidence | None]:
    """The contrast of a line and its evidence; no evidence when cells are missing or a run diverged."""
    sides = contrast(table, line, registration.experiment, registration.replicates)
    if sides is None or not np.isfinite(sides[0] - sides[1]).all():
        return sides, None
    return sides, weigh(sides[0] - sides[1], line.rule)


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


def line_result(
    line: Line, sides: Any, evidence: Evidence | None, pass_level: float, fail_level: float
) -> LineResult:
    """A line with its numbers and, where there is evidence, its decision."""
    minuend, subtrahend = sides if sides is not None else (np.array([]), np.array([]))
    return LineResult(
        **registered_part(line),
        d=_rounded(minuend - subtrahend),
        minuend=_rounded(minuend),
        subtrahend=_rounded(subtrahend),
        evidence=None if evidence is None else {k: rounded(v) for k, v in asdict(evidence).items()},
        decision="NOT DECIDED" if evidence is None else decide(evidence, pass_level, fail_level),
        pass_level=rounded(pass_level),
        fail_level=rounded(fail_level),
        settle=None if evidence is None else settle(evidence, line, pass_level, fail_level),
        margin_from=getattr(line, "margin_from", None),
        expected=expected_of(line),
    )


def expected_of(line: Line) -> dict[str, Any] | None:
    """What was expected of a hypothesis when it was registered."""
    expected = getattr(line, "expected", None)
    return None if expected is None else expected.model_dump(exclude_none=True)


@dataclass(frozen=True)
class Weighed:
    """What a tidy table holds about one claim, before any level is known.

    `lines` are the hypotheses, then the lines beside them: minuend and subtrahend (None when a cell is
    missing) and the evidence (None as well when a run diverged).
    """

    claim: Claim
    registration: Registration
    lines: list[tuple[Any, Evidence | None]]
    complete: bool
    gates: list[GateResult]
    missing: str = ""
    not_looked_at: tuple[str, ...] = ()

    @property
    def deciding(self) -> list[Evidence]:
        """The evidence of the hypotheses that have any."""
        return [e for _, e in self.lines[: len(self.registration.hypotheses)] if e is not None]

    @property
    def sound(self) -> bool:
        """Whether the numbers mean something: all there, finite, and every gate passed."""
        whole = len(self.deciding) == len(self.registration.hypotheses)
        return self.complete and whole and all(gate.passed for gate in self.gates)


def weigh_claim(
    registry: Registry,
    suite: Suite,
    claim: Claim,
    registration: Registration,
    table: Table,
    devices: Mapping[str, Sequence[str]],
) -> Weighed:
    """Evidence and gates of one claim. What is not complete is not weighed: fewer replicates decide nothing."""
    complete = all(
        table.values(cell, "final_test_accuracy", registration.replicates) is not None
        for every in cells_and_parents(registry, registration).values()
        for cell in every
    )
    lines = [weigh_line(table, line, registration) for line in registration.lines()]
    gates = claim_gates(registry, suite, registration, table) if complete else []
    gates += [*device_gates(registration, devices), *known_cases(judged)]
    missing = "" if complete else missing_words(registry, registration, table)
    unseen = not_looked_at(registry, registration, table) if complete else ()
    return Weighed(claim, registration, lines, complete, gates, missing, unseen)


def judge(
    registry: Registry,
    suite_id: str,
    master: int,
    tidy: pd.DataFrame,
    only: Sequence[str] = (),
    trained_with: str | None = None,
    devices: Mapping[str, Sequence[str]] | None = None,
) -> Verdicts:
    """Judge every claim of a suite (or those named) on a tidy table.

    `trained_with` names its engine, `devices` the kinds of device per experiment, where they are known.

    Primary claims form one Holm family for PASS and one for FAIL, each at the suite's alpha; a claim that was
    not run or is blocked keeps its place in the family with p = 1. Secondary claims are judged at alpha each.
    With a first look, alpha is that of each look, and replicates beyond it are not seen before they are due.
    """
    suite, table = registry.suites[suite_id], Table(tidy)
    found: dict[str, ClaimVerdict] = {}
    for look in looks(suite):
        weighed = [
            weigh_claim(registry, suite, claim, look.of(registration), table, devices or {})
            for claim, registration in registry.registrations(suite_id)
            if goes_on(found.get(claim.id))
        ]
        found |= decided(weighed, look, found)
    results = [found[claim] for claim in suite.claims if not only or claim in only]
    return Verdicts(
        suite_id, suite.title, master, trained_with or engine(), suite.alpha, exit_code(results), results
    )


def left_open(registry: Registry, suite_id: str, *given: Any, **more: Any) -> list[str]:
    """The claims that the first look leaves inconclusive; called as `judge` is."""
    verdicts = judge(registry, suite_id, *given, **more)
    return [claim.id for claim in verdicts.claims if claim.look == 2]


def decided(
    weighed: Sequence[Weighed], look: Look, before: Mapping[str, ClaimVerdict] = MappingProxyType({})
) -> dict[str, ClaimVerdict]:
    """Holm over the primary claims, then the verdicts of one look on claims that earlier ones left open."""
    family = [w for w in weighed if w.claim.kind == "primary"]
    pass_levels = family_levels(family, look.alpha, claim_p_pass, settled(before, "PASS"))
    fail_levels = family_levels(family, look.alpha, claim_p_fail, settled(before, "FAIL"))
    return {
        w.claim.id: _claim_verdict(
            w, pass_levels.get(w.claim.id, look.alpha), fail_levels.get(w.claim.id, look.alpha), look
        )
        for w in weighed
    }


def judged(pairs: Sequence[tuple[Claim, Registration]], table: Table, alpha: float) -> list[ClaimVerdict]:
    """Verdicts on complete cells without gates: the way from numbers to verdicts that `known_cases` tries."""
    lines = [[weigh_line(table, line, registration) for line in registration.lines()] for _, registration in pairs]
    weighed = [Weighed(*pair, own, True, []) for pair, own in zip(pairs, lines, strict=True)]
    return list(decided(weighed, Look(None, None, alpha)).values())


class Weighable(Protocol):
    """A claim with its evidence, wherever its numbers came from."""

    @property
    def claim(self) -> Claim: ...  # noqa: D102
    @property
    def deciding(self) -> list[Evidence]: ...  # noqa: D102
    @property
    def sound(self) -> bool: ...  # noqa: D102


def family_levels(
    family: Sequence[Weighable],
    alpha: float,
    p_of: Callable[[Sequence[Evidence]], float],
    settled: Mapping[str, float | None] = MappingProxyType({}),
) -> dict[str, float]:
    """Holm's level for each primary claim; one whose numbers mean nothing counts with p = 1.

    `settled` are the p values of members that an earlier look has decided.
    """
    p_values = {**settled, **{w.claim.id: p_of(w.deciding) if w.sound else None for w in family}}
    return holm_levels(p_values, alpha) if p_values else {}


def _claim_verdict(w: Weighed, pass_level: float, fail_level: float, look: Look) -> ClaimVerdict:
    """Put one claim's verdict together."""
    claim, registration = w.claim, w.registration
    count = len(registration.hypotheses)
    # Any failing hypothesis fails the claim, so each is looked at with its share of the level.
    share = fail_level / count
    hypotheses = [
        line_result(line, sides, evidence, pass_level, share)
        for line, (sides, evidence) in zip(registration.hypotheses, w.lines[:count], strict=True)
    ]
    beside = [
        line_result(line, sides, evidence, look.alpha, look.alpha)
        for line, (sides, evidence) in zip(registration.beside, w.lines[count:], strict=True)
    ]
    verdict: Verdict
    if not w.complete:
        verdict = "NOT RUN"
    elif not w.sound:
        verdict = "BLOCKED"
    else:
        verdict = combine([h.decision for h in hypotheses])  # type: ignore[misc]
    whole = len(w.deciding) == count
    return ClaimVerdict(
        id=claim.id,
        kind=claim.kind,
        title=claim.title,
        registered_title=registration.title,
        sentence=claim.sentence,
        reduced_scale=registration.reduced_scale,
        experiment=registration.experiment,
        replicates=registration.replicates,
        verdict=verdict,
        why=look_words(look.number, registration.replicates, w.complete)
        + why(verdict, hypotheses, w.gates, w.missing),
        settle=_settle_claim(verdict, hypotheses),
        p_pass=rounded(claim_p_pass(w.deciding)) if whole else None,
        p_fail=rounded(claim_p_fail(w.deciding)) if whole else None,
        pass_level=rounded(pass_level),
        fail_level=rounded(fail_level),
        power=registration.power,
        hypotheses=hypotheses,
        beside=beside,
        gates=[asdict(gate) for gate in w.gates],
        magnitude=magnitude(claim, registration, hypotheses + beside),
        not_tested=[*registration.not_tested, *w.not_looked_at],
        look=look.number,
    )


def _settle_claim(verdict: Verdict, hypotheses: list[LineResult]) -> str | None:
    """What would settle an inconclusive claim: what its undecided hypotheses need."""
    if verdict != "INCONCLUSIVE":
        return None
    return " ".join(h.settle for h in hypotheses if h.decision == "INCONCLUSIVE" and h.settle)


def settled_early(registry: Registry, suite_id: str, verdicts: Verdicts) -> dict[str, Verdict]:
    """Primary claims whose verdict cannot change whatever the claims still running turn out to be.

    A p at or below alpha / m is rejected by Holm in any company.
    """
    members = max(1, len(registry.primaries(suite_id)))
    alphas = {look.number: look.alpha for look in looks(registry.suites[suite_id])}
    found: dict[str, Verdict] = {}
    for claim in verdicts.claims:
        if claim.verdict == "NOT RUN" or claim.p_pass is None or claim.p_fail is None:
            continue
        level = settled_level(members, alphas[claim.look])
        decided = claim.kind != "primary" or claim.verdict == "BLOCKED"
        decided |= claim.verdict == "PASS" and claim.p_pass <= level
        decided |= claim.verdict == "FAIL" and claim.p_fail <= level
        if decided:
            found[claim.id] = claim.verdict
    return found


def exit_code(claims: Sequence[ClaimVerdict]) -> int:
    """The worst code among the primary claims: 4 blocked or not run, 1 fail, 3 inconclusive, 0 pass."""
    codes = {EXIT_CODES[claim.verdict] for claim in claims if claim.kind == "primary"}
    return next((code for code in WORST_FIRST if code in codes), 0)


def rounded(value: Any) -> Any:
    """Floats to ten significant digits, as everything that is stored."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.10g}") if np.isfinite(value) else None


def _rounded(values: np.ndarray) -> list[float]:
    return [rounded(float(v)) for v in values]
