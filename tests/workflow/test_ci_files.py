"""The workflow files and the action are valid, their commands exist, and the action's shell does its work."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer
import yaml

from lthbench.cli.app import app

ROOT = Path(__file__).parents[2]
OURS = (ROOT / ".github/workflows/ci.yml").read_text()
PAGE = (ROOT / "docs/ci.md").read_text()
ONE_STEP, THEIRS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
SHELL = [step for step in ACTION["runs"]["steps"] if "run" in step]
OUTSIDE = {"python": {"python-version"}}  # outputs of steps that are others' actions
EXPRESSION = re.compile(r"\$\{\{ ([\w.-]+) \}\}")
PINNED = r"\./(lthbench)?|[a-z-]+/[a-z-]+@v\d+"
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")  # GitHub's `shell: bash`


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
        assert re.fullmatch(PINNED, step.get("uses", "a/b@v1"))


@pytest.mark.parametrize(
    "used", [*steps(OURS), *steps(THEIRS), *yaml.safe_load(ONE_STEP)], ids=lambda step: step.get("uses", "run")
)
def test_uses_of_the_action_give_it_what_it_takes(used) -> None:
    if used.get("uses", "run").startswith((".", "OWNER")):
        assert "baseline" in used["with"]
        assert set(used["with"]) <= set(ACTION["inputs"])


def test_each_page_and_workflow_uses_the_action() -> None:
    places = (steps(OURS), steps(THEIRS), yaml.safe_load(ONE_STEP))
    named = [[step["uses"] for step in place if "uses" in step] for place in places]
    assert [names[-1] for names in named] == ["./", "./lthbench", "OWNER/lthbench@COMMIT"]
    assert set(re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE)) == set(ACTION["inputs"])


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
    assert ACTION["inputs"]["python-version"]["default"] in declared


def test_the_baseline_named_is_committed() -> None:
    [baseline] = [step["with"]["baseline"] for step in steps(OURS) if step.get("uses") == "./"]
    assert (ROOT / baseline / "verdicts.json").is_file()
    for pinned in ("torch==", "torchvision=="):
        assert re.search(rf"^{pinned}", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_the_action_is_a_composite_action_as_github_takes_it() -> None:
    assert set(ACTION) == {"name", "description", "inputs", "outputs", "runs"}
    assert ACTION["runs"]["using"] == "composite"
    for given in ACTION["inputs"].values():
        assert set(given) == {"description", "default"}
        assert isinstance(given["default"], str)
    assert all(set(output) == {"description", "value"} for output in ACTION["outputs"].values())
    for step in ACTION["runs"]["steps"]:
        assert set(step) <= {"id", "name", "if", "uses", "with", "run", "shell", "env"}
        assert ("uses" in step) != ("run" in step)
        assert ("shell" in step) == ("run" in step)
        assert re.fullmatch(PINNED, step.get("uses", "a/b@v1"))


def test_what_the_action_refers_to_exists_and_inputs_are_never_shell_text() -> None:
    text = (ROOT / "action.yml").read_text()
    assert len(EXPRESSION.findall(text)) == text.count("${{")
    known: dict[str, set[str]] = {}
    asked = [EXPRESSION.findall(output["value"]) for output in ACTION["outputs"].values()]
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        used = EXPRESSION.findall(yaml.safe_dump([step.get("env"), step.get("with")], width=1000))
        assert all(reached(name, known) for name in used), used
        assert all(
            re.search(rf"\${name}\b", step["run"]) for name in step.get("env", ()) if name != "PIP_CACHE_DIR"
        )
        asked.append(used)
        if "id" in step:
            written = re.findall(r'echo "([\w-]+)=', step.get("run", ""))
            known[step["id"]] = OUTSIDE.get(step["id"], set()) | set(written)
    everywhere = {name for names in asked for name in names}
    assert all(reached(name, known) for name in everywhere)
    assert {f"inputs.{name}" for name in ACTION["inputs"]} <= everywhere
    [guard] = [step["if"] for step in ACTION["runs"]["steps"] if "if" in step]
    assert guard == "steps.run.outputs.report != ''"


def reached(name: str, known: dict[str, set[str]]) -> bool:
    """Whether an expression names an input, a fact of the runner, or an output of a step before."""
    room, _, rest = name.partition(".")
    if room == "steps":
        step, _, output = rest.partition(".outputs.")
        return output in known.get(step, ())
    return rest in {"inputs": set(ACTION["inputs"]), "runner": {"os", "arch", "temp"}}.get(room, ())


@dataclass
class Job:
    """The action's shell steps, run one after the other in an empty folder until one fails."""

    home: Path
    pretended: str = ""  # shell text in the place of lthbench
    outputs: dict[str, str] = field(default_factory=dict)
    code: int = 0

    def __post_init__(self) -> None:
        for folder in ("bin", "temp", "work"):
            (self.home / folder).mkdir(exist_ok=True)
        self.program("pip", f'printf "%s|" "$@" >> {self.home}/pip.txt; echo >> {self.home}/pip.txt')
        self.program("lthbench", self.pretended or f'exec {sys.executable} -m lthbench "$@"')

    def program(self, name: str, text: str) -> None:
        (self.home / "bin" / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (self.home / "bin" / name).chmod(0o755)

    def run(self, steps: list[dict] = SHELL, **inputs: str) -> "Job":
        given = {name: value["default"] for name, value in ACTION["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        values = {f"inputs.{name}": value for name, value in given.items()}
        values["runner.temp"] = str(self.home / "temp")
        for step in steps:
            known = values | {f"steps.run.outputs.{name}": value for name, value in self.outputs.items()}
            own = {
                name: EXPRESSION.sub(lambda found: known.get(found[1], ""), text)  # noqa: B023
                for name, text in step.get("env", {}).items()
            }
            self.code = self.step(step["run"], own)
            if self.code:
                break
        return self

    def step(self, text: str, own: dict[str, str]) -> int:
        written = self.home / "output.txt"
        written.write_text("")
        runner = {
            "PATH": f"{self.home}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home), "PYTHONPATH": str(ROOT), "GITHUB_ACTION_PATH": str(ROOT),
            "RUNNER_TEMP": str(self.home / "temp"), "GITHUB_OUTPUT": str(written),
            "GITHUB_STEP_SUMMARY": str(self.home / "summary.md"),
        }  # fmt: skip
        done = subprocess.run([*BASH, text], cwd=self.home / "work", env=runner | own, check=False)
        self.outputs |= dict(line.split("=", 1) for line in written.read_text().splitlines())
        return done.returncode

    @property
    def summary(self) -> str:
        return (self.home / "summary.md").read_text()

    @property
    def installed(self) -> list[list[str]]:
        return [line.split("|")[:-1] for line in (self.home / "pip.txt").read_text().splitlines()]


@pytest.fixture(scope="module")
def passed(tmp_path_factory) -> Job:
    return Job(tmp_path_factory.mktemp("passed")).run(suite="published", claim="FC-8")


def test_a_suite_that_passes(passed) -> None:
    assert passed.code == 0
    assert passed.outputs["exit-code"] == "0"
    assert passed.outputs["verdicts"] == "FC-8 PASS"
    report = Path(passed.outputs["report"])
    assert report.is_relative_to(passed.home / "work" / ACTION["inputs"]["out"]["default"] / "reports")
    assert (report / "junit.xml").is_file()
    assert passed.summary.startswith("**lthbench run: exit code 0.** FC-8 PASS\n\n# ")
    assert "](figures/" not in passed.summary
    assert len(passed.summary) > 0.9 * len((report / "report.md").read_text())


def test_a_verdict_that_changed_fails_with_lthbench_s_exit_code(passed, tmp_path) -> None:
    content = json.loads((Path(passed.outputs["report"]) / "verdicts.json").read_text())
    content["claims"][0]["verdict"] = "FAIL"
    (tmp_path / "before.json").write_text(json.dumps(content))
    (tmp_path / "job").mkdir()
    job = Job(tmp_path / "job").run(
        suite="published", claim="FC-8", baseline="../../before.json", out="else where"
    )
    assert (job.code, job.outputs["exit-code"], job.outputs["verdicts"]) == (1, "1", "FC-8 PASS")
    report = Path(job.outputs["report"])
    assert report == job.home / "work/else where/reports/published/FC-8"
    assert (report / "diff.xml").is_file()
    changed = job.summary.split("~~~")[1]
    assert changed.startswith("text\n")
    assert re.search(r"FC-8.*FAIL.*PASS", changed)
    assert "# Published results" in job.summary


def test_hostile_inputs_stay_words(tmp_path) -> None:
    bad = "\"; touch hacked; $(touch hacked) `touch hacked` '; touch hacked #"
    job = Job(tmp_path).run(suite="published", claim=bad, arguments=f"--seed 0 {bad} *")
    assert (job.code, job.outputs["exit-code"], job.outputs["report"]) == (2, "2", "")
    assert "exit code 2" in job.summary
    assert "hacked" in job.summary  # lthbench's own refusal, quoted
    assert not list(job.home.rglob("hacked"))


def test_every_input_reaches_the_command(tmp_path) -> None:
    job = Job(tmp_path, 'printf "%s\\n" "$@"; exit 4')
    (tmp_path / "work/a-file").touch()
    more = "--seed  1\n--cores 2 *"
    job.run(suite="s", claim="c", baseline="b b", device="cuda", claims_dir="d", arguments=more, out="o")
    words = job.summary.split("~~~")[1].splitlines()[1:]
    expected = [
        "run", "s", "--device", "cuda", "--out", "o", "--claim", "c", "--against", "b b", "--claims-dir", "d",
        "--seed", "1", "--cores", "2", "*",
    ]  # fmt: skip
    assert words == expected
    assert job.code == 4


@pytest.mark.parametrize("device", ["cpu", "auto", "cuda"])
def test_the_cpu_build_comes_first_unless_the_device_is_cuda(tmp_path, device) -> None:
    (tmp_path / "work/mine").mkdir(parents=True)
    job = Job(tmp_path, "exit 0").run(device=device, install="mine")
    own = ["install", "-q", "-c", f"{ROOT}/constraints.txt", str(ROOT)]
    mine = ["install", "-q", str(tmp_path / "work/mine")]
    *first, second, third = job.installed
    assert (second, third) == (own, mine)
    assert len(first) == (device != "cuda")
    for words in first:
        assert words[-2:] == ["--index-url", "https://download.pytorch.org/whl/cpu"]
        pins = Path(words[words.index("-r") + 1]).read_text()
        assert re.fullmatch(r"torch==\S+\ntorchvision==\S+\n", pins)
    assert job.code == 0


def test_a_package_that_is_no_folder_is_not_looked_up_anywhere(tmp_path) -> None:
    job = Job(tmp_path, "exit 0").run(install="mine")
    assert job.code != 0
    assert not [words for words in job.installed if "mine" in words[-1]]
    assert "exit-code" not in job.outputs


def test_a_summary_that_github_would_refuse_is_shortened(tmp_path) -> None:
    (tmp_path / "report").mkdir()
    line = "Zeichen, die mehr als ein Byte brauchen: ✓ ± −\n"
    (tmp_path / "report/report.md").write_text(line * 30_000)
    (tmp_path / "report/verdicts.json").write_text('{"claims": []}')
    job = Job(tmp_path, f'echo "Report: {tmp_path}/report/index.html  (also report.md)"').run()
    assert job.code == 0
    size = len((tmp_path / "summary.md").read_bytes())
    assert 900_000 < size < 2**20
    *lines, last = job.summary.rstrip().splitlines()
    assert last.startswith("**Shortened.**")
    assert set(lines[4:-2]) == {line.strip()}
