"""A Jupyter notebook as a page: its text, its code, and the outputs that are stored in it. Nothing is run here."""

import json
from pathlib import Path
from typing import Any

STYLES = "<style scoped>"  # of pandas' tables; the site has its own


def notebook_page(path: Path) -> str:
    """The notebook as Markdown, with a link to itself."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first, *rest = (part for cell in cells for part in parts(cell))
    return "\n\n".join([first, f"This page is a notebook: [{path.name}]({path.name}).", *rest]) + "\n"


def parts(cell: dict[str, Any]) -> list[str]:
    """A cell and what it gave."""
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [text]
    return [fenced(text, "python"), *(output(made) for made in cell.get("outputs", []))]


def output(made: dict[str, Any]) -> str:
    """What a cell gave: a table as HTML, else its text."""
    data = made.get("data", {})
    if "text/html" in data:
        return f'<div class="output">\n{without_styles("".join(data["text/html"]))}\n</div>'
    return fenced("".join(made.get("text") or data["text/plain"]).rstrip("\n"), "text")


def fenced(text: str, language: str) -> str:
    """A block of code. The fence is longer than any inside."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def without_styles(html: str) -> str:
    """A table without its own styles and borders, on one line: an empty one would end the block in Markdown."""
    before, _, rest = html.partition(STYLES)
    table = before + rest.partition("</style>")[2] if rest else before
    return " ".join(
        line.strip() for line in table.replace(' border="1" class="dataframe"', "").splitlines() if line.strip()
    )
