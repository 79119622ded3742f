"""A user's own code is part of what a unit is: edited code makes results stale; built-in recipes stay as named."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import typed
from tiny_suite import PLAIN

from lthbench.claims.load import load
from lthbench.drive.execute import run_chunk
from lthbench.errors import UserError
from lthbench.plan import digests, own_code, unit
from lthbench.plan.suite import plan_suite
from lthbench.plan.unit import Unit, plan_experiment
from lthbench.recipe.data import DataSpec
from lthbench.recipe.engine import code_of
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training

# Of the units of each shipped suite how many, and a hash of their names with the engine's left out: registered
# results lie under these names. A new suite gets a line; the line of a suite that was run does not change.
SHIPPED: dict[str, tuple[int, str]] = {
    "cpu": (120, "6a34ef6c9765252d"),
    "cpu-long": (368, "f9663ec179c6a22e"),
    "cpu-paper": (78, "f570ab8263086432"),
    "field": (93, "cc0a1c71f5cd2aa8"),
    "full": (807, "c7ea48b4e3bb4054"),
    "full-core": (80, "871cde621512c552"),
    "images": (123, "17570747c389ee0f"),
    "published": (0, "e3b0c44298fc1c14"),
    "quick": (90, "f90db659f318c25b"),
    "shortcuts": (86, "b97541ae76c908ca"),
}
NET = """from math import prod

from torch import nn


def net(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), 40), nn.ReLU(), nn.Linear(40, classes))
"""
SCORES = """def largest(trace):
    return {name: abs(weight) for name, weight in trace.trained.items()}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on Python's path."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mynet", "scoring", "kit")]:
        del sys.modules[name]


def write(place: Path, name: str, text: str) -> None:
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def recipe(network: str = "mynet:net", criterion: str = "magnitude", path: Path | None = None) -> Experiment:
    return Experiment(
        "mine",
        "",
        Network(network) if ":" in network else Network("mlp", (8,)),
        DataSpec("npz", path=str(path)) if path else DataSpec("digits"),
        Training("adam", 0.01, batch=8, iterations=4, evaluate_every=2),
        Pruning("layer-wise", 0.5, criterion=criterion),
    )


def planned(experiment: Experiment) -> list[Unit]:
    return plan_experiment(experiment, {("ticket", 1)}, 2, 2, 0)


def keys(experiment: Experiment) -> list[str]:
    return [unit.key for unit in planned(experiment)]


def test_units_of_shipped_suites_keep_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit, "engine", lambda: "fixed")
    registry, keys = load(None), {}
    for suite in registry.suites:
        names = sorted(unit.name for chunk in plan_suite(registry, suite, 0) for unit in chunk.units)
        keys[suite] = len(names), hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    assert keys == SHIPPED


def test_edited_code_of_a_network_or_a_criterion_changes_every_key(place: Path) -> None:
    write(place, "mynet.py", NET)
    write(place, "scoring.py", SCORES)
    whole = recipe(criterion="scoring:largest")
    before = keys(whole)
    write(place, "mynet.py", NET.replace("40", "2"))
    fewer = keys(whole)
    write(place, "scoring.py", SCORES.replace("abs(weight)", "-abs(weight)"))
    turned = keys(whole)
    assert not {*before} & {*fewer}
    assert not {*fewer} & {*turned}
    assert not {*before} & {*turned}
    write(place, "mynet.py", NET)
    write(place, "scoring.py", SCORES)
    assert keys(whole) == before


def test_words_about_the_code_and_where_it_lies_change_no_key(place: Path, monkeypatch) -> None:
    write(place, "mynet.py", NET)
    before = keys(recipe())
    write(
        place,
        "mynet.py",
        '"""Mine."""\n# A network.\n' + NET.replace("    return", '    """Made."""\n\n    return'),
    )
    assert keys(recipe()) == before
    (place / "mynet.py").unlink()
    write(place, "elsewhere/mynet.py", NET)
    monkeypatch.syspath_prepend(place / "elsewhere")
    assert keys(recipe()) == before


def test_a_docstring_beside_code_hides_none_of_it() -> None:
    one, two = (f'def f(x): "Said."; return {n} * x\n' for n in (2, 3))
    assert code_of(one) != code_of(two)


@pytest.mark.parametrize("line", ["from kit.parts import WIDTH", "from . import parts", "import kit.parts"])
def test_modules_beside_the_users_count_and_installed_ones_do_not(place: Path, line: str) -> None:
    write(place, "kit/__init__.py", "")
    write(place, "kit/nets.py", f"import numpy\n{line}\n{NET}")
    write(place, "kit/parts.py", "WIDTH = 40\n")
    write(place, "unrelated.py", "x = 1\n")
    before = keys(recipe("kit.nets:net"))
    write(place, "unrelated.py", "x = 2\n")
    assert keys(recipe("kit.nets:net")) == before
    write(place, "kit/parts.py", "WIDTH = 2\n")
    after = keys(recipe("kit.nets:net"))
    assert not {*after} & {*before}
    write(place, "kit/__init__.py", "import torch\n")  # is run before the module
    assert not {*keys(recipe("kit.nets:net"))} & {*after}


def test_planning_imports_nothing_of_the_users(place: Path) -> None:
    write(place, "kit/__init__.py", "raise SystemExit('imported')\n")
    write(place, "kit/nets.py", NET)
    assert len(keys(recipe("kit.nets:net"))) == 2
    assert "kit" not in sys.modules


def test_a_declared_version_stands_for_the_source(place: Path) -> None:
    write(place, "mynet.py", 'LTHBENCH_VERSION = "1"\n' + NET)
    before = keys(recipe())
    write(place, "mynet.py", 'LTHBENCH_VERSION = "1"\n' + NET.replace("40", "2"))
    assert keys(recipe()) == before
    write(place, "mynet.py", 'LTHBENCH_VERSION = "2"\n' + NET)
    assert not {*keys(recipe())} & {*before}
    write(place, "mynet.py", "LTHBENCH_VERSION = str(2)\n" + NET)
    with pytest.raises(
        UserError, match=r"mynet: LTHBENCH_VERSION must be a text or a number \(.*mynet.py, line 1\)"
    ):
        keys(recipe())


def test_a_module_that_is_not_there_or_cannot_be_read_is_one_line_with_the_way_out(place: Path) -> None:
    with pytest.raises(UserError, match=r"^pruning.criterion scoring:largest: there is no module .* PYTHONPATH"):
        keys(recipe("mlp", "scoring:largest"))
    write(place, "scoring.py", "def largest(trace)\n")
    with pytest.raises(UserError, match=r"^SyntaxError: .* \(.*scoring.py, line 1\)$"):
        keys(recipe("mlp", "scoring:largest"))


def test_code_edited_after_it_was_imported_is_refused(place: Path) -> None:
    write(place, "scoring.py", SCORES)
    units = planned(recipe("mlp", "scoring:largest"))
    __import__("scoring")
    write(place, "scoring.py", SCORES + "EDITED = True\n")
    with pytest.raises(UserError, match=r"scoring.py: edited after this process had imported it; start Python"):
        planned(recipe("mlp", "scoring:largest"))
    del sys.modules["scoring"]
    with pytest.raises(UserError, match="scoring:largest: edited since the run was planned"):
        run_chunk(units, place / "results", None, "cpu", lambda unit, how: None)
    assert not (place / "results").exists()


@pytest.mark.parametrize(("source", "file"), [("", "kit/net.py"), ("src/", "kit/net.py"), ("", "kit/__init__.py")])
def test_an_installed_copy_that_hides_edited_code_is_refused(
    place: Path, source: str, file: str, tmp_path_factory, monkeypatch
) -> None:
    write(place, "kit/__init__.py", "")
    write(place, "kit/net.py", NET)
    work = tmp_path_factory.mktemp("work")
    write(work, f"{source}kit/__init__.py", "")
    write(work, f"{source}kit/net.py", "# the same\n" + NET)
    monkeypatch.chdir(work)
    same = keys(recipe("kit.net:net"))
    write(work, source + file, NET.replace("40", "2"))
    with pytest.raises(UserError, match=r"install it again .* to take that one$") as refused:
        keys(recipe("kit.net:net"))
    assert str(refused.value).endswith(f"PYTHONPATH={work / source} to take that one")
    monkeypatch.syspath_prepend(work / source)
    assert keys(recipe("kit.net:net")) != same


def test_data_are_what_the_file_or_the_folder_holds(tmp_path: Path) -> None:
    file, folder = tmp_path / "x.npz", tmp_path / "images"
    np.savez(file, x_train=np.zeros(3))
    write(folder, "train/a/1.png", "one")
    first = [keys(recipe("mlp", path=path)) for path in (file, folder)]
    assert first == [keys(recipe("mlp", path=path)) for path in (file, folder)]
    np.savez(file, x_train=np.ones(3))
    write(folder, "train/a/2.png", "two")
    digests._folder_digest.cache_clear()  # as another process
    for before, path in zip(first, (file, folder), strict=True):
        assert not {*before} & {*keys(recipe("mlp", path=path))}


@pytest.fixture
def mine(place: Path, environment: dict[str, str]):
    """Call `lthbench ...` beside one's own modules; the claim files are in `claims`."""
    write(place, "mynet.py", NET)
    write(place, "scoring.py", SCORES)
    g, labels = np.random.default_rng(0), np.arange(200) % 4
    x = (g.standard_normal((200, 6)) + labels[:, None]).astype(np.float32)
    np.savez(place / "mine.npz", x_train=x, y_train=labels, x_test=x, y_test=labels)

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        paths = {"PYTHONPATH": os.pathsep.join([environment["PYTHONPATH"], str(place)])}
        return typed(arguments, environment | paths, place)

    done = call(
        "new", place / "claims", "--network", "mynet:net", "--dataset", place / "mine.npz", "--claim", "FC-6",
        "--criterion", "scoring:largest", "--iterations", 10, "--evaluate-every", 5, "--level", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return lambda *words: call(*words, "--claims-dir", place / "claims")


def records(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (place / "results/own/seed-0/units").rglob("*.json")}


def test_results_of_edited_code_are_said_to_be_stale_and_trained_again(mine, place: Path) -> None:
    assert mine("run", "own", *PLAIN).returncode in (0, 1, 3, 4)
    before = records(place)
    assert "stale" not in mine("plan", "own").stdout

    for name in ("mynet", "scoring"):  # as a new process: this one has imported them
        sys.modules.pop(name)
    write(place, "scoring.py", SCORES.replace("abs(weight)", "-abs(weight)"))
    said = f"stale units in results/own/seed-0: {len(before)}, made before scoring:largest was edited; they are"
    assert said in mine("plan", "own").stdout
    done = mine("run", "own", *PLAIN)
    assert done.returncode in (0, 1, 3, 4), done.stderr
    assert said in done.stdout
    assert ", 0 finished before" in done.stdout
    after = records(place)
    assert before.items() < after.items()
    assert len(after) == 2 * len(before)


CRASH = """def largest(trace):
    return {name: helper(trace.mask[name], abs(w)) for name, w in trace.trained.items()}


def helper(mask, score):
    if mask.all(): raise {error}  # not on the half network of the pre-flight
    return score
"""
SLOW = {True: pytest.mark.slow, False: ()}
DRIVERS = {
    "plain": ("run", "own", *PLAIN),
    "workers": ("run", "own", "--no-snakemake", "--cores", 2),
    "snakemake": ("run", "own", "--cores", 1),
    "campaign": ("campaign", "own", "--budget", "60s", "--cores", "1"),
    "tune": ("tune", "own", "--replicates", 8, "--cores", 1),
}


@pytest.mark.parametrize(
    "driver", [pytest.param(name, marks=SLOW[name in ("snakemake", "workers")]) for name in DRIVERS]
)
def test_a_failing_criterion_names_its_file_and_line_in_every_driver(mine, place: Path, driver: str) -> None:
    sys.modules.pop("scoring", None)
    write(place, "scoring.py", CRASH.replace("{error}", "FileNotFoundError('no weights here')"))
    done = mine(*DRIVERS[driver])
    said = f"FileNotFoundError: no weights here ({place / 'scoring.py'}, line 6)"
    assert [line for line in (done.stdout + done.stderr).splitlines() if said in line], done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert driver == "campaign" or done.returncode == 4


RETURNED = "returned a NoneType, not a torch.nn.Module ({file}, line 1)"
CLASS = "\n\nclass Bad(nn.Module):\n    def forward(self, x):\n        return x.nope\n"
DIVIDED = "ZeroDivisionError: division by zero, {file}, line 2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def net(shape, classes):\n    return None\n", RETURNED),
        ("def net(shape, classes):\n    return 1 / 0\n", DIVIDED),
        ("raise SystemExit(0)\n", "importing mynet failed (SystemExit: 0, {file}, line 1)"),
        ("def net(shape, classes)\n", "importing mynet failed (SyntaxError: "),
        (NET.replace("classes))", "3))"), "the output for 2 examples is (2, 3), not (2, 4) ({file}, line 6)"),
        (NET.replace("nn.Flatten()", "Bad()") + CLASS, "has no attribute 'nope', {file}, line 12"),
    ],
)
def test_a_failing_network_names_its_file_and_line(mine, place: Path, text: str, says: str) -> None:
    sys.modules.pop("mynet", None)
    write(place, "mynet.py", text)
    done = typed(
        ["new", place / "again", "--network", "mynet:net", "--dataset", place / "mine.npz", "--claim", "FC-6"],
        dict(os.environ),
        place,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert (
        says.format(file=place / "mynet.py").replace("(2, 3), not (2, 4) (", "(2, 3), not (2, 4) (") in done.stderr
    )
    assert len(done.stderr.strip().splitlines()) == 1


def test_new_refuses_a_criterion_that_cannot_be_imported(mine, place: Path) -> None:
    done = typed(
        ["new", place / "again", "--network", "mynet:net", "--dataset", place / "mine.npz", "--claim", "FC-6",
         "--criterion", "scoring:none"],
        dict(os.environ),
        place,
    )  # fmt: skip
    assert done.returncode == 2
    assert "scoring has no function none" in done.stderr
    assert not (place / "again").exists()


def test_nothing_is_known_of_recipes_without_code_of_ones_own() -> None:
    assert own_code.own_code(recipe("mlp")) == {}
    assert all(unit.code == {} for unit in planned(recipe("mlp")))
