"""`lthbench site`: which runs the site shows, where their files go, and writing it all."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

from lthbench.claims.load import Registry
from lthbench.drive import rejudge, stages
from lthbench.errors import UserError
from lthbench.files import read_text, write_text
from lthbench.judging import diff
from lthbench.judging.stored import read_verdicts
from lthbench.plan.run import Run
from lthbench.report.figures.style import slug
from lthbench.report.site.columns import SiteRun
from lthbench.report.site.pages import Page, pages, standing_alone
from lthbench.words import shown

COMMITTED = Path(__file__).parents[2] / "reports" / "reference"  # not in the wheel
LARGEST_PAGE = 50_000_000
MADE = ".lthbench-site"  # in the folder of a site: it may be written again


@dataclass(frozen=True)
class Source:
    """A run on disk, and its folder below the site's root; `label` is what its owner calls it."""

    verdicts: Path
    report: Path
    place: str
    label: str = ""

    @property
    def shown(self) -> SiteRun:
        """The run as the site shows it."""
        page = f"{self.place}/index.html" if (self.report / "index.html").is_file() else ""
        return SiteRun(read_verdicts(self.verdicts), self.label, page, f"{self.place}/verdicts.json")

    def files(self) -> Iterator[tuple[Path, str]]:
        """The verdicts, the report's page and all it links to in its folder, with their addresses in the site."""
        yield self.verdicts, f"{self.place}/verdicts.json"
        page = self.report / "index.html"
        if not page.is_file():
            return
        yield page, f"{self.place}/index.html"
        for name in linked(page):
            if name not in ("index.html", "verdicts.json"):
                yield self.report / name, f"{self.place}/{name}"


class Links(HTMLParser):
    """The addresses that a page leads to or loads."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what an element names."""
        self.addresses += [value for name, value in attrs if name in ("href", "src") and value]


def linked(page: Path) -> list[str]:
    """Files in the page's folder that it links to, by their names in there; nothing that lies outside."""
    links = Links()
    links.feed(read_text(page, LARGEST_PAGE, UserError, "write the report again"))
    folder = page.parent.resolve()
    paths = [(folder / unquote(urlsplit(address).path)).resolve() for address in links.addresses if local(address)]
    inside = [path for path in paths if path.is_relative_to(folder) and path.is_file()]
    return list(dict.fromkeys(path.relative_to(folder).as_posix() for path in inside))


def local(address: str) -> bool:
    """Whether an address is a file: no other server, no data inside the address, no anchor alone."""
    parts = urlsplit(address)
    return not parts.scheme and not parts.netloc and bool(parts.path)


def committed(folder: Path = COMMITTED) -> list[Source]:
    """The reference runs of the checkout; none where the package was installed without them."""
    files = sorted(folder.glob("*/seed-*/verdicts.json"))
    return [
        Source(file, file.parent, f"reports/reference/{file.parent.relative_to(folder).as_posix()}")
        for file in files
    ]


def released(registry: Registry, work: Path) -> Iterator[Source]:
    """Suites that judge released results: nothing is trained, so they are judged and reported here, in `work`."""
    for suite in (suite for suite in registry.suites.values() if not suite.trains):
        run = Run(registry, suite.id, out=work)
        rejudge.collect(run)
        stages.judge(run)
        stages.report(run)
        yield Source(run.scope_folder / "verdicts.json", run.report, f"reports/reference/{suite.id}")


def named(names: Sequence[str], out: Path) -> list[Source]:
    """The runs that a user names: a verdicts.json, a folder that holds one, or a suite that was run in `out`."""
    return [source_of(name, out, place) for place, name in enumerate(names, 1)]


def source_of(name: str, out: Path, place: int) -> Source:
    """One of them; its report is beside the verdicts, or where `lthbench run` writes it."""
    verdicts = diff.stored(name, out)
    written = out / "reports" / name
    beside = verdicts.parent if Path(name).exists() else written
    label = shown("/".join(Path(name).parts[-2:]))
    return Source(verdicts, beside, f"runs/{place}-{slug(label)}", label)


def write(registry: Registry, folder: Path, names: Sequence[str], out: Path, alone: bool = False) -> list[Page]:
    """Write the site into a folder and give its pages, the overview first.

    `names` are a user's own runs, beside the committed ones, or `alone`. Raises UserError where a run is not
    there, or the folder holds something else.
    """
    refuse(folder)
    with TemporaryDirectory() as work:
        own = named(names, out)
        sources = own if alone else [*committed(), *released(registry, Path(work)), *own]
        if not sources:
            raise UserError("no run to show; name one: a folder that holds verdicts.json")
        made = pages(registry, [source.shown for source in sources])
        outside(folder, own)
        shutil.rmtree(folder, ignore_errors=True)
        copy(sources, folder)
    for page in made:
        write_text(folder / page.path, standing_alone(page, registry.popular is not None))
    write_text(folder / MADE, "Written by `lthbench site`, which may replace what is here.\n")
    return made


def refuse(folder: Path) -> None:
    """Refuse a folder that holds something else than a site, which is replaced."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a new folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / MADE).is_file():
        raise UserError(f"{folder}: holds something else than a site; name a new folder")


def outside(folder: Path, sources: Sequence[Source]) -> None:
    """Refuse runs that lie in the folder that is going to be replaced."""
    for source in sources:
        if folder.resolve() in source.verdicts.resolve().parents:
            raise UserError(f"{source.verdicts}: lies in the folder of the site; write the site elsewhere")


def copy(sources: Iterable[Source], folder: Path) -> None:
    """Put the runs' files below the folder."""
    for source in sources:
        for file, place in source.files():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / place)
