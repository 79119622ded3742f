"""Before anything is written or trained: a user's data, and what claims ask of them, in every way to run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import typed
from tiny_suite import PLAIN

from lthbench.claims.load import load
from lthbench.data.arrays import Arrays
from lthbench.drive.preflight import data, design
from lthbench.drive.preflight.run import FILE
from lthbench.plan import own_code
from lthbench.recipe.experiment import Pruning

NET = """from math import prod

import numpy
from torch import nn


class Net(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.a, self.b = nn.Linear(features, 16), nn.Linear(16, classes)

    def forward(self, x):
        return self.b(self.a(x.flatten(1)).relu())


def net(shape, classes):
    return Net(prod(shape), classes)
"""
DRAWS = NET.replace(".relu())", ".relu() * float(numpy.random.rand()))")


def arrays(x: np.ndarray | None = None, y: np.ndarray | None = None, test: np.ndarray | None = None) -> Arrays:
    """Forty examples of four classes, or what is given."""
    y = np.arange(40) % 4 if y is None else y
    x = np.random.default_rng(0).random((len(y), 6), dtype=np.float32) if x is None else x
    return Arrays(x, y, x if test is None else test, y, int(y.max()) + 1)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


SCALED = pixels(40, 6) / 255
PICTURES = pixels(40, 8, 8, 3)
DATA = {  # arrays, refused?, what is said
    "gaps": (arrays(y=np.array([0, 1, 999] * 14)), True, r"3 classes, numbered up to 999; none has the label 2\."),
    "from 1": (arrays(y=1 + np.arange(40) % 10), True, r"10 classes, numbered up to 10; none has the label 0\."),
    "channels last": (arrays(PICTURES / 255), True, r"\(8, 8, 3\) would be read as 8 channels; save .* \(3, 8, 8"),
    "grey, channels last": (arrays(PICTURES[..., :1] / 255), True, r"would be read as 8 channels"),
    "one part scaled": (arrays(SCALED, test=255 * SCALED), True, r"x_test has a standard .* scale both alike"),
    "raw pixels": (arrays(pixels(40, 3, 8, 8)), False, r"whole numbers from 0 to 255, as raw pixels do; .* / 255"),
    "one class frequent": (arrays(y=(np.arange(40) > 35).astype(int)), False, r"90 % of the test examples"),
}  # fmt: skip
QUIET = {
    "channels first": arrays(pixels(40, 3, 8, 8) / 255),
    "features": arrays(),
    "whole numbers that are no pixels": arrays(np.arange(240, dtype=np.float32).reshape(40, 6) % 17),
    "uint8 pictures, which are scaled here": arrays(pixels(40, 3, 8, 8).astype(np.uint8)),
}


@pytest.mark.parametrize("name", DATA)
def test_data_that_would_be_read_otherwise_than_meant_are_refused_or_named(name: str) -> None:
    given, refused, says = DATA[name]
    (remark,) = data.remarks(given, "mine.npz")
    assert remark.refused == refused
    assert re.search(says, remark.says)
    assert remark.says.startswith("mine.npz: ")


@pytest.mark.parametrize("name", QUIET)
def test_of_ordinary_data_nothing_is_said(name: str) -> None:
    assert list(data.remarks(QUIET[name], "mine.npz")) == []


def test_the_layout_does_not_matter_to_a_perceptron() -> None:
    assert not [r for r in data.remarks(arrays(PICTURES / 255), "mine.npz", layout_matters=False) if r.refused]


def test_a_class_without_test_examples_is_named() -> None:
    given = arrays()
    few = Arrays(given.x_train, given.y_train, given.x_test[:3], given.y_test[:3], 4)
    (remark,) = data.remarks(few, "mine.npz")
    assert (remark.refused, "no test example is of class 3" in remark.says) == (False, True)


@pytest.mark.parametrize(
    ("test", "refused", "says"),
    [
        (3, True, "one of 3 test examples is 33 pp, more than the margin of 1.5 pp; it takes 67 or more"),
        (66, True, "one of 66 test examples is 1.5 pp, more than the margin"),
        (67, False, "a coarse scale"),
        (333, False, "a coarse scale"),
        (334, None, ""),
    ],
)
def test_the_test_set_must_be_as_fine_as_the_margin(test: int, refused: bool | None, says: str) -> None:
    claim = load().claims["FC-1"]
    registration = claim.suites["quick"]
    assert registration.hypotheses[0].delta == 1.5
    sizes = {registration.experiment: design.Sizes(test, 1000, 100, 10)}
    found = list(design.resolution(claim, registration, sizes))
    assert [(remark.refused, says in remark.says) for remark in found] == (
        [] if refused is None else [(refused, True)]
    )


def test_a_curve_is_as_fine_as_all_its_looks_and_other_endpoints_are_no_shares_of_examples() -> None:
    claim = load().claims["FC-6"]
    quick, cpu = claim.suites["quick"], claim.suites["cpu"]
    assert [line.endpoint for line in quick.hypotheses] == ["final_test_accuracy", "validation_curve_area"]
    sizes = design.Sizes(10_000, 1000, validation=4, looks=2)
    (coarse,) = design.resolution(claim, quick, {quick.experiment: sizes})
    assert coarse.refused
    assert "FC-6 H2: one of 8 validation examples is 12 pp" in coarse.says
    assert cpu.hypotheses[1].endpoint.startswith("log_iterations_to_")
    assert list(design.resolution(claim, cpu, {cpu.experiment: sizes})) == []


@pytest.mark.parametrize(("rate", "named"), [(0.2, False), (0.5, True), (0.19, False), (0.05, True)])
def test_a_density_that_the_claim_does_not_speak_of_is_named(rate: float, named: bool) -> None:
    claim = load().claims["FC-1"]
    registration = claim.suites["quick"]
    weights = {registration.experiment: (Pruning("layer-wise", rate), {"out.weight": 10_000})}
    found = list(design.densities(claim, registration, weights))
    assert [remark.refused for remark in found] == [False] * named
    shares = [float(re.search(r"ticket@9 has (\S+) %", remark.says).group(1)) for remark in found]
    assert shares == pytest.approx([100 * (1 - rate) ** 9] * named, abs=0.05)


def test_the_accuracy_of_guessing_is_that_among_the_classes_that_occur() -> None:
    (remark,) = design.chance("own", 0.1, arrays(), "mine.npz")
    assert remark.refused
    assert (
        "suites/own.yaml: chance is 0.1 %, but guessing among the 4 classes of mine.npz is right in 25 %"
        in remark.says
    )
    assert list(design.chance("own", 25.0, arrays(), "mine.npz")) == []


@pytest.fixture
def call(tmp_path: Path, environment: dict[str, str]):
    """Call `lthbench ...` in a folder with a module `mynet` and data `mine.npz`."""
    (tmp_path / "mynet.py").write_text(NET)
    g, labels = np.random.default_rng(0), np.arange(400) % 4
    x = (g.standard_normal((400, 6)) + labels[:, None]).astype(np.float32)
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=labels, x_test=x, y_test=labels)

    def typed_here(*arguments: object) -> subprocess.CompletedProcess[str]:
        paths = {"PYTHONPATH": os.pathsep.join([environment["PYTHONPATH"], str(tmp_path)])}
        return typed(arguments, environment | paths, tmp_path)

    yield typed_here
    sys.modules.pop("mynet", None)


def new(call, *more: object) -> subprocess.CompletedProcess[str]:
    recipe = ("--claim", "FC-1", "--iterations", 4, "--evaluate-every", 2, "--level", 1)
    return call("new", "claims", "--network", "mynet:net", "--dataset", "mine.npz", *recipe, *more)


def edited(tmp_path: Path, text: str) -> None:
    """The module is edited; the next command is another process."""
    (tmp_path / "mynet.py").write_text(text)
    sys.modules.pop("mynet", None)
    own_code.read.clear()


LEVEL = "FC-1 H1 is registered for 13.4 % of the weights; ticket@1 has 80 %"


def test_new_refuses_before_anything_is_written(call, tmp_path: Path) -> None:
    edited(tmp_path, DRAWS)
    done = new(call)
    assert done.returncode == 2
    assert "draws numpy's random numbers" in done.stderr or "another output for the same input" in done.stderr
    assert f"({tmp_path / 'mynet.py'}, line 16)" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "claims").exists()
    edited(tmp_path, NET)
    assert new(call).returncode == 0


def test_replicates_that_cannot_decide_are_refused_before_anything_is_written(call, tmp_path: Path) -> None:
    done = new(call, "--replicates", 4)
    assert (done.returncode, "register at least 8; nothing was written" in done.stderr) == (2, True)
    assert not (tmp_path / "claims").exists()


def test_a_level_that_the_sentence_does_not_speak_of_is_said_wherever_its_verdict_is(call, tmp_path: Path) -> None:
    done = new(call)
    assert (done.returncode, LEVEL in done.stdout) == (0, True)
    title = yaml.safe_load((tmp_path / "claims/FC-1.yaml").read_text())["suites"]["own"]["title"]
    assert title.endswith("(exploratory: your network and data, at about 80 % of the weights)")
    for words in (("plan", "own"), ("run", "own", *PLAIN)):
        assert LEVEL in call(*words, "--claims-dir", "claims").stdout
    assert "at about 80 % of the weights" in (tmp_path / "reports/own/report.md").read_text()


def test_run_looks_once_and_again_when_code_was_edited_before_anything_is_trained(call, tmp_path: Path) -> None:
    assert new(call).returncode == 0
    run = ("run", "own", *PLAIN, "--claims-dir", "claims")
    assert call(*run).returncode in (0, 1, 3, 4)
    scope = tmp_path / "results/own/seed-0/scopes/all"
    first = (scope / FILE).read_bytes()
    records = sorted((tmp_path / "results/own/seed-0/units").rglob("*.json"))
    edited(tmp_path, NET.replace("16", "8"))
    assert call("plan", "own", "--claims-dir", "claims").returncode == 0
    assert (scope / FILE).read_bytes() == first  # a plan writes nothing
    edited(tmp_path, DRAWS)
    for words in (run, ("plan", "own", "--claims-dir", "claims")):
        done = call(*words)
        assert done.returncode == 2
        assert "mynet:net: " in done.stderr
    assert sorted((tmp_path / "results/own/seed-0/units").rglob("*.json")) == records
    edited(tmp_path, NET.replace("16", "8"))
    assert call("stage", "chunk", "own", "--chunk", "own.b0", "--claims-dir", "claims").returncode == 0
    assert json.loads((scope / FILE).read_text())["of"] != json.loads(first)["of"]


@pytest.mark.parametrize("words", [("campaign", "own", "--budget", "20s"), ("tune", "own", "--cores", "1")])
def test_campaigns_and_tuning_look_too(call, tmp_path: Path, words) -> None:
    assert new(call).returncode == 0
    edited(tmp_path, DRAWS)
    done = call(*words, "--claims-dir", "claims")
    assert done.returncode == 2
    assert "mynet:net: " in done.stderr
    assert not list((tmp_path / "results").rglob("*.safetensors"))


def test_the_first_job_of_snakemake_looks_and_the_next_ones_read_what_it_said(call, tmp_path: Path) -> None:
    assert new(call).returncode == 0
    job = ("stage", "chunk", "own", "--claims-dir", "claims", "--device", "cpu", "--chunk")
    edited(tmp_path, DRAWS)
    assert call(*job, "own.b0").returncode == 2
    assert not list((tmp_path / "results").rglob("*.safetensors"))
    edited(tmp_path, NET)
    assert LEVEL in call(*job, "own.b0").stdout
    file = tmp_path / "results/own/seed-0/scopes/all" / FILE
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept | {"says": ["as it was said"]}))
    assert "as it was said" in call(*job, "own.b1").stdout


def test_a_chance_that_somebody_lowered_is_noticed(call, tmp_path: Path) -> None:
    assert new(call).returncode == 0
    suite = tmp_path / "claims/suites/own.yaml"
    suite.write_text(suite.read_text().replace("chance: 25.0", "chance: 0.1"))
    done = call("run", "own", *PLAIN, "--claims-dir", "claims")
    assert (done.returncode, "chance is 0.1 %" in done.stderr) == (2, True)


def test_of_a_shipped_suite_nothing_is_asked(lthbench, tmp_path: Path) -> None:
    assert lthbench("stage", "chunk", "tiny", "--chunk", "tiny.b9").returncode == 2  # no such chunk
    done = lthbench("plan", "tiny", "--out", tmp_path)
    assert done.returncode == 0
    assert not list(tmp_path.rglob(FILE))
