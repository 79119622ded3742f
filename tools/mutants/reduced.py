"""A suite at the least cost at which its claims can still be decided both ways."""

from dataclasses import replace

from lthbench.claims.load import Registry
from lthbench.stats.multiplicity import fixed_level
from lthbench.stats.power import floor_n


def least_replicates(registry: Registry, suite: str) -> int:
    """The fewest replicates at which the sign-flip test reaches every level: PASS and FAIL of every claim.

    A claim of k hypotheses fails by any of them at a k-th of its level, so that is the smallest level there is.
    """
    level = fixed_level(max(1, len(registry.primaries(suite))), registry.suites[suite].alpha)
    most = max(len(registration.hypotheses) for _, registration in registry.registrations(suite))
    return floor_n(level / most)


def reduced(registry: Registry, suite: str, replicates: int | None) -> Registry:
    """The registry with `replicates` in one block (None: as registered) and without the lines beside the claims.

    Everything else stays as registered: recipes, levels of pruning, margins, bands. What is judged so is a test of
    ours, never a verdict.
    """
    claims = dict(registry.claims)
    for claim, registration in registry.registrations(suite):
        n = replicates or registration.replicates
        small = registration.model_copy(update={"replicates": n, "beside": []})
        claims[claim.id] = claim.model_copy(update={"suites": {**claim.suites, suite: small}})
    block = replicates or registry.suites[suite].block
    one_look = {"block": block, "first_look": None}
    suites = registry.suites | {suite: registry.suites[suite].model_copy(update=one_look)}
    return replace(registry, claims=claims, suites=suites)
