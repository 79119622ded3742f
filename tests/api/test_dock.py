"""A method put through the claims from Python: what comes back, and that the built-in is as good as itself."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import lthbench
from lthbench.claims.dock import SUITE
from lthbench.recipe import given

METHODS = Path(__file__).parents[2] / "examples" / "methods"
SMALL = {"iterations": 60, "learning_rate": 0.01, "batch": 32, "density": 0.4, "quiet": True}


def digits():
    """Digits as tensors and arrays, as people have them."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    return torch.from_numpy(x[:1200]), torch.from_numpy(y[:1200]), x[1200:], y[1200:]


def network(shape, classes):
    """A small perceptron."""
    layers = torch.nn.Linear(64, 12), torch.nn.ReLU(), torch.nn.Linear(12, classes)
    return torch.nn.Sequential(*layers)


def find(problem):
    """The built-in method, in a function that nobody can import."""
    mask = None
    for level in range(1, problem.level + 1):
        module = problem.train(problem.module(), mask=mask)
        size = {name: weight.detach().abs() for name, weight in module.named_parameters()}
        mask = problem.keep_largest(size, problem.counts(level), mask)
    return lthbench.Ticket(mask)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("dock")


@pytest.fixture(scope="module")
def answer(folder):
    """The built-in method as somebody's own, on somebody's network and data."""
    here = [lambda *args: network(*args), lambda problem: find(problem)]
    threads = torch.get_num_threads()
    judged = lthbench.test(here[1], network=here[0], data=digits(), out=folder, **SMALL)
    assert torch.get_num_threads() == threads
    return judged


def test_the_built_in_is_as_good_as_itself_bit_for_bit(answer) -> None:
    assert answer["imp-1"].differences.tolist() == [0.0] * 8
    assert answer["IMP-1"].verdict == "PASS"
    assert answer.ids == ["FC-1", "FC-6", "FC-7", "IMP-1"]
    assert all(gate.passed for claim in answer.verdicts.claims for gate in claim.gates)


def test_margins_are_the_registered_ones_and_the_controls_are_the_methods(answer) -> None:
    registered = json.loads(json.dumps(answer.to_pandas().to_dict("records")))
    deltas = {row["claim"]: row["delta"] for row in registered if row["hypothesis"] == "H1"}
    suite = {name: lthbench.drive.dock.load().claims[name].suites["quick"] for name in ("FC-1", "FC-6", "FC-7")}
    assert deltas == {name: suite[name].hypotheses[0].delta for name in suite} | {"IMP-1": deltas["FC-1"]}
    contrasts = " ".join(row["contrast"] for row in registered)
    assert all(f"{arm}@" in contrasts for arm in ("found", "found-reinit", "found-shuffled", "found-random-mask"))


def test_it_shows_itself_and_says_what_the_search_took(answer) -> None:
    text, page = str(answer), answer._repr_html_()
    level = int(answer["FC-1"].details.hypotheses[0].contrast.partition("@")[2].partition(" ")[0])
    steps = f"took {level * 60:,} optimizer steps, {level} trainings of the dense network"
    assert steps in text
    assert steps in page
    assert "measured with another network, other data, another recipe, another density." in text
    assert "Nothing else was registered: no accuracy band, no expected effect, no power." in text
    assert answer.verdicts.registered in text
    assert given.__name__ not in text.splitlines()[0]


def test_it_writes_its_report(answer, tmp_path) -> None:
    page = answer.report(tmp_path / "out")
    assert page.is_file()
    assert "found-random-mask" in page.read_text()


def test_what_it_wrote_can_be_read_and_run_again(answer, folder) -> None:
    assert {path.name for path in (folder / "claims").glob("*.yaml")} == {f"{name}.yaml" for name in answer.ids}
    again = lthbench.load(folder / "results" / SUITE / "seed-0" / "scopes" / "all", claims_dir=folder / "claims")
    assert again.verdicts == answer.verdicts


def test_another_method_uses_the_reference_again(answer, folder, monkeypatch) -> None:
    """What is not made from the method keeps its key."""
    monkeypatch.syspath_prepend(METHODS)
    units = folder / "results" / SUITE / "seed-0" / "units" / SUITE
    before = {path.name for path in units.glob("*.json")}
    other = lthbench.test("torch_prune:find", data=str(folder / "data.npz"), network=network, claims="FC-1, IMP-1",
                          out=folder, **SMALL)  # fmt: skip
    new = {path.name.split("-")[1] for path in units.glob("*.json") if path.name not in before}
    assert new <= {"found", "dense", "ticket"}
    assert other["IMP-1"].differences.any()
    assert other["IMP-1"].details.gates
    sys.modules.pop("torch_prune", None)


@pytest.mark.parametrize(("asked", "words"), [
    ({"claims": "FC-8"}, "FC-8: compares one-shot@"),
    ({"claims": "FC-99"}, "there is no claim 'FC-99'"),
    ({"suite": "quik"}, "unknown suite 'quik'; did you mean 'quick'?"),
    ({"density": 3}, "--density 3: a fraction of the weights"),
    ({"method": 7}, "a int cannot be called"),
    ({"method": "no_such_module:find"}, "no_such_module"),
    ({"network": torch.nn.Linear(3, 3)}, "a module is there once"),
    ({"data": (1, 2)}, "data: give four arrays"),
])  # fmt: skip
def test_what_cannot_be_asked_is_told_in_a_line(asked, words) -> None:
    with pytest.raises(lthbench.UserError) as raised:
        lthbench.test(**{"method": find, "quiet": True} | asked)
    assert words in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 2


def tuple_output(shape, classes):
    """A network that returns its features too."""
    return Pair(64, classes)


class Pair(torch.nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.layer = torch.nn.Linear(features, classes)

    def forward(self, x):
        return self.layer(x), x


def doubled(shape, classes):
    """A network that changes what it is given."""
    return torch.nn.Sequential(InPlace(), network(shape, classes))


class InPlace(torch.nn.Module):
    def forward(self, x):
        return x.mul_(2)


def never(problem):
    """A method that must not be asked."""
    raise AssertionError("asked before the network and the data were looked at")


@pytest.mark.parametrize(("given_network", "words"), [
    (tuple_output, "tuple_output: in evaluation the output for 2 examples is tuple"),
    (doubled, "doubled: forward changes its input in place"),
])  # fmt: skip
def test_a_network_is_looked_at_before_the_method_is_asked(given_network, words, tmp_path) -> None:
    with pytest.raises(lthbench.UserError, match=words):
        lthbench.test(never, network=given_network, data=digits(), out=tmp_path, **SMALL)
    assert not (tmp_path / "claims").exists()


def test_data_are_looked_at_before_the_method_is_asked() -> None:
    x, y, x_test, y_test = digits()
    with pytest.raises(lthbench.UserError, match="10 classes, numbered up to 11"):
        lthbench.test(
            never, network=network, data=(x, y + 2 * (y > 7), x_test, y_test + 2 * (y_test > 7)), **SMALL
        )


def of_pictures(shape, classes):
    """The same network for pictures."""
    return torch.nn.Sequential(torch.nn.Flatten(), *network(shape, classes))


def test_data_by_a_path_from_here_are_found_and_what_there_is_to_say_is_said(tmp_path, monkeypatch) -> None:
    x, y, x_test, y_test = digits()
    pictures, more = ((255 * np.asarray(part)).round().reshape(-1, 1, 8, 8) for part in (x, x_test))
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", x_train=pictures, y_train=y, x_test=more, y_test=y_test)
    short = SMALL | {"iterations": 20}
    answer = lthbench.test(find, network=of_pictures, data="mine.npz", claims="FC-1", out=Path("o"), **short)
    assert any(
        "mine.npz: x_train holds whole numbers from 0 to 255, as raw pixels do" in note for note in answer.notes
    )
    assert "path: ../../mine.npz" in Path("o/claims/experiments/dock.yaml").read_text()
    assert len(answer["FC-1"].differences) == 8


def test_a_folder_of_other_claims_is_left_alone(tmp_path) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "FC-1.yaml").write_text("mine")
    with pytest.raises(lthbench.UserError, match="not made by `lthbench test`"):
        lthbench.test(find, out=tmp_path, quiet=True)
    assert (tmp_path / "claims" / "FC-1.yaml").read_text() == "mine"
