"""Write the files of a report. The same inputs give the same bytes."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry
from lthbench.files import write_bytes, write_text
from lthbench.footprint.format import Footprint
from lthbench.judging.verdict import Verdicts, to_json
from lthbench.report.content import gather
from lthbench.report.figures.headlines import headlines_plot
from lthbench.report.figures.style import Picture
from lthbench.report.junit import junit
from lthbench.report.render import html, markdown
from lthbench.report.section import Material
from lthbench.results.inputs import FILE
from lthbench.results.inputs import to_csv as counts_csv
from lthbench.results.tidy import to_csv


def write_report(
    folder: Path,
    registry: Registry,
    verdicts: Verdicts,
    tidy: pd.DataFrame,
    provenance: list[dict[str, Any]],
    footprint: Footprint | None = None,
    inputs: pd.DataFrame | None = None,
) -> None:
    """Write the page, its Markdown, verdicts.json, junit.xml, the tidy table and the figures into the folder."""
    content = gather(Material(registry, verdicts, tidy, provenance, footprint, inputs))
    pictures = [*content.pictures(), *filter(None, [headlines_plot(verdicts)])]  # the last for other pages to show
    made = {folder / "figures" / name: text for picture in pictures for name, text in files(picture).items()}
    for path, text in made.items():
        write_text(path, text)
    for old in {*(folder / "figures").glob("*.svg"), *(folder / "figures").glob("*.csv")} - set(made):
        old.unlink()  # of an earlier report: nothing would link to it
    if verdicts.origin != "given":
        write_table(folder / "tidy.csv.gz", to_csv(tidy))
    if inputs is not None and len(inputs):
        write_table(folder / f"{FILE}.gz", counts_csv(inputs))
    write_text(folder / "provenance.json", json.dumps(provenance, indent=1) + "\n")
    write_text(folder / "verdicts.json", to_json(verdicts))
    write_text(folder / "junit.xml", junit(verdicts))
    write_text(folder / "report.md", markdown(content))
    write_text(folder / "index.html", html(content))


def files(picture: Picture) -> dict[str, str]:
    """The files of a figure: what is drawn, and the numbers."""
    svg = {f"{picture.name}.svg": picture.svg}
    return svg | ({f"{picture.name}.csv": picture.csv} if picture.csv else {})


def write_table(path: Path, text: str) -> None:
    """The table that the verdicts rest on; a file that holds it already keeps its bytes."""
    content = text.encode()
    try:
        if gzip.decompress(path.read_bytes()) == content:
            return
    except (OSError, EOFError, zlib.error):
        pass  # not there, or damaged
    write_bytes(path, gzip.compress(content, mtime=0))
