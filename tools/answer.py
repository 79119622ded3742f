"""How a development tool ends: what its user can mend is a line on stderr, and a signal stops it with one."""

import signal
from collections.abc import Callable

from lthbench.drive.mendable import mendable
from lthbench.errors import BLOCKED, INTERRUPTED, TERMINATED, Terminated, UserError, say, terminate


def answer(tool: Callable[[], int]) -> int:
    """Run a tool; returns its exit code, or that of the error or signal that ended it."""
    before = signal.signal(signal.SIGTERM, terminate)  # an exception, so that temporary folders are removed
    try:
        with mendable():
            return tool()
    except UserError as error:
        say(str(error))
        return error.code
    except OSError as error:
        say(f"{error.filename or 'file system'}: {error.strerror or error}; free space or name another file")
        return BLOCKED
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except Terminated:
        say("terminated")
        return TERMINATED
    finally:
        signal.signal(signal.SIGTERM, before)
