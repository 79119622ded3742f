"""The commands that only look."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import typed
from rich.console import Console

from lthbench import __version__
from lthbench.claims.load import load
from lthbench.cli import show, tables
from lthbench.cli.app import app
from lthbench.drive import cost
from lthbench.plan.run import Run
from lthbench.plan.suite import Chunk, first_chunks

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["claim", "suite", "experiment", "questions"])
def test_schemas_are_for_editors(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    app(["schema", kind], standalone_mode=False)
    schema = json.loads(capsys.readouterr().out)
    assert schema["additionalProperties"] is False
    assert "id" in schema["required"]


def test_plan_shows_a_line_per_arm_and_as_data_what_each_unit_is_made_from(lthbench) -> None:
    done = lthbench("plan", "tiny")
    assert done.returncode == 0
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("  reinit "))
    assert row[:4] == ["reinit", "2", "2", "24"]  # two blocks of four replicates, three draws
    assert row[-2:] == ["to", "do"]
    assert "10 units in 2 chunks" in done.stdout
    units = json.loads(lthbench("plan", "tiny", "--json").stdout)["units"]
    assert {unit["made_from"][0] for unit in units if unit["arm"] == "reinit"} == {"ticket@2"}


@pytest.mark.parametrize(
    "suite", ["quick", "cpu", "cpu-long", "cpu-paper", "full-core", "field", "shortcuts", "images"]
)
def test_a_plan_fits_eighty_columns(suite: str) -> None:
    run = Run(load(), suite)
    rates = {(rate.experiment, rate.device): rate for rate in cost.read_rates(cost.SHIPPED)}
    rows = cost.cost_rows(run.units(), set(), rates)
    table = [*tables.units(run, set()), *tables.costs(rows)]
    assert [line for line in table if len(line) > 80 and not line.startswith("  - ")] == []
    assert sum(line.startswith("  together") for line in table) == len({row.device for row in rows})
    assert {unit.experiment.id for unit in run.units()} <= set(table)


def test_plan_knows_what_is_finished(lthbench, plain_run: Path) -> None:
    assert "0 to do" in lthbench("plan", "tiny", "--out", plain_run).stdout


def test_list_gives_a_claim_a_line_and_a_suite_its_numbers(lthbench) -> None:
    text = lthbench("list").stdout
    assert text.splitlines().count("FC-6   primary   FC-6 in small") == 1
    assert "ST-2" in text
    assert "FC-6   primary   n = 8, power 1.000: tiny FC-6" in lthbench("list", "tiny").stdout
    refused = lthbench("list", "tinny")
    assert refused.returncode == 2
    assert "did you mean 'tiny'?" in refused.stderr


def test_list_of_the_packages_claims_fits_a_few_screens() -> None:
    registry = load()
    lines = list(tables.catalogue(registry, 80))
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 80
    indented = " ".join(line for line in lines if line.startswith("  "))
    claims = [claim for suite in registry.suites.values() for claim in suite.claims]
    assert indented.replace(",", "").split() == claims
    kinds = {"primary", "secondary", "counter", "popular"}
    assert [words[0] for line in lines if (words := line.split())[1] in kinds] == list(dict.fromkeys(claims))


def test_engine_says_whether_the_code_is_the_declared(capsys: pytest.CaptureFixture[str]) -> None:
    app(["engine"], standalone_mode=False)
    assert "as declared" in capsys.readouterr().out


@pytest.fixture
def process(environment, tmp_path):
    """Type a command, with more of the environment or of Python's options where given."""

    def call(*arguments: str, python: tuple[str, ...] = (), **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *python, "-m", "lthbench", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment | more, capture_output=True, text=True, timeout=300
        )

    return call


def test_the_version(process) -> None:
    for arguments in (["--version"], ["--version", "list"]):
        done = process(*arguments)
        assert (done.returncode, done.stdout) == (0, f"lthbench {__version__}\n")


def test_without_a_command_there_is_help_and_no_error_line(process) -> None:
    done = process()
    assert done.returncode == 2
    assert "campaign" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--version"], {"typer", "rich", "numpy", "yaml", "pydantic"}),
        (["--help"], {"numpy", "scipy", "pandas", "torch", "matplotlib", "pydantic", "yaml"}),
        (["plan", "quick"], {"pandas", "torch", "matplotlib", "snakemake"}),
        (["list"], {"torch", "matplotlib", "snakemake"}),
    ],
)
def test_a_command_imports_what_it_needs(process, arguments, heavy) -> None:
    done = process(*arguments, python=("-X", "importtime"))
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "lthbench" in imported
    assert not imported & heavy


def test_a_terminal_without_our_letters_gets_the_answer(process) -> None:
    reference = str(ROOT / "reports/reference/quick/seed-0")
    for arguments in (
        ["explain", "FC-1", "--run", reference],
        ["diff", reference, reference],
        ["list"],
        ["--help"],
    ):
        done = process(*arguments, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()
    assert "delta = 1.5" in process("explain", "FC-1", "--run", reference, PYTHONIOENCODING="ascii").stdout


def test_claims_are_known_in_any_case(environment, lthbench, tmp_path: Path) -> None:
    asked = lthbench("judge", "tiny", "--claim", "fc-6", "--out", tmp_path)
    assert "scopes/FC-6/tidy.csv: not there" in asked.stderr
    several = lthbench("judge", "tiny", "--claim", "st-2", "--claim", "fc\u22126,FC-6", "--out", tmp_path)
    assert "scopes/FC-6+ST-2/tidy.csv: not there" in several.stderr
    assert typed(["explain", "lmc-1"], environment, tmp_path).stdout.startswith("LMC-1 (")
    assert "no claim 'fc-99'; did you mean 'FC-" in typed(["explain", "fc-99"], environment, tmp_path).stderr
    table = ROOT / "docs/example-results.csv"
    assert typed(["check", table, "--claim", "fc-8"], environment, tmp_path).returncode == 0


def test_the_way_out_is_the_command_that_was_meant(lthbench, claims_dir, tmp_path: Path) -> None:
    asked = lthbench("judge", "tiny", "--claim", "st-2,fc-6", "--seed", 5, "--out", tmp_path)
    assert asked.returncode == 2
    assert (
        f"needed first: lthbench run tiny --claim FC-6,ST-2 --seed 5 --out {tmp_path} --claims-dir {claims_dir}"
        in asked.stderr
    )
    explained = lthbench("explain", "fc-6", "--seed", 5, "--out", tmp_path).stdout
    assert "--claim FC-6 --seed 5 --out" in " ".join(explained.split())


def test_an_mlp_needs_its_layers(environment, tmp_path: Path) -> None:
    for hidden in ([], ["--hidden", "300,x"], ["--hidden", "0"]):
        words = ["new", "mine", "--network", "mlp", "--dataset", "digits", "--claim", "FC-6", *hidden]
        done = typed(words, environment, tmp_path)
        assert done.returncode == 2
        assert "--hidden 300,100" in done.stderr


def test_json_of_what_only_looks(lthbench, plain_run: Path) -> None:
    (suite,) = json.loads(lthbench("list", "tiny", "--json", "--verdicts", "--out", plain_run).stdout)
    stored = json.loads((plain_run / "results/tiny/seed-0/scopes/all/verdicts.json").read_text())
    words = {claim["id"]: claim["verdict"] for claim in stored["claims"]}
    assert {claim["id"]: claim["verdict"] for claim in suite["claims"]} == words
    plan = json.loads(lthbench("plan", "tiny", "--json", "--out", plain_run).stdout)
    assert len(plan["units"]) == 10
    assert all(unit["finished"] for unit in plan["units"])
    assert sum(cost["to_do"] for cost in plan["costs"]) == 0
    explained = json.loads(lthbench("explain", "fc-6", "--json", "--out", plain_run).stdout)
    assert explained["verdict"]["verdict"] == words["FC-6"]
    judged = lthbench("judge", "tiny", "--json", "--out", plain_run)
    assert json.loads(judged.stdout) == stored
    listed = lthbench("list", "tiny", "--verdicts", "--out", plain_run).stdout
    assert words["ST-2"] in next(line for line in listed.splitlines() if "ST-2" in line)


def test_json_of_a_strangers_table(environment, tmp_path: Path) -> None:
    done = typed(["check", ROOT / "docs/example-results.csv", "--claim", "FC-8", "--json"], environment, tmp_path)
    assert [claim["id"] for claim in json.loads(done.stdout)["claims"]] == ["FC-8"]
    assert "Report:" in done.stderr


def test_show_takes_ten_lines_and_a_minus_that_programs_read(lthbench, environment, plain_run: Path) -> None:
    for claim in load().claims:
        done = typed(["show", claim], environment)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) <= 12
    shown = lthbench("show", "fc-6", "--out", plain_run).stdout
    assert "(master seed 0): " in shown
    for words in (["show", "FC-6"], ["explain", "FC-6"], ["plan", "tiny"], ["judge", "tiny"]):
        assert "\u2212" not in lthbench(*words, "--out", plain_run).stdout


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_terminal_cuts_no_verdict(width: int) -> None:
    made = show.table("verdicts", "claim", "kind", "verdict", "mean [95 % interval]", "n", "what it says")
    made.add_row("FC-6", "secondary", "? NOT SUPPORTED HERE", "H1: -12.34 [-23.45, -1.23]", "20", "long " * 30)
    page = io.StringIO()
    Console(width=width, file=page).print(made)
    assert "? NOT SUPPORTED HERE" in page.getvalue()
    assert "\u2026" not in page.getvalue()


def test_a_report_is_opened(lthbench, plain_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", lambda place: opened.append(place) or 0)
    assert lthbench("report", "tiny", "--open", "--out", plain_run).returncode == 0
    assert opened == [str(plain_run / "reports/tiny/index.html")]


def test_a_campaign_with_nothing_to_train_leaves_the_report(lthbench, plain_run: Path) -> None:
    page = plain_run / "reports/tiny/index.html"
    before = page.stat().st_mtime_ns
    done = lthbench("campaign", "tiny", "--budget", "20s", "--cores", "1", "--out", plain_run)
    assert "nothing is left to do" in done.stdout
    assert page.stat().st_mtime_ns == before
    page.unlink()
    lthbench("campaign", "tiny", "--budget", "20s", "--cores", "1", "--out", plain_run)
    assert page.exists()


def test_a_suite_is_planned_once(lthbench, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[str] = []

    def counted(*asked: object) -> list[Chunk]:
        planned.append("plan")
        return first_chunks(*asked)

    monkeypatch.setattr("lthbench.plan.run.first_chunks", counted)
    assert lthbench("plan", "tiny").returncode == 0
    assert planned == ["plan"]


def test_rates_that_ship_name_their_processor(environment, tmp_path: Path) -> None:
    plan = json.loads(typed(["plan", "cpu", "--json"], environment, tmp_path).stdout)
    known = [cost for cost in plan["costs"] if cost["ms"] is not None]
    assert known
    assert all(cost["device"] == "AMD EPYC" and cost["measured"] for cost in known)
