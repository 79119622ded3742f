"""From what a user asks for to a Run, checked; every way in (command line, stages, Python) comes through here."""

import os
from pathlib import Path

from lthbench.claims.load import load
from lthbench.errors import UserError
from lthbench.plan.run import Run
from lthbench.words import as_registered, choices

DEVICES = ("auto", "cpu", "cuda")
FIRST_TUNING_SEED = 1000


def surroundings(data: Path | None, deterministic: bool = False) -> None:
    """What child processes must know as well goes into the environment."""
    if data is not None:
        os.environ["LTHBENCH_DATA"] = str(data.resolve())
    if deterministic:
        os.environ["LTHBENCH_DETERMINISTIC"] = "1"


def run_of(
    suite: str,
    seed: int = 0,
    claim: str = "all",
    out: Path = Path("."),
    device: str = "auto",
    replicates: int = 0,
    claims_dir: Path | None = None,
) -> Run:
    """The run of a suite, or of one claim of it. Raises UserError for what there is not."""
    registry = load(claims_dir)
    if suite not in registry.suites:
        raise UserError(f"unknown suite '{suite}'; {choices(suite, registry.suites)}")
    known = registry.suites[suite].claims
    scope = as_registered(claim, ["all", *known])
    if scope not in ("all", *known):
        raise UserError(f"suite '{suite}' has no claim '{claim}'; {choices(claim, known)}")
    if device not in DEVICES:
        raise UserError(f"unknown device '{device}'; use auto, cpu or cuda")
    run = Run(registry, suite, seed, scope, out, device, replicates or None)
    if run.given and (seed or replicates):
        raise UserError(f"suite '{suite}' trains nothing, so it has no seeds; leave out --seed and --replicates")
    if replicates and seed < FIRST_TUNING_SEED:
        raise UserError(
            "--replicates is for tuning seeds (1000 and up); confirmatory seeds run the registered number"
        )
    return run
