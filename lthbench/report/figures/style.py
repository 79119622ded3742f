"""How every figure looks, and how it becomes an SVG that is the same bytes each time."""

import colorsys
import re
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any
from zlib import crc32

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from lthbench.recipe.arms import ARMS
from lthbench.words import plain

WIDTH = 6.6  # inches; shown about 630 px wide
INK, GREY, PALE = "#1a1a1a", "#6b6b6b", "#e3ecf2"
VERDICTS = {  # the colours of badges in the page
    "PASS": "#0b5d34", "FAIL": "#9b1c1c", "INCONCLUSIVE": "#6b4a00", "NOT DECIDABLE": "#555555",
    "BLOCKED": "#4b2a70", "NOT RUN": "#555555",
}  # fmt: skip
DARK_ENOUGH = 0.3  # lightness of coloured words
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: figures are laid out alike everywhere
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name is a dollar sign
    "svg.fonttype": "none",  # text stays text: half the bytes, and it can be searched and copied
    "svg.hashsalt": "lthbench",
}


@dataclass(frozen=True)
class Look:
    """Colour (Okabe-Ito), marker and dashes of an arm: two arms differ in all three, also in grey."""

    colour: str
    marker: Any
    dashes: Any
    filled: bool = True

    @property
    def face(self) -> str:
        """The colour inside its marker."""
        return self.colour if self.filled else "white"


LOOKS = {
    "dense": Look(INK, "None", (0, (6, 2))),
    "ticket": Look("#0072B2", "o", "-"),
    "rewound": Look("#D55E00", "s", (0, (5, 1.5))),
    "one-shot": Look("#009E73", "^", (0, (3, 1.5))),
    "reinit": Look("#CC79A7", "D", (0, (1, 1.2)), False),
    "reinit-rescaled": Look("#9c5a83", "v", (0, (1, 2.5)), False),
    "shuffled": Look("#E69F00", "P", (0, (4, 1.5, 1, 1.5))),
    "random-mask": Look("#56B4E9", "X", (0, (4, 1.2, 1, 1.2, 1, 1.2))),
    "lr-rewound": Look("#8c4a1f", "<", (0, (8, 2))),
    "fine-tuned": Look("#7a7a00", ">", (0, (8, 2, 1, 2))),
    "continued": Look("#5b3a8c", "h", (0, (8, 1.5, 1, 1.5))),
    "pruned-at-init": Look("#5b2bb5", "p", (0, (2, 1))),
    "untrained": Look("#5f9ea0", "*", (0, (1, 4)), False),
    "untrained-constant": Look("#2f6f6f", "H", (0, (2, 4)), False),
    "edge-popup": Look("#b22222", "d", (0, (6, 1, 1, 1))),
    "supermask": Look("#808080", "8", (0, (6, 1, 2, 1, 1, 1))),
    "transferred": Look("#00688b", "x", (0, (10, 2))),
    "transferred-reinit": Look("#a0522d", "+", (0, (10, 2, 1, 2)), False),
    "reinit-signs": Look("#8b5f8b", "1", (0, (1, 1.2, 3, 1.2)), False),
    "frozen": Look("#3f7f9f", "|", (0, (4, 1, 1, 1))),
    "constant": Look("#556b2f", "2", (0, (3, 3)), False),
    "pruned-at-init-shuffled": Look("#a66f00", "3", (0, (2, 1, 1, 1))),  # as shuffled, darker
    "pruned-at-init-reinit": Look("#a3195b", "4", (0, (2, 1, 1, 1, 1, 1)), False),  # as reinit, darker
}
RELEASED = {  # arms that only released results have
    "finetuned": LOOKS["fine-tuned"],
    "one-shot-finetuned": Look("#a8a800", ">", (0, (3, 1, 1, 1)), False),
    "one-shot-rewound": Look("#f08a45", "s", (0, (3, 1, 1, 1)), False),
    "one-shot-lr-rewound": Look("#c08552", "<", (0, (3, 1, 1, 1)), False),
    "one-shot-reinit": Look("#e05599", "D", (0, (3, 1, 1, 1)), False),
    "magnitude": Look("#882255", "^", (0, (6, 1))),
    "random-pruning": Look("#117733", "X", (0, (2, 1)), False),
    "reinit-double": Look("#aa4499", "D", (0, (4, 2))),
    "reinit-rescaled-double": Look("#5c3566", "v", (0, (4, 2))),
}
OTHERS = (  # for arms of strangers
    Look("#117733", "v", (0, (5, 1.5)), False),
    Look("#882255", "s", (0, (1, 1.2)), False),
    Look("#999933", "P", (0, (4, 1.5, 1, 1.5))),
    Look("#44aa99", "X", (0, (4, 1.2, 1, 1.2, 1, 1.2))),
    Look("#aa4499", "D", (0, (3, 1.5)), False),
    Look("#332288", "h", (0, (1, 2.5)), False),
)
UNKNOWN = Look(GREY, "h", (0, (2, 2)), False)


def look(arm: str) -> Look:
    """The look of an arm, the same in every figure: its own, a star for one of ours without, else by its name."""
    known = LOOKS | RELEASED
    if arm in known or not arm:
        return known.get(arm, UNKNOWN)
    if arm not in ARMS:
        return OTHERS[crc32(arm.encode()) % len(OTHERS)]
    place = [name for name in ARMS if name not in LOOKS].index(arm)
    return Look(GREY, (place + 4, 1, 0), (0, (place + 2, 2.2)), False)


def legible(colour: str) -> str:
    """A colour dark enough for words on white: the same hue."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(colour))
    return to_hex(colorsys.hls_to_rgb(hue, min(lightness, DARK_ENOUGH), saturation))


def shade(colour: str, place: int, of: int) -> str:
    """The first of several is the colour itself, the others lighter and lighter."""
    light = 0.55 * place / max(of - 1, 1)
    red, green, blue = (part + (1 - part) * light for part in to_rgb(colour))
    return to_hex((red, green, blue))


styled = mpl.rc_context(RC)  # decorates whatever draws; matplotlib reads its settings while drawing


def new_figure(height: float) -> Figure:
    """An empty figure of the report's width."""
    return Figure(figsize=(WIDTH, height))


def grid(axes: Axes) -> None:
    """A quiet grid behind the data."""
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


@dataclass(frozen=True)
class Picture:
    """A finished figure: its file name, text alternative and caption."""

    name: str
    title: str
    alt: str
    caption: str
    svg: str
    csv: str = ""  # the numbers that are drawn


@styled
def to_svg(figure: Figure, name: str, title: str, alt: str) -> str:
    """The figure as an SVG element that carries its text alternative and can stand inside a page."""
    stream = StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' [dxy]="[^"]*"|translate\([^)]*\)', _rounded, svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif", svg)  # widths as Verdana's
    # Many figures share one page: the ids that are referred to must not meet.
    key = f"f{crc32(name.encode()):08x}"
    svg = re.sub(r'\bid="', f'id="{key}.', svg)
    svg = re.sub(r'href="#', f'href="#{key}.', svg)
    svg = re.sub(r"url\(#", f"url(#{key}.", svg)
    described = (
        f'<svg role="img" aria-labelledby="{name}.title {name}.desc" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns="http://www.w3.org/2000/svg"'
    )
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt" viewBox="([^"]+)"', svg)
    assert size is not None
    body = svg[svg.index(">") + 1 :]
    return (
        f'{described} width="{size[1]}pt" height="{size[2]}pt" viewBox="{size[3]}">'
        f'<title id="{name}.title">{escape(plain(title))}</title>'
        f'<desc id="{name}.desc">{escape(plain(alt))}</desc>{body.rstrip()}\n'
    )


def _rounded(place: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point; scales are left alone."""
    return re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), place[0])


def picture(
    figure: Figure, name: str, title: str, alt: str, caption: str, table: pd.DataFrame | None = None
) -> Picture:
    """Put a figure together with its words and the table of what it draws."""
    csv = "" if table is None else table.to_csv(index=False, float_format="%.10g", lineterminator="\n")
    return Picture(name, title, alt, caption, to_svg(figure, name, title, alt), csv)


def slug(text: str) -> str:
    """Text as part of a file name and of an id."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-") or "x"
