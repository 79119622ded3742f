"""The workflow files are valid, and every command in them exists with the options it is given."""

import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from lthbench.cli.app import app

ROOT = Path(__file__).parents[2]
OURS = (ROOT / ".github/workflows/ci.yml").read_text()
PAGE = (ROOT / "docs/ci.md").read_text()
THEIRS = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]


def steps(text: str) -> list[dict]:
    return [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]


def commands(text: str) -> list[str]:
    """The lines of a workflow, or of a page's shell blocks, that call lthbench."""
    lines = "\n".join(step.get("run", "") for step in steps(text)) if "jobs:" in text[:600] else text
    found = [line.strip().removeprefix(".venv/bin/") for line in lines.splitlines()]
    return [line for line in found if line.startswith("lthbench ")]


def parse(command: str) -> None:
    """Let the command line's own parser take it, without running anything."""
    words = shlex.split(command, comments=True)[1:]
    group = typer.main.get_command(app)
    context = group.make_context("lthbench", list(words))
    _, found, rest = group.resolve_command(context, list(words))
    found.make_context(found.name, rest, parent=context)


@pytest.mark.parametrize("text", [OURS, THEIRS], ids=["ours", "theirs"])
def test_workflows_are_whole(text) -> None:
    content = yaml.safe_load(text)
    assert {"name", "on", "jobs", "permissions"} <= set(content)
    for job in content["jobs"].values():
        assert job["runs-on"]
        assert job["timeout-minutes"] <= 120
    for step in steps(text):
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"[a-z-]+/[a-z-]+@v\d+", step.get("uses", "a/b@v1"))
    assert any("upload-artifact" in step.get("uses", "") for step in steps(text))
    assert any("--against" in command for command in commands(text))


@pytest.mark.parametrize("command", sorted({*commands(OURS), *commands(THEIRS), *commands(PAGE)}))
def test_commands_exist(command) -> None:
    parse(command)


def test_the_parser_notices_what_does_not_exist() -> None:
    for wrong in ("lthbench run quick --agianst x", "lthbench dif a b", "lthbench diff a"):
        with pytest.raises(Exception, match=r"(?i)no such|missing"):
            parse(wrong)


def test_our_workflow_runs_the_readme_s_test_command_on_the_declared_pythons() -> None:
    readme = (ROOT / "README.md").read_text()
    command = re.search(r"<!-- tests -->\n```sh\n(.*?)\n```", readme)[1]
    assert command in OURS
    declared = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert yaml.safe_load(OURS)["jobs"]["tests"]["strategy"]["matrix"]["python"] == declared


def test_the_baseline_named_is_committed() -> None:
    baseline = re.search(r"--against (\S+)", OURS)[1]
    assert (ROOT / baseline / "verdicts.json").is_file()
    for pinned in ("torch==", "torchvision=="):
        assert re.search(rf"^{pinned}", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
