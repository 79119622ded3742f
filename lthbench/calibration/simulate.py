"""One world, simulated: how often each claim passes and fails where the truth is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from lthbench.calibration.design import Design, Look, Truth
from lthbench.calibration.noise import COLLAPSED, RESAMPLED, SHAPES, resampled
from lthbench.calibration.pvalues import p_fail, p_pass
from lthbench.calibration.shift import shift_to
from lthbench.calibration.verdicts import PValues, Verdict, settle, settled

Array = npt.NDArray[np.float64]
PPair = tuple[Array, Array]
"""P of PASS and of FAIL of one hypothesis, shape (simulations,) each."""


@dataclass(frozen=True)
class World:
    """A truth with a shape of noise, in `simulations` suites; `looks` other than the registered ones, if any."""

    design: Design
    truth: Truth
    shape: str
    simulations: int
    seed: int
    other_looks: tuple[Look, ...] = ()

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.truth.name}, {self.shape}"

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks that are taken."""
        return self.other_looks or self.design.looks

    @property
    def spent(self) -> list[float]:
        """The alpha of each look."""
        return [look.alpha for look in self.looks]


def deviations(world: World) -> Array:
    """Noise of every hypothesis around its true mean, shape (simulations, n, k), in the unit of d.

    Where runs collapse it is that of all runs around the mean of those that do not.
    """
    n = max(world.looks[-1].sizes)
    rng = np.random.default_rng([world.seed, crc32(world.name.encode()), n])
    root = world.truth.root
    z = rng.standard_normal((world.simulations, n, root.shape[1])) @ root.T
    if world.shape == RESAMPLED:
        if world.truth.pool is None:
            raise ValueError("only measured replicates can be resampled")
        z = resampled(z, rng, world.truth.pool)
    else:
        z = (SHAPES | COLLAPSED)[world.shape](z, rng)
    return z * world.truth.sds


def column_p(world: World, noise: Array, place: int, mean: float) -> list[PPair]:
    """P values of PASS and FAIL of one hypothesis with `mean` added to its noise, per look."""
    rule, alpha = world.design.columns[place].rule, world.design.alpha
    d = [np.ascontiguousarray(noise[:, : look.sizes[place], place]) + mean for look in world.looks]
    return [(p_pass(seen, rule, alpha), p_fail(seen, rule, alpha)) for seen in d]


def as_true(world: World, noise: Array) -> list[PValues]:
    """All hypotheses at their true effects, per look."""
    columns = [column_p(world, noise, i, effect) for i, effect in enumerate(world.truth.effects)]
    return [
        PValues(*(np.stack(side, axis=1) for side in zip(*pairs, strict=True)))
        for pairs in zip(*columns, strict=True)
    ]


def verdicts(world: World, looks: Sequence[PValues]) -> dict[str, Verdict]:
    """Verdicts as the suite gives them, look by look."""
    return settle(looks, world.spent, world.design)


def replaced(looks: Sequence[PValues], columns: Mapping[int, list[PPair]]) -> list[PValues]:
    """Other hypotheses' p values in some columns, at every look."""
    return [p.replaced({place: at[i] for place, at in columns.items()}) for i, p in enumerate(looks)]


def rates(world: World) -> dict[str, Any]:
    """All numbers of one world: per claim, and for the suite."""
    design, noise = world.design, deviations(world)
    true = as_true(world, noise)
    found = verdicts(world, true)
    claims: dict[str, Any] = {}
    worst: dict[int, list[PPair]] = {}
    for claim in design.kinds:
        false_pass, at = at_boundary(world, noise, true, claim, "pass")
        if claim in design.primaries:
            worst |= at
        claims[claim] = {
            "power": rate(found[claim][0]),
            "false_fail": rate(found[claim][1]),
            "false_pass_at_boundary": false_pass,
            "false_fail_at_boundary": at_boundary(world, noise, true, claim, "fail")[0],
        }
    null = verdicts(world, replaced(true, worst))
    return {
        "claims": claims,
        "all_primaries_pass": rate(all_pass(found, design.primaries)),
        "all_claims_pass": rate(all_pass(found, list(design.kinds))),
        "any_false_pass": rate(np.any([null[c][0] for c in design.primaries], axis=0)) if design.primaries else 0,
    }


def at_boundary(
    world: World, noise: Array, true: list[PValues], claim: str, side: str
) -> tuple[float, dict[int, list[PPair]]]:
    """How often a claim is wrongly passed (failed) with one of its hypotheses on the boundary, all else as true.

    For the worst hypothesis and boundary, whose p values come back as well.
    """
    design, wanted = world.design, 0 if side == "pass" else 1
    cases = []
    for place in design.of(claim):
        column = design.columns[place]
        for bound in column.pass_boundaries if side == "pass" else column.fail_boundaries:
            mean = shift_to(noise[:, : world.looks[-1].sizes[place], place], column.rule, bound)
            at = {place: column_p(world, noise, place, mean)}
            cases.append((rate(settled(replaced(true, at), world.spent, design, claim)[wanted]), at))
    return max(cases, key=lambda entry: entry[0])


def all_pass(verdicts: Any, claims: list[str]) -> npt.NDArray[np.bool_]:
    """Whether all of some claims pass, shape (simulations,)."""
    return np.all([verdicts[claim][0] for claim in claims], axis=0)


def rate(happened: npt.NDArray[np.bool_]) -> float:
    """A fraction, to four decimals: simulations do not know more."""
    return round(float(np.mean(happened)), 4)
