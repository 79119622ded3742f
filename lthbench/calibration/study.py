"""The whole calibration of a suite: every world, power by n, and the second look, as plain data."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lthbench.calibration.design import Design, Truth, design_of, measured, planned
from lthbench.calibration.looks import compared
from lthbench.calibration.noise import COLLAPSED, RESAMPLED, SHAPES
from lthbench.calibration.pools import ranges
from lthbench.calibration.pvalues import p_pass
from lthbench.calibration.shift import shift_to
from lthbench.calibration.simulate import (
    World,
    all_pass,
    as_true,
    deviations,
    rate,
    rates,
    verdicts,
)
from lthbench.calibration.store import registration_key
from lthbench.claims.load import Registry

SIZES = (8, 10, 12, 13, 14, 16, 18)


def study(
    registry: Registry,
    suite: str,
    tables: Sequence[pd.DataFrame] = (),
    simulations: int = 20_000,
    seed: int = 0,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Simulate a suite's registered design; `tables` are confirmatory tidy tables for measured noise."""
    design = design_of(registry, suite)
    truths = [planned(registry, suite)] + ([measured(registry, suite, tables)] if tables else [])
    worlds = [World(design, t, shape, simulations, seed) for t in truths for shape in shapes_of(design, t)]
    by_world = {}
    for world in worlds:
        by_world[world.name] = rates(world)
        tell(f"{world.name}: P(all primary claims pass) = {by_world[world.name]['all_primaries_pass']:.4f}")
    by_n = {}
    for world in (w for w in worlds if drawn(w)):
        by_n[world.name] = curve(world)
        tell(f"{world.name}: power by n")
    looks = {}
    for world in (w for w in worlds if w.shape == ("normal" if w.truth.pool is None else RESAMPLED)):
        looks[world.name] = compared(world)
        tell(f"{world.name}: second look")
    last = worlds[-1]
    pools = []
    if last.shape == RESAMPLED:
        more = [n for n in sizes_of(design) if n > max(column.n for column in design.columns)]
        pools = ranges(last, [design.looks, *(design.looking([n], [design.alpha]) for n in more)])
        tell(f"{last.name}: other draws of the measured replicates")
    return {
        "suite": suite,
        "registration": registration_key(registry, suite),
        "alpha": design.alpha,
        "looks": [[max(look.sizes), round(look.alpha, 6)] for look in design.looks],
        "simulations": simulations,
        "seed": seed,
        "replicates_measured": sum(len(t.pool) for t in truths if t.pool is not None),
        "claims": claims_of(design),
        "hypotheses": hypotheses_of(design, truths),
        "headline": last.name if tables else worlds[0].name,
        "all_primaries_pass_over_pools": pools,
        "worlds": by_world,
        "by_n": by_n,
        "second_look": looks,
    }


def shapes_of(design: Design, truth: Truth) -> list[str]:
    """The shapes of noise a truth is simulated with; measured replicates are resampled last.

    Runs collapse where the design says what becomes of those that do.
    """
    return [*SHAPES, *(COLLAPSED if design.clips else ()), *([RESAMPLED] if truth.pool is not None else [])]


def drawn(world: World) -> bool:
    """Whether power is simulated for several n: the worlds one plans with, and the worst of the shapes."""
    return world.shape in ("normal", "skewed down", "outlier seeds", RESAMPLED)


def curve(world: World) -> list[dict[str, Any]]:
    """Power of every claim with other n, all claims alike, and the worst false-PASS rate."""
    return [at(world, n) for n in sizes_of(world.design)]


def sizes_of(design: Design) -> list[int]:
    """The n that are simulated: a few, and the registered ones."""
    return sorted({*SIZES, *(column.n for column in design.columns)})


def at(world: World, n: int) -> dict[str, Any]:
    """One n in one look: power of every claim, and the worst false PASS of any hypothesis by itself."""
    design = world.design
    world = replace(world, other_looks=design.looking([n], [design.alpha]))
    noise = deviations(world)
    found = verdicts(world, as_true(world, noise))
    wrong = [
        rate(p_pass(d + shift_to(d, column.rule, bound), column.rule, level) <= level)
        for d, column in zip(np.moveaxis(noise, 2, 0), design.columns, strict=True)
        for level in (design.level(column.claim, design.alpha),)
        for bound in column.pass_boundaries
    ]
    return {
        "n": n,
        "power": {claim: rate(found[claim][0]) for claim in design.kinds},
        "all_primaries_pass": rate(all_pass(found, design.primaries)),
        "worst_false_pass": max(wrong),
    }


def claims_of(design: Design) -> dict[str, Any]:
    """Kind and registered n of each claim."""
    return {
        claim: {"kind": kind, "n": design.columns[design.of(claim)[0]].n} for claim, kind in design.kinds.items()
    }


def hypotheses_of(design: Design, truths: Sequence[Truth]) -> list[dict[str, Any]]:
    """What was taken to be true of every hypothesis: mean and SD of d, by truth."""
    return [
        {"claim": c.claim, "hypothesis": c.hypothesis, "test": c.rule.test, "delta": c.rule.delta}
        | ({"clip": c.rule.clip} if c.rule.clip else {})
        | {t.name: [round(float(np.asarray(v)[i]), 4) for v in (t.effects, t.sds)] for t in truths}
        for i, c in enumerate(design.columns)
    ]
