"""The shape of a verdict: plain data, written to verdicts.json and read by the report."""

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from lthbench.judging.gates.checks import GateResult
from lthbench.recipe.declaration import STRICT
from lthbench.stats.groups import Group
from lthbench.stats.rule import ROWS

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT DECIDABLE", "BLOCKED", "NOT RUN"]
Origin = Literal["own", "published", "given"]
EXIT_CODES: dict[str, int] = {
    "BLOCKED": 4, "NOT RUN": 4, "FAIL": 1, "INCONCLUSIVE": 3, "NOT DECIDABLE": 3, "PASS": 0,
}  # fmt: skip
# Shown beside a verdict, so that it is known without colour.
SYMBOLS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?", "NOT DECIDABLE": "○", "BLOCKED": "■", "NOT RUN": "–"}
# Where not all was registered nothing passes or fails; verdicts.json and exit codes keep their codes.
EXPLORATORY = {"PASS": "SUPPORTED HERE", "FAIL": "NOT SUPPORTED HERE"}
# Said wherever a verdict stands: one from the numbers of others is no replication of ours.
ORIGINS = {"own": "", "published": "on published data", "given": "on the results given"}
NUMBERS = ("n", "mean", "sd", "low", "high", "p_pass", "p_fail", "dz")  # of evidence; None where not finite
MAY_BE_GIVEN = {"p_reversed", "clipped_mean", "welch_p_pass", "welch_p_fail"}
LATER: dict[str, Any] = {
    "how": "", "groups": None, "undecidable": None, "sweep": None, "origin": "own", "look": None, "clip": None,
    "collapses": [], "exploratory": False, "registration": "", "freeze": "", "registered": "",
}  # fmt: skip


def verdict_word(verdict: str, exploratory: bool = False) -> str:
    """A verdict or a hypothesis's decision as it is printed."""
    return EXPLORATORY.get(verdict, verdict) if exploratory else verdict


@dataclass(frozen=True)
class LineResult:
    """What one hypothesis (or line beside it) came to. d has one value per replicate, in `unit`.

    Raises ValueError for an unknown test and for evidence that lacks one of its numbers.
    """

    id: str
    says: str
    endpoint: str
    contrast: str
    test: str
    delta: float
    unit: str
    d: list[float | None]  # None: not finite
    minuend: list[float | None]
    subtrahend: list[float | None]
    evidence: dict[str, Any] | None
    decision: str
    pass_level: float
    fail_level: float
    settle: str | None = None
    margin_from: str | None = None
    expected: dict[str, Any] | None = None
    how: str = ""  # given results: which test their form allowed
    groups: list[Group] | None = None  # unpaired: minuend and subtrahend
    undecidable: str | None = None  # why these data allow no test
    sweep: list[tuple[float, str]] | None = None  # margin and decision at other margins; decides nothing
    clip: float | None = None  # how many deltas one replicate may count; the tests are of the clipped d

    def __post_init__(self) -> None:
        if self.test not in ROWS:
            raise ValueError(f"the test is none of {', '.join(ROWS)}")
        if self.evidence is not None:
            given = dict.fromkeys(NUMBERS, "") | self.evidence
            for name in (*NUMBERS, *(given.keys() & MAY_BE_GIVEN)):
                if type(given[name]) not in (int, float, type(None)):
                    raise ValueError(f"evidence: {name} is no number")

    def p(self, name: Literal["p_pass", "p_fail"]) -> float:
        """A p as the claim counts it: 1 where there is none, and for PASS where the mean is too small."""
        e = self.evidence or {}
        counts = name == "p_fail" or e.get("reaches_delta", True)
        return e[name] if counts and e.get(name) is not None else 1.0


@dataclass(frozen=True)
class Collapses:
    """How many runs of a cell ended at or below `floor` percent accuracy; exact 95 % interval of the rate."""

    cell: str
    collapsed: int
    runs: int
    floor: float
    low: float
    high: float


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict on one claim, with everything it rests on. Raises ValueError where it has no hypothesis."""

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
    gates: list[GateResult]
    magnitude: list[str]
    not_tested: list[str] = field(default_factory=list)
    look: int | None = None  # at which of two looks it was decided
    collapses: list[Collapses] = field(default_factory=list)  # per arm, where counted
    registration: str = ""  # its hash, where the folder of claim files has a record of freezes
    freeze: str = ""  # and whether it is what was frozen (lthbench/claims/frozen.py)

    def __post_init__(self) -> None:
        if not self.hypotheses:
            raise ValueError("a claim without hypotheses")

    @property
    def deciding(self) -> LineResult:
        """The hypothesis that a verdict hangs on, which tables show: the clearest that fails, else the one least
        shown of those that pass or are undecided. The first where no number decided.
        """
        alike = [line for line in self.hypotheses if line.decision == self.verdict] or self.hypotheses[:1]
        if self.verdict == "FAIL":
            return min(alike, key=lambda line: line.p("p_fail"))  # all at one level
        return max(alike, key=lambda line: line.p("p_pass"))


@dataclass(frozen=True)
class Verdicts:
    """All verdicts of one run of a suite; `engine` is the one that trained the results.

    `origin` says whose results were judged: own, published (others' released numbers) or given (a stranger's).
    Raises ValueError where a claim is there twice.
    """

    __pydantic_config__: ClassVar[Any] = {**STRICT, "strict": True}

    suite: str
    title: str
    master_seed: int
    engine: str
    alpha: float
    exit_code: int
    claims: list[ClaimVerdict]
    origin: Origin = "own"
    exploratory: bool = False  # not all was registered: verdicts have words of their own
    registered: str = ""  # of an exploratory suite: what was registered, and what not; empty: nothing was

    def __post_init__(self) -> None:
        if len({claim.id for claim in self.claims}) < len(self.claims):
            raise ValueError("a claim is there twice")


def to_json(verdicts: Verdicts) -> str:
    """The text of verdicts.json: the same verdicts are the same bytes.

    Fields that came later are left out at their default, so that older verdicts keep their bytes.
    """
    content = asdict(verdicts, dict_factory=lambda items: {k: v for k, v in items if LATER.get(k, ...) != v})
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Verdicts:
    """The inverse of `to_json`. Raises pydantic's ValidationError, a ValueError, where the text is no verdicts."""
    return shape().validate_json(text)


@cache
def shape() -> "TypeAdapter[Verdicts]":
    """What checks and makes verdicts."""
    from pydantic import TypeAdapter  # here: most commands write verdicts or read none

    return TypeAdapter(Verdicts)
