"""What the pages name exists: commands with their options, linked files, paths, cited sections of the law."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from command_line import typed

from lthbench.cli.app import app

ROOT = Path(__file__).parents[1]
HOW_TO = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*HOW_TO, ROOT / "CHANGELOG.md"]  # which also names commands of the past
FEW = 8000  # bytes of the README
NO_COMMAND = r"\.\.\.|[|<]|[A-Z]{3}|: "  # placeholders, and outputs that begin like a command
COMMAND = re.compile(r"(?:^|`)(lthbench (?!is )(?:[^`\n\\]|\\\n)*)", re.MULTILINE)


def commands() -> list[str]:
    """Commands in blocks and in backticks; what only names one, such as `lthbench run`, is left out."""
    texts = [text for page in HOW_TO for text in COMMAND.findall(page.read_text())]
    whole = {text.replace("\\\n", " ").partition("#")[0].partition(" > ")[0].strip() for text in texts}
    return sorted(text for text in whole if len(text.split()) > 2 and not re.search(NO_COMMAND, text))


@pytest.mark.parametrize("command", commands())
def test_commands_exist(command: str) -> None:
    words = shlex.split(command)[1:]
    group = typer.main.get_command(app)
    context = group.make_context("lthbench", list(words))
    name, subcommand, rest = group.resolve_command(context, list(words))
    subcommand.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_are_named_exist(page: Path) -> None:
    rooms = "lthbench|tests|tools|claims|docs|examples|reports"
    paths = set(re.findall(rf"`((?:{rooms})/[\w./-]+)`", page.read_text()))
    made = {path for path in paths if path.startswith("reports/quick")}
    assert not sorted(path for path in paths - made if not (ROOT / path).exists())


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= FEW


def test_code_cites_sections_of_the_law_that_exist() -> None:
    law = (ROOT / "docs/decision.md").read_text()
    there = set(map(int, re.findall(r"^## (\d+)\. ", law, re.MULTILINE)))
    cited = [
        (path, int(number))
        for path in sorted((ROOT / "lthbench").rglob("*.py"))
        for numbers in re.findall(r"docs/decision\.md[,(]? \(?sections? ([\d, and to]+)", path.read_text())
        for number in re.findall(r"\d+", numbers)
    ]
    assert cited
    assert not [citation for citation in cited if citation[1] not in there]


def test_the_python_examples_run_and_print_what_the_page_shows(tmp_path, monkeypatch, capsys) -> None:
    for folder in ("docs", "reports"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/python.md").read_text()
    script, notebook = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with pytest.raises(SystemExit, match="0"):
        exec(script, {})
    assert f"```text\n{capsys.readouterr().out}```" in page
    names: dict = {}
    exec(notebook, names)
    assert names["claim"].verdict == "PASS"
    assert (tmp_path / "my-report/index.html").is_file()


def test_the_example_of_a_claim_of_ones_own_is_judged(tmp_path: Path) -> None:
    """As a user types it: arms that no claim of ours speaks of, from a table."""
    example = ROOT / "examples/own_claim"
    done = typed(["check", example / "results.csv", "--claims-dir", example / "claims", "--out", tmp_path])
    assert done.returncode == 0, done.stderr
    (claim,) = json.loads((tmp_path / "reports/check/verdicts.json").read_text())["claims"]
    assert (claim["id"], claim["verdict"], claim["replicates"]) == ("RIGL-1", "PASS", 8)
