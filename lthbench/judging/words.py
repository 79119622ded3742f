"""Verdicts in words: why, what would settle it, and how the size compares. Sentences, no decisions."""

import math
from collections.abc import Sequence
from typing import Any

from lthbench.claims.frozen import CHANGED, NOT_FROZEN, SHOWN, Registered
from lthbench.claims.schema import Claim, Line, Published, Registration
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.verdict import Collapses, LineResult
from lthbench.stats.decision import Evidence, decide
from lthbench.stats.groups import Difference, GroupEvidence
from lthbench.stats.power import settling_n
from lthbench.stats.rule import ROWS, edge, fail_words, failing_bound, failure_words, shown_words


def p_text(p: float) -> str:
    """A p value as one writes it."""
    return f"{p:.2g}" if p >= 1e-4 or p == 0 else f"{p:.0e}".replace("-", "−")


def signed(value: float | None) -> str:
    """A number with its sign, and a real minus; a dash for none."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def numbers(result: LineResult) -> str:
    """Mean and interval of a line."""
    e = result.evidence
    if e is None:
        return "no number for every replicate"
    interval = f"95 % interval {signed(e['low'])} to {signed(e['high'])}"
    unpaired = f" ({result.how})" * bool(result.how and result.groups)
    return f"mean {signed(e['mean'])} {result.unit}, {interval}, n = {sizes(result)}{clip_words(result)}{unpaired}"


def clip_words(result: LineResult) -> str:
    """How much one replicate may count, how many were cut, and the mean as it counts; nothing without a limit."""
    if result.clip is None or not result.d:  # pairs alone are clipped
        return ""
    limit = result.clip * result.delta
    cut = sum(value is not None and abs(value) > limit for value in result.d)
    mean = (result.evidence or {}).get("clipped_mean")
    counted = "" if mean is None else f", so that the mean counts as {signed(mean)}"
    return f" (each replicate counts at most ±{limit:g} {result.unit}: {cut} cut{counted})"


def sizes(result: LineResult) -> str:
    """How many replicates, or runs of each of two unpaired groups."""
    if result.groups is None:
        return str(result.evidence["n"]) if result.evidence else str(len(result.d))
    counts = ["?" if group.n is None else str(group.n) for group in result.groups if not group.fixed]
    return " and ".join(counts)


def interval_at_level(result: LineResult) -> tuple[float, float, float] | None:
    """Confidence, low and high of the t interval at the level that decides PASS: two-sided 1 - 2 level.

    The one-sided t test at that level shows the mean above (below) exactly what lies below (above) it.
    """
    e = result.evidence or {}
    mean, sd, n = (e.get(name) for name in ("mean", "sd", "n"))
    if mean is None or sd is None or n is None or n < 2:
        return None
    se, df = (e.get("se"), e.get("df")) if result.groups else (sd / math.sqrt(n), n - 1)
    if se is None or df is None:
        return None
    confidence = 1 - 2 * result.pass_level
    return confidence, *Difference(mean, se, df).interval(confidence)


def level_interval(result: LineResult) -> str:
    """`98.75 %: +0.27 to +1.85`; empty without numbers."""
    at_level = interval_at_level(result)
    if at_level is None:
        return ""
    confidence, low, high = at_level
    return f"{100 * confidence:.4g} %: {signed(low)} to {signed(high)}"


def with_unit(words: str, unit: str) -> str:
    """A bound with its unit; 0 needs none."""
    return words if words.endswith(" 0") else f"{words} {unit}"


def against(result: LineResult, p: float, level: float) -> str:
    """A p beside its level, and whether it is the smallest there can be."""
    floor = f"; the smallest p that n = {sizes(result)} can give" if at_floor(result, p) else ""
    return f"(p = {p_text(p)} {'≤' if p <= level else '>'} {level:.3g}{floor})"


def at_floor(result: LineResult, p: float) -> bool:
    """Whether a p is that of the exact test with every replicate on one side, 2^-n; Welch's alone has no floor."""
    e = result.evidence or {}
    exact = result.groups is None or e.get("welch_p_pass") is not None
    return exact and e.get("n") is not None and math.isclose(p, 2.0 ** -e["n"], rel_tol=1e-8)


def line_words(result: LineResult) -> str:
    """Why one hypothesis was decided as it was."""
    if result.undecidable:
        return f"{result.id} ({result.says}): not decidable from these data: {result.undecidable}."
    if result.evidence is None:
        return f"{result.id} ({result.says}): not decided, {numbers(result)}."
    reason = {"PASS": passed, "FAIL": failed}.get(result.decision, undecided)
    return f"{result.id} ({result.says}): {numbers(result)}; {reason(result)}."


def passed(result: LineResult) -> str:
    """What was shown of a hypothesis that passes; what its mean has to reach besides is not."""
    bound = with_unit(shown_words(result.test, f"{result.delta:g}"), result.unit)
    reached = f", and the mean reaches the {result.delta:g} {result.unit} required (not tested)"
    return (
        f"shown {bound} {against(result, result.p('p_pass'), result.pass_level)}"
        + reached * (ROWS[result.test].least is not None)
    )  # fmt: skip


def failed(result: LineResult) -> str:
    """What was shown against a hypothesis: which bound its mean lies beyond, and what that means."""
    e = result.evidence or {}
    bound, p, said = failing_bound(result.test, result.delta, e["mean"] or 0.0), result.p("p_fail"), ""
    reverse, p_reversed = ROWS[result.test].reverses, e.get("p_reversed")
    if reverse is not None and p_reversed is not None:
        if p_reversed <= result.fail_level:
            bound, p = reverse, p_reversed
        else:
            said = f", not shown to be reversed (p = {p_text(p_reversed)})"
    edges = with_unit(f"{bound.side} {edge(bound, f'{result.delta:g}')}", result.unit)
    return f"shown {edges} {against(result, p, result.fail_level)}: {failure_words(result.test, bound)}{said}"


def undecided(result: LineResult) -> str:
    """What is not shown, either way."""
    delta, e = f"{result.delta:g}", result.evidence or {}
    bound = with_unit(shown_words(result.test, delta), result.unit)
    other = with_unit(fail_words(result.test, delta), result.unit)
    fails = f"{other} {against(result, result.p('p_fail'), result.fail_level)}"
    p = 1.0 if e["p_pass"] is None else e["p_pass"]
    passes = f"{bound} {against(result, p, result.pass_level)}"
    reached = e.get("reaches_delta", True)
    small = "" if reached else f"the mean does not reach the {delta} {result.unit} required"
    if small and p <= result.pass_level:
        return f"shown {passes}, but {small}; not shown {fails}"
    return f"neither shown {passes} nor {fails}" + f"; {small}" * bool(small)


def why(verdict: str, hypotheses: Sequence[LineResult], gates: Sequence[GateResult], missing: str = "") -> str:
    """The reason for a claim's verdict, from its numbers; `missing` says what was not run."""
    if verdict == "NOT RUN":
        return missing
    failed = [gate for gate in gates if not gate.passed]
    if verdict == "BLOCKED":
        if failed:
            return "The numbers mean nothing, because a gate failed. " + " ".join(
                f"{gate.name}: {gate.detail}" for gate in failed
            )
        return "A run diverged, so that a hypothesis has no number for every replicate."
    deciding = [h for h in hypotheses if h.decision == verdict] if verdict != "PASS" else hypotheses
    if verdict == "NOT DECIDABLE" and len({h.undecidable for h in hypotheses}) == 1:
        ids = ", ".join(h.id for h in hypotheses)
        return f"{ids}: not decidable from these data, {hypotheses[0].undecidable}."
    return " ".join(line_words(h) for h in deciding)


def freeze_words(registration: Registered) -> list[str]:
    """What a verdict has to say of the freeze of its registration; nothing where it is as it was first frozen."""
    then, now = registration.frozen[:SHOWN], registration.hash[:SHOWN]
    if registration.status == CHANGED:
        return [f"Registration changed after it was frozen: {then} then, {now} now."]
    if registration.status == NOT_FROZEN:
        return ["Registration not frozen: the suite was, without this claim."]
    return [f"Registration changed and frozen again ({change.why})." for change in registration.changes]


def look_words(look: int | None, n: int, complete: bool) -> str:
    """At which look a claim was judged; nothing where there is only one, or nothing to look at."""
    if look is None or not n:
        return ""
    if not complete:
        return "" if look == 1 else "Inconclusive at the first look, and the second is not there yet. "
    return f"Judged at the {'first' if look == 1 else 'second'} look, with {n} replicates. "


def settle(evidence: Evidence, line: Line, pass_level: float, fail_level: float) -> str | None:
    """What would settle an undecided hypothesis if the truth were the estimate."""
    if decide(evidence, pass_level, fail_level) != "INCONCLUSIVE":
        return None
    low, high = line.rule.range  # the estimate points to PASS where it lies inside, else to FAIL
    level = pass_level if low <= evidence.mean <= high else fail_level
    n = settling_n(line.rule, evidence.mean, evidence.sd, level)
    if n is None:
        return (
            f"{line.id}: the estimate lies so near the margin that 2000 replicates would not settle it; "
            "a less noisy design would have to."
        )
    what = "pairs of runs, labelled as such," if isinstance(evidence, GroupEvidence) else "replicates"
    return (
        f"{line.id}: if the truth were the estimate and noise normal, n = {n} {what} would settle it with about "
        "90 % power."
    )


def collapse_words(collapses: Sequence[Collapses], experiment: str) -> list[str]:
    """`collapsed (at or below 15 %): rewound@5 1 of 20, 95 % interval 0.1 to 24.9 %`; a line per floor."""
    said: dict[float, list[str]] = {}
    for c in collapses:
        rate = f"95 % interval {100 * c.low:.1f} to {100 * c.high:.1f} %"
        cell = c.cell.removeprefix(f"{experiment}:")
        said.setdefault(c.floor, []).append(f"{cell} {c.collapsed} of {c.runs}, {rate}")
    return [f"collapsed (at or below {floor:g} %): {'; '.join(cells)}" for floor, cells in said.items()]


def compared(
    claim: Claim, registration: Registration, results: Sequence[LineResult]
) -> list[tuple[Published, LineResult]]:
    """The published effects that a line of ours measures, each with that line. Only verified ones count."""
    by_id = {result.id: result for result in results}
    pairs = []
    for effect in claim.published:
        result = by_id.get(effect.hypothesis or "")
        if result is None or result.evidence is None or effect.unit != result.unit:
            continue
        if effect.verified not in ("paper", "data"):
            continue
        if not claim.counts_for(effect, registration):
            continue
        pairs.append((effect, result))
    return pairs


def size(value: float, evidence: dict[str, Any]) -> str:
    """Where a published value lies to our 95 % interval."""
    if evidence["low"] <= value <= evidence["high"]:
        return "in"
    return "below" if evidence["low"] > value else "above"


def magnitude(claim: Claim, registration: Registration, results: Sequence[LineResult]) -> list[str]:
    """How our sizes compare with verified published ones; beside the verdict, never part of it."""
    scale = " (reduced scale: sizes need not agree)" if registration.reduced_scale else ""
    return [
        f"{result.id}: published {signed(effect.value)} {effect.unit} ({effect.quantity}, {effect.where}) lies "
        f"{size(effect.value, e)} our 95 % interval, {signed(e['mean'])} [{signed(e['low'])}, {signed(e['high'])}]"
        f"{scale}."
        for effect, result in compared(claim, registration, results)
        if (e := result.evidence) is not None
    ]
