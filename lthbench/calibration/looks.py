"""Other looks than the registered ones, compared: one with n, or a first one with n1 and a second with n2.

Alpha is split between the looks, so that no false verdict rate can exceed its sum whatever the noise.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lthbench.calibration.design import Look
from lthbench.calibration.simulate import (
    World,
    all_pass,
    as_true,
    at_boundary,
    deviations,
    rate,
    replaced,
    verdicts,
)
from lthbench.calibration.verdicts import settle
from lthbench.stats.power import floor_n

SPENT_FIRST = (0.5, 0.2)  # shares of alpha at the first look


def compared(world: World) -> list[dict[str, Any]]:
    """Designs of one look and of two, in the same world: error rates, P(all primaries pass), replicates used."""
    return [looked(replace(world, other_looks=looks)) for looks in candidates(world)]


def candidates(world: World) -> Sequence[tuple[Look, ...]]:
    """The registered looks, one look of several n, and first looks of the least n that can decide."""
    design = world.design
    n, members = max(column.n for column in design.columns), max(1, len(design.primaries))
    least = floor_n(design.alpha / 2 / members)
    sizes = sorted({least, 3 * n // 4, n, n + n // 3})
    designs = [design.looks, *(design.looking([size], [design.alpha]) for size in sizes)]
    for share in SPENT_FIRST:
        spent = (share * design.alpha, (1 - share) * design.alpha)
        first = floor_n(spent[0] / members)
        designs += [design.looking((first, last), spent) for last in sizes[1:] if first < last]
    return list(dict.fromkeys(designs))


def looked(world: World) -> dict[str, Any]:
    """One design: claims still open after the first look are judged again with the replicates of the second."""
    design, noise = world.design, deviations(world)
    true = as_true(world, noise)
    found = verdicts(world, true)
    at: dict[int, Any] = {}
    false_passes = []
    for claim in design.primaries:
        false_pass, worst = at_boundary(world, noise, true, claim, "pass")
        false_passes.append(false_pass)
        at |= worst
    null = verdicts(world, replaced(true, at))
    first, sizes = settle(true[:1], world.spent[:1], design), [max(look.sizes) for look in world.looks]
    still_open = [~(first[claim][0] | first[claim][1]) for claim in design.primaries]
    more = sizes[-1] - sizes[0]
    return {
        "looks": sizes,
        "spent": [round(alpha, 6) for alpha in world.spent],
        "all_primaries_pass": rate(all_pass(found, design.primaries)),
        "false_pass_at_boundary": max(false_passes),
        "any_false_pass": rate(np.any([null[c][0] for c in design.primaries], axis=0)),
        "any_false_fail": rate(np.any([found[c][1] for c in design.primaries], axis=0)),
        "mean_n_per_claim": round(sizes[0] + more * float(np.mean(still_open)), 2),
        "mean_n_whole_suite": round(sizes[0] + more * float(np.mean(np.any(still_open, axis=0))), 2),
    }
