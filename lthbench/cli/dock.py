"""Put somebody's own code through the claims: test."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lthbench.cli.options import TRAIN, Claim, Cores, Device, Seed
from lthbench.cli.run import took
from lthbench.errors import UserError
from lthbench.recipe.engine import __version__

if TYPE_CHECKING:
    from lthbench.recipe.experiment import Network

commands = typer.Typer()


@commands.command("test", rich_help_panel=TRAIN)
def in_the_dock(
    method: Annotated[
        str, typer.Argument(metavar="[METHOD]", help="package.module:function, find(problem) -> Ticket")
    ] = "",
    ticket: Annotated[
        str | None, typer.Option(help="a ticket that is there already: a file (`lthbench import`)")
    ] = None,
    implementation: Annotated[
        str | None,
        typer.Option(help="package.module:function, run(problem, arm) -> result, which trains every arm"),
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="the same as a command: 'python train.py --arm {arm} ... --out {out}'")
    ] = None,
    claim: Claim = None,
    network: Annotated[str, typer.Option(help="as for `lthbench new`; default: the suite's own")] = "",
    hidden: Annotated[str, typer.Option(help="hidden layers of an mlp, for example 300,100")] = "",
    option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE for the network's function")] = None,
    data: Annotated[str | None, typer.Option("--data", "--dataset", help="FILE.npz, mnist, digits, ...")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="weights never pruned, by name or pattern")] = None,
    suite: Annotated[str, typer.Option(help="whose recipe, contrasts and margins are taken over")] = "quick",
    density: Annotated[float | None, typer.Option(help="fraction of the weights; default: as registered")] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="of every training")] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    batch: Annotated[int | None, typer.Option(min=1)] = None,
    own_start: Annotated[
        bool, typer.Option("--own-start", help="its tickets may start elsewhere than at the initialisation")
    ] = False,
    replicates: Annotated[int, typer.Option(min=8)] = 8,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="folder for claims/, results/ and reports/")] = Path("dock"),
    cores: Cores = None,
    device: Device = "auto",
) -> None:
    """Put a method, an implementation or a ticket of yours through the claims. Exit code: that of `run`."""
    started = time.monotonic()
    check_one(method, implementation, command, ticket)
    from lthbench.cli import show
    from lthbench.drive import dock, method_cost, speed
    from lthbench.drive import ticket as ticket_dock
    from lthbench.drive.here import run_here
    from lthbench.drive.lock import exclusive
    from lthbench.drive.preflight.run import before
    from lthbench.drive.progress import Watch, shown
    from lthbench.drive.rejudge import verdicts_of_run
    from lthbench.words import listed

    asked_of = method or ("" if ticket else implementation or "command:run")
    question = dock.Question(
        asked_of, tuple(listed(claim or ())), suite, network_of(network, hidden, option or []), data, density,
        iterations, learning_rate, batch, replicates, own_start, ticket, tuple(keep or ()),
    )  # fmt: skip
    cores = speed.processes(cores, device)
    if implementation or command:
        from lthbench.cli import implementation as implementations
        from lthbench.drive.implementation import Asked

        asked = Asked(
            implementation or command or "", suite, tuple(question.claims), replicates, seed, out, cores=cores
        )
        raise typer.Exit(implementations.run(asked, question))
    door = ticket_dock if ticket else dock
    with exclusive(out):
        run = door.prepared(question, seed, out, device)
        show.lines(
            f"lthbench {__version__}: {run.registry.suites[run.suite].title}",
            *door.says(run, question),
            *before(run),
        )
        watch = Watch(run, show.console, cores)
        with shown(watch) as tick:
            run_here(run, cores, tick)
    verdicts = verdicts_of_run(run)
    show.verdicts(verdicts)
    show.lines(*method_cost.lines(run), *(ticket_dock.speaks_of(run) if ticket else ()))
    show.report_of(run)
    show.lines(f"{took(started)} Exit code {verdicts.exit_code}.")
    raise typer.Exit(verdicts.exit_code)


def check_one(*doors: str | None) -> None:
    """Refuse what leaves open what is tested."""
    if sum(map(bool, doors)) != 1:
        raise UserError(
            "say what is tested: a method (package.module:function), --ticket, --implementation or --command"
        )


def network_of(kind: str, hidden: str, option: list[str]) -> "Network | None":
    """The network that was asked for; None for the suite's own."""
    from lthbench.claims.own import options
    from lthbench.recipe.experiment import Network

    if not kind:
        return None
    try:
        return Network(kind, tuple(int(n) for n in hidden.split(",") if n), options=options(option))
    except ValueError as error:
        raise UserError(f"--network: {error}") from None
