"""What an implementation stands accused of, and by which of three ways it was found. Torch-free.

Invariants of what it returned, claims on its numbers, and the comparison with the reference are looked at apart.
It is called sound only where all three say so; where one could not look, or did not decide, the words say that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lthbench.errors import BLOCKED, FAIL, INCONCLUSIVE, PASS
from lthbench.judging.dock.invariants import Invariant
from lthbench.judging.dock.reference_points import Point
from lthbench.judging.verdict import Verdicts

UNWELL = ("FAIL", "BLOCKED")
BUGS = {
    "M1": "weights frozen by their sign",
    "M2": "the mask is not enforced while training",
    "M3": "pruned weights are not reset",
    "M4": "batch norm's running statistics survive the reset",
    "M5": "batch norm's weights are pruned because they are called weight",
    "M6": "one weight too many, or too few, is pruned",
    "M7": "a wrong denominator in an accuracy",
    "M8": "a best test accuracy in place of the last",
    "M9": "a seed without effect, or not used everywhere",
    "M10": "the control prunes reinitialised networks in place of reinitialising the ticket",
    "M11": "random masks that do not have the ticket's layer densities",
    "M12": "another recipe than the one asked for",
    "M13": "the dense network trained at another rate than the tickets",
    "M14": "going on after an interruption changes the run",
}


@dataclass(frozen=True)
class Standing:
    """An implementation after judging. `reference` are the same claims on the reference's numbers."""

    invariants: Sequence[Invariant]
    points: Sequence[Point]
    verdicts: Verdicts
    reference: Verdicts

    @property
    def by_invariants(self) -> list[Invariant]:
        """Those that are broken."""
        return [each for each in self.invariants if each.state == "broken"]

    @property
    def by_reference(self) -> list[Point]:
        """Arms that are shown to differ from the reference's."""
        return [each for each in self.points if each.decision == "FAIL"]

    @property
    def by_claims(self) -> list[str]:
        """Claims that fail, or are blocked, on its numbers and do not on the reference's."""
        before = {claim.id: claim.verdict for claim in self.reference.claims}
        return [c.id for c in self.verdicts.claims if c.verdict in UNWELL and before.get(c.id) not in UNWELL]

    @property
    def accused(self) -> bool:
        """Whether one of the three found something."""
        return bool(self.by_invariants or self.by_reference or self.by_claims)

    @property
    def unseen(self) -> list[Invariant]:
        """Invariants that nothing was returned for."""
        return [each for each in self.invariants if each.state == "not looked at"]

    @property
    def open(self) -> list[Point]:
        """Arms that are neither shown to be the reference's nor shown to differ."""
        return [each for each in self.points if each.decision == "INCONCLUSIVE"]

    @property
    def sound(self) -> bool:
        """Whether all three ways looked, and found nothing."""
        return bool(self.points) and not (self.accused or self.unseen or self.open)

    @property
    def exit_code(self) -> int:
        """1 for something broken or a claim that fails, 4 blocked, 3 undecided, 0 all well; the worst first."""
        own = FAIL if self.by_invariants or self.by_reference else PASS
        undecided = INCONCLUSIVE if self.open or not self.points else PASS
        codes = {own, undecided, self.verdicts.exit_code}
        return next(code for code in (BLOCKED, FAIL, INCONCLUSIVE, PASS) if code in codes)

    def resembles(self) -> list[str]:
        """Known bugs that break what is broken here; those that the most broken invariants name come first."""
        named = [bug for each in self.by_invariants for bug in each.bugs]
        return sorted(set(named), key=lambda bug: (-named.count(bug), named.index(bug)))

    def words(self) -> str:
        """The verdict in one sentence."""
        if not self.accused:
            if self.sound:
                return f"Sound: {self.looks()}, and nothing was found."
            return f"Not accused, and not confirmed: {self.looks()}."
        ways = [f"{len(self.by_invariants)} broken invariants"] * bool(self.by_invariants)
        ways += [f"{len(self.by_reference)} arms that are not the reference's"] * bool(self.by_reference)
        ways += [f"claims that fail here alone ({', '.join(self.by_claims)})"] * bool(self.by_claims)
        return f"Accused: {'; '.join(ways)}."

    def looks(self) -> str:
        """What was looked at, in numbers."""
        holding = sum(each.state == "holds" for each in self.invariants)
        passed = sum(each.decision == "PASS" for each in self.points)
        said = f"{holding} of {len(self.invariants)} invariants hold"
        said += f" ({len(self.unseen)} could not be looked at)" if self.unseen else ""
        return f"{said}, {passed} of {len(self.points)} comparisons with the reference are within their margins"

    def diagnosis(self) -> str:
        """Which known bugs it looks like; that none does is said too."""
        likely = self.resembles()
        if likely:
            first = likely[:3]
            return "This is what these known bugs do: " + "; ".join(f"{bug}, {BUGS[bug]}" for bug in first) + "."
        if self.by_reference or self.by_claims:
            return (
                "Numbers differ and no invariant is broken: recipe (rates, optimizer, batches) or data are likely."
            )
        return ""
