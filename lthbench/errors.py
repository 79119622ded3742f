"""Exit codes, and the one exception a user sees as a line instead of a traceback."""

PASS, FAIL, USAGE, INCONCLUSIVE, BLOCKED = 0, 1, 2, 3, 4
INTERRUPTED = 130


class UserError(Exception):
    """Something the user can mend; the message names the thing and the way out."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code
