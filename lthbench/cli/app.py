"""The command line: its groups of commands, what ends a command early, and the exit codes."""

import io
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from lthbench.cli import dock, judge, make, plan, register, run, site, spelling, stage, tickets
from lthbench.errors import BLOCKED, INTERRUPTED, USAGE, Terminated, UserError, say, signal_behind, stopped
from lthbench.recipe.engine import __version__

app = typer.Typer(
    help="The referee of the lottery ticket hypothesis: paper claims as pre-registered statistical decisions.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (run, dock, judge, plan, make, register, tickets, site):
    app.add_typer(group.commands)
app.add_typer(stage.commands, name="stage")


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="print the version and exit")] = False,
) -> None:
    """Answer what is asked without a command: the version, else the help."""
    if version:
        print(f"lthbench {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(USAGE)


def main() -> None:
    """Run the command line; errors a user can mend are one or two lines."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=spelling.NAME)  # a terminal without the letter δ still gets its line
    try:
        sys.exit(answered())
    except (KeyboardInterrupt, Terminated, typer.Abort) as error:
        sys.exit(stopped(error))
    except UserError as error:
        say(str(error))
        sys.exit(error.code)
    except MemoryError as error:
        say(str(error) or "out of memory; finished units are kept, the same command goes on from here")
        sys.exit(BLOCKED)
    except OSError as error:
        say(f"{error.filename or 'file system'}: {error.strerror or error}; free space or use --out FOLDER")
        sys.exit(BLOCKED)
    except Exception as error:  # a bug: Python would end with 1, which says that a claim fails
        signal = signal_behind(error)
        if signal is not None:
            sys.exit(stopped(signal))
        traceback.print_exc()
        said = " ".join(f"{type(error).__name__}: {error}".split())
        say(f"{said} (a fault of lthbench's own, no verdict; please report it with the lines above)")
        sys.exit(BLOCKED)


def answered() -> int:
    """Run the command that was typed and give its exit code; what a user can mend is raised as UserError."""
    with suppress(OSError):  # this folder may be gone
        sys.path.append(str(Path.cwd()))  # a module that lies here need not be installed
    try:
        code = app(prog_name="lthbench", standalone_mode=False) or 0
    except ValueError:
        from lthbench.drive.mendable import mendable  # here: it needs every room

        with mendable():
            raise
    except Exception as error:
        usage = getattr(error, "format_message", None)  # click's own errors: unknown option, missing argument
        if usage is None:
            raise
        raise UserError(f"{usage()} (see `lthbench --help`)") from None
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code
