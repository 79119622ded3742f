"""Make files: new, export, profile, schema."""

from pathlib import Path
from typing import Annotated

import typer

from lthbench.cli.options import DEVELOP, HERE, LOOK, TRAIN, ClaimsDir, Data, Out, Replicates, Seed
from lthbench.errors import UserError

commands = typer.Typer()


@commands.command(rich_help_panel=TRAIN)
def new(
    folder: Annotated[Path, typer.Argument(help="a new folder for the claim files")],
    network: Annotated[
        str, typer.Option(help="package.module:function, conv-4, timm/NAME, ... mlp (with --hidden)")
    ],
    dataset: Annotated[str, typer.Option(help="FILE.npz (x_train, y_train, x_test, y_test), mnist, cifar10, ...")],
    claim: Annotated[
        list[str], typer.Option(metavar="ID[,ID...]", help="claims to take over; with commas, or the option again")
    ],
    criterion: Annotated[str, typer.Option(help="package.module:function or a built-in name")] = "magnitude",
    hidden: Annotated[str, typer.Option(help="hidden layers of an mlp: 300,100")] = "",
    option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE for the network's function")] = None,
    optimizer: Annotated[str, typer.Option(help="adam or sgd (momentum 0.9)")] = "adam",
    learning_rate: float = 0.001,
    batch: int = 50,
    iterations: int = 1000,
    evaluate_every: int = 50,
    scope: Annotated[str, typer.Option(help="layer-wise or global")] = "layer-wise",
    rate: Annotated[float, typer.Option(help="fraction of the survivors pruned per round")] = 0.2,
    keep: Annotated[list[str] | None, typer.Option(help="weights never pruned, by name or pattern")] = None,
    rewind: Annotated[int, typer.Option(help="iteration k of the arm rewound")] = 0,
    level: Annotated[int, typer.Option(help="rounds of pruning, where the registered level does not suit")] = 0,
    replicates: Annotated[int, typer.Option(min=2)] = 8,
    like: Annotated[str, typer.Option(help="the suite whose contrasts and margins are taken over")] = "quick",
    data: Data = None,
) -> None:
    """Write claim files for a network, data set or criterion of your own, to run and to edit."""
    from lthbench.claims import own
    from lthbench.claims.load import Registry, load
    from lthbench.cli import show
    from lthbench.drive.ask import surroundings
    from lthbench.drive.preflight.remark import firsts
    from lthbench.drive.preflight.run import before
    from lthbench.plan.run import Run
    from lthbench.pruning.criteria import criterion as criterion_of
    from lthbench.recipe.experiment import Network, Pruning, Training
    from lthbench.words import as_registered, listed

    surroundings(data)
    sizes = hidden_sizes(network, hidden)
    try:
        net = Network(network, sizes, options=own.options(option or []))
        momentum = 0.9 if optimizer == "sgd" else 0.0
        training = Training(optimizer, learning_rate, batch, iterations, evaluate_every, momentum)  # type: ignore[arg-type]
        pruning = Pruning(scope, rate, rewind=rewind, keep=tuple(keep or ()), criterion=criterion)  # type: ignore[arg-type]
        criterion_of(pruning.criterion)  # there is one
        experiment, chance, weights = own.experiment_of(dataset, net, training, pruning)
    except ValueError as error:
        raise UserError(str(error)) from None
    registry = load()
    claims = [as_registered(name, registry.claims) for name in listed(claim)]
    said: list[str] = []

    def accept(written: Registry) -> None:
        said.extend(before(Run(written, own.SUITE), keep=False))

    own.write_folder(folder, registry, claims, experiment, chance, replicates, like, level or None, accept)
    show.lines(*said)
    show.lines(
        f"{folder}: {len(claims)} claims on {experiment.title} ({experiment.weights:,} prunable weights: "
        f"{firsts(weights, 6)}). Margins are those of suite {like}: look at them, then\n"
        f"  lthbench run own --claims-dir {folder}"
    )


def hidden_sizes(network: str, hidden: str) -> tuple[int, ...]:
    """The sizes of the hidden layers, which an mlp has to have and other networks have of themselves."""
    sizes = hidden.replace(" ", "").split(",") if hidden else []
    if (network == "mlp") != bool(sizes) or not all(size.isdecimal() and int(size) for size in sizes):
        raise UserError(
            "--hidden: an mlp needs the sizes of its hidden layers, as in --hidden 300,100; "
            "other networks take none"
        )
    return tuple(map(int, sizes))


@commands.command(rich_help_panel=LOOK)
def export(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="a suite, or a ticket file and no CELL")],
    cell: Annotated[str, typer.Argument(metavar="CELL", help="arm@level, for example ticket@9")] = "",
    replicate: Annotated[int | None, typer.Option(min=0, help="which replicate")] = None,
    draw: Annotated[int, typer.Option(min=0, help="which draw of a control arm")] = 0,
    experiment: Annotated[str, typer.Option(help="of the cell, where several have it")] = "",
    final: Annotated[bool, typer.Option("--final", help="the trained weights too, where they are stored")] = False,
    dense: Annotated[bool, typer.Option("--dense", help="where the pruned weights started, too")] = False,
    form: Annotated[str, typer.Option("--format", help="lthbench or torch-prune")] = "lthbench",
    to: Annotated[Path | None, typer.Option(help="the file, or a folder for it")] = None,
    seed: Seed = 0,
    out: Out = HERE,
    data: Data = None,
    replicates: Replicates = 0,
    claims_dir: ClaimsDir = None,
) -> None:
    """Write a ticket (mask, starting weights, recipe) as a file; docs/tickets.md shows how to load it."""
    from lthbench.cli import show
    from lthbench.cli import tickets as files
    from lthbench.data.cache import cache_root
    from lthbench.drive import ask
    from lthbench.tickets import export as tickets

    if form not in files.FORMATS:
        raise UserError(f"--format {form}: use {' or '.join(files.FORMATS)}")
    if not cell and Path(suite).suffix:
        return show.lines(files.from_file(Path(suite), form, final, to))
    if not cell or replicate is None:
        raise UserError(f"export {suite}: say which network: a CELL, such as ticket@9, and --replicate")
    ask.surroundings(data)
    run = ask.run_of(suite, seed, "all", out, "cpu", replicates, claims_dir)
    unit = tickets.find(run, cell, experiment, replicate)
    ticket = tickets.ticket(unit, run.units(), run.results, cache_root(), replicate, draw, final, dense)
    file = tickets.file_for(unit, replicate, draw, to, form)
    files.write(ticket, file, form, final)
    show.lines(f"{file}: {cell}, {100 * ticket.facts['density']:.3g} % of the weights")


@commands.command(rich_help_panel=TRAIN)
def profile(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="laptop, gpu, slurm or kubernetes")],
    to: Annotated[Path | None, typer.Option(help="a folder for it; else profiles/KIND")] = None,
    device: Annotated[str, typer.Option(help="what jobs train on: cpu or cuda; else cuda for gpu, cpu")] = "",
    jobs_per_gpu: Annotated[int, typer.Option(min=1, help="gpu: training jobs at a time on each")] = 1,
) -> None:
    """Write a Snakemake profile, which says where and how jobs run (docs/clusters.md)."""
    from lthbench.cli import show
    from lthbench.drive import profiles

    if device not in ("", "auto", "cpu", "cuda"):
        raise UserError(f"unknown device '{device}'; use auto, cpu or cuda")
    file = profiles.write(kind, to or Path("profiles") / kind, device, jobs_per_gpu)
    run = f"lthbench run quick --profile {file.parent}, or snakemake --profile {file.parent} quick"
    show.lines(f"{file}: read it, then {run}")


@commands.command(rich_help_panel=DEVELOP)
def schema(
    kind: Annotated[str, typer.Argument(help="claim, suite, experiment, popular, questions or results")],
) -> None:
    """Print the JSON schema of a file kind, for editors."""
    import json

    from pydantic import TypeAdapter

    from lthbench.claims.popular import Popular
    from lthbench.claims.questions import Questions
    from lthbench.claims.schema import Claim, Suite
    from lthbench.recipe.experiment import Experiment
    from lthbench.results.format import Row
    from lthbench.words import choices

    kinds = {
        "claim": Claim,
        "suite": Suite,
        "experiment": Experiment,
        "popular": Popular,
        "questions": Questions,
        "results": Row,
    }
    if kind not in kinds:
        raise UserError(f"unknown kind '{kind}'; {choices(kind, kinds)}")
    print(json.dumps(TypeAdapter(kinds[kind]).json_schema(), indent=1))
