"""A small suite with one claim of each verdict, built by hand: no training, no judging."""

from dataclasses import replace

from lthbench.claims.schema import Claim
from lthbench.judging.gates.checks import GateResult
from lthbench.judging.verdict import ClaimVerdict, LineResult
from lthbench.judging.words import why
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training

N = 8
VERDICTS = {"A-1": "PASS", "A-2": "FAIL", "A-3": "INCONCLUSIVE", "A-4": "BLOCKED", "A-5": "NOT RUN"}
HOSTILE = "<script>alert(1)</script> | ]]> & *x* $y$ [z](http://evil) \x07"
EXPERIMENT = Experiment(
    id="tiny",
    title="A tiny network",
    network=Network("mlp", (30, 10)),
    data=DataSpec("mnist1d", train=500, validation=100, test=200),
    training=Training("adam", 0.001, 50, 100, 50),
    pruning=Pruning("layer-wise", 0.2, 0.1, rewind=10),
    draws={"reinit": 2},
)
TESTS = ["non-inferiority", "superiority", "superiority", "equivalence", "superiority"]


EXPECTED = {"expected": {"effect": 2, "sd": 1}}


def registered(claim_id: str, test: str) -> dict:
    line = {
        "id": "H1", "says": f"ticket against reinit in {claim_id}", "endpoint": "final_test_accuracy",
        "contrast": {"minuend": "ticket@2", "subtrahend": "reinit@2"}, "test": test, "delta": 1.5,
    }  # fmt: skip
    return {
        "title": f"Registered title of {claim_id}", "experiment": "tiny", "reduced_scale": True, "replicates": N,
        "tuning": {"master_seed": 1000, "replicates": 16}, "power": 0.95,
        "hypotheses": [line | {"margin_from": "a rule", "margin_rule": "literature"} | EXPECTED],
        "beside": [line | {"id": "beside1", "contrast": {"minuend": "dense@0", "subtrahend": "reinit@2"}}],
        "not_tested": [f"Something left out of {claim_id}"],
    }  # fmt: skip


def claim(claim_id: str, test: str) -> Claim:
    return Claim.model_validate(
        {
            "id": claim_id, "title": f"Title of {claim_id}", "sentence": f"The sentence of {claim_id} is tested.",
            "kind": "primary" if claim_id < "A-4" else "secondary",
            "sources": [{"paper": "A & B 2019", "where": "section 2", "quote": f"quoted for {claim_id}",
                         "verified": "paper"}],
            "conditions": ["small networks"], "contradictions": ["others disagree"],
            "published": [{"quantity": "a gain", "value": 0.3, "unit": "pp", "where": "table 1",
                           "verified": "secondary", "hypothesis": "H1"}],
            "suites": {"mini": registered(claim_id, test)},
        }
    )  # fmt: skip


def line(line_id: str, contrast: str, test: str, shift: float, decision: str, deciding: bool) -> LineResult:
    d = [shift + 0.1 * i for i in range(N)]
    evidence = {
        "n": N, "mean": shift + 0.35, "sd": 0.24, "p_pass": 0.0039, "p_fail": 1.0, "reaches_delta": True,
        "low": shift + 0.15, "high": shift + 0.55, "dz": 1.4,
    }  # fmt: skip
    return LineResult(
        line_id, f"says {line_id}", "final_test_accuracy", contrast, test, 1.5, "pp", d, d, [0.0] * N, evidence,
        decision, 0.05, 0.05, None,
        "a rule" if deciding else None, {"effect": 2.0, "sd": 1.0} if deciding else None,
    )  # fmt: skip


def verdict(index: int, claim_id: str, word: str) -> ClaimVerdict:
    decision = word if word in ("PASS", "FAIL", "INCONCLUSIVE") else "NOT DECIDED"
    deciding = line("H1", "ticket@2 - reinit@2", TESTS[index], 2.0 * index - 3, decision, True)
    beside = line("beside1", "dense@0 - reinit@2", TESTS[index], 1.0, "PASS", False)
    if word == "NOT RUN":
        deciding, beside = (
            replace(one, d=[], minuend=[], subtrahend=[], evidence=None, decision="NOT DECIDED")
            for one in (deciding, beside)
        )
    gates = [
        GateResult("tiny: dense accuracy in its band", word != "BLOCKED", "The mean is 50 %."),
        GateResult("tiny: no diverged run", True, "All 40 values are finite."),
    ]
    return ClaimVerdict(
        claim_id, "primary" if claim_id < "A-4" else "secondary", f"Title of {claim_id}",
        f"Registered title of {claim_id}", f"The sentence of {claim_id} is tested.", True, "tiny", N, word,
        why(word, [deciding], []) if decision == word else f"The reason of {claim_id}.",
        "H1: n = 40 would settle it." if word == "INCONCLUSIVE" else None,
        0.0039, 1.0, 0.05, 0.05, 0.95, [deciding], [beside], [] if word == "NOT RUN" else gates,
        [], [f"Something left out of {claim_id}"],
    )  # fmt: skip
