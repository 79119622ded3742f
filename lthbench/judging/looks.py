"""The looks of a suite: with how many replicates, and with how much of alpha, its claims are judged.

Most suites have one. With a first look, a claim that passes or fails there is settled; one that is inconclusive
goes on to its registered replicates. Alpha is split between the looks (Bonferroni), which holds for any noise.
"""

from dataclasses import dataclass

from lthbench.claims.schema import Registration, Suite
from lthbench.judging.verdict import ClaimVerdict


@dataclass(frozen=True)
class Look:
    """One look: `number` is None where it is the only one, `most` caps the replicates it sees (None: no cap).

    With `given` results it takes what is there; our own have to be whole.
    """

    number: int | None
    most: int | None
    alpha: float
    given: bool = False

    def of(self, registration: Registration) -> Registration:
        """The registration with the replicates of this look; 0 for as many as the table has."""
        n = registration.replicates if self.most is None else min(self.most, registration.replicates)
        if self.given:
            n = 0
        return registration.model_copy(update={"replicates": n}) if n != registration.replicates else registration


def looks(suite: Suite, origin: str = "own") -> list[Look]:
    """The looks of a suite, in their order: the same for whoever brings the results."""
    first, given = suite.first_look, origin == "given"
    if first is None:
        return [Look(None, None, suite.alpha, given)]
    return [Look(1, first.replicates, first.alpha, given), Look(2, None, suite.alpha - first.alpha, given)]


def goes_on(before: ClaimVerdict | None) -> bool:
    """Whether a claim is judged at a look: nothing was decided before it."""
    return before is None or before.verdict == "INCONCLUSIVE"
