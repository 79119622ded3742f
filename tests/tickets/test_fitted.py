"""A ticket file in a network: names, shared weights, shapes; what every arm then starts from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ticket_files import Small, as_pt, pruned, small
from ticket_runs import TINY, trained, values
from torch import nn
from torch.nn.utils import prune

from lthbench.drive.execute import run_chunk
from lthbench.errors import UserError
from lthbench.plan.unit import plan_experiment
from lthbench.tickets import export
from lthbench.tickets.fitted import fitted
from lthbench.tickets.from_file import METHOD
from lthbench.tickets.imports import import_ticket
from lthbench.tickets.ticket_file import Ticket


def ticket_of(state: dict, folder: Path, **options) -> Path:
    import_ticket(as_pt(state, folder), "start", **options).ticket.write(folder / "ticket.safetensors")
    return folder / "ticket.safetensors"


def test_the_mask_and_start_of_the_same_module(tmp_path) -> None:
    module = pruned(0)
    fit = fitted(ticket_of(module.state_dict(), tmp_path), small(1))
    assert torch.equal(fit.mask["fc1.weight"], module.fc1.weight_mask.bool())
    assert torch.equal(fit.start["fc1.weight"], module.fc1.weight)
    assert torch.equal(fit.initial["fc1.weight"], module.fc1.weight_orig)
    assert fit.initial.keys() == fit.start.keys() == small(0).state_dict().keys()


class Holder(nn.Module):
    """A network inside another, as Lightning's modules hold one."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.model = inside


def test_one_module_around_it_is_seen_through(tmp_path) -> None:
    inside = fitted(ticket_of(pruned(0).state_dict(), tmp_path), small(1))
    around = fitted(ticket_of(Holder(pruned(0)).state_dict(), tmp_path), small(1))
    assert around.start.keys() == inside.start.keys()
    assert torch.equal(around.mask["out.weight"], inside.mask["out.weight"])


class Tied(nn.Module):
    """Two layers that share their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.b.weight = self.a.weight


def test_shared_weights_have_one_mask_whichever_name_it_comes_by(tmp_path) -> None:
    torch.default_generator.manual_seed(0)
    module, eye = Tied(), torch.eye(4)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    for masks in ({"a.weight": eye}, {"b.weight": eye}, {"a.weight": eye, "b.weight": eye}):
        file = ticket_of({"masks": masks, "state_dict": state}, tmp_path)
        assert torch.equal(fitted(file, Tied()).mask["a.weight"], eye.bool())
        assert fitted(file, Tied()).mask.keys() == {"a.weight"}
    pruned_once = Tied()
    prune.l1_unstructured(
        pruned_once.a, "weight", 0.5
    )  # PyTorch's own b is dense then, which no mask of ours says
    with pytest.raises(UserError, match="is shared in the network, but differs in the file"):
        fitted(ticket_of(pruned_once.state_dict(), tmp_path), Tied())
    apart = {"masks": {"a.weight": eye, "b.weight": eye.flip(0)}, "state_dict": state}
    with pytest.raises(UserError, match=r"b.weight is shared in the network, but differs in the file"):
        fitted(ticket_of(apart, tmp_path), Tied())


def test_a_counter_may_be_missing_and_nothing_else(tmp_path) -> None:
    state = pruned(0).state_dict()
    state.pop("norm.num_batches_tracked")
    assert fitted(ticket_of(state, tmp_path), small(1)).initial
    state.pop("norm.running_mean")
    with pytest.raises(UserError, match=r"its start has no norm.running_mean; save the whole state dict"):
        fitted(ticket_of(state, tmp_path), small(1))


class Wider(Small):
    """The same names, other shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm = nn.Linear(12, 9), nn.BatchNorm1d(9)
        self.out = nn.Linear(9, 3)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Wider(), r"mask of fc1.weight is \(8, 12\), in the network \(9, 12\)"),
        (nn.Sequential(nn.Linear(12, 8)), "a mask of fc1.weight, which the network does not have; .*0.weight"),
        (nn.ModuleDict({"fc1": nn.Linear(12, 8), "out": nn.Linear(8, 3)}), "holds norm.bias, which the network"),
    ],
)
def test_another_network_is_refused(tmp_path, module, words) -> None:
    with pytest.raises(UserError, match=words):
        fitted(ticket_of(pruned(0).state_dict(), tmp_path), module)


def test_pruned_biases_are_refused_with_the_way_out(tmp_path) -> None:
    module = pruned(0)
    prune.l1_unstructured(module.fc1, "bias", amount=3)
    with pytest.raises(UserError, match=r"prunes fc1.bias, .* --whole-biases"):
        fitted(ticket_of(module.state_dict(), tmp_path), small(1))
    fit = fitted(ticket_of(module.state_dict(), tmp_path, whole_biases=True), small(1))
    assert torch.equal(fit.start["fc1.bias"], module.fc1.bias_orig)


# What the arms start from


@pytest.fixture(scope="module")
def tickets(tmp_path_factory) -> dict[str, Path]:
    """A ticket of ours: with the weights that were pruned, without them, and its mask alone."""
    folder = tmp_path_factory.mktemp("ours")
    units = plan_experiment(TINY, {("ticket", 2)}, 1, 1, 0)
    run_chunk(units, folder, None, "cpu", lambda *_: None)
    files = {name: folder / f"{name}.safetensors" for name in ("dense", "start", "mask")}
    whole = export.ticket(units[-1], units, folder, None, 0, dense=True)
    whole.write(files["dense"])
    export.ticket(units[-1], units, folder, None, 0).write(files["start"])
    Ticket({n: t for n, t in whole.tensors.items() if n.startswith("mask/")}, {}).write(files["mask"])
    return files


def test_all_arms_start_from_a_file_that_has_every_weight(tickets, tmp_path) -> None:
    records = trained(tickets["dense"], tmp_path, own_start=False)
    for arm in ("dense@0", "found@2", "found-random-mask@2", "ticket@1", "ticket@2", "found-shuffled@2"):
        assert set(values(records[arm], "start_moved:others")) == {0}, arm
        if arm != "found-shuffled@2":
            assert set(values(records[arm], "start_moved:weights")) == {0}, arm
    assert min(values(records["found-reinit@2"], "start_moved:weights")) > 0
    whole = import_ticket(tickets["dense"]).ticket
    start = records["found@2"][1]["start/fc1.weight"]
    assert np.array_equal(start[0], whole.part("dense")["fc1.weight"].numpy().T * start[0].astype(bool))
    assert np.array_equal(start[0], start[1])
    masks = values(records["found@2"], "mask_crc32")
    assert masks[0] == masks[1] == values(records["found-reinit@2"], "mask_crc32")[0]


def test_without_them_the_ticket_starts_alone_from_the_file(tickets, tmp_path) -> None:
    alone = trained(tickets["start"], tmp_path / "a", own_start=True)
    whole = trained(tickets["dense"], tmp_path / "b", own_start=False)
    same = [values(records["found@2"], "final_test_accuracy") for records in (alone, whole)]
    assert same[0] == same[1]
    assert values(alone["dense@0"], "final_test_accuracy") != values(whole["dense@0"], "final_test_accuracy")
    start = alone["found@2"][1]["start/fc1.weight"]
    assert np.array_equal(start[0], import_ticket(tickets["start"]).ticket.part("start")["fc1.weight"].numpy().T)
    assert set(values(alone["found-shuffled@2"], "start_moved:others")) == {0}


def test_a_mask_alone_is_worn_on_every_replicates_own_initialisation(tickets, tmp_path) -> None:
    records = trained(tickets["mask"], tmp_path, own_start=False)
    start = records["found@2"][1]["start/fc1.weight"]
    assert not np.array_equal(start[0], start[1])
    assert set(values(records["found@2"], "start_moved:weights")) == {0}


def test_what_the_file_holds_is_in_the_names_of_its_results(tickets, tmp_path) -> None:
    def keys(file: Path) -> dict[str, str]:
        experiment = replace(TINY, method=METHOD, ticket=str(file))
        return {u.arm: u.key for u in plan_experiment(experiment, {("found", 2), ("ticket", 1)}, 2, 2, 0)}

    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(tickets["mask"].read_bytes())
    assert keys(copy) == keys(tickets["mask"])
    other = import_ticket(copy).ticket
    other.tensors["mask/fc1.weight"][0, 0] ^= True
    other.write(copy)
    changed = {arm for arm, key in keys(copy).items() if key != keys(tickets["mask"])[arm]}
    assert changed == {"found"}  # the reference does not depend on it
    assert not set(keys(tickets["dense"]).values()) & set(keys(tickets["mask"]).values())
    plain = plan_experiment(TINY, {("ticket", 1)}, 2, 2, 0)
    assert plain[-1].key == keys(tickets["mask"])["ticket"]
