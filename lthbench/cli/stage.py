"""The stages of the line, hidden commands; Snakemake's rules call these."""

from typing import Annotated

import typer

from lthbench.cli.options import ClaimsDir, Device, Replicates, Seed, SuiteName
from lthbench.errors import BLOCKED, UserError

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

    run = ask.run_of(suite, seed, scope, device=device, replicates=replicates, claims_dir=claims_dir)
    chunks = {planned.id: planned for planned in run.chunks()}
    if chunk not in chunks:
        raise UserError(f"unknown chunk '{chunk}'; the chunks are {', '.join(chunks)}")
    stages.train(run, chunks[chunk], lambda line: print(line, flush=True))


@commands.command()
def verdicts(
    suite: SuiteName,
    scope: str = "all",
    seed: Seed = 0,
    device: Device = "auto",
    replicates: Replicates = 0,
    claims_dir: ClaimsDir = None,
) -> None:
    """Print the verdicts; exit code 4 where a primary claim is BLOCKED or NOT RUN, else 0."""
    from lthbench.cli import show
    from lthbench.drive import ask
    from lthbench.drive.rejudge import verdicts_of_run

    run = ask.run_of(suite, seed, scope, device=device, replicates=replicates, claims_dir=claims_dir)
    judged = verdicts_of_run(run)
    show.verdicts(judged)
    show.report_of(run)
    if judged.exit_code == BLOCKED:
        raise typer.Exit(BLOCKED)


def command_of(stage: str) -> None:
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
        from lthbench.drive import ask, stages

        run = ask.run_of(suite, seed, scope, device=device, replicates=replicates, claims_dir=claims_dir)
        getattr(stages, stage.replace("-", "_"))(run)


for name in ("first-look", "tidy", "judge", "report"):
    command_of(name)
