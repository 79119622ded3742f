"""Textbook cases that the judge decides before every claim: a wrong verdict on any of them blocks all claims.

A verdict cannot show a mistake in the code that gives it. These families of toy claims have verdicts known by
hand and take the way of real ones: contrasts from a table, draws averaged, evidence, levels, decision. Torch-free.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from lthbench.claims.schema import Claim, Registration
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.table import Table
from lthbench.judging.verdict import ClaimVerdict

ALPHA = 0.05
LEVEL = 60.0  # percent; what the other side of every contrast measures
# Twelve differences of mean 0 and SD 0.985: with a mean of 0.6 the larger p of the two tests is 0.03.
SPREAD = (-1.6, -1.2, -0.9, -0.6, -0.4, -0.1, 0.1, 0.4, 0.6, 0.9, 1.2, 1.6)
SUITE, ENDPOINT = "known", "final_test_accuracy"

Judged = Callable[[Sequence[tuple[Claim, Registration]], Table, float], list[ClaimVerdict]]


@dataclass(frozen=True)
class Case:
    """One toy claim: `ticket@1` lies `mean` above the control, whose draws scatter by +-`draws`."""

    says: str
    test: str
    delta: float
    mean: float
    verdict: str
    draws: float = 0.0


FAMILIES = (
    (
        Case("a clear gain shows superiority", "superiority", 1, 3, "PASS"),
        Case("a clear loss refutes superiority", "superiority", 1, -3, "FAIL"),
        Case("a gain beyond the margin is no worse", "non-inferiority", 1, 4, "PASS"),
        Case("a loss beyond the margin is worse", "non-inferiority", 1, -4, "FAIL"),
        Case("a gain beyond the margin is not the same", "equivalence", 1, 4, "FAIL"),
        Case("draws are averaged, not chosen from", "equivalence", 2, 0.3, "PASS", draws=4),
    ),
    (
        Case("p = 0.03 is not enough for the first of two", "superiority", 0.1, 0.6, "INCONCLUSIVE"),
        Case("no effect shows nothing", "superiority", 0.1, 0, "INCONCLUSIVE"),
    ),
    (
        Case("a claim that is shown", "superiority", 1, 3, "PASS"),
        Case("p = 0.03 is not enough beside one that is shown", "superiority", 0.1, 0.6, "INCONCLUSIVE"),
    ),
    (Case("p = 0.03 is enough alone", "superiority", 0.1, 0.6, "PASS"),),
)


@cache
def known_cases(judged: Judged) -> tuple[GateResult, ...]:
    """A failed gate where `judged`, the judge's own way from a table to verdicts, is wrong; else none."""
    wrong = []
    for family in FAMILIES:
        pairs = [claim_of(f"KNOWN-{i}", case) for i, case in enumerate(family)]
        verdicts = judged(pairs, table_of(family), ALPHA)
        wrong += [
            f"{case.says}: {got.verdict}, not {case.verdict}"
            for case, got in zip(family, verdicts, strict=True)
            if got.verdict != case.verdict
        ]
    if not wrong:
        return ()
    more = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return (GateResult("the judge decides known cases", False, f"It says of '{wrong[0]}'{more}."),)


def claim_of(name: str, case: Case) -> tuple[Claim, Registration]:
    """A case as a primary claim on an experiment of its own."""
    hypothesis = {
        "id": "H1", "says": case.says, "endpoint": ENDPOINT, "test": case.test, "delta": case.delta,
        "contrast": {"minuend": "ticket@1", "subtrahend": "reinit@1"}, "margin_from": "by hand",
        "margin_rule": "none",
    }  # fmt: skip
    claim = Claim.model_validate({
        "id": name, "title": case.says, "sentence": case.says, "kind": "primary", "conditions": [],
        "contradictions": [], "sources": [{"paper": "-", "where": "-", "quote": "-", "verified": "paper"}],
        "suites": {SUITE: {
            "title": case.says, "experiment": name, "reduced_scale": True, "replicates": len(SPREAD),
            "hypotheses": [hypothesis],
        }},
    })  # fmt: skip
    return claim, claim.suites[SUITE]


def table_of(family: Sequence[Case]) -> Table:
    """The tidy rows of a family."""
    rows = []
    for i, case in enumerate(family):
        for replicate, scatter in enumerate(SPREAD):
            rows.append((f"KNOWN-{i}", "ticket", replicate, 0, LEVEL + case.mean + scatter))
            for draw, side in enumerate((-1, 1)):
                rows.append((f"KNOWN-{i}", "reinit", replicate, draw, LEVEL + side * case.draws))
    table = pd.DataFrame(rows, columns=["experiment", "arm", "replicate", "draw", "value"])
    return Table(table.assign(level=1, density=np.nan, iteration=np.nan, metric=ENDPOINT))
