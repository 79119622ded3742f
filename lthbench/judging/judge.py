"""From tables of results to verdicts. Reads numbers, never trains, never draws; the result is plain data.

`judge` does, in this order: contrasts (one number per replicate, or two groups), gates, evidence per hypothesis,
decisions, each claim at its fixed level. Whose results they are changes none of this: our own runs, published
numbers and a stranger's table differ in how many replicates are asked for (`looks`) and in what a table holds.
The law is docs/decision.md (sections 2 to 6).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import pandas as pd

from lthbench.claims import frozen
from lthbench.claims.load import Registry
from lthbench.claims.schema import Claim, Registration
from lthbench.judging.collapses import collapses
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.gates.claim import claim_gates
from lthbench.judging.gates.endpoints import device_gates
from lthbench.judging.gates.known_cases import known_cases
from lthbench.judging.gates.known_draws import known_draws
from lthbench.judging.labels import first_replicates
from lthbench.judging.lines import WeighedLine, line_result, rounded, weigh_line
from lthbench.judging.looks import Look, goes_on, looks
from lthbench.judging.missing import missing_words
from lthbench.judging.table import Table
from lthbench.judging.verdict import EXIT_CODES, ClaimVerdict, Collapses, LineResult, Origin, Verdict, Verdicts
from lthbench.judging.words import freeze_words, look_words, magnitude, why
from lthbench.recipe.engine import engine
from lthbench.stats.decision import Evidence, claim_p_fail, claim_p_pass, combine
from lthbench.stats.multiplicity import fixed_level

WORST_FIRST = (4, 1, 3, 0)
NOT_TRAINED = "none: not trained here"
NO_SECOND_LOOK = "The second look is registered with more replicates than the {n} that are there: it is not taken."


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
    collapses: tuple[Collapses, ...] = ()

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
    def n(self) -> int:
        """The replicates of every hypothesis, the fewest of them; 0 where none has evidence."""
        return min((e.n for e in self.deciding), default=0)


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
    gates += known_draws() if origin == "own" and registration.trains else ()
    # What released data leave untested says nothing about a stranger's.
    untested = registration.not_tested if registration.trains or origin == "published" else []
    counts = () if missing else tuple(collapses(registry.suites[suite_id], registration, table))
    return Weighed(claim, registration, lines, gates, missing, (*untested, *unseen), counts)


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

    Each of the suite's m primary claims is judged at alpha / m, every other claim at alpha, whatever the others
    come to and whichever were asked for. With a first look, alpha is that of each look, and replicates beyond it
    are not seen before they are due.
    """
    suite, whole = registry.suites[suite_id], Table(table)
    origin = origin or suite.given or "own"
    verdicts: dict[str, ClaimVerdict] = {}
    for look in looks(suite, origin):
        # Our own registrations cap what a look sees; of given results the table is cut.
        cut = look.given and look.most is not None
        seen = Table(first_replicates(whole.table, look.most or 0), whole.differences) if cut else whole
        weighed = weigh_suite(registry, suite_id, seen, look, origin, devices or {}, verdicts)
        early = {w.claim.id: w for w in weighed if too_few(registry, suite_id, w, look)}
        due = [w for w in weighed if w.claim.id not in early]
        verdicts |= decided(due, look, partial(level_at, registry, suite_id, look))
        verdicts |= {id: waiting(verdicts[id], w) for id, w in early.items()}
    asked = [verdicts[claim] for claim in suite.claims if not only or claim in only]
    results = [with_freeze(registry, suite_id, verdict) for verdict in asked]
    by = trained_with or (engine() if origin == "own" else NOT_TRAINED)
    return Verdicts(
        suite_id, suite.title, master, by, suite.alpha, exit_code(results), results, origin, suite.exploratory,
        suite.registered,
    )  # fmt: skip


def with_freeze(registry: Registry, suite_id: str, verdict: ClaimVerdict) -> ClaimVerdict:
    """The verdict with the hash of its registration and what became of it since it was frozen, where it was."""
    registration = frozen.registered(registry, suite_id, verdict.id)
    if registration is None:
        return verdict
    why = " ".join([verdict.why, *freeze_words(registration)])
    return replace(verdict, registration=registration.hash, freeze=registration.status, why=why)


def level_at(registry: Registry, suite_id: str, look: Look, claim: Claim) -> float:
    """The level of a claim at a look."""
    return registry.level(suite_id, claim, look.alpha)


def too_few(registry: Registry, suite_id: str, w: Weighed, look: Look) -> bool:
    """Whether given results have fewer replicates than a second look is registered with: it is not taken."""
    return look.given and look.number == 2 and w.n < registry.claims[w.claim.id].suites[suite_id].replicates


def waiting(before: ClaimVerdict, w: Weighed) -> ClaimVerdict:
    """The verdict of the first look where given results do not reach to the second."""
    return replace(before, why=f"{before.why} {NO_SECOND_LOOK.format(n=w.n)}")


def left_open(registry: Registry, suite_id: str, *given: Any, **more: Any) -> list[str]:
    """The claims that the first look leaves inconclusive; called as `judge` is."""
    verdicts = judge(registry, suite_id, *given, **more)
    return [claim.id for claim in verdicts.claims if claim.look == 2]


def decided(weighed: Sequence[Weighed], look: Look, level_of: Callable[[Claim], float]) -> dict[str, ClaimVerdict]:
    """The verdicts of one look, each claim at its own level whatever the others come to."""
    return {w.claim.id: claim_verdict(w, level_of(w.claim), look) for w in weighed}


def judged(pairs: Sequence[tuple[Claim, Registration]], table: Table, alpha: float) -> list[ClaimVerdict]:
    """Verdicts on complete cells without gates: the way from numbers to verdicts that `known_cases` tries."""
    weighed = [
        Weighed(claim, registration, [weigh_line(table, line, registration) for line in registration.lines()], [])
        for claim, registration in pairs
    ]
    level = fixed_level(len(pairs), alpha)
    return list(decided(weighed, Look(None, None, alpha), lambda claim: level).values())


def claim_verdict(w: Weighed, level: float, look: Look) -> ClaimVerdict:
    """Put one claim's verdict together."""
    claim, registration = w.claim, w.registration
    count = len(w.hypotheses)
    # Any failing hypothesis fails the claim, so each is looked at with its share of the level.
    hypotheses = [line_result(line, level, level / count, registration) for line in w.hypotheses]
    beside = [line_result(line, look.alpha, look.alpha, registration) for line in w.lines[count:]]
    verdict = verdict_of(w, hypotheses)
    words = look_words(look.number, registration.replicates or w.n, not w.missing)
    return ClaimVerdict(
        id=claim.id,
        kind=claim.kind,
        title=claim.title,
        registered_title=registration.title,
        sentence=claim.sentence,
        reduced_scale=registration.reduced_scale,
        experiment=registration.experiment,
        replicates=registration.replicates or w.n,
        verdict=verdict,
        why=words + why(verdict, hypotheses, w.gates, w.missing),
        settle=settle_claim(verdict, hypotheses),
        p_pass=rounded(claim_p_pass(w.deciding)) if w.whole else None,
        p_fail=rounded(claim_p_fail(w.deciding)) if w.whole else None,
        pass_level=rounded(level),
        fail_level=rounded(level),
        power=registration.power if registration.replicates else None,
        hypotheses=hypotheses,
        beside=beside,
        gates=w.gates,
        magnitude=magnitude(claim, registration, hypotheses + beside) if registration.trains else [],
        not_tested=list(w.not_tested),
        look=look.number,
        collapses=list(w.collapses),
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


def exit_code(claims: Sequence[ClaimVerdict]) -> int:
    """The worst code among the primary claims: 4 blocked or not run, 1 fail, 3 inconclusive, 0 pass."""
    codes = {EXIT_CODES[claim.verdict] for claim in claims if claim.kind == "primary"}
    return next((code for code in WORST_FIRST if code in codes), 0)
