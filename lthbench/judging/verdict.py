"""The shape of a verdict: plain data, written to verdicts.json and read by the report."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT DECIDABLE", "BLOCKED", "NOT RUN"]
EXIT_CODES: dict[str, int] = {
    "BLOCKED": 4, "NOT RUN": 4, "FAIL": 1, "INCONCLUSIVE": 3, "NOT DECIDABLE": 3, "PASS": 0,
}  # fmt: skip
# Shown beside a verdict, so that it is known without colour.
SYMBOLS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?", "NOT DECIDABLE": "○", "BLOCKED": "■", "NOT RUN": "–"}
# Said wherever a verdict stands: one from the numbers of others is no replication of ours.
ORIGINS = {"own": "", "published": "on published data", "given": "on the results given"}
LATER = {"how": "", "groups": None, "undecidable": None, "sweep": None, "origin": "own", "look": None}


@dataclass(frozen=True)
class LineResult:
    """What one hypothesis (or line beside it) came to. d has one value per replicate, in `unit`."""

    id: str
    says: str
    endpoint: str
    contrast: str
    test: str
    delta: float
    unit: str
    d: list[float]
    minuend: list[float]
    subtrahend: list[float]
    evidence: dict[str, Any] | None
    decision: str
    pass_level: float
    fail_level: float
    settle: str | None = None
    margin_from: str | None = None
    expected: dict[str, Any] | None = None
    how: str = ""  # given results: which test their form allowed
    groups: list[dict[str, Any]] | None = None  # unpaired: mean, sd, n of minuend and subtrahend
    undecidable: str | None = None  # why these data allow no test
    sweep: list[list[Any]] | None = None  # [margin, decision] at other margins; decides nothing


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on one claim, with everything it rests on."""

    id: str
    kind: str
    title: str
    registered_title: str
    sentence: str
    reduced_scale: bool
    experiment: str
    replicates: int
    verdict: Verdict
    why: str
    settle: str | None
    p_pass: float | None
    p_fail: float | None
    pass_level: float
    fail_level: float
    power: float | None
    hypotheses: list[LineResult]
    beside: list[LineResult]
    gates: list[dict[str, Any]]
    magnitude: list[str]
    not_tested: list[str] = field(default_factory=list)
    look: int | None = None  # at which of two looks it was decided


@dataclass(frozen=True)
class Verdicts:
    """All verdicts of one run of a suite; `engine` is the one that trained the results.

    `origin` says whose results were judged: own, published (others' released numbers) or given (a stranger's).
    """

    suite: str
    title: str
    master_seed: int
    engine: str
    alpha: float
    exit_code: int
    claims: list[ClaimVerdict]
    origin: str = "own"


def to_json(verdicts: Verdicts) -> str:
    """The text of verdicts.json: the same verdicts are the same bytes.

    Fields that came later are left out at their default, so that older verdicts keep their bytes.
    """
    content = asdict(verdicts, dict_factory=lambda items: {k: v for k, v in items if LATER.get(k, ...) != v})
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Verdicts:
    """The inverse of `to_json`."""
    content = json.loads(text)
    for claim in content["claims"]:
        for part in ("hypotheses", "beside"):
            claim[part] = [LineResult(**line) for line in claim[part]]
    content["claims"] = [ClaimVerdict(**claim) for claim in content["claims"]]
    return Verdicts(**content)
