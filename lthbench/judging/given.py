"""Judging results that lthbench did not train: others' published numbers, or a stranger's table.

The rules are those of lthbench/judging/judge.py; what differs is the form of the numbers. Arms with the same
replicate labels are paired (t and sign-flip test). Others are two unpaired groups, of runs or of mean, SD and n:
Welch decides. Where not even that is possible the claim is NOT DECIDABLE, with the reason; no test is invented.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lthbench.claims.load import Registry
from lthbench.claims.schema import Claim, GivenHypothesis, Line, Reanalysis, Registration, parse_place
from lthbench.errors import UserError
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.gates.given import given_gates
from lthbench.judging.gates.known_cases import known_cases
from lthbench.judging.judge import exit_code, family_levels, judged, registered_part, rounded
from lthbench.judging.verdict import ClaimVerdict, LineResult, Verdict, Verdicts
from lthbench.judging.words import magnitude, settle, why
from lthbench.results.given import GivenTable, Measured
from lthbench.stats.decision import Evidence, Rule, claim_p_fail, claim_p_pass, decide, weigh
from lthbench.stats.groups import Group, group_of, lacking, threshold, weigh_groups
from lthbench.stats.location import SIGN_FLIP_MAX_N
from lthbench.stats.power import floor_n
from lthbench.words import shown

Side = Measured | float
Deciding = Registration | Reanalysis


@dataclass(frozen=True)
class Pairs:
    """Paired replicates: one value per label and side, in the labels' order."""

    labels: list[str]
    minuend: np.ndarray
    subtrahend: np.ndarray

    @property
    def d(self) -> np.ndarray:
        """The differences (n,)."""
        return self.minuend - self.subtrahend


@dataclass(frozen=True)
class WeighedLine:
    """What the table says about one line: pairs or two groups, and evidence where a test is possible."""

    line: Line
    missing: list[str]
    pairs: Pairs | None = None
    groups: tuple[Group, Group] | None = None
    how: str = ""
    undecidable: str | None = None
    evidence: Evidence | None = None

    def weigh(self, delta: float) -> Evidence | None:
        """The evidence at another margin."""
        rule = Rule(self.line.test, delta)
        if self.evidence is None:
            return None
        if self.pairs is not None:
            return weigh(np.sort(self.pairs.d), rule)
        assert self.groups is not None
        return weigh_groups(self.groups[0], self.groups[1], rule)


@dataclass(frozen=True)
class GivenClaim:
    """What the table says about one claim, before any level is known."""

    claim: Claim
    registration: Deciding
    lines: list[WeighedLine]
    gates: list[GateResult]
    not_looked_at: list[str]

    @property
    def hypotheses(self) -> list[WeighedLine]:
        """The lines that decide."""
        return self.lines[: len(self.registration.hypotheses)]

    @property
    def missing(self) -> list[str]:
        """Cells of hypotheses that the table does not hold."""
        return list(dict.fromkeys(cell for h in self.hypotheses for cell in h.missing))

    @property
    def deciding(self) -> list[Evidence]:
        """The evidence of the hypotheses that have any."""
        return [h.evidence for h in self.hypotheses if h.evidence is not None]

    @property
    def sound(self) -> bool:
        """Whether the numbers mean something: all there, testable, and every gate passed."""
        return len(self.deciding) == len(self.hypotheses) and all(gate.passed for gate in self.gates)


def weigh_line(table: GivenTable, line: Line, experiment: str) -> WeighedLine:
    """One line of a claim on a given table."""
    sides: list[Side | None] = []
    missing = []
    for term in (line.contrast.minuend, line.contrast.subtrahend):
        if not isinstance(term, str):
            sides.append(float(term))
            continue
        place = parse_place(term, experiment)
        sides.append(table.measured(place, line.endpoint))
        if sides[-1] is None:
            missing.append(f"{place} ({line.endpoint})")
    if missing:
        return WeighedLine(line, missing)
    first, second = sides
    assert first is not None
    assert second is not None
    if not all(side.finite for side in (first, second) if isinstance(side, Measured)):
        return WeighedLine(line, [], how="a run diverged")
    unpaired = why_unpaired(first, second)
    return weigh_pairs(line, first, second) if unpaired is None else weigh_unpaired(line, first, second, unpaired)


def why_unpaired(first: Side, second: Side) -> str | None:
    """Why two sides cannot be paired, or None when they can: same replicate labels, or a threshold."""
    measured = [side for side in (first, second) if isinstance(side, Measured)]
    if any(side.runs is None for side in measured):
        return "summaries"
    labels = [set(side.runs or {}) for side in measured]
    if labels[1:] and labels[0] != labels[1]:
        only = sorted(labels[0] ^ labels[1])
        some = labels[0] & labels[1]
        lack = (
            f", replicate '{shown(only[0])}' is in one arm only"
            if some
            else ", no replicate label is in both arms"
        )
        return f"unpaired runs{lack}"
    return None


def weigh_pairs(line: Line, first: Side, second: Side) -> WeighedLine:
    """Paired replicates: t test and exact sign-flip test, the larger p decides."""
    labels = sorted(next(side.runs for side in (first, second) if isinstance(side, Measured) and side.runs))
    if len(labels) > SIGN_FLIP_MAX_N:
        raise UserError(
            f"{line.id} ({line.contrast}): {len(labels)} paired replicates; the exact sign-flip test takes "
            f"at most {SIGN_FLIP_MAX_N}; keep {SIGN_FLIP_MAX_N} of them, chosen without looking at the numbers"
        )
    values = [
        np.array(
            [side.runs[label] if isinstance(side, Measured) and side.runs else side for label in labels], float
        )
        for side in (first, second)
    ]
    pairs = Pairs(labels, *values)
    if len(labels) < 2:
        return WeighedLine(line, [], pairs, undecidable="a single replicate, which shows no spread")
    # Sorted: neither the order of the rows nor the labels' names can move a rounding error.
    evidence = weigh(np.sort(pairs.d), line.rule)
    return WeighedLine(line, [], pairs, how="paired: t test and exact sign-flip test", evidence=evidence)


def weigh_unpaired(line: Line, first: Side, second: Side, why_not: str) -> WeighedLine:
    """Two groups: Welch decides where both have a spread."""
    groups = as_group(first), as_group(second)
    reasons = [
        f"{name}: {reason}"
        for name, group in zip((line.contrast.minuend, line.contrast.subtrahend), groups, strict=True)
        if (reason := lacking(group))
    ]
    if len(reasons) == 2 and lacking(groups[0]) == lacking(groups[1]):
        reasons = [f"both arms: {lacking(groups[0])}"]
    if reasons:
        return WeighedLine(line, [], groups=groups, undecidable="; ".join(reasons))
    how = f"{why_not}: Welch's t test"
    return WeighedLine(line, [], groups=groups, how=how, evidence=weigh_groups(*groups, line.rule))


def as_group(side: Side) -> Group:
    """A side as a group; runs sorted, so that their order cannot move a rounding error."""
    if not isinstance(side, Measured):
        return threshold(side)
    return side.group if side.runs is None else group_of(np.sort(list(side.runs.values())))


def registered(registry: Registry, suite: str) -> list[tuple[Claim, Deciding]]:
    """The claims of a suite of either kind with what decides them."""
    if suite in registry.given_suites:
        return list(registry.reanalyses(suite))
    return list(registry.registrations(suite))


def weigh_claim(
    registry: Registry, suite: str, claim: Claim, registration: Deciding, table: GivenTable
) -> GivenClaim:
    """Evidence and gates of one claim."""
    lines = [weigh_line(table, line, registration.experiment) for line in registration.lines()]
    gates, not_looked_at = given_gates(registry, suite, registration, table)
    return GivenClaim(claim, registration, lines, [*gates, *known_cases(judged)], not_looked_at)


def weigh_suite(registry: Registry, suite: str, table: GivenTable) -> list[GivenClaim]:
    """All claims of a suite on a given table."""
    return [weigh_claim(registry, suite, *pair, table) for pair in registered(registry, suite)]


def judge_given(
    registry: Registry, suite_id: str, table: GivenTable, only: Sequence[str] = (), origin: str = "given"
) -> Verdicts:
    """Judge the claims of a suite (or those named) on a given table; `origin` is "published" or "given".

    As for our own runs, the suite's primary claims form one Holm family in which a claim without numbers keeps
    its place, and every other claim is judged at alpha.
    """
    suite = registry.every_suite[suite_id]
    weighed = weigh_suite(registry, suite_id, table)
    family = [w for w in weighed if w.claim.kind == "primary"]
    pass_levels = family_levels(family, suite.alpha, claim_p_pass)
    fail_levels = family_levels(family, suite.alpha, claim_p_fail)
    results = [
        claim_verdict(
            w,
            pass_levels.get(w.claim.id, suite.alpha),
            fail_levels.get(w.claim.id, suite.alpha),
            suite.alpha,
            origin,
        )
        for w in weighed
        if not only or w.claim.id in only
    ]
    return Verdicts(
        suite_id, suite.title, 0, "none: not trained here", suite.alpha, exit_code(results), results, origin
    )


def claim_verdict(w: GivenClaim, pass_level: float, fail_level: float, alpha: float, origin: str) -> ClaimVerdict:
    """Put one claim's verdict together."""
    claim, registration = w.claim, w.registration
    count = len(w.hypotheses)
    # Any failing hypothesis fails the claim, so each is looked at with its share of the level.
    hypotheses = [line_result(line, pass_level, fail_level / count) for line in w.hypotheses]
    beside = [line_result(line, alpha, alpha) for line in w.lines[count:]]
    verdict = decide_claim(w, hypotheses)
    whole = len(w.deciding) == count
    # What released data leave untested says nothing about a stranger's.
    of_these_data = isinstance(registration, Registration) or origin == "published"
    reduced = isinstance(registration, Registration) and registration.reduced_scale
    return ClaimVerdict(
        id=claim.id,
        kind=claim.kind,
        title=claim.title,
        registered_title=registration.title,
        sentence=claim.sentence,
        reduced_scale=reduced,
        experiment=registration.experiment,
        replicates=min((e.n for e in w.deciding), default=0),
        verdict=verdict,
        why=f"Not in the table: {', '.join(w.missing)}."
        if verdict == "NOT RUN"
        else why(verdict, hypotheses, w.gates),
        settle=settle_claim(verdict, hypotheses),
        p_pass=rounded(claim_p_pass(w.deciding)) if whole else None,
        p_fail=rounded(claim_p_fail(w.deciding)) if whole else None,
        pass_level=rounded(pass_level),
        fail_level=rounded(fail_level),
        power=None,
        hypotheses=hypotheses,
        beside=beside,
        gates=[asdict(gate) for gate in w.gates],
        magnitude=[]
        if isinstance(registration, Reanalysis)
        else magnitude(claim, registration, hypotheses + beside),
        not_tested=[*(registration.not_tested if of_these_data else []), *w.not_looked_at],
    )


def decide_claim(w: GivenClaim, hypotheses: list[LineResult]) -> Verdict:
    """As in docs/decision.md, section 6; a hypothesis that fails does so whatever the others allow."""
    if w.missing:
        return "NOT RUN"
    if not all(gate.passed for gate in w.gates) or any(h.how == "a run diverged" for h in w.hypotheses):
        return "BLOCKED"
    decisions = [h.decision for h in hypotheses]
    for word in ("FAIL", "NOT DECIDABLE", "INCONCLUSIVE"):
        if word in decisions:
            return word  # type: ignore[return-value]
    return "PASS"


def settle_claim(verdict: Verdict, hypotheses: list[LineResult]) -> str | None:
    """What would settle an inconclusive claim: what its undecided hypotheses need."""
    if verdict != "INCONCLUSIVE":
        return None
    return " ".join(h.settle for h in hypotheses if h.decision == "INCONCLUSIVE" and h.settle) or None


def line_result(w: WeighedLine, pass_level: float, fail_level: float) -> LineResult:
    """A line with its numbers and, where there is evidence, its decision."""
    line, evidence = w.line, w.evidence
    decision = "NOT DECIDABLE" if w.undecidable else "NOT DECIDED"
    if evidence is not None:
        decision = decide(evidence, pass_level, fail_level)
    sweep = line.sweep if isinstance(line, GivenHypothesis) else []
    return LineResult(
        **registered_part(line),
        d=[rounded(float(v)) for v in w.pairs.d] if w.pairs else [],
        minuend=[rounded(float(v)) for v in w.pairs.minuend] if w.pairs else [],
        subtrahend=[rounded(float(v)) for v in w.pairs.subtrahend] if w.pairs else [],
        evidence=None if evidence is None else {k: rounded(v) for k, v in asdict(evidence).items()},
        decision=decision,
        pass_level=rounded(pass_level),
        fail_level=rounded(fail_level),
        settle=None if evidence is None else settle_line(w, evidence, pass_level, fail_level),
        margin_from=getattr(line, "margin_from", None),
        how=w.how,
        groups=[{k: rounded(v) for k, v in asdict(group).items()} for group in w.groups] if w.groups else None,
        undecidable=w.undecidable,
        sweep=[
            [margin, decide(other, pass_level, fail_level)] for margin in sweep if (other := w.weigh(margin))
        ] or None,
    )  # fmt: skip


def settle_line(w: WeighedLine, evidence: Evidence, pass_level: float, fail_level: float) -> str | None:
    """What would settle an undecided line; too few pairs for the exact test is said before anything else."""
    needed = floor_n(pass_level)
    if w.pairs and evidence.n < needed and decide(evidence, pass_level, fail_level) == "INCONCLUSIVE":
        return (
            f"{w.line.id}: n = {evidence.n} pairs cannot reach significance at {pass_level:.3g} (the exact "
            f"sign-flip test needs 2^-n below it); n >= {needed} would."
        )
    return settle(evidence, w.line, pass_level, fail_level)
