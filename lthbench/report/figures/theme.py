"""Light and dark: inside a page a figure's colours are variables, which the page sets for either theme.

A figure's own file keeps its light colours: an image in a page knows nothing of the page's theme.
"""

import colorsys
import re

from matplotlib.colors import to_hex, to_rgb

from lthbench.report.figures.style import GREY, INK, LOOKS, PALE

DARKEST, LIGHTEST = 0.62, 0.86  # lightness of a colour on the dark page
FIXED = {  # paper, ink and the greys of grids, bands and margins
    "#ffffff": "#16181a",
    INK: "#ececea",
    GREY: "#a9a9a9",
    PALE: "#2b3a44",
    "#bbbbbb": "#555555",
    "#dddddd": "#3a3d40",
    "#e6e6e6": "#303336",
}
HEX = re.compile(r"(?<=: )#[0-9a-f]{6}(?=[;\"])")


def dark(colour: str) -> str:
    """The colour that stands for this one on a dark page: the same hue, light enough to be read."""
    if colour in FIXED:
        return FIXED[colour]
    hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(colour))
    return to_hex(colorsys.hls_to_rgb(hue, min(max(lightness, DARKEST), LIGHTEST), saturation))


def themed(svg: str) -> str:
    """A figure whose colours follow the page's theme."""
    return HEX.sub(lambda colour: f"var(--c{colour[0][1:]}, {colour[0]})", svg)


def variables(svgs: list[str]) -> dict[str, str]:
    """Of every colour in these figures: the name of its variable, and its value on a dark page."""
    colours = {colour for svg in svgs for colour in HEX.findall(svg)}
    return {f"--c{colour[1:]}": dark(colour) for colour in sorted(colours)}


def arm_colours() -> dict[str, str]:
    """The colour of every arm that has one of its own."""
    return {arm: look.colour.lower() for arm, look in LOOKS.items()}
