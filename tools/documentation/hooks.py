"""What mkdocs builds the site from. Every file keeps its place in the repository: its links hold.

The front page, the claims and the committed runs come from the code of `lthbench site`; the page of Python
functions comes from docstrings, and the notebook is shown with the outputs it holds. Whatever a page links to is
taken along. Run by `mkdocs build` (mkdocs.yml).
"""

import posixpath
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page as DocsPage

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from lthbench.claims.load import load  # noqa: E402
from lthbench.drive.site import committed, released  # noqa: E402
from lthbench.report.site.pages import Page, asset, pages  # noqa: E402
from tools.documentation.api import api_page  # noqa: E402
from tools.documentation.notebook import notebook_page  # noqa: E402

LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
README, FIRST = "README.md", "start.md"  # under its own name it would be the front page
WIDE = "---\nhide: [navigation, toc]\n---\n"  # what mkdocs' theme reads: no columns beside the text
NOTEBOOK = "examples/method.ipynb"
work = TemporaryDirectory()  # of suites that are judged for the site; gone when mkdocs ends
made: dict[str, Page] = {}  # pages of `lthbench site`, by the file that mkdocs knows


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add every page and file of the site to those of the theme."""
    site_pages(files, config)
    generated(files, config, FIRST, content=(ROOT / README).read_text(encoding="utf-8"))
    generated(files, config, "api.md", content=api_page())
    generated(files, config, NOTEBOOK.replace(".ipynb", ".md"), content=notebook_page(ROOT / NOTEBOOK))
    for name in (*named_in(config.nav), *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))):
        take(files, config, name)
    for file in list(files.documentation_pages()):
        follow(files, config, file.src_uri, file.content_string)
    return files


def on_nav(nav: Any, config: MkDocsConfig, files: Files) -> Any:
    """Refuse a page of docs/ that the navigation leaves out: nobody would find it."""
    there = {page.file.src_uri for page in nav.pages}
    lost = [name for path in (ROOT / "docs").glob("*.md") if (name := f"docs/{path.name}") not in there]
    if lost:
        raise SystemExit(f"mkdocs.yml: nav: add {', '.join(sorted(lost))}")
    return nav


def on_page_markdown(markdown: str, page: DocsPage, config: MkDocsConfig, files: Files) -> str:
    """Lead to the report as a page, and to the list of a folder's files."""
    return LINK.sub(lambda link: f"]({leads_to(page.file.src_uri, link[1])}", markdown)


def on_page_content(html: str, page: DocsPage, config: MkDocsConfig, files: Files) -> str:
    """Put the body of a page of `lthbench site` below its title; an empty corner of a table is no heading."""
    body = made.get(page.file.src_uri)
    html = html.replace("<th></th>", "<td></td>")
    return html if body is None else f'{html}<div class="lth">{body.body}</div>'


def on_post_page(output: str, page: DocsPage, config: MkDocsConfig) -> str:
    """Name the theme's search dialog, for those who cannot see it."""
    return output.replace('role="dialog">', 'role="dialog" aria-label="Search">')


def on_post_build(config: MkDocsConfig) -> None:
    """Leave out the theme's page for addresses that do not exist: it only works at the root of a server."""
    (Path(config.site_dir) / "404.html").unlink(missing_ok=True)


def site_pages(files: Files, config: MkDocsConfig) -> None:
    """The overview, the claims, and the runs that they rest on."""
    registry = load(ROOT / "claims")
    sources = [*committed(), *released(registry, Path(work.name))]
    for page in pages(registry, [source.shown for source in sources]):
        name = page.path.removesuffix(".html") + ".md"
        made[name] = page
        generated(files, config, name, content=f"{WIDE}# {page.title}\n")
    for source in sources:
        for file, place in source.files():
            as_it_is(files, config, place, file)
    for name in ("site.css", "site.js"):
        generated(files, config, f"assets/{name}", content=asset(name))


def generated(files: Files, config: MkDocsConfig, name: str, **where: str) -> None:
    """Add a file, or replace the one of that name."""
    old = files.get_file_from_path(name)
    if old is not None:
        files.remove(old)
    files.append(File.generated(config, name, **where))  # type: ignore[arg-type]


def as_it_is(files: Files, config: MkDocsConfig, name: str, path: Path) -> None:
    """Add a file that is not made into a page; a Markdown one is known to mkdocs by another name."""
    known = f"{name}.txt" if name.endswith(".md") else name  # by its own, links are checked
    generated(files, config, known, abs_src_path=str(path))
    file = files.get_file_from_path(known)
    assert file is not None
    file.dest_uri = name


def take(files: Files, config: MkDocsConfig, name: str) -> None:
    """Add a file of the repository in its place, once, with all it links to; a folder becomes a list of files."""
    path = ROOT / name
    if path.is_dir():
        name = f"{name}/index.md"
    if name == README or files.get_file_from_path(name) is not None or not path.exists():
        return
    if path.is_dir():
        names = [file.name for file in sorted(path.iterdir()) if file.is_file()]
        text = "\n".join([f"# {path.relative_to(ROOT)}\n", *(f"- [{own}]({own})" for own in names)])
        generated(files, config, name, content=text + "\n")
        follow(files, config, name, text)
        return
    generated(files, config, name, abs_src_path=str(path))
    if name.endswith(".md"):
        follow(files, config, name, path.read_text(encoding="utf-8"))


def follow(files: Files, config: MkDocsConfig, name: str, text: str) -> None:
    """Take along what a page links to."""
    for link in LINK.findall(text):
        take(files, config, target(name, link))


def target(name: str, link: str) -> str:
    """Where a link of a page leads, from the repository's root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), link))


def leads_to(name: str, link: str) -> str:
    """The address in the site for a link of the repository."""
    if link.endswith("/report.md"):
        return link.removesuffix("report.md") + "index.html"
    if target(name, link) == README:
        return link.removesuffix(README) + FIRST
    return f"{link.rstrip('/')}/index.md" if (ROOT / target(name, link)).is_dir() else link


def named_in(nav: Any) -> list[str]:
    """The files that the navigation names."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav or []
    return [name for part in parts for name in named_in(part)]
