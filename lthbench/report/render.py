"""Templates and how text gets into them: escaped by default, in HTML and in Markdown."""

import re
from typing import Any

import jinja2
from markupsafe import Markup

from lthbench.judging.verdict import SYMBOLS
from lthbench.judging.words import sizes
from lthbench.recipe.arms import ARMS
from lthbench.report import numbers, sentences
from lthbench.report.content import Content
from lthbench.report.figures.forest import scale_of, strip_of
from lthbench.report.figures.style import slug
from lthbench.report.figures.theme import themed, variables
from lthbench.words import plain

KINDS = {
    "primary": "what the suite is for; these alone give the exit code",
    "secondary": "beside the primary ones",
    "counter": "a claim that limits or contradicts another",
    "popular": "a sentence of a popular account",
}
CARD_FIGURES = (
    "Figures of claims: left, each replicate from one arm to the other; right, its difference, in the colour of "
    "the arm that was better. Diamond and bar: mean and 95 % interval; triangle: the paper's value, where it was "
    "verified and can be compared. Solid line: no difference; dashed: the margin. "
    "Shaded: where the mean has to lie for "
)
MARKUP = (
    (re.compile(r"([\\`*|])"), r"\\\1"),
    (re.compile(r"(?<!\w)_|_(?!\w)"), r"\\_"),  # inside a word it is no emphasis
    (re.compile(r"\](?=\()"), r"\\]"),
    (re.compile(r"&(?=#?\w+;)"), "&amp;"),
    (re.compile(r"<(?=[A-Za-z/!?])"), "&lt;"),
)


def markdown_text(value: Any) -> Any:
    """Text that Markdown shows as it is, on one line. Only what would act as markup is escaped."""
    if isinstance(value, Markup):
        return value
    text = plain(value)
    for pattern, replacement in MARKUP:
        text = pattern.sub(replacement, text)
    return text


def alternative(text: str) -> Markup:
    """Text between the brackets of an image."""
    return Markup(re.sub(r"(?<!\\)([\[\]])", r"\\\1", markdown_text(text)))


def html_text(value: Any) -> Any:
    """One line without control characters; jinja2 escapes it afterwards."""
    return value if isinstance(value, Markup) else plain(value)


def environment(autoescape: bool, finalize: Any) -> jinja2.Environment:
    """Templates of the package. A name that is missing is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("lthbench.report"),
        autoescape=autoescape,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["alternative"] = alternative
    made.globals.update(
        html=autoescape,  # a template holds both texts of its section
        symbols=SYMBOLS,
        meanings=sentences.MEANINGS,
        verified=sentences.VERIFIED,
        reduced=sentences.REDUCED,
        required=sentences.required,
        deciding=numbers.deciding,
        interval=numbers.interval,
        sizes=sizes,
        whole=numbers.whole,
        rate=numbers.rate,
        slug=slug,
        arms=ARMS,
        strip_of=strip_of,
        scale_of=scale_of,
        themed=themed,
        kinds=KINDS,
        card_figures=CARD_FIGURES,
    )
    return made


def html(content: Content) -> str:
    """index.html: one file that needs no other."""
    colours = variables([picture.svg for picture in content.pictures()])
    return environment(True, html_text).get_template("index.html.j2").render(content=content, dark=colours)


def markdown(content: Content) -> str:
    """report.md, for a reader who has only this file."""
    text = environment(False, markdown_text).get_template("report.md.j2").render(content=content)
    return re.sub(r"\n{3,}", "\n\n", text)
