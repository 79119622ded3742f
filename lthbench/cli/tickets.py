"""Tickets as files: import, and what export writes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lthbench.cli.options import TRAIN
from lthbench.errors import UserError

if TYPE_CHECKING:
    from lthbench.tickets.ticket_file import Ticket

commands = typer.Typer()
FORMATS = ("lthbench", "torch-prune")


@commands.command("import", rich_help_panel=TRAIN)
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a pruned checkpoint or masks, .pt, .npz, ...")],
    out: Annotated[Path, typer.Option(help="the ticket, .safetensors")],
    weights: Annotated[str, typer.Option(help="what the weights in FILE are: start or trained")] = "",
    start: Annotated[Path | None, typer.Option(help="a file of the weights that training starts from")] = None,
    whole_biases: Annotated[
        bool, typer.Option("--whole-biases", help="leave out masks of biases and norms: they stay whole")
    ] = False,
) -> None:
    """Turn somebody's pruned network or masks into a ticket file (docs/tickets.md says which are understood)."""
    from lthbench.cli import show
    from lthbench.tickets.imports import import_ticket

    if weights not in ("", "start", "trained"):
        raise UserError(f"--weights {weights}: say start or trained")
    if out.suffix != ".safetensors":
        raise UserError(f"--out {out}: a ticket is a .safetensors file")
    read = import_ticket(file, weights, start, whole_biases)  # type: ignore[arg-type]
    read.ticket.write(out)
    show.lines(*read.lines, f"{out}: written; is it a winning ticket? lthbench test --ticket {out} ...")


def write(ticket: "Ticket", file: Path, form: str, final: bool) -> None:
    """Write a ticket in one of the FORMATS."""
    from lthbench.tickets import torch_prune

    if form == "lthbench":
        ticket.write(file)
    else:
        torch_prune.write(torch_prune.pruned_state(ticket, "final" if final else "start"), file)


def from_file(file: Path, form: str, final: bool, to: Path | None) -> str:
    """Write a ticket that is a file in another format; gives the line to say."""
    from lthbench.tickets.imports import import_ticket

    if form == "lthbench":
        raise UserError(f"{file}: is a file already; say --format torch-prune, or lthbench import for ours")
    target = to or file.with_suffix(".pt")
    if target.exists() and target.resolve() == file.resolve():
        raise UserError(f"{file}: would be overwritten; say --to FILE")
    write(import_ticket(file).ticket, target, form, final)
    return f"{target}: as torch.nn.utils.prune leaves a module; prune a module the same way, then load it"
