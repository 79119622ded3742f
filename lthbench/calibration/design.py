"""What is simulated: the hypotheses of a suite, and what is taken to be true of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lthbench.claims.load import Registry
from lthbench.claims.schema import Hypothesis
from lthbench.errors import UserError
from lthbench.judging.lines import contrast
from lthbench.judging.table import Table
from lthbench.stats.multiplicity import fixed_level
from lthbench.stats.rule import Rule

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One hypothesis: the claim it decides, its rule and how many replicates are registered."""

    claim: str
    hypothesis: str
    rule: Rule
    n: int

    @property
    def pass_boundaries(self) -> tuple[float, ...]:
        """Means of d, clipped where the rule clips, at which PASS is only just wrong; in the unit of d."""
        return tuple(bound for bound, _ in self.rule.passes)

    @property
    def fail_boundaries(self) -> tuple[float, ...]:
        """Such means at which FAIL is only just wrong."""
        return tuple(bound for bound, _ in self.rule.fails)


@dataclass(frozen=True)
class Look:
    """One look: the replicates of each hypothesis, and the alpha that is spent."""

    sizes: tuple[int, ...]
    alpha: float


@dataclass(frozen=True)
class Design:
    """The claims of a suite in their order; `columns` are all their hypotheses."""

    suite: str
    alpha: float
    kinds: dict[str, str]
    columns: tuple[Column, ...]
    first_look: tuple[int, float] | None = None  # replicates and alpha

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks as registered."""
        last = tuple(column.n for column in self.columns)
        if self.first_look is None:
            return (Look(last, self.alpha),)
        most, spent = self.first_look
        return Look(tuple(min(most, n) for n in last), spent), Look(last, self.alpha - spent)

    def looking(self, sizes: Sequence[int], spent: Sequence[float]) -> tuple[Look, ...]:
        """Other looks, with the same replicates for every hypothesis."""
        return tuple(Look((n,) * len(self.columns), alpha) for n, alpha in zip(sizes, spent, strict=True))

    @property
    def primaries(self) -> list[str]:
        """Ids of the primary claims."""
        return [claim for claim, kind in self.kinds.items() if kind == "primary"]

    @property
    def clips(self) -> bool:
        """Whether any hypothesis is clipped: then runs are registered to collapse, and are simulated to."""
        return any(column.rule.clip is not None for column in self.columns)

    def level(self, claim: str, alpha: float) -> float:
        """The level of a claim where a look has `alpha`: its share of it if it is primary, else all."""
        return fixed_level(len(self.primaries), alpha) if self.kinds[claim] == "primary" else alpha

    def of(self, claim: str) -> list[int]:
        """The places of a claim's hypotheses among the columns."""
        return [i for i, column in enumerate(self.columns) if column.claim == claim]


@dataclass(frozen=True)
class Truth:
    """True means and SDs (k,) of d per hypothesis, and how their noise hangs together.

    `root` (k, r): independent normal numbers times its transpose have the right correlations. `pool` (m, k) holds
    the measured replicates, standardised, where there are some.
    """

    name: str
    effects: Array
    sds: Array
    root: Array
    pool: Array | None = None


def design_of(registry: Registry, suite: str) -> Design:
    """The registered design of a suite."""
    pairs = list(registry.registrations(suite))
    look = registry.suites[suite].first_look
    return Design(
        suite,
        registry.suites[suite].alpha,
        {claim.id: claim.kind for claim, _ in pairs},
        tuple(Column(c.id, h.id, h.rule, r.replicates) for c, r in pairs for h in r.hypotheses),
        None if look is None else (look.replicates, look.alpha),
    )


def planned(registry: Registry, suite: str) -> Truth:
    """The effects and SDs the registration expects; arms vary independently of one another and equally."""
    hypotheses: list[tuple[str, Hypothesis]] = [
        (r.experiment, h) for _, r in registry.registrations(suite) for h in r.hypotheses
    ]
    expected = [h.expected for _, h in hypotheses if h.expected is not None]
    if len(expected) < len(hypotheses):
        raise UserError(f"suite '{suite}' registers no expected effects: there is nothing to simulate")
    effects, sds = (np.array([getattr(e, key) for e in expected], dtype=float) for key in ("effect", "sd"))
    return Truth("planned", effects, sds, shared_arms(hypotheses))


def shared_arms(hypotheses: Sequence[tuple[str, Hypothesis]]) -> Array:
    """Each hypothesis as a sum of arms (rows of length 1): those that share an arm are correlated."""
    terms = [
        {(h.endpoint, side if ":" in side else f"{experiment}:{side}"): sign
         for side, sign in ((h.contrast.minuend, 1.0), (h.contrast.subtrahend, -1.0)) if isinstance(side, str)}
        for experiment, h in hypotheses
    ]  # fmt: skip
    arms = list(dict.fromkeys(arm for term in terms for arm in term))
    rows = np.array([[term.get(arm, 0.0) for arm in arms] for term in terms])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measured(registry: Registry, suite: str, tables: Sequence[pd.DataFrame]) -> Truth:
    """Means, SDs and correlations of all replicates of confirmatory tables together, differences between seeds
    included.
    """
    return measured_truth(np.concatenate([differences(registry, suite, table) for table in tables]))


def measured_truth(rows: Array) -> Truth:
    """The truth that d of whole replicates (m, k) suggests."""
    effects, sds = rows.mean(axis=0), rows.std(axis=0, ddof=1)
    values, vectors = np.linalg.eigh(np.corrcoef(rows, rowvar=False).reshape(len(effects), -1))
    root = vectors * np.sqrt(np.maximum(values, 0))
    return Truth("measured", effects, sds, root, (rows - effects) / rows.std(axis=0))


def differences(registry: Registry, suite: str, tidy: pd.DataFrame) -> Array:
    """d of every hypothesis, shape (n, k), over the replicates that all claims have."""
    table, pairs = Table(tidy), list(registry.registrations(suite))
    look = registry.suites[suite].first_look
    n = look.replicates if look else min(r.replicates for _, r in pairs)
    columns = []
    for claim, registration in pairs:
        for h in registration.hypotheses:
            sides = contrast(table, h, registration.experiment, n)
            if sides is None:
                raise UserError(f"the measured tables lack cells of {claim.id} {h.id}")
            columns.append(sides[0] - sides[1])
    return np.stack(columns, axis=1)
