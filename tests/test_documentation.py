"""The documentation site: it builds strictly, every link leads somewhere, and it opens from disk."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import browser, needs_browser
from links import Read, broken, outside

from tools.documentation.api import SHOWN, api_page
from tools.documentation.notebook import notebook_page

ROOT = Path(__file__).parents[1]
MADE = {
    "index.md",
    "popular.md",
    "claims/index.md",
    "start.md",
    "api.md",
    "examples/method.md",
}  # by tools/documentation/hooks.py
needs_mkdocs = pytest.mark.skipif(find_spec("mkdocs") is None, reason="no mkdocs; pip install -e '.[docs]'")


def named(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    else:
        for inner in part.values() if isinstance(part, dict) else part:
            yield from named(inner)


def test_the_navigation_names_every_page_once() -> None:
    pages = list(named(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert len(set(pages)) == len(pages)
    assert [page for page in pages if page not in MADE and not (ROOT / page).is_file()] == []
    lost = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} - set(pages)
    assert not lost, "add them to nav in mkdocs.yml"


def test_the_page_of_python_functions_has_a_text_for_each() -> None:
    page = api_page()
    for _, _, names in SHOWN:
        for name in names:
            text = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
            assert text.count("```") == 2, name
            assert len(text.partition("```\n")[2].split()) > 2, f"{name} has no docstring"


def test_the_notebook_is_a_page_with_its_outputs() -> None:
    page = notebook_page(ROOT / "examples/method.ipynb")
    assert page.startswith("# A method of your own, through the claims\n")
    assert "[method.ipynb](method.ipynb)" in page
    assert page.count("```python\n") == 5
    assert page.count('<div class="output">') == 2
    assert "found-random-mask" in page
    assert "is float32; give booleans" in page
    assert "<style" not in page
    assert len(page.split()) < 1500  # ten minutes, tables included


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documentation")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@needs_mkdocs
def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert list(broken(site)) == []
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        assert [address for address in Read(page.read_text()).loads if outside(address)] == [], page


@pytest.mark.slow
@needs_mkdocs
@needs_browser
@pytest.mark.parametrize(
    "page",
    ["index.html", "claims/ST-2.html", "docs/decision.html", "start.html", "api.html", "examples/method.html"],
)
def test_a_page_in_a_browser(site: Path, page: str) -> None:
    with browser() as tab:
        for width, dark in ((390, False), (1440, False), (1440, True)):
            tab.open(site / page, width, dark=dark)
            assert tab.complaints() == []
            assert [
                address for address in tab.requests() if not address.startswith(("file:", "data:", "about:"))
            ] == []
            assert tab.value("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"


@pytest.mark.slow
@needs_mkdocs
@needs_browser
def test_search_works_from_disk(site: Path) -> None:
    first = """new Promise((resolve) => {
      const box = document.querySelector("input.md-search__input");
      box.focus();
      box.value = "one-shot pruning";
      box.dispatchEvent(new Event("keyup", { bubbles: true }));
      const look = () => {
        const link = document.querySelector(".md-search-result__link");
        link ? resolve(link.href) : setTimeout(look, 50);
      };
      look();
      setTimeout(() => resolve(""), 15000);
    })"""
    with browser() as tab:
        tab.open(site / "index.html")
        assert tab.value(first).startswith("file:")
        assert tab.complaints() == []


def test_the_command_that_contributing_names_is_the_one_of_the_workflow() -> None:
    command = (ROOT / "CONTRIBUTING.md").read_text().partition("### A page of the site")[2].split("```sh\n")[1]
    assert command.partition("\n")[0] in (ROOT / ".github/workflows/ci.yml").read_text()
