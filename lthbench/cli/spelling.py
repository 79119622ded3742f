"""Our symbols where a terminal or pipe has no letters for them: `−1.2 ± 0.3` becomes `-1.2 +- 0.3`."""

import codecs
import unicodedata

NAME = "lthbench-spelled"
# One character wherever a table often holds it, so that columns stay straight.
SPELLED = {
    "−": "-", "–": "-", "—": "-", "·": "*", "×": "x", "…": "~", "‘": "'", "’": "'", "“": '"', "”": '"', "✓": "+",
    "✗": "x", "○": "o", "■": "#", "█": "#", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+-", "→": "->",
    "←": "<-", "√": "sqrt", "∞": "inf", "α": "alpha", "β": "beta", "δ": "delta", "Δ": "Delta", "σ": "sigma",
}  # fmt: skip


def letters(character: str) -> str:
    """A character in ASCII: our spelling, the letter without its accent, or the escape."""
    if character in SPELLED:
        return SPELLED[character]
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return bare or character.encode("ascii", "backslashreplace").decode()


def spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for characters that cannot be written: an error handler of Python's codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(letters, error.object[error.start : error.end])), error.end


codecs.register_error(NAME, spelled)
