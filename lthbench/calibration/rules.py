"""The decision rule by itself, apart from any suite: how often it passes wrongly, and rightly, whatever the noise.

One hypothesis at a time, with d in units of its SD. Every test, number of replicates and shape of noise is tried
with and without runs that collapse, for several ways to treat them (docs/calibration.md).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt

from lthbench.calibration.noise import COLLAPSES, FAR, SHAPES
from lthbench.calibration.pvalues import p_fail, p_pass
from lthbench.calibration.shift import STEPS, shift_to
from lthbench.claims.load import Registry
from lthbench.stats.multiplicity import fixed_level
from lthbench.stats.power import power
from lthbench.stats.rule import ROWS, Rule

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
PValue = Callable[[Array, Rule, float], Array]

ALPHA, MEMBERS = 0.05, 4  # a suite of four primary claims, as `quick` is
LOOKS = ((8,), (12,), (20,), (8, 20))
SPACINGS = (1.0, 3.0)  # delta over SD, as multiples of the least that may be registered
CLIPS = (None, 1.5, 2.0, 3.0)
PLAIN, RECOMMENDED, DROPPED = "as it is", "clipped as recommended", "without collapsed runs"
CLIP, PAST_DELTA = 2.0, 2.0  # recommended: two deltas, and no more than two SDs past delta
SHARE_OF_EFFECT = 0.25  # delta of a superiority hypothesis, as the house rule for margins has it
LEAST_POWER = 0.9


@dataclass(frozen=True)
class Question:
    """A hypothesis as somebody may register it: delta and effect in SDs of d, replicates at each look, level."""

    name: str
    rule: Rule
    sizes: tuple[int, ...]
    effect: float
    level: float

    @property
    def looks(self) -> str:
        """The looks in words."""
        return ", then ".join(map(str, self.sizes))


@dataclass(frozen=True)
class Answer:
    """What comes out for one question, treatment of collapsed runs and level; rates by noise.

    `false_pass`: the mean of what the treatment leaves lies on the boundary. `plain`: so does the unclipped mean
    of runs of which none collapses. `power`: the effect is the registered one in the runs that do not collapse.
    """

    question: Question
    treatment: str
    level: float
    false_pass: dict[str, float]
    plain: dict[str, float]
    power: dict[str, float]


def questions(registry: Registry) -> list[Question]:
    """Every test and design, and the primary hypotheses of claims/."""
    return [*designs(), *registered(registry)]


def designs() -> list[Question]:
    """Every test with every number of replicates, at multiples of the least delta that may be registered."""
    level = fixed_level(MEMBERS, ALPHA)
    return [
        question(f"{spacing:g} x least", test, sizes, spacing * least_delta(test, sizes, level), level)
        for test in ROWS
        for sizes in LOOKS
        for spacing in SPACINGS
    ]


def question(name: str, test: str, sizes: tuple[int, ...], delta: float, level: float) -> Question:
    """A hypothesis whose effect is the one that its margin was derived from."""
    return Question(name, Rule(test, delta), sizes, registered_effect(test, delta), level)


def registered_effect(test: str, delta: float) -> float:
    """No difference, where the sentence says so; four times delta, where delta is a quarter of the effect."""
    return delta / SHARE_OF_EFFECT if test == "superiority" else 0.0


def least_delta(test: str, sizes: tuple[int, ...], level: float) -> float:
    """The least delta, in SDs, at which the last look has the power that a registration needs."""

    def enough(delta: float) -> bool:
        effect = registered_effect(test, delta)
        return power(Rule(test, delta), effect, 1.0, sizes[-1], level / len(sizes)) >= LEAST_POWER

    low, high = 0.0, 20.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def registered(registry: Registry) -> Iterator[Question]:
    """The primary hypotheses of claims/, with the looks and levels of their suites."""
    for suite in registry.suites.values():
        for claim, registration in registry.registrations(suite.id):
            for h in registration.hypotheses:
                if claim.kind == "primary" and h.expected is not None:
                    first = (suite.first_look.replicates,) if suite.first_look else ()
                    sd = h.expected.sd
                    yield Question(
                        f"{suite.id} {claim.id} {h.id}",
                        Rule(h.test, h.delta / sd),
                        (*first, registration.replicates),
                        h.expected.effect / sd,
                        registry.level(suite.id, claim, suite.alpha),
                    )


@dataclass(frozen=True)
class Noise:
    """Deviations (samples, replicates) of SD 1 and mean 0, and which runs collapse: then d is `FAR` SDs away."""

    name: str
    spread: Array
    collapsed: Bools
    side: int

    @property
    def values(self) -> Array:
        """Deviations with the collapses in them."""
        return self.spread + self.side * FAR * self.collapsed


def noises(samples: int, n: int = 20, seed: int = 0) -> Iterator[Noise]:
    """Every shape with every kind of collapse."""
    for shape, make in SHAPES.items():
        for collapse, (rate, side) in COLLAPSES.items():
            rng = np.random.default_rng([seed, crc32(shape.encode())])  # the same noise whatever collapses
            spread = make(rng.standard_normal((samples, n, 1)), rng)[:, :, 0]
            yield Noise(f"{shape}, {collapse}", spread, rng.random((samples, n)) < rate, side)


def treatments(rule: Rule) -> dict[str, Rule]:
    """The rule with each clip, and the rule for what is left when pairs with a collapsed run are dropped."""
    named = {PLAIN if clip is None else f"clipped at {clip:g} delta": clip for clip in CLIPS}
    named[RECOMMENDED] = recommended(rule.delta)
    return {name: Rule(rule.test, rule.delta, clip) for name, clip in named.items()} | {DROPPED: rule}


def recommended(delta: float) -> float:
    """The clip to register where delta is so many SDs of d."""
    return min(CLIP, 1 + PAST_DELTA / delta)


def passes(d: Array, kept: Bools | None, rule: Rule, sizes: Sequence[int], levels: Sequence[float]) -> list[Bools]:
    """Which samples pass at each level, look by look; `kept` says which of d count, where not all do."""
    spent = [level / len(sizes) for level in levels]

    def p(p_value: PValue, n: int) -> Array:
        return by_count(p_value, d[:, :n], None if kept is None else kept[:, :n], rule, max(spent))

    shown = [p(p_pass, n) for n in sizes]
    failing = [p(p_fail, n) for n in sizes[:-1]]  # what fails at the last look does not pass anyway
    return [look_by_look(shown, failing, level) for level in spent]


def look_by_look(shown: Sequence[Array], failing: Sequence[Array], level: float) -> Bools:
    """Which samples pass at the first look that decides them."""
    passed = shown[-1] <= level
    for early, fails in zip(reversed(shown[:-1]), reversed(failing), strict=True):
        passed = (early <= level) | (fails > level) & passed
    return passed


def by_count(p_value: PValue, d: Array, kept: Bools | None, rule: Rule, alpha: float) -> Array:
    """P per row; of the kept values alone where some are not, all rows with as many left at a time."""
    if kept is None:
        return p_value(d, rule, alpha)
    p, counts = np.ones(len(d)), kept.sum(axis=1)
    for count in np.unique(counts[counts > 1]):
        rows = np.flatnonzero(counts == count)
        p[rows] = p_value(d[rows][kept[rows]].reshape(-1, count), rule, alpha)
    return p


def answers(
    asked: Sequence[Question],
    drawn: Iterable[Noise],
    treated: Callable[[Rule], dict[str, Rule]] = treatments,
    for_power: int = 2_000,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Answer]:
    """All questions in all noise, for every treatment, at the level of a primary claim and at alpha.

    Power is taken from the first `for_power` samples.
    """
    found = {
        (q, name, level): Answer(q, name, level, {}, {}, {})
        for q in asked
        for name in treated(q.rule)
        for level in levels_of(q)
    }
    for noise in drawn:
        for q in asked:
            for name, rule in treated(q.rule).items():
                wrong, plain, right = rates(noise, q, name, rule, for_power)
                for i, level in enumerate(levels_of(q)):
                    answer = found[q, name, level]
                    answer.false_pass[noise.name], answer.power[noise.name] = wrong[i], right[i]
                    if noise.side == 0:
                        answer.plain[noise.name] = plain[i]
        tell(noise.name)
    return list(found.values())


def levels_of(q: Question) -> list[float]:
    """That of a primary claim, and that of a secondary one."""
    return list(dict.fromkeys((q.level, ALPHA)))


def rates(
    noise: Noise, q: Question, treatment: str, rule: Rule, for_power: int
) -> tuple[list[float], list[float], list[float]]:
    """False PASS, false PASS against the plain mean, and power, each at every level."""
    kept = ~noise.collapsed if treatment == DROPPED else None
    x = noise.values if kept is None else noise.spread

    def at(mean: float, samples: int) -> list[float]:
        few = None if kept is None else kept[:samples]
        return [float(p.mean()) for p in passes(x[:samples] + mean, few, rule, q.sizes, levels_of(q))]

    def worst(shifts: list[float]) -> list[float]:
        return list(np.max([at(shift, len(x)) for shift in shifts], axis=0))

    bounds = [bound for bound, _ in rule.passes]
    wrong = worst([shift_to(x, rule, bound) for bound in bounds])
    plain = worst([bound - float(x.mean()) for bound in bounds]) if noise.side == 0 and rule.clip else wrong
    return wrong, plain, at(q.effect, for_power)
