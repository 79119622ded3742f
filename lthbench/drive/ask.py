"""From what a user asks for to a Run, checked; every way in (command line, stages, Python) comes through here."""

import os
from collections.abc import Sequence
from pathlib import Path

from lthbench.claims.load import Registry, load
from lthbench.claims.variants import name_of, with_variant
from lthbench.errors import UserError
from lthbench.plan.run import Run
from lthbench.words import as_registered, choices, listed

DEVICES = ("auto", "cpu", "cuda")
FIRST_TUNING_SEED = 1000


def surroundings(data: Path | None, deterministic: bool = False) -> None:
    """What child processes must know as well goes into the environment."""
    if data is not None:
        os.environ["LTHBENCH_DATA"] = str(data.resolve())
    if deterministic:
        os.environ["LTHBENCH_DETERMINISTIC"] = "1"


def scope_of(registry: Registry, suite: str, asked: Sequence[str]) -> str:
    """What the claims asked for are called together, in the suite's order: `all`, FC-1, or FC-1+FC-6."""
    known = registry.suites[suite].claims
    names = [as_registered(name, ["all", *known]) for name in asked]
    for name in names:
        if name not in ("all", *known):
            raise UserError(f"suite '{suite}' has no claim '{name}'; {choices(name, known)}")
    return "all" if "all" in names else "+".join(name for name in known if name in names)


def run_of(
    suite: str,
    seed: int = 0,
    claim: str | Sequence[str] | None = "all",
    out: Path = Path("."),
    device: str = "auto",
    replicates: int = 0,
    claims_dir: Path | None = None,
    variant: str = "",
) -> Run:
    """The run of a suite, or of some claims of it (ids, or `A,B`). Raises UserError for what there is not.

    Of its `variant`, where one is asked for; `full-core-bf16` is another way to say `full-core` and `bf16`.
    """
    suite = name_of(suite, variant)
    registry = with_variant(load(claims_dir), suite)
    if suite not in registry.suites:
        raise UserError(f"unknown suite '{suite}'; {choices(suite, registry.suites)}")
    scope = scope_of(registry, suite, listed(claim or "all"))
    if device not in DEVICES:
        raise UserError(f"unknown device '{device}'; use auto, cpu or cuda")
    run = Run(registry, suite, seed, scope, out, device, replicates or None, claims_dir)
    if run.given and (seed or replicates):
        raise UserError(f"suite '{suite}' trains nothing, so it has no seeds; leave out --seed and --replicates")
    if replicates and seed < FIRST_TUNING_SEED:
        raise UserError(
            "--replicates is for tuning seeds (1000 and up); confirmatory seeds run the registered number"
        )
    return run
