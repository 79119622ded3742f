"""A plan trained where nothing but torch, numpy and safetensors is, brought back and merged."""

import json
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from lthbench.claims.load import load
from lthbench.cli.options import HERE
from lthbench.drive import campaign, train_plan
from lthbench.drive.execute import run_units
from lthbench.errors import UserError
from lthbench.plan import planfile
from lthbench.plan.planfile import Plan
from lthbench.plan.run import Run
from lthbench.results import store

ROOT = Path(__file__).parents[2]
LIGHT = ("torch", "numpy", "safetensors")
HEAVY = (
    "pydantic", "snakemake", "mnist1d", "platformdirs", "typer", "rich", "yaml", "scipy", "pandas", "sklearn",
    "torchvision", "timm", "torch_pruning", "matplotlib",
)  # fmt: skip


def with_requirements(names: tuple[str, ...]) -> set[str]:
    """Those distributions and all they need that is installed."""
    wanted, known = list(names), set()
    while wanted:
        name = wanted.pop()
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another platform
            continue
        if name not in known:
            known.add(name)
            wanted += [re.match(r"[\w.-]+", line).group() for line in needed if "extra ==" not in line]
    return known


@pytest.fixture(scope="session")
def light(tmp_path_factory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m lthbench.drive.train_plan` where the light packages are, with their needs, and nothing else.

    Python without its site-packages, and a folder of links to those packages and to lthbench.
    """
    folder = tmp_path_factory.mktemp("light")
    for name in with_requirements(LIGHT):
        distribution = metadata.distribution(name)
        for top in {
            file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            (folder / top).symlink_to(distribution.locate_file(top))
    (folder / "lthbench").symlink_to(ROOT / "lthbench")

    def run(*words: object, module: str = "lthbench.drive.train_plan", **env: str):
        command = [sys.executable, "-S", "-m", module, *map(str, words)]
        surroundings = {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", **env}
        return subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=1800)

    return run


@pytest.fixture
def claims(claims_dir: Path, tmp_path: Path) -> Path:
    """The tiny suite on a file of its digits, which else come with scikit-learn."""
    digits = load_digits()
    x, y = (digits.data / 8 - 1).astype(np.float32), digits.target
    np.savez(tmp_path / "digits.npz", x_train=x[:1397], y_train=y[:1397], x_test=x[1397:], y_test=y[1397:])
    file = claims_dir / "experiments" / "tiny.yaml"
    text = file.read_text()
    own = f"{{name: npz, path: {tmp_path / 'digits.npz'}, validation: 100}}"
    file.write_text(text.replace("{name: digits, test: 400, validation: 100}", own))
    assert file.read_text() != text
    return claims_dir


def run_of(claims: Path, out: Path) -> Run:
    return Run(load(claims), "tiny", out=out, device="cpu")


def trained_here(run: Run) -> None:
    """All units of a run, in this process."""
    run_units(run.units(), run.units(), run.results, None, "cpu", lambda *_: None)


def same_records(one: Run, other: Path) -> int:
    """How many records two folders share, all alike in key, numbers and tensors."""
    count = 0
    for unit in one.units():
        path = store.path_of(other / "results/tiny/seed-0", unit)
        if path.exists():
            mine, theirs = store.read(store.path_of(one.results, unit)), store.read(path)
            assert (mine.key, mine.rows, mine.tensors) == (theirs.key, theirs.rows, theirs.tensors)
            count += 1
    return count


# The file


@pytest.mark.parametrize("suite", ["quick", "full-core", "cpu"])
def test_a_plan_is_read_as_it_was_written(suite: str, tmp_path: Path) -> None:
    units = Run(load(), suite).units()
    plan = Plan(suite, 0, tuple(planfile.parents_first(reversed(units))))
    assert sorted(unit.key for unit in plan.units) == sorted(unit.key for unit in units)
    for number, unit in enumerate(plan.units):
        assert {other.key for other in plan.units[:number]}.issuperset(unit.parents.values())
    planfile.write(tmp_path / "plan.json", plan)
    assert planfile.read(tmp_path / "plan.json") == plan


def test_some_experiments_of_a_plan_come_with_what_they_are_made_from() -> None:
    units = Run(load(), "cpu-long").units()
    sources = {unit.experiment.mask_from: unit.experiment.id for unit in units if unit.experiment.mask_from}
    source, wearer = next(iter(sources.items()))
    chosen = planfile.of_experiments(units, wearer)
    assert {unit.key for unit in units if unit.experiment.id == wearer} <= {unit.key for unit in chosen}
    worn = [unit.arm for unit in chosen if unit.experiment.id == source]
    assert set(worn) == {"dense", "ticket"}
    assert {key for unit in chosen for key in unit.parents.values()} <= {unit.key for unit in chosen}
    assert planfile.of_experiments(units, "") == units


def test_the_order_is_a_campaigns(claims: Path, tmp_path: Path, lthbench) -> None:
    said = lthbench("plan", "tiny", "--write", tmp_path / "plan.json", "--out", tmp_path).stdout
    assert "python -m lthbench.drive.train_plan plan.json --budget 9m --out slice" in said
    assert "10 units (" in said
    run = run_of(claims, tmp_path)
    units = run.units()
    ordered = campaign.in_order(run, units, units, {}, "cpu", None)
    assert [unit.key for unit in planfile.read(tmp_path / "plan.json").units] == [unit.key for unit in ordered]
    assert not (tmp_path / "results").exists()


def rewritten(path: Path, change: Callable[[dict], object]) -> Path:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def rename_a_parent(content: dict) -> None:
    unit = next(unit for unit in content["units"] if unit["parents"])
    unit["parents"][0][1] += 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p["experiments"]["tiny"]["training"].update(learning_rate=0.1), "is not what its recipe says"),
        (lambda p: p["units"][1].update(level=7), "is not what its recipe says"),
        (lambda p: p["units"][1].update(replicates=[0, 1]), "is not what its recipe says"),
        (lambda p: p.update(seed=1), "is not what its recipe says"),
        (lambda p: p["units"].pop(0), "made from units that the plan has not"),
        (rename_a_parent, "made from units that the plan has not"),
        (lambda p: p.update(engine="1"), "a plan for engine 1, and this is"),
        (lambda p: p.update(format=2), "a plan of another lthbench"),
        (lambda p: p.update(suite="../../tiny"), "'../../tiny' is no name"),
        (lambda p: p["experiments"]["tiny"].update(id="/tmp/x"), "'/tmp/x' is no name"),
        (lambda p: p["units"][0].update(key="../x"), "'../x' is no name"),
        (lambda p: p["units"][0].update(arm="teacup"), "'teacup' is no arm"),
        (lambda p: p["units"][0].update(draws=-1), "-1 is no count"),
        (lambda p: p["experiments"]["tiny"]["network"].update(colour="red"), "not a whole plan (TypeError"),
        (lambda p: p["experiments"]["tiny"]["training"].update(batch=0), "not a whole plan (ValueError"),
        (lambda p: p.pop("units"), "not a whole plan (KeyError"),
        (lambda p: p.update(units=3), "not a whole plan (TypeError"),
        (lambda p: p.update(experiments=[]), "not a whole plan (AttributeError"),
    ],
)
def test_what_is_not_the_plan_that_was_written_is_refused(claims: Path, tmp_path: Path, change, said: str) -> None:
    file = tmp_path / "plan.json"
    planfile.write(file, Plan("tiny", 0, tuple(run_of(claims, HERE).units())))
    planfile.read(file)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        planfile.read(rewritten(file, change))
    assert str(file) in str(caught.value)
    assert str(caught.value).count("\n") <= 1


@pytest.mark.parametrize("text", ["", "[1", "[]", "7", "[" * 100_000])
def test_other_files_are_no_plan(tmp_path: Path, text: str, capsys) -> None:
    (tmp_path / "plan.json").write_text(text)
    assert train_plan.main([str(tmp_path / "plan.json"), "--out", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"lthbench: {tmp_path / 'plan.json'}: not ")


# Trained elsewhere


def test_a_slice_made_where_only_torch_is_merges_as_if_made_here(
    claims: Path, tmp_path: Path, light, lthbench
) -> None:
    for name in HEAVY:
        assert f"No module named {name}" in light(module=name).stderr
    lthbench("plan", "tiny", "--write", tmp_path / "plan.json", "--out", tmp_path)
    done = light(tmp_path / "plan.json", "--out", tmp_path / "slice", "--device", "cpu", "--cores", 2)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "10 units trained, 0 left" in done.stdout
    run = run_of(claims, tmp_path / "here")
    trained_here(run)
    assert same_records(run, tmp_path / "slice") == 10
    merged = lthbench("merge", tmp_path / "merged", tmp_path / "slice")
    assert "reports/tiny/index.html" in merged.stdout
    assert same_records(run, tmp_path / "merged") == 10
    verdicts = (tmp_path / "merged/results/tiny/seed-0/scopes/all/verdicts.json").read_text()
    assert '"NOT RUN"' not in verdicts


def test_at_the_end_of_the_budget_what_is_under_way_is_saved_and_gone_on_with(
    claims: Path, tmp_path: Path, light
) -> None:
    run = run_of(claims, tmp_path / "here")
    planfile.write(tmp_path / "plan.json", Plan("tiny", 0, tuple(run.units())))
    ask = (tmp_path / "plan.json", "--out", tmp_path / "slice", "--device", "cpu")
    first = light(*ask, "--budget", "1s")
    assert first.returncode == 0, first.stderr
    assert "the same command goes on" in first.stdout
    left = int(re.search(r"(\d+) left", first.stdout).group(1))
    assert left > 0
    if "saved under way" in first.stdout:  # a slow machine has not begun after half a second
        assert len(list((tmp_path / "slice").rglob("*.partial"))) == 1
    second = light(*ask)
    assert f"{10 - left} finished before" in second.stdout
    assert f"{left} units trained, 0 left" in second.stdout
    assert not list((tmp_path / "slice").rglob("*.partial"))
    trained_here(run)
    assert same_records(run, tmp_path / "slice") == 10


def test_records_without_tensors_are_gone_on_from(claims: Path, tmp_path: Path, light) -> None:
    """What comes back may leave its tensors there: they are many times as large."""
    run = run_of(claims, tmp_path / "slice")
    trained_here(run)
    for path in run.results.rglob("*.safetensors"):
        path.unlink()
    last = store.path_of(run.results, run.units()[-1])
    last.unlink()
    planfile.write(tmp_path / "plan.json", Plan("tiny", 0, tuple(run.units())))
    done = light(tmp_path / "plan.json", "--out", tmp_path / "slice", "--device", "cpu")
    assert ", 0 left" in done.stdout, done.stderr
    assert last.exists()


def test_an_experiment_that_cannot_be_trained_there_is_left_out_in_a_line(
    claims: Path, tmp_path: Path, light
) -> None:
    units = run_of(claims, HERE).units()
    other = Run(load(), "full-core").units()[0]
    planfile.write(tmp_path / "plan.json", Plan("tiny", 0, (other, units[0])))
    done = light(tmp_path / "plan.json", "--out", tmp_path / "slice", HOME=str(tmp_path), LTHBENCH_DATA="")
    assert done.returncode == 4
    assert "torchvision, which fetches them, is not installed" in done.stdout
    assert "1 units trained, 1 left" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_command_that_cannot_be_meant_is_a_line(claims: Path, tmp_path: Path, capsys) -> None:
    planfile.write(tmp_path / "plan.json", Plan("tiny", 0, tuple(run_of(claims, HERE).units())))
    plan = str(tmp_path / "plan.json")
    for words, said in (
        (("--budget", "soon"), "--budget 'soon' is no length of time"),
        (("--cores", "0"), "--cores 0: use 1 or more"),
        (("--only", "vgg"), "has no such experiment"),
        (("--device", "cuda"), "--device cuda: no CUDA device"),
    ):
        assert train_plan.main([plan, "--out", str(tmp_path / "slice"), *words]) == 2
        assert said in capsys.readouterr().err


def test_code_of_the_users_own_is_checked_there_too(claims: Path, tmp_path: Path, light) -> None:
    """A plan holds recipes and no code."""
    unit = run_of(claims, HERE).units()[0]
    pruning = replace(unit.experiment.pruning, criterion="scoring:smallest")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "scoring.py").write_text("def smallest(trace): return trace.trained\n")
    sys.path.insert(0, str(tmp_path / "code"))
    try:
        from lthbench.plan.unit import plan_experiment

        own = plan_experiment(replace(unit.experiment, pruning=pruning), {("dense", 0)}, 2, 2, 0)
    finally:
        sys.path.remove(str(tmp_path / "code"))
    planfile.write(tmp_path / "plan.json", Plan("tiny", 0, tuple(own)))
    done = light(tmp_path / "plan.json", "--out", tmp_path / "slice")
    assert done.returncode == 4
    assert "scoring:smallest: there is no module scoring to import" in done.stdout


def test_what_a_device_reaches_is_measured_there(tmp_path: Path, light) -> None:
    units = [unit for unit in Run(load(), "full-core").units() if unit.experiment.id == "mnist-lenet"]
    planfile.write(tmp_path / "plan.json", Plan("full-core", 0, tuple(units)))
    done = light(tmp_path / "plan.json", "--device", "cpu", "--widths", "2", module="lthbench.drive.bench")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2].split()[:3] == ["mnist-lenet", "2", "host"]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """The Python of a virtual environment that holds the light packages, installed by pip, and what they need."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    wanted = [f"torch=={metadata.version('torch').partition('+')[0]}", "numpy", "safetensors"]
    done = subprocess.run([python, "-m", "pip", "install", "-q", *wanted], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot install {', '.join(wanted)}: {done.stderr.strip().splitlines()[-1]}")
    return python


@pytest.mark.slow
def test_a_slice_made_in_a_fresh_environment(claims: Path, tmp_path: Path, fresh: Path) -> None:
    run = run_of(claims, tmp_path / "here")
    planfile.write(tmp_path / "plan.json", Plan("tiny", 0, tuple(run.units())))
    command = [fresh, "-m", "lthbench.drive.train_plan", tmp_path / "plan.json", "--out", tmp_path / "slice"]
    env = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([*command, "--device", "cpu", "--cores", "2"], env=env, capture_output=True, text=True)
    assert "10 units trained, 0 left" in done.stdout, done.stderr
    trained_here(run)
    assert same_records(run, tmp_path / "slice") == 10
