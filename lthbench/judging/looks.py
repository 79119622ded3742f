"""The looks of a suite: with how many replicates, and with how much of alpha, its claims are judged.

Most suites have one. With a first look, a claim that passes or fails there is settled; one that is inconclusive
goes on to its registered replicates. Alpha is split between the looks (Bonferroni), which holds for any noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lthbench.claims.schema import Registration, Suite
from lthbench.judging.verdict import ClaimVerdict, Verdict


@dataclass(frozen=True)
class Look:
    """One look: `number` is None where it is the only one, `most` caps the replicates it sees.

    `most` is None for those registered, 0 for as many as the table has.
    """

    number: int | None
    most: int | None
    alpha: float

    def of(self, registration: Registration) -> Registration:
        """The registration with the replicates of this look."""
        if self.most is None:
            return registration
        return registration.model_copy(update={"replicates": min(self.most, registration.replicates)})


def looks(suite: Suite, origin: str = "own") -> list[Look]:
    """The looks of a suite, in their order; a stranger's table is looked at once, with all that it has."""
    first = suite.first_look
    if origin == "given":
        return [Look(None, 0, suite.alpha)]
    if first is None:
        return [Look(None, None, suite.alpha)]
    return [Look(1, first.replicates, first.alpha), Look(2, None, suite.alpha - first.alpha)]


def goes_on(before: ClaimVerdict | None) -> bool:
    """Whether a claim is judged at a look: nothing was decided before it."""
    return before is None or before.verdict == "INCONCLUSIVE"


def settled(before: Mapping[str, ClaimVerdict], verdict: Verdict) -> dict[str, float | None]:
    """Primary claims of earlier looks as the Holm family of `verdict` counts them: rejected there (p = 0), or not.

    A false verdict at this look needs a true null among the claims still open, and Holm counts all of those: the
    level of the look holds.
    """
    over = {id: claim for id, claim in before.items() if claim.kind == "primary" and not goes_on(claim)}
    return {id: 0.0 if claim.verdict == verdict else None for id, claim in over.items()}
