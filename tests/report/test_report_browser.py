"""Pages of every kind in a real browser: nothing is fetched, nothing clipped, nothing an auditor would fault."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

import lthbench
from lthbench.report.content import gather
from lthbench.report.render import html as page_of
from lthbench.report.section import Material
from lthbench.results.foreign import read_foreign

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "reports/reference"
AUDIT = (Path(__file__).parent / "audit.js").read_text()
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FRAME = """<!doctype html><meta charset="utf-8"><title>frame</title><body><script>
const told = {{}};
addEventListener("message", (event) => {{
  const said = JSON.parse(event.data);
  told[said.width[1]] = said;
  document.body.dataset.report = JSON.stringify(told);
}});
</script>{frames}</body>"""
WIDE, NARROW = 1440, 390

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs chromium")]


@pytest.fixture(scope="module")
def page_like(registry, verdicts, tidy, provenance, tmp_path_factory):
    """A page of each kind: our own runs, whole and in part, released results, a stranger's table, an own suite."""
    mini = Material(registry, verdicts, tidy, provenance)

    def exploratory() -> Material:
        suite = registry.suites["mini"].model_copy(update={"exploratory": True})
        known = replace(registry, suites={"mini": suite})
        return replace(mini, verdicts=replace(verdicts, exploratory=True), registry=known)

    def checked() -> Material:
        table = somebodys(read_foreign(REFERENCE / "cpu/seed-0/tidy.csv.gz"))
        return lthbench.check(table, claims="FC-1", suite="cpu").material()

    kinds = {
        "quick": lambda: lthbench.load(REFERENCE / "quick/seed-0").material(),
        "cpu-long": lambda: lthbench.load(REFERENCE / "cpu-long/seed-0").material(),
        "every verdict": lambda: mini,
        "exploratory": exploratory,
        "checked": checked,
        "released": lambda: lthbench.judge("published", out=tmp_path_factory.mktemp("released")).material(),
    }
    return cache(lambda kind: page_of(gather(kinds[kind]())))


def somebodys(tidy: pd.DataFrame) -> pd.DataFrame:
    """A results table as a stranger would bring it: two arms, final accuracies, no draws."""
    wanted = (tidy["experiment"] == "mnist-lenet-short") & (tidy["metric"] == "final_test_accuracy")
    cells = wanted & ((tidy["arm"] == "dense") | ((tidy["arm"] == "ticket") & (tidy["level"] == 9)))
    table = tidy[cells][["experiment", "arm", "level", "density", "replicate", "metric", "value"]]
    return table.assign(unit="percent")


def look(page: str, folder: Path, *widths: int, dark: bool = False) -> dict[str, dict]:
    """What the audit says of a page in windows so wide."""
    (folder / "page.html").write_text(page.replace("<head>", f"<head><script>{AUDIT}</script>", 1))
    frames = [f'<iframe src="page.html" style="width:{w}px;height:900px;border:0"></iframe>' for w in widths]
    (folder / "frame.html").write_text(FRAME.format(frames="".join(frames)))
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        "--window-size=1500,1000", "--allow-file-access-from-files", "--virtual-time-budget=9000",
        *["--blink-settings=preferredColorScheme=0"] * dark, "--dump-dom", (folder / "frame.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    said = re.search(r'data-report="([^"]*)"', done.stdout)
    assert said, done.stderr[-500:]
    return json.loads(html.unescape(said[1]))


@pytest.mark.parametrize("kind", ["quick", "cpu-long", "every verdict", "exploratory", "checked", "released"])
def test_a_page_in_a_browser(page_like, tmp_path, kind: str) -> None:
    told = look(page_like(kind), tmp_path, WIDE, NARROW)
    assert set(told) == {str(WIDE), str(NARROW)}
    for width, said in told.items():
        assert_sound(said)
        assert said["width"][0] <= int(width)  # nothing is clipped
        if kind in ("quick", "cpu-long", "every verdict"):
            assert said["menus"] == 3
            rows, cards, fits = said["filtered"]
            assert rows == cards == fits > 0
            assert said["ranks"] == sorted(said["ranks"])
            assert said["cards"] == said["order"]


@pytest.mark.parametrize("kind", ["every verdict", "quick"])
def test_a_page_in_the_dark(page_like, tmp_path, kind: str) -> None:
    assert_sound(look(page_like(kind), tmp_path, WIDE, dark=True)[str(WIDE)])


def assert_sound(said: dict) -> None:
    """No error, no request, no fault, folded or opened; and printing opens everything."""
    assert said["errors"] == []
    assert said["requests"] == []
    assert said["faults"] == []
    assert said["opened"] == []
    assert said["folded"] == 0


def test_the_audit_finds_faults(tmp_path) -> None:
    bad = (
        '<!doctype html><html lang="en"><head><title>x</title></head><body><main><h1>a</h1><h3>b</h3>'
        '<p id="x" style="color:#aaa">pale</p><p id="x">twice</p><svg></svg><a href="#x"></a>'
        '<img src="http://127.0.0.1:9/missing.png" alt=""><div style="width:3000px">wide</div></main>'
        "<script>undefined_function()</script></body></html>"
    )
    said = look(bad, tmp_path, WIDE)[str(WIDE)]
    rules = {fault.partition(":")[0] for fault in said["faults"]}
    assert {"contrast 2.32", "id twice", "heading skips a level", "link without words"} <= rules
    assert "figure without words" in rules
    assert said["requests"]
    assert said["errors"]
    assert said["width"][0] > WIDE
