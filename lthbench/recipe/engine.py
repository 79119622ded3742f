"""The declared version of everything that can change a number, and the check that the code still is it.

Results belong to an engine. Changing the code of the rooms in SCIENCE without declaring it here gives the changed
code a name of its own (`1+3f9c2a...`), so its results are computed afresh and never mixed with older ones.
When the change cannot alter a number, put the new source hash here; when it can, raise VERSION as well.
`lthbench engine` prints both, and a test fails while they disagree.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

__version__ = "0.1.0"

VERSION = 2
SOURCE = "6d9171f8ccf8"

PACKAGE = Path(__file__).parents[1]
SCIENCE = ("recipe", "data", "models", "pruning", "training", "tickets")


@cache
def source_hash() -> str:
    """sha256 (12 digits) over the code of the science rooms, without what comments and docstrings say."""
    digest = hashlib.sha256()
    for file in science_files():
        digest.update(file.relative_to(PACKAGE).as_posix().encode())
        digest.update(code_of(file.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:12]


def science_files() -> list[Path]:
    """The modules that can change a number, but for this one, which holds the hash."""
    files = [file for room in SCIENCE for file in sorted((PACKAGE / room).rglob("*.py"))]
    return [file for file in files if file != Path(__file__)]


def code_of(source: str) -> str:
    """The lines of a module without comments, docstrings and blank lines. The same text on every Python."""
    nodes = list(ast.walk(ast.parse(source)))
    texts = [node for node in nodes if isinstance(node, ast.JoinedStr | ast.Constant)]
    lines = source.encode().splitlines()
    for row, line in enumerate(lines, start=1):
        if b"#" in line:
            lines[row - 1] = line[: comment(line, row, texts)]
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            blank(lines, node.body[0])
    return b"\n".join(line.rstrip() for line in lines if line.strip()).decode()


def blank(lines: list[bytes], said: ast.stmt) -> None:
    """Take a docstring out of the lines, and nothing that stands beside it: `def f(x): "Twice."; return 2 * x`."""
    first, last = said.lineno - 1, (said.end_lineno or said.lineno) - 1
    before, after = lines[first][: said.col_offset], lines[last][said.end_col_offset or 0 :]
    lines[first : last + 1] = [b""] * (last + 1 - first)
    lines[first] += before
    lines[last] += after


def comment(line: bytes, row: int, texts: list[ast.JoinedStr | ast.Constant]) -> int:
    """Where the comment of a line begins: at the first # that is in no text; else its end."""
    spans = [
        ((text.lineno, text.col_offset), (text.end_lineno or row, text.end_col_offset or 0))
        for text in texts
        if text.lineno <= row <= (text.end_lineno or row)
    ]
    for place, byte in enumerate(line):
        if byte == ord("#") and not any(first <= (row, place) < end for first, end in spans):
            return place
    return len(line)


def engine() -> str:
    """The engine's name: the version, with the source hash appended when the source is not the declared."""
    return str(VERSION) if source_hash() == SOURCE else f"{VERSION}+{source_hash()}"
