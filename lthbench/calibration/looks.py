"""A pre-declared second look, examined and not used: decide with n1, go on to n2 where that is inconclusive.

Alpha is split between the looks, so that no false verdict rate can exceed its sum whatever the noise.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from lthbench.calibration.design import Design
from lthbench.calibration.family import PValues, Verdicts, in_family
from lthbench.calibration.simulate import Array, World, all_pass, as_true, column_p, deviations, rate
from lthbench.stats.power import floor_n

SPENT_FIRST = (0.5, 0.2)  # shares of alpha at the first look


def compared(world: World) -> list[dict[str, Any]]:
    """Designs of one look and of two, in the same world: error rates, P(all primaries pass), replicates used."""
    design = world.design
    n, family = max(column.n for column in design.columns), max(1, len(design.primaries))
    found = [
        looked(world, (size,), (design.alpha,))
        for size in sorted({floor_n(design.alpha / 2 / family), n, n + n // 3})
    ]
    for share in SPENT_FIRST:
        spent = (share * design.alpha, (1 - share) * design.alpha)
        first = floor_n(spent[0] / family)
        found += [looked(world, (first, last), spent) for last in (n, n + n // 3) if first < last]
    return found


def looked(world: World, sizes: tuple[int, ...], spent: tuple[float, ...]) -> dict[str, Any]:
    """One design: the claims still open after a look are judged again with all replicates of the next."""
    world = replace(world, n=sizes[-1])
    design, noise = world.design, deviations(world)
    true = [as_true(world, noise, n) for n in sizes]
    verdicts, still_open = settle(true, design, spent)
    false_pass, worst = boundary(world, noise, true, sizes, spent)
    null, _ = settle([p.replaced(w) for p, w in zip(true, worst, strict=True)], design, spent)
    used = [np.full(world.simulations, float(sizes[0]))] * len(design.primaries)
    whole = np.full(world.simulations, float(sizes[0]))
    for i, more in enumerate(np.diff(sizes)):
        used = [u + more * still_open[claim][i] for u, claim in zip(used, design.primaries, strict=True)]
        whole = whole + more * np.any([still_open[c][i] for c in design.primaries], axis=0)
    return {
        "looks": list(sizes),
        "spent": [round(a, 6) for a in spent],
        "all_primaries_pass": rate(all_pass(verdicts, design.primaries)),
        "false_pass_at_boundary": false_pass,
        "any_false_pass": rate(np.any([null[c][0] for c in design.primaries], axis=0)),
        "any_false_fail": rate(np.any([verdicts[c][1] for c in design.primaries], axis=0)),
        "mean_n_per_claim": round(float(np.mean(used)), 2),
        "mean_n_whole_suite": round(float(np.mean(whole)), 2),
    }


def settle(
    looks: list[PValues], design: Design, spent: tuple[float, ...]
) -> tuple[Verdicts, dict[str, list[np.ndarray]]]:
    """Verdicts of the first look that settles each primary claim; per claim, whether it was open after a look."""
    final = in_family(looks[0], design, spent[0])
    still_open: dict[str, list[np.ndarray]] = {claim: [] for claim in design.primaries}
    for p, alpha in zip(looks[1:], spent[1:], strict=True):
        later = in_family(p, design, alpha)
        for claim in design.primaries:
            passed, failed = final[claim]
            unsettled = ~(passed | failed)
            still_open[claim].append(unsettled)
            final[claim] = (passed | unsettled & later[claim][0], failed | unsettled & later[claim][1])
    return final, still_open


def boundary(
    world: World, noise: Array, true: list[PValues], sizes: tuple[int, ...], spent: tuple[float, ...]
) -> tuple[float, list[dict[int, tuple[Array, Array]]]]:
    """The worst false-PASS rate of a primary claim with one hypothesis on its boundary; per look, the p values of
    the worst hypothesis of every claim.
    """
    design, largest = world.design, 0.0
    together: list[dict[int, tuple[Array, Array]]] = [{} for _ in sizes]
    for claim in design.primaries:
        found = []
        for place in design.of(claim):
            for mean in design.columns[place].pass_boundaries:
                at = [{place: column_p(world, noise, place, mean, n)} for n in sizes]
                verdicts, _ = settle([p.replaced(a) for p, a in zip(true, at, strict=True)], design, spent)
                found.append((rate(verdicts[claim][0]), at))
        worst = max(found, key=lambda entry: entry[0])
        largest = max(largest, worst[0])
        for every, one in zip(together, worst[1], strict=True):
            every |= one
    return largest, together
