"""`lthbench check` and the suite `published` as a user calls them, without torch."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import typed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def no_torch(tmp_path_factory) -> dict[str, str]:
    """An environment in which importing torch is an error, in child processes too."""
    folder = tmp_path_factory.mktemp("no-torch")
    (folder / "torch.py").write_text("raise ImportError('torch must not be imported')\n")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "COLUMNS": "120"}


def call(environment, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lthbench", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_worked_example_is_what_comes_out(no_torch, tmp_path) -> None:
    text = (DOCS / "results-format.md").read_text()
    table = (DOCS / "example-results.csv").read_text()
    assert table.count("\n") == 20
    assert f"```csv\n{table}```" in text
    command, shown = re.search(r"```console\n\$ lthbench (check .*?)\n(.*?)\n```", text, re.DOTALL).groups()
    shutil.copy(DOCS / "example-results.csv", tmp_path)
    done = call(no_torch, tmp_path, *command.split())
    assert done.returncode == 0, done.stderr
    said = [line.rstrip() for line in done.stdout.replace(str(tmp_path), ".").rstrip().splitlines()]
    assert said == shown.splitlines()
    page = (tmp_path / "reports/check/index.html").read_text()
    assert "on the results given" in page


@pytest.mark.parametrize("driver", [[], ["--claim", "FC-8"]])
def test_published_runs_without_torch(no_torch, tmp_path, driver) -> None:
    done = call(no_torch, tmp_path, "run", "published", *driver)
    assert "Traceback" not in done.stderr
    folder = tmp_path / "reports/published" / (driver[1] if driver else "")
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert done.returncode == verdicts["exit_code"]
    assert verdicts["origin"] == "published"
    for name in ("index.html", "report.md", "junit.xml"):
        assert "on published data" in (folder / name).read_text(), name
    assert "on published data" in done.stdout
    if not driver:
        drawn = (tmp_path / "reports/published/figures/frankle2019-resnet50-rewinding.svg").read_text()
        assert "73.62 at epoch 0" in drawn
        assert "does not state" in (folder / "report.md").read_text()


@pytest.mark.slow
def test_snakemake_starts_at_the_tidy_table(no_torch, tmp_path) -> None:
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-c1", "published"]
    done = subprocess.run(command, cwd=tmp_path, env=no_torch, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "GA-2" in done.stdout + done.stderr  # the verdicts of this suite, not of the last one in the file
    assert (tmp_path / "reports/published/index.html").exists()
    assert not list(tmp_path.rglob("*.done.json"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "published", "--seed", "1"], 2, ["trains nothing", "--seed"]),
        (["check", "none.csv"], 2, ["none.csv", "no such file"]),
        (["check", "t.csv", "--claim", "FC-88"], 2, ["no claim 'FC-88'", "did you mean 'FC-8"]),
        (["check", "t.csv", "--claim", "FC-6"], 2, ["FC-6 of suite quick, which lacks mnist1d-mlp:reinit@9"]),
        (["check", "t.csv", "--suite", "quik"], 2, ["unknown suite 'quik'"]),
        (["check", "t.csv", "--unit", "pp"], 2, ["unknown unit 'pp'"]),
        (["check", "t.csv", "--as", "lenet"], 2, ["no such experiment"]),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, arguments, code, words) -> None:
    shutil.copy(DOCS / "example-results.csv", tmp_path / "t.csv")
    done = typed(arguments, folder=tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert 1 <= len(done.stderr.strip().splitlines()) <= 2
    for word in words:
        assert word in done.stderr


def test_an_experiment_under_another_name(tmp_path) -> None:
    text = (DOCS / "example-results.csv").read_text().replace("mnist1d-mlp", "[bold]my-net<script>")
    (tmp_path / "t.csv").write_text(text)
    done = typed(["check", "t.csv", "--claim", "FC-8", "--as", "mnist1d-mlp"], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "is judged as 'mnist1d-mlp'" in done.stdout
    assert "[bold]my-net<script>" in done.stdout
    assert "my-net<script>" not in (tmp_path / "reports/check/index.html").read_text()


def test_our_own_table_gets_our_own_verdicts(tmp_path) -> None:
    folder = ROOT / "reports/reference/quick/seed-2"
    done = typed(["check", folder / "tidy.csv.gz"], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    ours, theirs = (
        json.loads(path.read_text())["claims"]
        for path in (folder / "verdicts.json", tmp_path / "reports/check/verdicts.json")
    )
    for own, given in zip(ours, theirs, strict=True):
        assert given["verdict"] == own["verdict"]
        assert given["gates"] == own["gates"]
        assert [h["evidence"] for h in given["hypotheses"]] == [h["evidence"] for h in own["hypotheses"]]
        assert (given["look"], given["why"]) == (own["look"], own["why"])
        assert [h["pass_level"] for h in given["hypotheses"]] == [h["pass_level"] for h in own["hypotheses"]]
    assert {own["look"] for own in ours} == {1, 2}


@pytest.mark.parametrize("suite", ["cpu", "cpu-long"])
def test_our_own_table_has_the_claims_that_judge_sees(no_torch, tmp_path, suite) -> None:
    folder = ROOT / f"reports/reference/{suite}/seed-0"
    done = call(no_torch, tmp_path, "check", str(folder / "tidy.csv.gz"), "--suite", suite)
    assert done.returncode != 2, done.stderr
    ours, theirs = (
        {claim["id"]: claim for claim in json.loads(path.read_text())["claims"]}
        for path in (folder / "verdicts.json", tmp_path / "reports/check/verdicts.json")
    )
    # Endpoints that are no column of the table (speed, gaps, log iterations) are derived, as `judge` derives them.
    run = {id for id, claim in ours.items() if claim["verdict"] != "NOT RUN"}
    assert set(theirs) >= run
    longer = set()
    for id in run:
        for own, given in zip(ours[id]["hypotheses"], theirs[id]["hypotheses"], strict=True):
            registered = len(own["d"])
            assert given["d"][:registered] == own["d"]
            if len(given["d"]) == registered:
                assert given["evidence"] == own["evidence"]
            else:
                longer.add((id, own["id"], len(given["d"])))
    # Other claims have twelve replicates of ZH-1 H4's cells: `judge` takes the eight registered, `check` all.
    assert longer == ({("ZH-1", "H4", 12)} if suite == "cpu-long" else set())
    assert ("ZH-1: n = 8/12 given, 8 registered" in done.stdout) == (suite == "cpu-long")


SUMMARIES = """experiment,arm,density,metric,value,sd,n
mine,one-shot,0.168,final_test_accuracy,88.6,0.2,5
mine,one-shot-reinit,0.168,final_test_accuracy,88.5,0.25,5
mine,dense,1,final_test_accuracy,91.7,0.2,5
"""


def test_a_strangers_numbers_are_not_shown_as_the_released_ones(tmp_path) -> None:
    (tmp_path / "t.csv").write_text(SUMMARIES)
    done = typed(["check", "t.csv", "--as", "renda2020-resnet20"], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "FC-13 H1, H2: summaries: Welch's t test" in done.stdout
    text = (tmp_path / "reports/check/report.md").read_text()
    section = text[text.index("## FC-13") :]
    assert "PASS on the results given" in section
    assert "whoever made the table" in section
    for words in ("released results, summarised", "The same by hand", "shared between cells", "on published"):
        assert words not in section
