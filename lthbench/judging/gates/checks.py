"""Structural gates: checks whose failure means that the numbers mean nothing (BLOCKED).

A gate never passes on nothing: without a single value to look at it fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from lthbench.stats.intervals import rate_bound


@dataclass(frozen=True)
class GateResult:
    """Outcome of one gate; ``detail`` is one plain sentence with the numbers."""

    name: str
    passed: bool
    detail: str


FALSE_ALARM = 1e-10  # of one matrix of a sound network
TIMES_CHANCE = 1.5  # an accuracy that is no better than so many times guessing is at chance
Spread = Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]
Counts = Mapping[str, int] | npt.ArrayLike


def exact_counts(name: str, observed: Counts, expected: Counts) -> GateResult:
    """Integer counts (weights remaining, per layer or as an array) equal the expected ones exactly."""
    seen, wanted = _by_label(observed), _by_label(expected)
    if not wanted:
        return GateResult(name, False, "There are no counts to compare.")
    wrong = [label for label in {**wanted, **seen} if seen.get(label) != wanted.get(label)]
    if not wrong:
        return GateResult(name, True, f"All {len(wanted)} counts are exact, {sum(wanted.values())} in total.")
    label = wrong[0]
    return GateResult(
        name,
        False,
        f"{len(wrong)} of {len({**wanted, **seen})} counts are wrong, the first at {label}: "
        f"{seen.get(label, 'missing')} instead of {wanted.get(label, 'nothing')}.",
    )


def within_band(name: str, values: npt.ArrayLike, low: float, high: float, unit: str) -> GateResult:
    """The mean of ``values`` (any shape, in ``unit``) lies inside [low, high]."""
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        return GateResult(name, False, "There are no values to average.")
    mean = float(x.mean())
    passed = low <= mean <= high
    where = "inside" if passed else "outside"
    return GateResult(
        name, passed, f"The mean {mean:.6g} {unit} lies {where} the band {low:.6g} to {high:.6g} {unit}."
    )


def no_arm_at_chance(values_by_arm: Mapping[str, npt.ArrayLike], chance: float) -> GateResult:
    """In every arm (n,) more than half of the runs lie above 1.5 times ``chance``, in the unit of the values.

    A single run at chance is a result: a gate that blocked on it would select on the outcome.
    """
    limit, name = TIMES_CHANCE * chance, "no arm at chance"
    above = {arm: np.asarray(v, dtype=np.float64) > limit for arm, v in values_by_arm.items()}
    empty = [arm for arm, ok in above.items() if ok.size == 0]
    if empty or not above:
        return GateResult(name, False, f"There are no values to check ({', '.join(empty) or 'no arms'}).")
    wrong = [f"{np.sum(~ok)} of {ok.size} of {arm}" for arm, ok in above.items() if 2 * ok.sum() <= ok.size]
    bound = f"{limit:.6g} ({TIMES_CHANCE:g} x chance)"
    if wrong:
        return GateResult(name, False, f"{', '.join(wrong)} are not above {bound}: the arm does not train.")
    return GateResult(name, True, f"In every arm more than half of the runs are above {bound}.")


def collapses_as_registered(
    values_by_arm: Mapping[str, npt.ArrayLike], floor: float, at_most: float
) -> GateResult:
    """No arm (n,) is shown, at 5 %, to have a larger rate than ``at_most`` of runs at or below ``floor``."""
    name = "collapses as registered"
    if not values_by_arm or any(np.size(v) == 0 for v in values_by_arm.values()):
        return GateResult(name, False, "There are no values to check.")
    counts = {arm: (int(np.sum(~(np.asarray(v) > floor))), int(np.size(v))) for arm, v in values_by_arm.items()}
    wrong = [f"{k} of {n} of {arm}" for arm, (k, n) in counts.items() if rate_bound(k, n, 0.05, "above") > at_most]
    if wrong:
        text = f"{', '.join(wrong)} ended at or below {floor:g} %: more than the registered {100 * at_most:g} %."
        return GateResult(name, False, text)
    most = max(k for k, _ in counts.values())
    return GateResult(
        name, True, f"No arm is shown to collapse in more than {100 * at_most:g} % (at most {most})."
    )


def identical_masks(hashes_by_arm: Mapping[str, npt.ArrayLike]) -> GateResult:
    """In every replicate all arms, each an array (n,) of mask hashes, have the same mask."""
    name = "identical masks"
    hashes = {arm: np.atleast_1d(np.asarray(values)) for arm, values in hashes_by_arm.items()}
    sizes = {arm: values.size for arm, values in hashes.items()}
    arms = ", ".join(hashes)
    if len(hashes) < 2 or 0 in sizes.values():
        return GateResult(name, False, f"There are not two arms with masks to compare (arms: {arms or 'none'}).")
    if len(set(sizes.values())) > 1:
        counted = ", ".join(f"{arm} {size}" for arm, size in sizes.items())
        return GateResult(name, False, f"The arms have different numbers of replicates: {counted}.")
    first, *others = hashes.values()
    differ = np.any([values != first for values in others], axis=0)
    if differ.any():
        text = f"The masks of {arms} differ in {differ.sum()} of {first.size} runs."
        return GateResult(name, False, text)
    return GateResult(name, True, f"The masks of {arms} are identical in all {first.size} runs.")


def not_censored(early_stop_iterations: npt.ArrayLike, last_iteration: int) -> GateResult:
    """No early stop (any shape, in iterations) falls on the last evaluation or is missing (nan)."""
    return every_value(
        "early stop not censored",
        {"early stop": np.asarray(early_stop_iterations, dtype=np.float64) < last_iteration},
        good=f"come before the last evaluation at iteration {last_iteration}",
        bad=f"do not come before the last evaluation at iteration {last_iteration}",
    )


def threshold_reached(iterations_by_arm: Mapping[str, npt.ArrayLike], percent: float) -> GateResult:
    """Every run of every arm (any shape, in iterations) gets to the validation accuracy; nan: it never did."""
    return every_value(
        "threshold reached",
        {arm: np.isfinite(np.asarray(v, dtype=np.float64)) for arm, v in iterations_by_arm.items()},
        good=f"reach {percent:g} % validation accuracy before training ends",
        bad=f"never reach {percent:g} % validation accuracy: how long they take is not known",
    )


def all_finite(values_by_arm: Mapping[str, npt.ArrayLike]) -> GateResult:
    """No value of any arm (any shape) is infinite or nan: no run diverged."""
    return every_value(
        "no diverged run",
        {arm: np.isfinite(np.asarray(v, dtype=np.float64)) for arm, v in values_by_arm.items()},
        good="are finite",
        bad="are not finite",
    )


def same_scale(name: str, drawn: Spread, initial: Spread) -> GateResult:
    """Gaussian weights of mean 0 have the same variance in two groups of runs, matrix by matrix.

    A group gives counts of weights and their root mean squares, (runs,) each, by matrix. The F test of two
    variances is exact for Gaussians; a sound matrix fails it with probability FALSE_ALARM.
    """
    if not drawn or drawn.keys() != initial.keys():
        return GateResult(name, False, "There are no weights to compare.")
    wrong = []
    for matrix in drawn:
        (n, squares), (n_initial, squares_initial) = (_pooled(*group[matrix]) for group in (drawn, initial))
        if n == 0 or n_initial == 0:
            return GateResult(name, False, f"{matrix}: there are no weights to compare.")
        ratio = squares / squares_initial if squares_initial else np.inf
        p = 2 * min(special.fdtr(n, n_initial, ratio), special.fdtrc(n, n_initial, ratio))
        if not p >= FALSE_ALARM:
            wrong.append(f"{matrix} {np.sqrt(ratio):.4g}")
    if wrong:
        text = f"Root mean squares are not those of initial weights: {', '.join(wrong)} times as large."
        return GateResult(name, False, text)
    return GateResult(name, True, f"All {len(drawn)} matrices are spread as initial weights are.")


def _pooled(counts: npt.NDArray[Any], rms: npt.NDArray[Any]) -> tuple[float, float]:
    """All weights of some runs, and their mean square; nothing where the runs do not match."""
    if counts.shape != rms.shape or counts.sum() == 0:
        return 0.0, np.nan
    return float(counts.sum()), float((counts * rms**2).sum() / counts.sum())


def every_value(name: str, ok_by_arm: Mapping[str, npt.NDArray[Any]], good: str, bad: str) -> GateResult:
    """Pass where every arm has values and all are ok; else name the arms and how many are not."""
    empty = [arm for arm, ok in ok_by_arm.items() if ok.size == 0]
    if empty or not ok_by_arm:
        return GateResult(name, False, f"There are no values to check ({', '.join(empty) or 'no arms'}).")
    wrong = [f"{np.sum(~ok)} of {ok.size} of {arm}" for arm, ok in ok_by_arm.items() if not ok.all()]
    if wrong:
        return GateResult(name, False, f"{', '.join(wrong)} {bad}.")
    return GateResult(name, True, f"All {sum(ok.size for ok in ok_by_arm.values())} values {good}.")


def _by_label(counts: Counts) -> dict[str, int]:
    """Counts by label, those of an array by their place; TypeError for anything but integers."""
    if isinstance(counts, Mapping):
        return {label: index(count) for label, count in counts.items()}
    cells = np.ndenumerate(np.asarray(counts))
    return {", ".join(map(str, place)): index(count) for place, count in cells}
