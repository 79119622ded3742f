"""`lthbench` and `python -m lthbench`: signals are answered from here on, before the heavy imports."""

import os
import signal
import sys
from contextlib import suppress

from lthbench.errors import (
    INTERRUPTED,
    TERMINATED,
    Terminated,
    quiet,
    sent_again,
    signal_behind,
    stopped,
    terminate,
)
from lthbench.recipe.engine import __version__


def main() -> None:
    """Run the command line; Ctrl-C and SIGTERM end it with a line, whenever they come."""
    if sys.argv[1:] == ["--version"]:
        print(f"lthbench {__version__}")  # without the imports of a command
        return
    code: object = 0
    try:
        signal.signal(signal.SIGTERM, terminate)
        sys.unraisablehook = sent_again
        from lthbench.cli.app import main as command_line

        command_line()
    except (KeyboardInterrupt, Terminated) as error:
        code = stopped(error)
    except RuntimeError as error:  # of an import: errors of the command itself are answered there
        behind = signal_behind(error)
        if behind is None:
            raise
        code = stopped(behind)
    except SystemExit as ended:
        code = ended.code
    quiet()
    if code in (INTERRUPTED, TERMINATED):
        # Where Ctrl-C met the `exec` of a string (dataclasses have one), `python -m` ends as if nobody caught it.
        # Where a signal met the import of a compiled module, Python may crash while it cleans up.
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(TERMINATED if code == TERMINATED else INTERRUPTED)
    sys.exit(code)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
