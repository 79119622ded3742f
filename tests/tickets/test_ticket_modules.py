"""Tickets of networks as people write them: the file's mask and weights are what is trained, bit for bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ticket_networks
import torch
from command_line import typed
from ticket_files import WRAPPINGS, as_pt
from ticket_runs import TINY, trained, values
from torch import nn
from torch.nn.utils import prune

from lthbench.drive import ticket as ticket_dock
from lthbench.drive.dock import Question
from lthbench.errors import UserError
from lthbench.models.errors import ModelError
from lthbench.recipe.experiment import Network
from lthbench.tickets.imports import import_ticket

KEPT = 0.25  # of every weight: what the tiny experiment asks for


def pruned(module: nn.Module) -> nn.Module:
    """Every matrix and kernel pruned by magnitude, by PyTorch."""
    for part in list(module.modules()):
        if isinstance(part, nn.Linear | nn.Conv2d):
            prune.l1_unstructured(part, "weight", 1 - KEPT)
    return module


def made(network: str) -> nn.Module:
    torch.default_generator.manual_seed(5)
    return getattr(ticket_networks, network)((64,), 10)


def ticket_of(content: dict, folder: Path) -> Path:
    import_ticket(as_pt(content, folder), "start").ticket.write(folder / "ticket.safetensors")
    return folder / "ticket.safetensors"


def question(file: Path, network: str, **more) -> Question:
    kind = Network(f"ticket_networks:{network}")
    return Question("", ticket=str(file), network=kind, data="digits", iterations=60, **more)


def said(file: Path, network: str, folder: Path) -> str:
    run = ticket_dock.prepared(question(file, network), 0, folder / "out")
    return "\n".join(ticket_dock.says(run, question(file, network)))


@pytest.mark.parametrize(
    ("network", "wrapping", "dtype"),
    [
        ("conv", "as it is", torch.float32),
        ("conv", "DataParallel", torch.float64),
        ("conv", "both", torch.bfloat16),
        ("compiled", "as it is", torch.float32),  # the network is compiled and the file is not
        ("conv", "torch.compile", torch.float32),  # the other way round
    ],
)
def test_a_convolutional_ticket_is_trained_from_the_files_bits(tmp_path, network, wrapping, dtype) -> None:
    module = pruned(made("conv")).to(dtype)
    file = ticket_of(WRAPPINGS[wrapping](module.state_dict()), tmp_path)
    experiment = replace(TINY, network=Network(f"ticket_networks:{network}"))
    records = trained(file, tmp_path / "runs", False, experiment)
    state = {name.replace("_orig_mod.", ""): array for name, array in records["found@2"][1].items()}
    for name in ("first", "second", "out"):
        layer = getattr(module, name)
        weights = (layer.weight_orig.float() * layer.weight_mask.float()).detach().numpy()
        for replicate in range(2):
            assert state[f"start/{name}.weight"][replicate].tobytes() == (weights + 0.0).tobytes()
    assert np.array_equal(state["start/norm.running_var"][0], module.norm.running_var.float().numpy())
    for arm in ("dense@0", "found@2", "found-random-mask@2", "ticket@2"):
        assert set(values(records[arm], "start_moved:weights")) == {0}, arm
        assert set(values(records[arm], "start_moved:others")) == {0}, arm


@pytest.mark.parametrize("names", [("a",), ("b",), ("a", "b")])
def test_shared_weights_count_once_and_wear_one_mask(tmp_path, names) -> None:
    module, kept = made("tied"), torch.eye(64, dtype=torch.bool)
    masks = {f"{name}.weight": kept for name in names}
    file = ticket_of({"masks": masks, "state_dict": module.state_dict()}, tmp_path)
    words = said(file, "tied", tmp_path)
    assert words.startswith("kept: 14.9 % (704 of 4,736); pruned: 85.1 % (4,032 of 4,736)\n"), words
    assert "b.weight" not in words


def test_a_weight_pruned_under_one_of_its_two_names_is_refused(tmp_path) -> None:
    module = made("tied")
    prune.l1_unstructured(module.a, "weight", 0.5)
    file = ticket_of(module.state_dict(), tmp_path)
    with pytest.raises(UserError, match=r"b.weight is shared .* differs in the file; save one mask and one start"):
        said(file, "tied", tmp_path)


@pytest.mark.parametrize(("network", "words"), [("named", "is dict, .*'logits'"), ("two", "is tuple, .*0")])
def test_outputs_that_are_no_tensor_are_refused_with_the_way_out(tmp_path, network, words) -> None:
    module = made("tied")
    file = ticket_of({"masks": {"a.weight": torch.eye(64)}, "state_dict": module.state_dict()}, tmp_path)
    with pytest.raises(ModelError, match=words) as caught:
        said(file, network, tmp_path)
    assert "\n" not in str(caught.value)


def test_statistics_that_saw_data_are_said(tmp_path) -> None:
    module = pruned(made("conv"))
    fresh = said(ticket_of(module.state_dict(), tmp_path), "conv", tmp_path)
    module.train()(torch.rand(20, 64) + 1)
    seen = said(ticket_of(module.state_dict(), tmp_path), "conv", tmp_path)
    assert "norm.running_mean is not 0: these weights have seen data; is this where training starts?" in seen
    assert "running_mean" not in fresh


def gone(folder: Path) -> Path:
    """A ticket whose middle layer keeps nothing."""
    module = made("conv")
    prune.custom_from_mask(module.second, "weight", torch.zeros_like(module.second.weight))
    prune.l1_unstructured(module.out, "weight", 0.75)
    return ticket_of(module.state_dict(), folder)


def test_a_layer_that_keeps_nothing_is_said(tmp_path) -> None:
    words = said(gone(tmp_path), "conv", tmp_path)
    assert "  second.weight  kept 0 % (0 of 288); nothing that comes in passes it\n" in words, words
    assert words.count("nothing that comes in") == 1


@pytest.mark.slow
def test_a_ticket_that_lets_nothing_through_is_no_winner(tmp_path) -> None:
    done = typed(
        ["test", "--ticket", gone(tmp_path), "--network", "ticket_networks:conv", "--data", "digits",
         "--iterations", 60, "--claim", "FC-1", "--cores", 1, "--out", tmp_path / "out"]
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert done.stdout.count("  ■ BLOCKED ") == 1, done.stdout
    assert ": the arm does not train" in done.stdout
