"""The stages of the line, hidden commands; Snakemake's rules call these."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from lthbench.cli.options import ClaimsDir, Device, Replicates, Seed, SuiteName
from lthbench.errors import BLOCKED, UserError

if TYPE_CHECKING:
    from lthbench.plan.run import Run

commands = typer.Typer(hidden=True)


@commands.callback()
def line() -> None:
    """The stages of the line; Snakemake's rules call these."""
    from lthbench.drive.execute import job_of_parent

    job_of_parent()


@commands.command()
def chunk(
    suite: SuiteName,
    chunk: Annotated[str, typer.Option()],
    scope: str = "all",
    seed: Seed = 0,
    device: Device = "auto",
    replicates: Replicates = 0,
    claims_dir: ClaimsDir = None,
) -> None:
    """Train one chunk."""
    from lthbench.drive import ask, stages
    from lthbench.drive.devices import take_one
    from lthbench.drive.execute import PARENT

    run = ask.run_of(suite, seed, scope.split("+"), device=device, replicates=replicates, claims_dir=claims_dir)
    if os.environ.get(PARENT):  # a cluster gives each job a GPU by itself
        take_one(device)
    chunks = {planned.id: planned for planned in run.chunks()}
    if chunk not in chunks:
        raise UserError(f"unknown chunk '{chunk}'; the chunks are {', '.join(chunks)}")
    stages.train(run, chunks[chunk], lambda line: print(line, flush=True))


def print_verdicts(run: "Run") -> None:
    """Print the verdicts; exit code 4 where a primary claim is BLOCKED or NOT RUN, else 0."""
    from lthbench.cli import show
    from lthbench.drive.preflight.run import before
    from lthbench.drive.rejudge import verdicts_of_run

    judged = verdicts_of_run(run)
    show.lines(*before(run))
    show.verdicts(judged)
    show.report_of(run)
    if judged.exit_code == BLOCKED:
        raise typer.Exit(BLOCKED)


def stage_itself(stage: str) -> Callable[["Run"], None]:
    """The function of a stage in `lthbench.drive.stages`, which is imported when it is called."""

    def act(run: "Run") -> None:
        from lthbench.drive import stages

        getattr(stages, stage.replace("-", "_"))(run)

    return act


def command_of(stage: str, act: Callable[["Run"], None]) -> None:
    """The command of a stage that has no options of its own."""

    @commands.command(stage, help=f"The stage {stage}.")
    def command(
        suite: SuiteName,
        scope: str = "all",
        seed: Seed = 0,
        device: Device = "auto",
        replicates: Replicates = 0,
        claims_dir: ClaimsDir = None,
    ) -> None:
        from lthbench.drive import ask

        act(ask.run_of(suite, seed, scope.split("+"), device=device, replicates=replicates, claims_dir=claims_dir))


for name in ("first-look", "tidy", "judge", "report"):
    command_of(name, stage_itself(name))
command_of("verdicts", print_verdicts)
