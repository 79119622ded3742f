"""`lthbench` and `python -m lthbench`: signals are answered from here on, before the heavy imports."""

import signal
import sys

from lthbench.errors import Terminated, quiet, stopped, terminate


def main() -> None:
    """Run the command line; Ctrl-C and SIGTERM end it with a line, whenever they come."""
    try:
        signal.signal(signal.SIGTERM, terminate)
        from lthbench.cli import main as command_line

        command_line()
    except (KeyboardInterrupt, Terminated) as error:
        sys.exit(stopped(error))
    finally:
        quiet()


if __name__ == "__main__":
    main()
