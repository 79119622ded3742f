"""Make pages of several runs: site."""

from pathlib import Path
from typing import Annotated

import typer

from lthbench.cli.options import HERE, LOOK, ClaimsDir
from lthbench.cli.options import Out as RunsIn

commands = typer.Typer()


@commands.command(rich_help_panel=LOOK)
def site(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="a new folder, or one that holds a site")],
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="your runs: verdicts.json, its folder, or a suite in --out"),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="your runs only, not the committed ones")] = False,
    out: RunsIn = HERE,
    claims_dir: ClaimsDir = None,
) -> None:
    """Write the overview: all claims beside all suites, a page per claim, your runs beside the committed ones."""
    from lthbench.claims.load import load
    from lthbench.cli import show
    from lthbench.drive.site import write

    made = write(load(claims_dir), folder, runs or [], out, alone)
    show.lines(f"{len(made)} pages; open {(folder / made[0].path).resolve()}")
