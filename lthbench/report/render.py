"""Templates and how text gets into them: escaped by default, in HTML and in Markdown."""

import re
from typing import Any

import jinja2
from markupsafe import Markup

from lthbench.judging.verdict import SYMBOLS
from lthbench.judging.words import sizes
from lthbench.report import numbers, sentences
from lthbench.report.content import Content
from lthbench.report.figures.style import slug
from lthbench.words import plain

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
    )
    return made


def html(content: Content) -> str:
    """index.html: one file that needs no other."""
    return environment(True, html_text).get_template("index.html.j2").render(content=content)


def markdown(content: Content) -> str:
    """report.md, for a reader who has only this file."""
    text = environment(False, markdown_text).get_template("report.md.j2").render(content=content)
    return re.sub(r"\n{3,}", "\n\n", text)
