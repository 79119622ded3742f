"""Verdicts in words: why, what would settle it, and how the size compares. Sentences, no decisions."""

from collections.abc import Sequence
from typing import Any

from lthbench.claims.schema import Claim, Line, Published, Registration
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.verdict import LineResult
from lthbench.stats.decision import Evidence, decide
from lthbench.stats.groups import GroupEvidence
from lthbench.stats.power import settling_n
from lthbench.stats.rule import fail_words, pass_words


def p_text(p: float) -> str:
    """A p value as one writes it."""
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}"


def signed(value: float) -> str:
    """A number with its sign, and a real minus."""
    return f"{value:+.2f}".replace("-", "−")


def numbers(result: LineResult) -> str:
    """Mean and interval of a line."""
    e = result.evidence
    if e is None:
        return "no number for every replicate"
    interval = f"95 % interval {signed(e['low'])} to {signed(e['high'])}"
    return f"mean {signed(e['mean'])} {result.unit}, {interval}, n = {sizes(result)}"


def sizes(result: LineResult) -> str:
    """How many replicates, or runs of each of two unpaired groups."""
    if result.groups is None:
        return str(result.evidence["n"]) if result.evidence else str(len(result.d))
    counts = ["?" if group.n is None else str(group.n) for group in result.groups if not group.fixed]
    return " and ".join(counts)


def line_words(result: LineResult) -> str:
    """Why one hypothesis was decided as it was."""
    e = result.evidence
    if result.undecidable:
        return f"{result.id} ({result.says}): not decidable from these data: {result.undecidable}."
    if e is None:
        return f"{result.id} ({result.says}): not decided, {numbers(result)}."
    required = pass_words(result.test, f"{result.delta:g}")
    if result.decision == "PASS":
        reason = f"shown {required} {result.unit}, p = {p_text(e['p_pass'])} ≤ {result.pass_level:.3g}"
    elif result.decision == "FAIL":
        reason = (
            f"shown {fail_words(result.test, f'{result.delta:g}')} {result.unit}, "
            f"p = {p_text(e['p_fail'])} ≤ {result.fail_level:.3g}"
        )
    else:
        reason = (
            f"required {required} {result.unit}: p = {p_text(e['p_pass'])} against {result.pass_level:.3g}"
            + ("" if e["reaches_delta"] else ", and the mean is smaller than that")
            + f"; the opposite is not shown either, p = {p_text(e['p_fail'])} against {result.fail_level:.3g}"
        )
    return f"{result.id} ({result.says}): {numbers(result)}; {reason}."


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


def look_words(look: int | None, n: int, complete: bool) -> str:
    """At which look a claim was decided; nothing where there is only one."""
    if look is None:
        return ""
    if not complete:
        return "" if look == 1 else "Inconclusive at the first look, and the second is not there yet. "
    return f"Decided at the {'first' if look == 1 else 'second'} look, with {n} replicates. "


def settle(evidence: Evidence, line: Line, pass_level: float, fail_level: float) -> str | None:
    """What would settle an undecided hypothesis if the truth were the estimate."""
    if decide(evidence, pass_level, fail_level) != "INCONCLUSIVE":
        return None
    n = settling_n(line.rule, evidence.mean, evidence.sd, min(pass_level, fail_level))
    if n is not None and isinstance(evidence, GroupEvidence):
        return (
            f"{line.id}: if the truth were the estimate, about n = {n} runs per arm would settle it with 90 % "
            "power, where replicate labels say which runs are pairs."
        )
    if n is None:
        return (
            f"{line.id}: the estimate lies so near the margin that 2000 replicates would not settle it; "
            "a less noisy design would have to."
        )
    return f"{line.id}: if the truth were the estimate, n = {n} replicates would settle it with 90 % power."


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
    """How our 95 % interval lies to a published value."""
    if evidence["low"] <= value <= evidence["high"]:
        return "full size"
    return "larger" if evidence["low"] > value else "smaller"


def magnitude(claim: Claim, registration: Registration, results: Sequence[LineResult]) -> list[str]:
    """How our sizes compare with verified published ones; beside the verdict, never part of it."""
    scale = " (another network and data set: sizes need not agree)" if registration.reduced_scale else ""
    return [
        f"{result.id}: published {signed(effect.value)} {effect.unit} ({effect.quantity}, {effect.where}); "
        f"ours {signed(e['mean'])} [{signed(e['low'])}, {signed(e['high'])}]: {size(effect.value, e)}{scale}."
        for effect, result in compared(claim, registration, results)
        if (e := result.evidence) is not None
    ]
