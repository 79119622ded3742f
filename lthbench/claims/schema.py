"""The schema of claim and suite files. Unknown keys are refused; messages name the field.

A claim is one testable sentence with its source; per suite it registers hypotheses, each a contrast of two
cells that gives one number d per replicate, and how d is decided (docs/decision.md, sections 2 and 3).
"""

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from lthbench.stats.location import SIGN_FLIP_MAX_N
from lthbench.stats.rule import ROWS, Rule

Verified = Literal["paper", "data", "secondary", "memory"]
Planned = Literal["paper", "data", "secondary", "memory", "assumed"]
Kind = Literal["primary", "secondary", "counter", "popular"]
MarginRule = Literal["literature", "quarter", "none"]
NO_RULE = "this margin follows neither rule of docs/decision.md, section 8"
ENDPOINTS = {
    "final_test_accuracy": "test accuracy at the end of training",
    "final_train_accuracy": "training accuracy at the end of training",
    "generalisation_gap": "training accuracy minus test accuracy at the end of training",
    "early_stop_test_accuracy": "test accuracy at the early stop (minimum validation loss)",
    "early_stop_iteration": "iteration of the minimum validation loss",
    "early_stop_log_iteration": "natural logarithm of the iteration of the minimum validation loss",
    "validation_curve_area": "area under the validation-accuracy curve (mean over the evaluations)",
    "barrier": "error barrier on the line between two trained networks",
    "test_bleu": "BLEU on the test set at the end of training",
}
REACHES = re.compile(r"log_iterations_to_(?P<percent>[0-9]{1,2}(\.[0-9]{1,2})?)%")  # the threshold is registered
ENDPOINT = f"^({'|'.join(ENDPOINTS)}|{REACHES.pattern.replace('?P<percent>', '')})$"
EARLY_STOP = ("early_stop_iteration", "early_stop_log_iteration")  # their gate: no early stop is censored
GIVEN_ONLY = ("test_bleu",)  # measured by others; nothing here translates
# What an endpoint needs of `Training.measure`.
MEASURED = {
    "early_stop_test_accuracy": "early-stop",
    "final_train_accuracy": "train",
    "generalisation_gap": "train",
}
UNITS = {"early_stop_iteration": "iterations", "early_stop_log_iteration": "ln units", "test_bleu": "BLEU"}


def threshold(endpoint: str) -> float | None:
    """The validation accuracy, percent, that an endpoint `log_iterations_to_95%` waits for; None for others."""
    waits = REACHES.fullmatch(endpoint)
    return float(waits["percent"]) if waits else None


def endpoint_words(endpoint: str) -> str:
    """An endpoint in words."""
    percent = threshold(endpoint)
    if percent is None:
        return ENDPOINTS.get(endpoint, endpoint)
    return f"natural logarithm of the iterations until the validation accuracy first reaches {percent:g} %"


CELL = re.compile(
    r"((?P<experiment>[a-z0-9][a-z0-9-]*):)?(?P<arm>[a-z][a-z0-9-]*)@"
    r"((?P<level>[0-9]{1,3})|(?P<percent>[0-9]{1,3}(\.[0-9]{1,6})?)%)"
)
BY_DENSITY = -1  # the level of a cell that is addressed by its density


class Cell(NamedTuple):
    """One arm of one experiment at one level, or (given results) at a density in percent of weights remaining."""

    experiment: str
    arm: str
    level: int
    percent: float | None = None

    @property
    def label(self) -> str:
        """Its name inside its experiment, as claim files write it."""
        return f"{self.arm}@{self.level}" if self.percent is None else f"{self.arm}@{self.percent:g}%"

    def __str__(self) -> str:
        return f"{self.experiment}:{self.label}"


class Strict(BaseModel):
    """Immutable; keys the schema does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(Strict):
    """Where a sentence or a number was read, and how far that was verified."""

    paper: str
    where: str = Field(description="section, figure or table")
    quote: str = Field("", max_length=300, description="the source's own words; empty where they were not seen")
    says: str = Field("", max_length=300, description="what it says, in our words; shown without quotation marks")
    verified: Verified

    @model_validator(mode="after")
    def _no_words_from_memory(self) -> "Source":
        if self.quote and self.verified == "memory":
            raise ValueError("quote: nobody quotes from memory; say it in your own words in says")
        return self


class Published(Strict):
    """One published effect that a hypothesis can be compared with, where both are of one arm at one density."""

    quantity: str
    value: float
    unit: str
    where: str
    verified: Verified
    hypothesis: str | None = Field(None, description="id of the hypothesis it measures, where one does")
    suites: list[str] = Field([], description="the only suites whose hypothesis it measures; none: every suite")


class Expected(Strict):
    """Mean and SD of d that power is computed from: what the tuning seeds showed.

    Without a tuning study, what was published: `planned_from` says where both were read and `verified` how far
    that was checked (the weaker of the two; `assumed` is nobody's number).
    """

    effect: float = Field(allow_inf_nan=False)
    sd: float = Field(gt=0, allow_inf_nan=False)
    planned_from: str | None = None
    verified: Planned | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> "Expected":
        if (self.planned_from is None) != (self.verified is None):
            raise ValueError("planned_from and verified belong together: where the numbers are from, and how sure")
        return self


class Contrast(Strict):
    """d = minuend - subtrahend. Each is a cell `[experiment:]arm@level` or a number (a threshold)."""

    minuend: float | str
    subtrahend: float | str

    @model_validator(mode="after")
    def _cells_or_numbers(self) -> "Contrast":
        if not self.cells(""):
            raise ValueError("a contrast needs at least one cell")
        return self

    def cells(self, default: str) -> list[Cell]:
        """The cells of the contrast; `default` is the experiment where none is named."""
        terms = (self.minuend, self.subtrahend)
        return [parse_cell(term, default) for term in terms if isinstance(term, str)]

    def __str__(self) -> str:
        sides = (self.minuend, self.subtrahend)
        return " - ".join(side if isinstance(side, str) else f"{side:g}" for side in sides)


def parse_cell(text: str, default: str) -> Cell:
    """`ticket@7` as (default experiment, "ticket", 7); `ticket@16.78%` by its density."""
    parts = CELL.fullmatch(text)
    if not parts:
        raise ValueError(
            f"'{text}' is not a cell; write arm@level, for example ticket@7 (given results: ticket@20%)"
        )
    experiment, level, percent = parts["experiment"] or default, parts["level"], parts["percent"]
    if percent is None:
        return Cell(experiment, parts["arm"], int(level))
    return Cell(experiment, parts["arm"], BY_DENSITY, float(percent))


def known_test(name: str) -> str:
    """The name of a test, or ValueError that lists the tests."""
    if name not in ROWS:
        raise ValueError(f"is no test; use {', '.join(ROWS)}")
    return name


def named_tests(schema: dict[str, Any]) -> None:
    """The tests in the JSON schema, for editors."""
    schema["enum"] = list(ROWS)


def margin_words(margin_from: str, rule: MarginRule | None) -> str:
    """Where a margin comes from, and that it follows no rule where that is so."""
    return f"{margin_from}; {NO_RULE}" if rule == "none" else margin_from


class Line(Strict):
    """A contrast reported beside a verdict and never part of it (robustness, sensitivity)."""

    id: str
    says: str
    endpoint: Annotated[
        str, Field(pattern=ENDPOINT, description="log_iterations_to_95%: any threshold may stand there")
    ]
    contrast: Contrast
    test: Annotated[str, AfterValidator(known_test), Field(json_schema_extra=named_tests)]
    delta: float = Field(gt=0, allow_inf_nan=False)
    clip: float | None = Field(
        None, gt=1, allow_inf_nan=False, description="how many deltas one replicate counts at most, either side"
    )

    @property
    def rule(self) -> Rule:
        """The decision rule."""
        return Rule(self.test, self.delta, self.clip)

    @property
    def unit(self) -> str:
        """The unit of d."""
        return "ln units" if REACHES.fullmatch(self.endpoint) else UNITS.get(self.endpoint, "pp")


class Hypothesis(Line):
    """A contrast that decides: part of the claim's intersection-union."""

    margin_from: str = Field(description="what gave delta, in words")
    margin_rule: MarginRule = Field(
        description="literature: a publication's delta, or the literature's smallest effect of interest for this "
        "kind of network; quarter: at most a quarter of what the sentence is about, measured on tuning seeds or "
        "published; none: neither"
    )
    expected: Expected | None = Field(None, description="needed but in exploratory suites")
    sweep: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        [], description="given results: other margins, shown beside and deciding nothing"
    )


class Tuning(Strict):
    """The study the registration rests on; confirmatory seeds are 0, 1, 2, ..., tuning seeds 1000 and up."""

    master_seed: int = Field(ge=1000)
    replicates: int = Field(ge=8, description="primary claims need 16")


class Collapse(Strict):
    """What a collapsed run is, and how many of them the claim bears."""

    floor: float = Field(
        gt=0, lt=100, description="final test accuracy, percent, at or below which a run collapsed"
    )
    at_most: float = Field(
        gt=0, lt=1, description="the rate of collapses; an arm shown to have a larger one blocks the claim"
    )

    @property
    def bounds(self) -> tuple[float, float]:
        """Floor and rate."""
        return self.floor, self.at_most


TRAINED = ("replicates", "reduced_scale")  # what a registration says where networks are trained, and only there
OF_TRAINING = (*TRAINED, "kind", "tuning", "power", "collapse")
OF_GIVEN = ("caveats", "by_hand")  # and what it says where results are given, and only there


class Registration(Strict):
    """How one suite decides the claim; without `tuning`, every expectation says what it is planned from.

    Where results are given nothing is trained: the data were public before the registration, so n and power are
    theirs. Only margins and cells are ours, and they follow from the literature and the rules, not from the data.
    """

    title: str = Field(description="what the claim is called at this scale, or on these data")
    experiment: str
    reduced_scale: bool = Field(False, description="needed where networks are trained")
    kind: Kind | None = Field(None, description="its kind in this suite, where that is not the claim's own")
    replicates: int = Field(
        0,
        ge=2,
        le=SIGN_FLIP_MAX_N,
        description="needed where networks are trained (0: as many as were given); the exact test takes no more",
    )
    tuning: Tuning | None = None
    power: float | None = Field(
        None, ge=0, le=1, description="P(PASS) at the expected effects and the level of the last look"
    )
    collapse: Collapse | None = Field(None, description="needed where a line is clipped")
    hypotheses: Annotated[list[Hypothesis], Field(min_length=1)]
    beside: list[Line] = []
    caveats: list[str] = Field([], description="given results: what one has to know about these data")
    by_hand: str = Field("", description="given results: why a statistician would conclude the same by hand")
    not_tested: list[str] = Field([], description="parts of the sentence this scale cannot speak about")

    @property
    def trains(self) -> bool:
        """Whether networks are trained for it; else results are given, as many as there are."""
        return not self.by_hand

    @model_validator(mode="after")
    def _of_training_or_of_given_results(self) -> "Registration":
        needed, strange = (TRAINED, OF_GIVEN) if self.trains else (OF_GIVEN, OF_TRAINING)
        for name in needed:
            if name not in self.model_fields_set or getattr(self, name) == []:
                raise ValueError(f"{name}: missing; add it")
        for name in strange:
            if name in self.model_fields_set:
                raise ValueError(f"{name}: has no meaning {self._here()}; remove it")
        for hypothesis in self.hypotheses:
            if hypothesis.sweep if self.trains else hypothesis.expected:
                name = "sweep" if self.trains else "expected"
                raise ValueError(f"{hypothesis.id}.{name}: has no meaning {self._here()}; remove it")
        for line in self.lines():
            if self.trains and line.endpoint in GIVEN_ONLY:
                raise ValueError(f"{line.id}.endpoint: {line.endpoint} is not measured {self._here()}")
        return self

    @model_validator(mode="after")
    def _clipped_against_collapses(self) -> "Registration":
        clipped = [line.id for line in self.lines() if line.clip is not None]
        if clipped and self.collapse is None:
            raise ValueError(f"collapse: missing; {clipped[0]} is clipped, so say what a collapsed run is")
        return self

    def _here(self) -> str:
        return "where networks are trained" if self.trains else "where nothing is trained"

    @model_validator(mode="after")
    def _planned_from_one_thing(self) -> "Registration":
        for hypothesis in self.hypotheses:
            if hypothesis.expected is None:
                continue
            published = hypothesis.expected.planned_from is not None
            if self.tuning is None and not published:
                raise ValueError(
                    f"tuning: missing; add it, or say in {hypothesis.id}.expected what it is planned_from"
                )
            if self.tuning is not None and published:
                raise ValueError(
                    f"{hypothesis.id}.expected.planned_from: a tuning study is registered; remove one"
                )
        return self

    @property
    def planned_from(self) -> str:
        """What n rests on, in a few words: the tuning study, or publications and how far they were verified."""
        if self.tuning is not None:
            return f"tuning seed {self.tuning.master_seed}, {self.tuning.replicates} replicates"
        tags = dict.fromkeys(str(h.expected.verified) for h in self.hypotheses if h.expected is not None)
        if not tags:
            return "nothing: exploratory"
        if list(tags) == ["assumed"]:
            return "no tuning study; assumed, as each hypothesis says"
        return f"no tuning; publications ({', '.join(tags)})"

    def lines(self) -> list[Line]:
        """Hypotheses and the lines beside them."""
        return [*self.hypotheses, *self.beside]


class Claim(Strict):
    """One sentence of the literature, and how each suite decides it."""

    id: Annotated[str, Field(pattern=r"^[A-Z0-9]+-[0-9]+[a-z]?$")]
    title: str
    sentence: str
    kind: Kind
    sources: Annotated[list[Source], Field(min_length=1)]
    published: list[Published] = []
    conditions: list[str]
    contradictions: list[str]
    qualifies: list[str] = Field([], description="ids of the claims that this one limits or contradicts")
    suites: Annotated[dict[str, Registration], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_are_known(self) -> "Claim":
        lines = {suite: registration.lines() for suite, registration in self.suites.items()}
        for suite, own in lines.items():
            ids = [line.id for line in own]
            if len(set(ids)) != len(ids):
                raise ValueError(f"suites.{suite}: two hypotheses or lines share an id")
        known = {line.id for own in lines.values() for line in own}
        for effect in self.published:
            if effect.hypothesis is not None and effect.hypothesis not in known:
                raise ValueError(f"published: no hypothesis is called '{effect.hypothesis}'")
        return self

    def counts_for(self, effect: Published, registration: Registration) -> bool:
        """Whether a published effect may measure a line of this registration, as far as its suites say.

        A look has a copy of its registration, with the same hypotheses.
        """
        named = [self.suites[suite] for suite in effect.suites if suite in self.suites]
        return not effect.suites or any(own.hypotheses is registration.hypotheses for own in named)


class Band(Strict):
    """Where dense accuracy must lie: the tuning (or published) mean +- 4 SD of one replicate, in percent.

    What a tenfold smaller learning rate and shuffled labels gave on tuning seeds must lie outside the band, or the
    gate could not notice such a mistake. Where one is left out, `not_measured` says why; the gate repeats it.
    """

    low: float
    high: float
    measured_on: str
    tenfold_smaller_rate: float | None = None
    shuffled_labels: float | None = None
    not_measured: str | None = None
    recipe: str | None = Field(None, description="the hash of the experiment's recipe when it was registered")

    @model_validator(mode="after")
    def _notices_mistakes(self) -> "Band":
        for name in ("tenfold_smaller_rate", "shuffled_labels"):
            value = getattr(self, name)
            if value is None and not self.not_measured:
                raise ValueError(f"{name}: missing; add it, or say in not_measured why it is not known")
            if value is not None and self.low <= value <= self.high:
                raise ValueError(f"{name} lies inside the band: the gate could not notice it")
        return self


class FirstLook(Strict):
    """A look at fewer replicates: what it decides is final, claims it leaves inconclusive go on to all of theirs.

    The suite's alpha is split between the two looks, so that no error rate can exceed it whatever the noise.
    """

    replicates: int = Field(ge=2, le=SIGN_FLIP_MAX_N, description="whole blocks")
    alpha: float = Field(gt=0, lt=0.5, description="spent at the first look; the second has the rest")


class Released(Strict):
    """An experiment of others: what was trained, who measured it, and under which licence it is here."""

    title: str
    network: str
    data: str
    training: str
    pruning: str
    arms: dict[str, str] = Field(description="each arm in one sentence")
    chance: float = Field(gt=0, lt=100, description="accuracy of guessing, percent")
    source: str
    licence: str


CUT = ("block", "chance", "dense_bands")  # what a suite says where it trains, and only there


class Suite(Strict):
    """Which claims are decided together, and how their runs are cut into stacks.

    A suite with `given` trains nothing: its runs start at a table of results that ships with the package.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: str
    says: str
    claims: list[str] = Field([], description="in the order of the page; others that register it follow by id")
    alpha: float = Field(0.05, gt=0, lt=0.5)
    first_look: FirstLook | None = None
    block: int = Field(
        1, ge=1, le=1000, description="replicates trained in one stack; part of what fixes the bits"
    )
    chance: float = Field(0.0, gt=0, lt=100, description="accuracy of guessing, percent")
    dense_bands: dict[str, Band] = {}
    blocks: dict[str, Annotated[int, Field(ge=1, le=1000)]] = Field(
        {}, description="experiments whose networks are too large for `block`, with a size of their own"
    )
    chances: dict[str, Annotated[float, Field(gt=0, lt=100)]] = Field(
        {}, description="experiments on data of another number of classes than `chance` is for"
    )
    exploratory: bool = Field(False, description="not all was registered: no power, and words of its own")
    registered: str = Field("", description="of an exploratory suite, in words: what was registered, and what not")
    given: Literal["published"] | None = Field(None, description="where results come from, if nothing is trained")
    experiments: dict[str, Released] = Field({}, description="given results: the experiments of others")

    @property
    def trains(self) -> bool:
        """Whether it trains networks; else it judges results that are given."""
        return self.given is None

    def chance_of(self, experiment: str) -> float:
        """Accuracy of guessing in an experiment, percent."""
        return self.chances.get(experiment, self.chance) if self.trains else self.experiments[experiment].chance

    def block_of(self, experiment: str) -> int:
        """How many replicates of an experiment are trained in one stack."""
        return self.blocks.get(experiment, self.block)

    @model_serializer(mode="wrap")
    def _as_ever_without(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What came later is left out while it says nothing, so that what is named by a suite keeps its name."""
        later = ("blocks", "chances")
        return {key: value for key, value in handler(self).items() if key not in later or value}

    @model_validator(mode="after")
    def _trains_or_is_given(self) -> "Suite":
        needed, strange = (CUT, ("experiments",)) if self.trains else (("experiments",), (*CUT, "first_look"))
        for name in needed:
            if name not in self.model_fields_set:
                raise ValueError(f"{name}: missing; add it")
        for name in strange:
            if name in self.model_fields_set and getattr(self, name) is not None:
                here = "a suite that trains" if self.trains else "a suite of given results"
                raise ValueError(f"{name}: has no meaning in {here}; remove it")
        return self

    @model_validator(mode="after")
    def _look_of_whole_blocks(self) -> "Suite":
        look = self.first_look
        if look is not None and look.replicates % self.block:
            raise ValueError(f"first_look.replicates: {look.replicates} is not whole blocks of {self.block}")
        if look is not None and look.alpha >= self.alpha:
            raise ValueError(f"first_look.alpha: {look.alpha} leaves nothing of {self.alpha} to the second look")
        return self


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a file kind, for editors."""
    return model.model_json_schema()
