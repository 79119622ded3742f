"""`lthbench import` and `lthbench export` of ticket files, as a user types them."""

from pathlib import Path

import pytest
import torch
from command_line import typed
from safetensors.torch import load_file
from ticket_files import as_pt, pruned, small

from lthbench.tickets.imports import import_ticket


def test_there_and_back_through_the_commands(tmp_path: Path) -> None:
    module = pruned(0)
    as_pt({"state_dict": module.state_dict()}, tmp_path)
    done = typed(["import", "theirs.pt", "--weights", "start", "--out", "t.safetensors"], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[:4] == [
        "theirs.pt: pruned by torch.nn.utils.prune",
        "kept: 50 % (60 of 120); pruned: 50 % (60 of 120)",
        "  fc1.weight  kept 50 % (48 of 96)",
        "  out.weight  kept 50 % (12 of 24)",
    ]
    assert "lthbench test --ticket t.safetensors" in said[-1]
    export = ("export", "t.safetensors", "--format", "torch-prune")
    for to in ("back.pt", "back.safetensors"):
        done = typed([*export, "--to", to], folder=tmp_path)
        assert done.returncode == 0, done.stderr
    written = torch.load(tmp_path / "back.pt", weights_only=True)
    assert all(torch.equal(tensor, written[name]) for name, tensor in module.state_dict().items())
    assert load_file(tmp_path / "back.safetensors").keys() == written.keys()
    assert typed(export, folder=tmp_path).returncode == 0
    assert (tmp_path / "t.pt").exists()


def test_start_weights_from_another_file(tmp_path: Path) -> None:
    as_pt(pruned(0).state_dict(), tmp_path)
    torch.save(small(0).state_dict(), tmp_path / "init.pth")
    done = typed(["import", "theirs.pt", "--start", "init.pth", "--out", "t.safetensors"], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    ticket = import_ticket(tmp_path / "t.safetensors").ticket
    assert torch.equal(ticket.part("dense")["fc1.weight"], small(0).fc1.weight)
    assert ticket.facts["imported"]["start"]["file"] == "init.pth"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "t.safetensors", "--out", "t.pt"), "--out t.pt: a ticket is a .safetensors file"),
        (("import", "t.safetensors"), "Missing option '--out'"),
        (("export", "t.safetensors"), "say --format torch-prune, or lthbench import for ours"),
        (("export", "t.safetensors", "--format", "onnx"), "--format onnx: use lthbench or torch-prune"),
        (("export", "t.safetensors", "--format", "torch-prune", "--to", "t.safetensors"), "would be overwritten"),
        (("export", "t.safetensors", "--format", "torch-prune", "--to", "t.h5"), "write .pt or .safetensors"),
        (("export", "mask.safetensors", "--format", "torch-prune"), "the ticket has no start weights"),
        (("export", "quick", "ticket@9"), "say which network: a CELL, such as ticket@9, and --replicate"),
        (("export", "quick"), "say which network: a CELL"),
        (("test",), "say what is tested: a method"),
        (("test", "--implementation", "no_such:run"), "implementation no_such:run: cannot import no_such"),
        (("test", "a:b", "--ticket", "t.safetensors"), "say what is tested"),
        (("test", "--ticket", "t.safetensors", "--density", "0.5"), "says its density and start"),
        (("test", "--ticket", "none.pt"), "none.pt: no such file"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, words: tuple, said: str) -> None:
    import_ticket(as_pt(pruned(0).state_dict(), tmp_path), "start").ticket.write(tmp_path / "t.safetensors")
    masks = {"fc1.weight": torch.eye(8, 12)}
    import_ticket(as_pt(masks, tmp_path)).ticket.write(tmp_path / "mask.safetensors")
    before = (tmp_path / "t.safetensors").read_bytes()
    done = typed(words, folder=tmp_path)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert (tmp_path / "t.safetensors").read_bytes() == before
