"""Write the files of a report. The same inputs give the same bytes."""

from pathlib import Path
from typing import Any

import pandas as pd

from lthbench.claims.load import Registry
from lthbench.files import write_text
from lthbench.footprint.format import Footprint
from lthbench.judging.verdict import Verdicts, to_json
from lthbench.report.content import gather
from lthbench.report.figures.headlines import headlines_plot
from lthbench.report.junit import junit
from lthbench.report.render import html, markdown
from lthbench.report.section import Material


def write_report(
    folder: Path,
    registry: Registry,
    verdicts: Verdicts,
    tidy: pd.DataFrame,
    provenance: list[dict[str, Any]],
    footprint: Footprint | None = None,
) -> None:
    """Write index.html, report.md, verdicts.json, junit.xml and figures/*.svg into the folder."""
    content = gather(Material(registry, verdicts, tidy, provenance, footprint))
    pictures = [*content.pictures(), *filter(None, [headlines_plot(verdicts)])]  # the last for other pages to show
    for picture in pictures:
        write_text(folder / "figures" / f"{picture.name}.svg", picture.svg)
    for old in set((folder / "figures").glob("*.svg")) - {folder / "figures" / f"{p.name}.svg" for p in pictures}:
        old.unlink()  # of an earlier report: nothing would link to it
    write_text(folder / "verdicts.json", to_json(verdicts))
    write_text(folder / "junit.xml", junit(verdicts))
    write_text(folder / "report.md", markdown(content))
    write_text(folder / "index.html", html(content))
