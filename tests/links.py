"""Following every link of a site on disk: what a reader would click, from each page to file and anchor."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Read(HTMLParser):
    """What the tests look at in a page: ids, addresses of links and of loaded things, headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.headings: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.ids += [known["id"]] if known.get("id") else []
        if tag == "a" and known.get("href") is not None:
            self.links.append(known["href"] or "")
        self.loads += [known[key] or "" for key in ("src", "data", "poster") if known.get(key)]
        if tag == "link" and "canonical" not in (known.get("rel") or ""):
            self.loads.append(known.get("href") or "")
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))


def outside(address: str) -> bool:
    """Whether an address is on another server."""
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme in ("http", "https")


def broken(site: Path) -> Iterator[str]:
    """Every link or loaded file that leads nowhere, as `page: address`."""
    pages = {page.resolve(): Read(page.read_text(encoding="utf-8")) for page in sorted(site.rglob("*.html"))}
    for page, read in pages.items():
        for address in [*read.links, *read.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            there = target.is_file() and target.is_relative_to(site.resolve())
            known = pages[target].ids if target in pages else None
            if not there or (parts.fragment and known is not None and unquote(parts.fragment) not in known):
                yield f"{page.relative_to(site.resolve())}: {address}"
