"""`lthbench site` as a user types it, and its pages in a real browser."""

import shutil
from pathlib import Path

import pytest
from browser import browser, needs_browser
from command_line import typed
from links import Read, broken, outside

from lthbench.drive.site import linked

ROOT = Path(__file__).parents[2]
RUN = ROOT / "reports/reference/quick/seed-0"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    long = tmp_path_factory.mktemp("a-folder-whose-name-knows-no-end-and-no-space-either") / RUN.name
    shutil.copytree(RUN, long)
    done = typed(["site", folder, RUN, long])
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(f"open {(folder / 'index.html').resolve()}")
    return folder


def test_the_committed_runs_and_ones_own_are_there_with_their_reports(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert ">quick: quick/seed-0</a>" in page, "a user's own run has a column of its own"
    links = Read(page).links
    for suite in ("quick/seed-0", "cpu/seed-0", "cpu-long/seed-0", "published"):
        assert any(link.startswith(f"reports/reference/{suite}/index.html#") for link in links), suite
    assert any(link.startswith("runs/1-") for link in links)


def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    assert not list(broken(site))


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not [address for address in Read(page.read_text()).loads if outside(address)], page


def test_a_site_is_written_again_in_its_place(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    (folder / "claims/OLD-1.html").write_text("of an earlier site")
    assert typed(["site", folder, RUN, "--alone"]).returncode == 0
    assert not (folder / "claims/OLD-1.html").exists()
    assert not (folder / "reports").exists(), "alone: without the committed runs"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["here"], "here: holds something else than a site; name a new folder"),
        (["new", "nosuch"], "nosuch: no verdicts there"),
        (["new", "--alone"], "no run to show; name one"),
        (["here/note.txt"], "note.txt: is a file; name a new folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/note.txt").write_text("mine")
    done = typed(["site", *arguments], folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "here/note.txt").read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_run_inside_the_site_is_not_deleted_with_it(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    inside = folder / "reports/reference/quick/seed-0"
    done = typed(["site", folder, inside])
    assert done.returncode == 2
    assert "lies in the folder of the site" in done.stderr
    assert (inside / "verdicts.json").is_file()


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(
    "page", ["index.html", "claims/FC-1.html", "claims/ST-2.html", "claims/index.html", "popular.html"]
)
def test_a_page_in_a_browser(site: Path, page: str) -> None:
    with browser() as tab:
        for width, dark in ((390, False), (800, False), (1440, False), (1440, True), (390, True)):
            tab.open(site / page, width, dark=dark)
            assert tab.complaints() == []
            assert [address for address in tab.requests() if not address.startswith(("file:", "data:"))] == []
            assert tab.value("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"
            assert tab.looks_wrong() == []


@pytest.mark.slow
@needs_browser
def test_filters_in_a_browser(site: Path) -> None:
    shown = "document.querySelectorAll('tr.row:not([hidden])').length"
    other = "document.querySelectorAll('tr.row:not([hidden]):not(:has(td[data-verdict~=FAIL]))').length"
    with browser() as tab:
        tab.open(site / "index.html")
        every = tab.value(shown)
        failing = tab.value("document.querySelectorAll('tr.row:has(td[data-verdict~=FAIL])').length")
        button = "document.querySelector('[data-filter=verdict][data-value=FAIL]')"
        if failing:  # the numbers decide whether there is such a button
            tab.value(f"{button}.focus(), document.activeElement === {button}")
            tab.value(f"{button}.click()")
            assert (tab.value(shown), tab.value(other)) == (failing, 0)
            assert (
                tab.value("document.querySelector('[data-shown]').textContent") == f"{failing} of {every} claims"
            )
        tab.value("document.querySelector('[data-filter=scale][data-value=paper]').click()")
        tab.value("document.querySelector('.filters [type=reset]').click()")
        assert tab.value(shown) == every


@pytest.mark.slow
@needs_browser
def test_without_the_script_every_claim_is_readable(site: Path) -> None:
    with browser() as tab:
        tab.call("Emulation.setScriptExecutionDisabled", value=True)
        tab.open(site / "index.html", 390)
        assert not tab.value("document.querySelector('.filters').checkVisibility()")
        assert tab.value("[...document.querySelectorAll('tr.row')].every(row => row.checkVisibility())")


def test_a_report_takes_along_what_it_links_to_in_its_folder_and_nothing_else(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "figures").mkdir(parents=True)
    shutil.copy(RUN / "verdicts.json", run)
    for name in ("secret.txt", "run/other.csv", "run/figures/a.svg", "run/a b.csv"):
        (tmp_path / name).write_text("x")
    (run / "figures/out.svg").symlink_to(tmp_path / "secret.txt")
    links = [
        "figures/a.svg",
        "a%20b.csv#x",
        "../secret.txt",
        "figures/out.svg",
        "/etc/passwd",
        "//host/x",
        "data:,x",
        "#a",
    ]
    (run / "index.html").write_text("".join(f'<a href="{link}">x</a>' for link in links))
    assert sorted(linked(run / "index.html")) == ["a b.csv", "figures/a.svg"]
    assert typed(["site", tmp_path / "site", run, "--alone"]).returncode == 0
    [copied] = (tmp_path / "site/runs").iterdir()
    files = {path.relative_to(copied).as_posix() for path in copied.rglob("*") if path.is_file()}
    assert files == {"index.html", "verdicts.json", "a b.csv", "figures/a.svg"}
