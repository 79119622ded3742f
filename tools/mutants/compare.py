"""What of ours noticed a mutant, from its outcome beside that of the sound source."""

from typing import Any


def noticed(sound: dict[str, Any], mutated: dict[str, Any]) -> list[str]:
    """Gates that failed and verdicts that changed; empty when nothing did."""
    if mutated["stopped"]:
        return [f"the run stops: {mutated['stopped']}"]
    signs: dict[str, None] = {}
    for claim, result in mutated["claims"].items():
        before = sound["claims"][claim]
        for gate in result["gates"]:
            if gate not in before["gates"]:
                signs[f"gate: {gate}"] = None
    for claim, result in mutated["claims"].items():
        before = sound["claims"][claim]
        if result["verdict"] != before["verdict"]:
            changed = [
                line
                for line, evidence in result["lines"].items()
                if evidence["decision"] != before["lines"].get(line, {}).get("decision")
            ]
            named = f" ({', '.join(changed)})" if changed else ""
            signs[f"{claim}{named}: {before['verdict']} becomes {result['verdict']}"] = None
    return list(signs)


def signature(outcome: dict[str, Any]) -> dict[str, list[float]]:
    """Mean and standard deviation of every contrast that has them, by `CLAIM LINE`."""
    return {
        f"{claim} {line}": [evidence["mean"], evidence["sd"]]
        for claim, result in outcome["claims"].items()
        for line, evidence in result["lines"].items()
        if evidence["mean"] is not None and evidence["sd"] is not None
    }
