"""Options that several commands have. A command names the type; the words of the help stand here once."""

from pathlib import Path
from typing import Annotated

import typer

from lthbench.cli import complete

# The groups of `lthbench --help`.
LOOK, TRAIN, JUDGE, DEVELOP = "See what came out", "Plan and train", "Judge and compare", "Register and develop"
HERE = Path(".")

SuiteName = Annotated[
    str,
    typer.Argument(
        metavar="SUITE", help="a suite, for example quick (see `lthbench list`)", autocompletion=complete.suites
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="master seed: 0, 1, 2 confirmatory; 1000 and up for tuning")]
# One spelling for every command: `--claim FC-1 --claim FC-6` is `--claim FC-1,FC-6`, in either case.
Claim = Annotated[
    list[str] | None,
    typer.Option(
        "--claim",
        metavar="ID[,ID...]",
        help="these claims only; with commas, or the option again",
        autocompletion=complete.claims,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="the same as JSON, for programs")]
Out = Annotated[Path, typer.Option(help="folder for results/ and reports/")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Cores = Annotated[
    int | None,
    typer.Option(
        min=1, help="how many train at a time, one thread each", show_default="one per core; on a GPU, 1"
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="folder of the data sets; else $LTHBENCH_DATA, else the platform's cache folder"),
]
Deterministic = Annotated[bool, typer.Option(help="GPU: the same bits every time, at a price (docs/commands.md)")]
Replicates = Annotated[int, typer.Option(min=0, help="override the registered number (tuning seeds only)")]
Variant = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="bf16, channels-last or bf16-channels-last: suite SUITE-NAME, with verdicts of its own",
    ),
]
ClaimsDir = Annotated[Path | None, typer.Option(help="folder of the claim files, where it is not the package's")]
