"""What `--json` prints: the same answers as data. Verdicts are printed as verdicts.json has them."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lthbench.claims.load import Registry
    from lthbench.drive.cost import CostRow
    from lthbench.judging.diff import Change, Diff
    from lthbench.judging.verdict import ClaimVerdict, Verdicts
    from lthbench.plan.run import Run


def text(content: Any) -> str:
    """Data as JSON, for a person as well."""
    return json.dumps(content, indent=1, ensure_ascii=False)


def suites(registry: "Registry", names: Sequence[str], stored: Mapping[str, "Verdicts"]) -> list[dict[str, Any]]:
    """What `list` shows: suites and what each registers about its claims; `stored` has the last runs by suite."""
    listed = []
    for name in names:
        suite, words = registry.suites[name], verdict_words(stored.get(name))
        claims = [
            {
                "id": claim.id,
                "kind": claim.kind,
                "title": claim.title,
                "at_this_scale": registration.title,
                "reduced_scale": registration.reduced_scale,
                "replicates": registration.replicates or None,
                "power": registration.power,
                "verdict": words.get(claim.id),
            }
            for claim, registration in registry.registrations(name)
        ]
        listed.append({"suite": name, "title": suite.title, "trains": suite.trains, "claims": claims})
    return listed


def verdict_words(verdicts: "Verdicts | None") -> dict[str, str]:
    """The verdict of each claim of a run, by id."""
    from lthbench.judging.verdict import verdict_word

    if verdicts is None:
        return {}
    return {claim.id: verdict_word(claim.verdict, verdicts.exploratory) for claim in verdicts.claims}


def plan(run: "Run", finished: set[str], rows: "Sequence[CostRow]", promise: str) -> dict[str, Any]:
    """What `plan` shows."""
    return {
        "suite": run.suite,
        "master_seed": run.seed,
        "claims": list(run.claims or run.registry.suites[run.suite].claims),
        "units": [
            {
                "chunk": chunk.id,
                "experiment": unit.experiment.id,
                "arm": unit.arm,
                "level": unit.level,
                "made_from": [f"{arm}@{level}" for arm, level in unit.parents],
                "replicates": list(unit.replicates),
                "networks": unit.networks,
                "iterations": unit.iterations,
                "key": unit.key,
                "finished": unit.key in finished,
            }
            for chunk in run.chunks()
            for unit in chunk.units
        ],
        "costs": [
            {
                "device": row.device or None,
                "experiment": row.experiment,
                "iterations": row.iterations,
                "to_do": row.to_do,
                "ms": row.rate.ms if row.rate else None,
                "seconds": row.seconds,
                "measured": row.rate.measured if row.rate else None,
            }
            for row in rows
        ],
        "here": promise or None,
    }


def explain(registry: "Registry", claim: str, suite: str, verdict: "ClaimVerdict | None") -> dict[str, Any]:
    """What `explain` and `show` tell: the claim's file, how the suite decides it, and its verdict in full."""
    from dataclasses import asdict

    registered = registry.claims[claim].suites[suite]
    return {
        "claim": registry.claims[claim].model_dump(mode="json", exclude={"suites"}),
        "suite": suite,
        "registration": registered.model_dump(mode="json"),
        "verdict": asdict(verdict) if verdict else None,
    }


def diff(compared: "Diff") -> dict[str, Any]:
    """What `diff` shows."""
    return {
        "suite": compared.after.suite,
        "exit_code": compared.exit_code,
        "circumstances": compared.circumstances,
        "changes": [change(each) for each in compared.changes],
    }


def change(of: "Change") -> dict[str, Any]:
    """A claim, before and now."""
    before, now = of.words
    return {
        "id": of.claim.id,
        "kind": of.claim.kind,
        "before": before,
        "now": now,
        "changed": of.changed,
        "counts": of.counts,
        "also_differs": of.differs or None,
        "numbers_before": numbers(of.before),
        "numbers_now": numbers(of.after),
    }


def numbers(claim: "ClaimVerdict | None") -> dict[str, Any] | None:
    """The hypothesis that a verdict hangs on."""
    if claim is None:
        return None
    line = claim.deciding
    return {
        "hypothesis": line.id,
        "unit": line.unit,
        "test": line.test,
        "delta": line.delta,
        **(line.evidence or {}),
    }
