"""One world, simulated: how often each claim passes and fails where the truth is known."""

from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from lthbench.calibration.design import Design, Truth
from lthbench.calibration.family import PValues, alone, in_family, verdict_of
from lthbench.calibration.noise import RESAMPLED, SHAPES, resampled
from lthbench.calibration.pvalues import p_fail, p_pass

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """A truth with a shape of noise, in `simulations` suites. `n` overrides every registered n."""

    design: Design
    truth: Truth
    shape: str
    simulations: int
    seed: int
    n: int | None = None

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.truth.name}, {self.shape}"

    def replicates(self, place: int) -> int:
        """How many replicates a hypothesis has."""
        return self.n or self.design.columns[place].n


def deviations(world: World) -> Array:
    """Noise of every hypothesis around its true mean, shape (simulations, n, k), in the unit of d."""
    n = world.n or max(column.n for column in world.design.columns)
    rng = np.random.default_rng([world.seed, crc32(world.name.encode()), n])
    root = world.truth.root
    z = rng.standard_normal((world.simulations, n, root.shape[1])) @ root.T
    if world.shape == RESAMPLED:
        if world.truth.pool is None:
            raise ValueError("only measured replicates can be resampled")
        z = resampled(z, rng, world.truth.pool)
    else:
        z = SHAPES[world.shape](z, rng)
    return z * world.truth.sds


def column_p(world: World, noise: Array, place: int, mean: float, n: int | None = None) -> tuple[Array, Array]:
    """P values of PASS and FAIL of one hypothesis with a true mean of `mean`."""
    d = np.ascontiguousarray(noise[:, : n or world.replicates(place), place]) + mean
    rule, alpha = world.design.columns[place].rule, world.design.alpha
    return p_pass(d, rule, alpha), p_fail(d, rule, alpha)


def as_true(world: World, noise: Array, n: int | None = None) -> PValues:
    """All hypotheses at their true effects."""
    pairs = [column_p(world, noise, i, effect, n) for i, effect in enumerate(world.truth.effects)]
    return PValues(*(np.stack(side, axis=1) for side in zip(*pairs, strict=True)))


def rates(world: World) -> dict[str, Any]:
    """All numbers of one world: per claim, and for the suite."""
    design, noise = world.design, deviations(world)
    true = as_true(world, noise)
    by_itself, family = alone(true, design, design.alpha), in_family(true, design)
    first = alone(true, design, design.alpha / max(1, len(design.primaries)))
    claims: dict[str, Any] = {}
    worst: dict[int, tuple[Array, Array]] = {}
    for claim, kind in design.kinds.items():
        false_pass, at = boundary_rates(world, noise, true, claim, "pass")
        false_fail, _ = boundary_rates(world, noise, true, claim, "fail")
        if kind == "primary":
            worst |= at
        settled = first if kind == "primary" else by_itself
        claims[claim] = {
            "power": rate(by_itself[claim][0]),
            "power_first_level": rate(settled[claim][0]),
            "power_in_family": rate(family[claim][0]),
            "false_fail": rate(by_itself[claim][1]),
            "false_fail_in_family": rate(family[claim][1]),
            "false_pass_at_boundary": false_pass[0],
            "false_pass_at_boundary_in_family": false_pass[1],
            "false_fail_at_boundary": false_fail[0],
            "false_fail_at_boundary_in_family": false_fail[1],
        }
    null = in_family(true.replaced(worst), design)
    return {
        "claims": claims,
        "all_primaries_pass": rate(all_pass(family, design.primaries)),
        "all_claims_pass": rate(all_pass(family, list(design.kinds))),
        "any_false_pass": rate(np.any([null[c][0] for c in design.primaries], axis=0)) if design.primaries else 0,
    }


def boundary_rates(
    world: World, noise: Array, true: PValues, claim: str, side: str
) -> tuple[tuple[float, float], dict[int, tuple[Array, Array]]]:
    """How often a claim is wrongly passed (failed) with one of its hypotheses on the boundary, all else as true.

    Alone at alpha, and in the family; for the worst hypothesis and boundary, whose p values come back as well.
    """
    design, wanted = world.design, 0 if side == "pass" else 1
    found = []
    for place in design.of(claim):
        column = design.columns[place]
        for mean in column.pass_boundaries if side == "pass" else column.fail_boundaries:
            at = {place: column_p(world, noise, place, mean)}
            p = true.replaced(at)
            single = verdict_of(p, design.of(claim), design.alpha, design.alpha)[wanted]
            both = (rate(single), rate(in_family(p, design)[claim][wanted]))
            found.append((both, at))
    return max(found, key=lambda entry: entry[0])


def all_pass(verdicts: Any, claims: list[str]) -> npt.NDArray[np.bool_]:
    """Whether all of some claims pass, shape (simulations,)."""
    return np.all([verdicts[claim][0] for claim in claims], axis=0)


def rate(happened: npt.NDArray[np.bool_]) -> float:
    """A fraction, to four decimals: simulations do not know more."""
    return round(float(np.mean(happened)), 4)
