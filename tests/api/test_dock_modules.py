"""Modules as people have them, at the door for methods: each is trained as it was meant, or refused in a line."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import their_modules
import torch
from sklearn.datasets import load_digits
from torch.nn.utils import parametrizations, prune

import lthbench
from lthbench.drive import dock
from lthbench.drive.mendable import mendable
from lthbench.drive.trial import tried
from lthbench.errors import UserError
from lthbench.recipe import given
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training

HERE = Path(their_modules.__file__).name
SHORT = {"iterations": 20, "batch": 32, "learning_rate": 0.01, "density": 0.4, "quiet": True}
WEIGHTS = {  # by hand: matrices and kernels, shared ones once
    "tied": {"first.weight": 64 * 64, "head.weight": 10 * 64},
    "grouped": {"0.weight": 4 * 9, "2.weight": 8 * 9, "5.weight": 10 * 128},
    "attention": {"heads.in_proj_weight": 24 * 8, "heads.out_proj.weight": 8 * 8, "head.weight": 10 * 64},
    "compiled": {"_orig_mod.1.weight": 12 * 64, "_orig_mod.3.weight": 10 * 12},
    "wrapped_output": {"module.module.1.weight": 12 * 64, "module.module.3.weight": 10 * 12},
    "token_ids_cast": {"layers.0.weight": 30 * 4, "layers.2.weight": 4 * 64},
}
COMPUTED = r"1\.weight: computed from other parameters at every call .* build the layer without it"
REFUSED = {
    "parametrized": COMPUTED,
    "parametrized_by_hand": COMPUTED,
    "pruned": r"1\.weight: brings a mask of its own .* return the network unpruned",
    "parallel": r"nn\.DataParallel: .* return the one inside it \(\.module\)",
    "double": r"its weights are float64, examples are float32: return it in float32 \(\.float\(\)\)",
    "double_inside": r"non-float32 parameters: .* return it in float32 with requires_grad",
    "tuple_output": r"is tuple, not \(2, 10\); wrap it .* returns the logits alone: self\.network\(x\)\[1\]",
    "dict_output": r"is dict, not \(2, 10\); wrap it .* returns the logits alone: self\.network\(x\)\['logits'\]",
    "list_output": r"is list, not \(2, 10\); wrap it .* returns the logits alone: a tensor of that shape",
    "token_ids": r"examples are float32: where they are token ids, look them up as x\.long\(\)",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, str]:
    """Digits as pictures, and rows of token ids, in files."""
    folder = tmp_path_factory.mktemp("data")
    x, y = load_digits(return_X_y=True)
    ids = np.random.default_rng(0).integers(0, 30, (1600, 16))
    about = (ids[:, 0] > ids[:, 1]) + 2 * (ids[:, 2] > 15)
    arrays = {"pictures": ((x / 16).astype(np.float32).reshape(-1, 1, 8, 8), y), "ids": (ids, about)}
    files = {}
    for name, (inputs, labels) in arrays.items():
        files[name] = str(folder / f"{name}.npz")
        np.savez(
            files[name], x_train=inputs[:1200], y_train=labels[:1200], x_test=inputs[1200:], y_test=labels[1200:]
        )
    return files


def file_for(data: dict[str, str], network: str) -> str:
    return data["ids" if network.startswith("token") else "pictures"]


# As the network


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_network_that_works_is_asked_for_tickets_of_the_weights_it_has(name, data, tmp_path) -> None:
    more = {key: value for key, value in SHORT.items() if key != "quiet"}
    asked = dock.Question(
        "their_modules:find", network=Network(f"their_modules:{name}"), data=file_for(data, name), **more
    )
    with mendable():
        run = dock.prepared(asked, 0, tmp_path)
    assert dock.sizes_of(run.units()[0].experiment) == WEIGHTS[name]


@pytest.mark.parametrize(
    "name", ["tied", *(pytest.param(name, marks=pytest.mark.slow) for name in WEIGHTS if name != "tied")]
)
def test_a_network_that_works_is_trained_and_judged(name, data, tmp_path) -> None:
    answer = lthbench.test(
        "their_modules:find", f"their_modules:{name}", file_for(data, name), "FC-1", out=tmp_path, **SHORT
    )
    found = answer["FC-1"]
    assert found.verdict in ("PASS", "FAIL", "INCONCLUSIVE", "BLOCKED")
    assert found.differences.shape == (8,)
    assert found.differences.any()
    assert all(gate.passed for gate in found.details.gates if "chance" not in gate.name), found.details.gates


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_that_does_not_is_refused_in_a_line_with_the_way_out(name, data, tmp_path) -> None:
    with pytest.raises(lthbench.UserError) as raised:
        lthbench.test(
            "their_modules:find", f"their_modules:{name}", file_for(data, name), out=tmp_path / "out", **SHORT
        )
    said = str(raised.value)
    assert said.startswith(f"their_modules:{name}: ")
    assert re.search(REFUSED[name], said), said
    assert "\n" not in said
    assert re.search(rf"{HERE}, line \d+\)", said) or name in ("double", "token_ids"), said
    assert not (tmp_path / "out" / "claims").exists()


def test_a_table_of_embeddings_may_be_kept_whole(data, tmp_path) -> None:
    where = {"network": "their_modules:token_ids_cast", "data": data["ids"], "out": tmp_path, "claims": "FC-1"}
    answer = lthbench.test(their_modules.find, keep="layers.0*", **where, **SHORT)
    assert not any("is pruned like any matrix" in note for note in answer.notes)
    with pytest.raises(lthbench.UserError, match=r"no weight fits 'embed\*'; there are layers\.0\.weight"):
        lthbench.test(their_modules.find, keep="embed*", **where, **SHORT)
    with pytest.raises(lthbench.UserError, match=r"--keep names weights of your own network"):
        lthbench.test(their_modules.find, keep="fc1.weight", **SHORT)


# In the hands of a method

TINY = Experiment(
    "tiny", "", Network("their_modules:plain"), DataSpec("npz", path="", validation=100),
    Training("adam", 0.01, 20, 40, 20), Pruning("layer-wise", 0.5),
)  # fmt: skip


def trial(data, method, network="plain", **changes) -> None:
    """Try a method on one of the networks."""
    spec = replace(TINY.data, path=file_for(data, network))
    experiment = replace(
        TINY, method=given.give(method), network=Network(f"their_modules:{network}"), data=spec, **changes
    )
    with mendable():
        tried(experiment, 2, 0, None, "cpu")


def scores(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The size of every parameter, under whatever name it has now."""
    return {name: weight.detach().abs() for name, weight in module.named_parameters()}


CHANGES = {
    "wrapped": torch.nn.DataParallel,
    "compiled": lambda module: torch.compile(module, backend="eager"),
    "both": lambda module: torch.nn.DataParallel(torch.compile(module, backend="eager")),
    "float64": lambda module: module.double(),
    "pruned by nothing": lambda module: prune.identity(module[1], "weight") and module,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_module_that_a_method_changed_is_trained_as_the_plain_one_and_gives_its_ticket(data, change) -> None:
    def find(problem):
        plain, theirs = problem.train(problem.module()), problem.train(CHANGES[change](problem.module()))
        expected = problem.keep_largest(scores(plain))
        mask = problem.keep_largest(scores(theirs))
        assert all(np.array_equal(kept, mask[name]) for name, kept in expected.items())
        fresh = CHANGES[change](problem.module())
        return lthbench.Ticket(mask, weights=fresh.state_dict())

    trial(data, find)


@pytest.mark.parametrize("network", ["compiled", "wrapped_output"])
def test_a_network_with_a_wrappers_names_is_known_with_and_without_them(data, network) -> None:
    def find(problem):
        short = {name.rpartition("module.")[2].removeprefix("_orig_mod."): s for name, s in problem.shapes.items()}
        assert list(short) == ["1.weight", "3.weight"]
        size = scores(problem.train(problem.module()))
        mask = problem.keep_largest(size)
        trained = problem.train(problem.module(), mask=dict(zip(short, mask.values(), strict=True)))
        again = problem.train(problem.module(), mask=mask)
        assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), again.parameters(), strict=True))
        return lthbench.Ticket(dict(zip(short, mask.values(), strict=True)))

    trial(data, find, network)


def test_pruning_by_torch_in_rounds_sees_the_weights_that_were_trained(data) -> None:
    """torch computes a pruned weight when the module is called; training here calls another one."""

    def find(problem):
        module = problem.module()
        for level in (1, 2):
            problem.train(module)
            for name, kept in problem.counts(level).items():
                layer = module.get_submodule(name.removesuffix(".weight"))
                before = getattr(layer, "weight_mask", torch.ones_like(layer.weight))
                prune.l1_unstructured(layer, "weight", amount=int(before.sum()) - kept)
        mask = {name: module.get_buffer(f"{name}_mask").bool() for name in problem.shapes}
        own = problem.keep_largest(scores(first := problem.train(problem.module())), problem.counts(1))
        second = first
        for name, weight in second.named_parameters():
            if name in own:
                weight.data *= torch.from_numpy(own[name])
        own = problem.keep_largest(scores(problem.train(second, mask=own)), problem.counts(2), own)
        assert all(np.array_equal(mask[name].numpy(), kept) for name, kept in own.items())
        return lthbench.Ticket(mask)

    trial(data, find)


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_shared_weight_has_one_mask_under_any_of_its_names(data, name) -> None:
    def find(problem):
        module = problem.module()
        mask = problem.keep_largest(scores(module))
        kept = torch.from_numpy(mask["first.weight"])
        prune.custom_from_mask(getattr(module, name), "weight", kept)
        problem.train(module)
        expected = problem.train(problem.module(), mask={"first.weight": mask["first.weight"]})
        assert torch.equal(getattr(module, name).weight, expected.first.weight)
        assert not expected.first.weight[~kept].any()
        both = {"second.weight": kept, "head.weight": mask["head.weight"]}
        return lthbench.Ticket(both, weights=problem.module().state_dict())

    trial(data, find, "tied")


def test_a_shared_weight_with_two_masks_is_refused(data) -> None:
    def find(problem):
        mask = problem.keep_largest(scores(problem.module()))
        return lthbench.Ticket(mask | {"second.weight": ~mask["first.weight"]})

    with pytest.raises(UserError, match=r"second\.weight is first\.weight in the network, one weight; here they"):
        trial(data, find, "tied")


def test_what_is_no_module_of_the_problem_is_refused_with_the_way_out(data) -> None:
    def parametrized(problem):
        module = problem.module()
        parametrizations.weight_norm(module[1])
        problem.train(module)

    with pytest.raises(UserError, match=r"not the network .* parametrize\.remove_parametrizations first"):
        trial(data, parametrized)
    with pytest.raises(UserError, match=r"problem\.keep_largest: scores lack 3\.weight"):
        trial(data, lambda problem: problem.keep_largest({"1.weight": np.ones((12, 64))}))


def test_a_mask_that_prunes_what_is_kept_whole_is_refused(data) -> None:
    def find(problem):
        mask = problem.keep_largest(scores(problem.module()))
        mask["3.weight"][0] = False
        return lthbench.Ticket(mask)

    with pytest.raises(UserError, match=r"the mask prunes 3\.weight, which is kept whole"):
        trial(data, find, pruning=replace(TINY.pruning, keep=("3.weight",)))
