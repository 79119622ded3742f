"""From tables of results to verdicts. Reads numbers, never trains, never draws; the result is plain data.

`judge` does, in this order: contrasts (one number per replicate, or two groups), gates, evidence per hypothesis,
Holm over the primary claims, decisions. Whose results they are changes none of this: our own runs, published
numbers and a stranger's table differ in how many replicates are asked for (`looks`) and in what a table holds.
The law is docs/decision.md (sections 2 to 6).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry
from lthbench.claims.schema import Claim, Registration
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.gates.claim import claim_gates
from lthbench.judging.gates.endpoints import device_gates
from lthbench.judging.gates.known_cases import known_cases
from lthbench.judging.lines import WeighedLine, line_result, rounded, weigh_line
from lthbench.judging.looks import Look, goes_on, looks, settled
from lthbench.judging.missing import missing_words
from lthbench.judging.table import Table
from lthbench.judging.verdict import EXIT_CODES, ClaimVerdict, LineResult, Origin, Verdict, Verdicts
from lthbench.judging.words import look_words, magnitude, why
from lthbench.recipe.engine import engine
from lthbench.stats.decision import Evidence, claim_p_fail, claim_p_pass, combine
from lthbench.stats.multiplicity import holm_levels, settled_level

WORST_FIRST = (4, 1, 3, 0)
NOT_TRAINED = "none: not trained here"


@dataclass(frozen=True)
class Weighed:
    """What a table holds about one claim, before any level is known.

    `lines` are the hypotheses, then the lines beside them. `missing` says what the claim still lacks (empty:
    nothing), `not_tested` which parts of it are not looked at, by the registration or by the gates.
    """

    claim: Claim
    registration: Registration
    lines: list[WeighedLine]
    gates: list[GateResult]
    missing: str = ""
    not_tested: tuple[str, ...] = ()

    @property
    def hypotheses(self) -> list[WeighedLine]:
        """The lines that decide."""
        return self.lines[: len(self.registration.hypotheses)]

    @property
    def deciding(self) -> list[Evidence]:
        """The evidence of the hypotheses that have any."""
        return [h.evidence for h in self.hypotheses if h.evidence is not None]

    @property
    def lacking(self) -> list[str]:
        """Cells of hypotheses that the table does not hold, each once."""
        return list(dict.fromkeys(cell for h in self.hypotheses for cell in h.missing))

    @property
    def whole(self) -> bool:
        """Whether every hypothesis has evidence."""
        return len(self.deciding) == len(self.hypotheses)

    @property
    def blocked(self) -> bool:
        """Whether the numbers mean nothing: a gate failed, or a run of a hypothesis diverged."""
        diverged = any(h.evidence is None and h.undecidable is None for h in self.hypotheses)
        return diverged or not all(gate.passed for gate in self.gates)

    @property
    def sound(self) -> bool:
        """Whether the numbers mean something: all there, testable, and every gate passed."""
        return not self.missing and self.whole and not self.blocked


def weigh_claim(
    registry: Registry,
    suite_id: str,
    claim: Claim,
    registration: Registration,
    table: Table,
    origin: str,
    devices: Mapping[str, Sequence[str]],
) -> Weighed:
    """Evidence and gates of one claim. What is not complete is not weighed: fewer replicates decide nothing."""
    lines = [weigh_line(table, line, registration) for line in registration.lines()]
    missing = missing_words(registry, registration, table, lines)
    gates: list[GateResult] = []
    unseen: list[str] = []
    if not missing or not registration.replicates:
        gates, unseen = claim_gates(registry, registry.suites[suite_id], registration, table)
    gates += [*device_gates(registration, devices), *known_cases(judged)]
    # What released data leave untested says nothing about a stranger's.
    untested = registration.not_tested if registration.trains or origin == "published" else []
    return Weighed(claim, registration, lines, gates, missing, (*untested, *unseen))


def weigh_suite(
    registry: Registry,
    suite_id: str,
    table: Table,
    look: Look,
    origin: str = "own",
    devices: Mapping[str, Sequence[str]] = MappingProxyType({}),
    before: Mapping[str, ClaimVerdict] = MappingProxyType({}),
) -> list[Weighed]:
    """All claims of a suite that a look judges."""
    return [
        weigh_claim(registry, suite_id, claim, look.of(registration), table, origin, devices)
        for claim, registration in registry.registrations(suite_id)
        if goes_on(before.get(claim.id))
    ]


def judge(
    registry: Registry,
    suite_id: str,
    master: int,
    table: pd.DataFrame,
    only: Sequence[str] = (),
    trained_with: str | None = None,
    devices: Mapping[str, Sequence[str]] | None = None,
    origin: Origin | None = None,
) -> Verdicts:
    """Judge every claim of a suite (or those named) on a table of results.

    `trained_with` names its engine, `devices` the kinds of device per experiment, where they are known. `origin`
    is "given" for a stranger's results; else they are what the suite judges, its own runs or published ones.

    Primary claims form one Holm family for PASS and one for FAIL, each at the suite's alpha; a claim that was
    not run or is blocked keeps its place in the family with p = 1. Secondary claims are judged at alpha each.
    With a first look, alpha is that of each look, and replicates beyond it are not seen before they are due.
    """
    suite, indexed = registry.suites[suite_id], Table(table)
    origin = origin or suite.given or "own"
    verdicts: dict[str, ClaimVerdict] = {}
    for look in looks(suite, origin):
        weighed = weigh_suite(registry, suite_id, indexed, look, origin, devices or {}, verdicts)
        verdicts |= decided(weighed, look, verdicts)
    results = [verdicts[claim] for claim in suite.claims if not only or claim in only]
    by = trained_with or (engine() if origin == "own" else NOT_TRAINED)
    return Verdicts(suite_id, suite.title, master, by, suite.alpha, exit_code(results), results, origin)


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
        w.claim.id: claim_verdict(
            w, pass_levels.get(w.claim.id, look.alpha), fail_levels.get(w.claim.id, look.alpha), look
        )
        for w in weighed
    }


def judged(pairs: Sequence[tuple[Claim, Registration]], table: Table, alpha: float) -> list[ClaimVerdict]:
    """Verdicts on complete cells without gates: the way from numbers to verdicts that `known_cases` tries."""
    weighed = [
        Weighed(claim, registration, [weigh_line(table, line, registration) for line in registration.lines()], [])
        for claim, registration in pairs
    ]
    return list(decided(weighed, Look(None, None, alpha)).values())


def family_levels(
    family: Sequence[Weighed],
    alpha: float,
    p_of: Callable[[Sequence[Evidence]], float],
    settled: Mapping[str, float | None] = MappingProxyType({}),
) -> dict[str, float]:
    """Holm's level for each primary claim; one whose numbers mean nothing counts with p = 1.

    `settled` are the p values of members that an earlier look has decided.
    """
    p_values = {**settled, **{w.claim.id: p_of(w.deciding) if w.sound else None for w in family}}
    return holm_levels(p_values, alpha) if p_values else {}


def claim_verdict(w: Weighed, pass_level: float, fail_level: float, look: Look) -> ClaimVerdict:
    """Put one claim's verdict together."""
    claim, registration = w.claim, w.registration
    count = len(w.hypotheses)
    # Any failing hypothesis fails the claim, so each is looked at with its share of the level.
    hypotheses = [line_result(line, pass_level, fail_level / count, registration) for line in w.hypotheses]
    beside = [line_result(line, look.alpha, look.alpha, registration) for line in w.lines[count:]]
    verdict = verdict_of(w, hypotheses)
    words = look_words(look.number, registration.replicates, not w.missing)
    return ClaimVerdict(
        id=claim.id,
        kind=claim.kind,
        title=claim.title,
        registered_title=registration.title,
        sentence=claim.sentence,
        reduced_scale=registration.reduced_scale,
        experiment=registration.experiment,
        replicates=registration.replicates or min((e.n for e in w.deciding), default=0),
        verdict=verdict,
        why=words + why(verdict, hypotheses, w.gates, w.missing),
        settle=settle_claim(verdict, hypotheses),
        p_pass=rounded(claim_p_pass(w.deciding)) if w.whole else None,
        p_fail=rounded(claim_p_fail(w.deciding)) if w.whole else None,
        pass_level=rounded(pass_level),
        fail_level=rounded(fail_level),
        power=registration.power if registration.replicates else None,
        hypotheses=hypotheses,
        beside=beside,
        gates=w.gates,
        magnitude=magnitude(claim, registration, hypotheses + beside) if registration.trains else [],
        not_tested=list(w.not_tested),
        look=look.number,
    )


def verdict_of(w: Weighed, hypotheses: Sequence[LineResult]) -> Verdict:
    """As in "The decision"; a hypothesis that fails does so whatever the others allow."""
    if w.missing:
        return "NOT RUN"
    if w.blocked:
        return "BLOCKED"
    decisions = [h.decision for h in hypotheses]
    if "NOT DECIDABLE" in decisions and "FAIL" not in decisions:
        return "NOT DECIDABLE"
    return combine(decisions)  # type: ignore[arg-type]


def settle_claim(verdict: Verdict, hypotheses: Sequence[LineResult]) -> str | None:
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
    settled_so: dict[str, Verdict] = {}
    for claim in verdicts.claims:
        if claim.verdict == "NOT RUN" or claim.p_pass is None or claim.p_fail is None:
            continue
        level = settled_level(members, alphas[claim.look])
        decided = claim.kind != "primary" or claim.verdict == "BLOCKED"
        decided |= claim.verdict == "PASS" and claim.p_pass <= level
        decided |= claim.verdict == "FAIL" and claim.p_fail <= level
        if decided:
            settled_so[claim.id] = claim.verdict
    return settled_so


def exit_code(claims: Sequence[ClaimVerdict]) -> int:
    """The worst code among the primary claims: 4 blocked or not run, 1 fail, 3 inconclusive, 0 pass."""
    codes = {EXIT_CODES[claim.verdict] for claim in claims if claim.kind == "primary"}
    return next((code for code in WORST_FIRST if code in codes), 0)
