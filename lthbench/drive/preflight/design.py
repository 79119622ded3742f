"""What claims ask of the data and the pruning recipe: a test set fine enough, and the density they speak of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil

from lthbench.claims.load import load
from lthbench.claims.schema import Claim, Registration
from lthbench.data.arrays import Arrays
from lthbench.drive.preflight.remark import Remark, notice, refusal
from lthbench.pruning.counts import density
from lthbench.recipe.experiment import Experiment, Pruning

COARSE = 5  # examples: a margin of fewer is a coarse scale
NEAR = 1.5  # times more or fewer weights than the registered number: no longer what the claim speaks of
LOOKED_AT = {  # which examples an endpoint in percentage points is measured on
    "final_test_accuracy": "test",
    "early_stop_test_accuracy": "test",
    "generalisation_gap": "test",
    "final_train_accuracy": "training",
    "validation_curve_area": "validation",
}


@dataclass(frozen=True)
class Sizes:
    """How many examples of each part an experiment has, and how often it looks at those for validation."""

    test: int
    training: int
    validation: int
    looks: int

    def steps(self, part: str) -> int:
        """The number of equal steps between an accuracy of 0 and 100 % (a curve's area: of its mean)."""
        return self.validation * self.looks if part == "validation" else getattr(self, part)


def sizes_of(experiment: Experiment, training: int, test: int) -> Sizes:
    """Of an experiment whose training set still holds the examples for validation."""
    validation, recipe = experiment.data.validation, experiment.training
    return Sizes(test, training - validation, validation, recipe.iterations // recipe.evaluate_every)


def resolution(claim: Claim, registration: Registration, sizes: Mapping[str, Sizes]) -> Iterator[Remark]:
    """One example more or less must be less than the margin; `sizes` by experiment."""
    for line in registration.hypotheses:
        part = LOOKED_AT.get(line.endpoint)
        for name in {cell.experiment for cell in line.contrast.cells(registration.experiment)} & sizes.keys():
            steps = sizes[name].steps(part) if part else 0
            if not steps:
                continue
            step, least = 100 / steps, ceil(100 / line.delta)
            said = f"{claim.id} {line.id}: one of {steps:,} {part} examples is {step:.2g} pp"
            if step > line.delta:
                yield refusal(f"{said}, more than the margin of {line.delta:g} pp; it takes {least} or more")
            elif COARSE * step > line.delta:
                yield notice(f"{said}, and the margin {line.delta:g} pp: a coarse scale; more examples are better")


def chance(suite: str, percent: float, arrays: Arrays, name: str) -> Iterator[Remark]:
    """The suite's accuracy of guessing, in percent, against the classes that occur."""
    guessing = 100 / arrays.classes
    if percent < 0.99 * guessing:
        yield refusal(
            f"suites/{suite}.yaml: chance is {percent:g} %, but guessing among the {arrays.classes} classes of "
            f"{name} is right in {guessing:.4g} %; write that"
        )


def densities(
    claim: Claim, registration: Registration, experiments: Mapping[str, tuple[Pruning, Mapping[str, int]]]
) -> Iterator[Remark]:
    """The density of each cell against those that the claim is registered at.

    `experiments`: pruning recipe and numbers of weights, by experiment.
    """
    registered = registered_densities(claim.id)
    for line in registration.hypotheses:
        known = registered.get(line.id, [])
        for cell in line.contrast.cells(registration.experiment) if known else ():
            if cell.level < 1 or cell.experiment not in experiments:
                continue
            here = share(*experiments[cell.experiment], cell.level)
            if not min(known) / NEAR <= here <= max(known) * NEAR:
                yield notice(
                    f"{claim.id} {line.id} is registered for {ranged(known)} of the weights; {cell.label} has "
                    f"{100 * here:.3g} %, so what comes out is about that and not about the claim's sentence"
                )
                break


def share(pruning: Pruning, weights: Mapping[str, int], level: int) -> float:
    """The fraction of the weights that remains; of whole filters, as if they were weights."""
    if pruning.unit == "filter":
        return float((1 - pruning.rate) ** level)
    return density(weights, pruning, level)


@cache
def registered_densities(claim: str) -> dict[str, list[float]]:
    """The nominal densities that each hypothesis of a shipped claim is registered at, in the suites that train."""
    registry = load()
    known: dict[str, list[float]] = {}
    registrations = registry.claims[claim].suites.values() if claim in registry.claims else ()
    for registration in registrations:
        for line in registration.hypotheses if registration.trains else ():
            for cell in line.contrast.cells(registration.experiment):
                if cell.level > 0:
                    rate = registry.experiments[cell.experiment].pruning.rate
                    known.setdefault(line.id, []).append((1 - rate) ** cell.level)
    return known


def ranged(known: list[float]) -> str:
    """Densities in words."""
    low, high = 100 * min(known), 100 * max(known)
    return f"{low:.3g} %" if high - low < 0.05 else f"{low:.3g} to {high:.3g} %"
