"""Masks and pruned networks as people have them become tickets, whatever wrote them, and go back."""

import json
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from ticket_files import WRAPPINGS, WRITERS, as_npz, as_pt, pruned, small
from torch import nn
from torch.nn.utils import prune

from lthbench.errors import UserError
from lthbench.tickets import torch_prune
from lthbench.tickets.imports import import_ticket
from lthbench.tickets.ticket_file import Ticket

briefly = settings(max_examples=25)
ROWS = st.floats(-2, 2, width=32).filter(lambda value: abs(value) > 1e-3)


@st.composite
def tickets(draw: st.DrawFn) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Masks of up to four matrices and kernels, and the state of their module, dense."""
    mask, state = {}, {}
    for number in range(draw(st.integers(1, 4))):
        shape = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
        bits = draw(st.lists(st.booleans(), min_size=8, max_size=64))
        size = int(torch.tensor(shape).prod())
        kept = torch.tensor([bits[place % len(bits)] for place in range(size)]).view(shape)
        mask[f"layer{number}.weight"] = kept
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
        state[f"layer{number}.weight"] = torch.rand(shape, generator=generator) + 0.01
        state[f"layer{number}.weight"] *= torch.randint(0, 2, shape, generator=generator) * 2 - 1
        state[f"layer{number}.bias"] = torch.zeros(shape[0])
    mask["layer0.weight"].view(-1)[0] = True  # neither everything nor nothing
    mask["more.weight"], state["more.weight"] = torch.tensor([[True, False]]), torch.tensor([[-1.5, 0.25]])
    state["norm.running_var"], state["norm.num_batches_tracked"] = torch.ones(3), torch.tensor(7)
    return mask, state


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype, name
        assert torch.equal(ours[name], tensor), name


def masked(state: dict, mask: dict) -> dict:
    return {name: tensor * mask[name] if name in mask else tensor for name, tensor in state.items()}


def as_pruned(state: dict, mask: dict) -> dict:
    """What torch.nn.utils.prune leaves of a state."""
    pairs = {f"{name}_orig": state[name] for name in mask}
    pairs |= {f"{name}_mask": kept.float() for name, kept in mask.items()}
    return pairs | {name: tensor for name, tensor in state.items() if name not in mask}


# Round trips


@briefly
@given(given=tickets(), writer=st.sampled_from(list(WRITERS)), wrapping=st.sampled_from(list(WRAPPINGS)))
def test_what_torch_prune_leaves_comes_back_bit_for_bit(tmp_path_factory, given, writer, wrapping) -> None:
    mask, state = given
    nested = wrapping in ("state_dict", "model", "nested twice")
    file = WRITERS["pt" if nested else writer](
        WRAPPINGS[wrapping](as_pruned(state, mask)), tmp_path_factory.mktemp("theirs")
    )
    ticket = import_ticket(file, "start").ticket
    same(ticket.part("mask"), mask)
    same(ticket.part("start"), masked(state, mask))
    same(ticket.part("dense"), {name: state[name] for name in mask})
    whole = {name for name, kept in mask.items() if bool(kept.all())}
    back = torch_prune.pruned_state(ticket)
    same(back, as_pruned(state, {name: kept for name, kept in mask.items() if name not in whole}))
    for name in ("back.pt", "back.safetensors"):
        torch_prune.write(back, file.parent / name)
        again = import_ticket(file.parent / name, "start").ticket
        assert again.tensors.keys() == ticket.tensors.keys()
        same(again.tensors, ticket.tensors)


@briefly
@given(given=tickets(), writer=st.sampled_from(list(WRITERS)), dtype=st.sampled_from(["bool", "uint8", "float32"]))
def test_masks_of_any_kind_of_number_are_masks(tmp_path_factory, given, writer, dtype) -> None:
    mask, state = given
    folder = tmp_path_factory.mktemp("theirs")
    file = WRITERS[writer]({name: kept.to(getattr(torch, dtype)) for name, kept in mask.items()}, folder)
    ticket = import_ticket(file).ticket
    same(ticket.tensors, {f"mask/{name}": kept for name, kept in mask.items()})
    start = as_npz(state, folder / ".") if writer != "npz" else as_pt(state, folder)
    same(import_ticket(file, start=start).ticket.part("dense"), {name: state[name] for name in mask})


@briefly
@given(given=tickets(), writer=st.sampled_from(list(WRITERS)))
def test_zeros_of_weights_are_pruned_and_zeros_of_biases_are_not(tmp_path_factory, given, writer) -> None:
    mask, state = given
    live = {name: kept for name, kept in mask.items() if bool(kept.any())}
    state = {name: tensor for name, tensor in state.items() if name in live or name not in mask}
    file = WRITERS[writer](masked(state, live), tmp_path_factory.mktemp("theirs"))
    read = import_ticket(file, "start")
    same(read.ticket.part("mask"), live)
    same(read.ticket.part("start"), masked(state, live))
    assert not read.ticket.part("dense")
    zeros = sum(int((~kept).sum()) for kept in live.values())
    biases = sum(tensor.numel() for name, tensor in state.items() if name.endswith("bias"))
    assert f"{zeros} zeros of" in read.lines[0]
    assert f"({biases} in biases and norms were not)" in read.lines[0]
    assert "are gone (zero in the file)" in read.lines[-1]


@briefly
@given(given=tickets(), parts=st.sets(st.sampled_from(["start", "dense", "final"])))
def test_our_own_file_is_read_as_it_is(tmp_path_factory, given, parts) -> None:
    mask, state = given
    folder = tmp_path_factory.mktemp("ours")
    tensors = {f"mask/{name}": kept for name, kept in mask.items()}
    for part in parts:
        names = mask if part == "dense" else state
        tensors |= {f"{part}/{name}": masked(state, mask)[name].clone() for name in names}
    Ticket(tensors, {"format": 1, "cell": "ticket@2", "density": 0.5}).write(folder / "a.safetensors")
    read = import_ticket(folder / "a.safetensors").ticket
    same(read.tensors, tensors)
    assert read.facts["cell"] == "ticket@2"
    kept = sum(int(left.sum()) for left in mask.values())
    assert read.facts["weights_remaining"] == kept
    read.write(folder / "b.safetensors")
    again = import_ticket(folder / "b.safetensors").ticket
    same(again.tensors, read.tensors)
    assert again.facts == read.facts


# A module pruned by PyTorch itself


def test_the_written_state_loads_into_a_module_pruned_the_same_way(tmp_path) -> None:
    module = pruned(0)
    ticket = import_ticket(as_pt(module.state_dict(), tmp_path), "start").ticket
    torch_prune.write(torch_prune.pruned_state(ticket), tmp_path / "back.pt")
    other = pruned(1)
    other.load_state_dict(torch.load(tmp_path / "back.pt", weights_only=True), strict=True)
    x = torch.randn(5, 12)
    assert torch.equal(module.eval()(x), other.eval()(x))


def test_removing_the_parametrization_leaves_zeros_which_give_the_same_mask(tmp_path) -> None:
    module = pruned(0)
    before = import_ticket(as_pt(module.state_dict(), tmp_path), "trained").ticket
    for layer in (module.fc1, module.out):
        prune.remove(layer, "weight")
    after = import_ticket(as_pt(module.state_dict(), tmp_path), "trained").ticket
    same(after.tensors, before.tensors)
    assert not before.part("start")


def test_layers_that_nothing_prunes_count_as_kept(tmp_path) -> None:
    module = small(0)
    prune.random_unstructured(module.fc1, "weight", amount=0.25)
    read = import_ticket(as_pt(module.state_dict(), tmp_path), "start")
    assert read.ticket.facts["weights_remaining"] == 72 + 24
    assert read.lines[1] == "kept: 80 % (96 of 120); pruned: 20 % (24 of 120)"
    assert [line.split()[:4] for line in read.lines[2:4]] == [
        ["fc1.weight", "kept", "75", "%"],
        ["out.weight", "kept", "100", "%"],
    ]


def test_a_pruned_bias_is_in_the_mask_and_not_in_the_density(tmp_path) -> None:
    module = pruned(0)
    prune.l1_unstructured(module.fc1, "bias", amount=3)
    read = import_ticket(as_pt(module.state_dict(), tmp_path), "start")
    assert int(read.ticket.part("mask")["fc1.bias"].sum()) == 5
    assert read.ticket.facts["weights_remaining"] == 60
    assert any("fc1.bias" in line and "not counted" in line for line in read.lines)
    whole = import_ticket(tmp_path / "theirs.pt", "start", whole_biases=True).ticket
    assert "fc1.bias" not in whole.part("mask")
    assert torch.equal(whole.part("start")["fc1.bias"], module.fc1.bias_orig)
    read.ticket.write(tmp_path / "t.safetensors")
    again = import_ticket(tmp_path / "t.safetensors", whole_biases=True).ticket
    same(again.tensors, whole.tensors)


def test_masks_beside_weights_under_keys_of_their_own(tmp_path) -> None:
    module, dense = pruned(0), small(0).state_dict()
    mask = {"fc1.weight": module.fc1.weight_mask, "out.weight": module.out.weight_mask}
    for key, inside in (("mask", mask), ("masks", {f"{name}_mask": kept for name, kept in mask.items()})):
        ticket = import_ticket(as_pt({key: inside, "state_dict": dense}, tmp_path), "start").ticket
        same(ticket.part("mask"), {name: kept.bool() for name, kept in mask.items()})
        same(ticket.part("dense"), {name: dense[name] for name in mask})
    alone = import_ticket(as_pt({"mask": mask, "accuracy": torch.tensor(0.5)}, tmp_path)).ticket
    assert not alone.part("start")


def test_dense_starts_are_gone_where_earlier_rounds_left_zeros(tmp_path) -> None:
    module = small(0)
    prune.l1_unstructured(module.fc1, "weight", amount=0.4)
    prune.remove(module.fc1, "weight")
    prune.l1_unstructured(module.fc1, "weight", amount=0.7)
    read = import_ticket(as_pt(module.state_dict(), tmp_path), "start")
    assert not read.ticket.part("dense")
    assert read.ticket.part("start")


# Precision, wrappers, shared weights


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precision_become_float32(tmp_path, dtype) -> None:
    module = pruned(0).to(dtype)
    ticket = import_ticket(as_pt(module.state_dict(), tmp_path), "start").ticket
    same(ticket.part("dense"), {n: module.state_dict()[f"{n}_orig"].float() for n in ("fc1.weight", "out.weight")})
    assert {t.dtype for t in ticket.part("start").values()} == {torch.float32, torch.int64}


def test_a_float64_weight_too_small_for_float32_is_kept(tmp_path) -> None:
    state = pruned(0).double().state_dict()
    state = {name.removesuffix("_orig"): t for name, t in state.items() if not name.endswith("_mask")}
    state["fc1.weight"].view(-1)[:48], state["fc1.weight"].view(-1)[48] = 0, 1e-60
    ticket = import_ticket(as_pt(state, tmp_path), "start").ticket
    assert int(ticket.part("mask")["fc1.weight"].sum()) == 48


def test_a_compiled_part_inside_a_module(tmp_path) -> None:
    state = pruned(0).state_dict()
    inside = {name.replace("fc1.", "body._orig_mod.fc1."): tensor for name, tensor in state.items()}
    ticket = import_ticket(as_pt(inside, tmp_path), "start").ticket
    assert "body.fc1.weight" in ticket.part("mask")


def test_real_wrappers_give_the_names_of_the_module(tmp_path) -> None:
    plain = import_ticket(as_pt(pruned(0).state_dict(), tmp_path), "start").ticket
    wrapped = nn.DataParallel(pruned(0)).state_dict()
    assert "module.fc1.weight_orig" in wrapped
    same(import_ticket(as_pt(wrapped, tmp_path), "start").ticket.tensors, plain.tensors)


def test_shared_weights_may_lie_in_the_same_memory(tmp_path) -> None:
    module = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    module["b"].weight = module["a"].weight
    state = module.state_dict()
    mask = {"a.weight": torch.eye(4), "b.weight": torch.eye(4)}
    ticket = import_ticket(as_pt({"masks": mask, "state_dict": state}, tmp_path), "start").ticket
    ticket.write(tmp_path / "t.safetensors")
    same(import_ticket(tmp_path / "t.safetensors").ticket.tensors, ticket.tensors)


# What is refused


def wrong_files(folder) -> dict[str, tuple[object, str, str]]:
    """What somebody saves by torch.save, how it is imported, and what is said."""
    dense, mask = small(0).state_dict(), {"fc1.weight": torch.ones(8, 12), "out.weight": torch.eye(3, 8)}
    soft = {name: kept * 0.5 for name, kept in mask.items()}
    half = pruned(0).state_dict()
    nothing = {f"{name}_mask": kept for name, kept in mask.items()} | {"fc1.bias": torch.rand(8)}
    return {
        "a dense network": (dense, "start", r"dense: 0 % \(0 of 120\) of its weights are zero"),
        "a dense network with a zero": ({"a.weight": torch.arange(100.0).view(10, 10)}, "start", r"dense: 1 %"),
        "a matrix that is zero throughout": (
            dense | {"out.weight": torch.zeros(3, 8)}, "start", "out.weight is zero throughout",
        ),
        "masks of floats": (soft, "", "fc1.weight is no mask: it holds numbers other than 0 and 1"),
        "masks that keep all": ({"fc1.weight": torch.ones(8, 12)}, "", "keep every weight; True"),
        "masks that keep nothing": ({"fc1.weight": torch.zeros(8, 12)}, "", "keep no weight; True"),
        "masks by number": ([torch.eye(3), torch.eye(4)], "", "a list without names"),
        "a tensor": (torch.eye(3), "", "holds one Tensor, not named tensors"),
        "a network itself": (small(0), "start", "holds a ticket_files.Small, and only weights are loaded"),
        "no tensors": ({"epoch": 3, "args": {"lr": 0.1}}, "", r"no named tensors \(found: epoch, args\)"),
        "biases alone": ({"fc1.bias": torch.rand(8) - 0.5}, "start", "no weights of two or more dimensions"),
        "a mask of another shape": (
            half | {"out.weight_mask": torch.ones(8, 3)}, "start", r"out.weight is \(8, 3\), with a weight of",
        ),
        "a mask without its weight": (nothing, "start", "fc1.weight_mask has no weight beside it"),
        "spectral_norm": (
            nn.utils.spectral_norm(nn.Linear(3, 3)).state_dict(), "start", "spectral_norm leaves such names"
        ),
        "a parametrization": (
            nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)).state_dict(), "start",
            "parametrizations.weight.original0 is what a weight is computed from.*remove_parametrizations",
        ),
        "weight_norm": (
            {"a.weight_g": torch.ones(3, 1), "a.weight_v": torch.eye(3)}, "start", "a.weight_g is what a weight",
        ),
        "two of one name": (half | {"module.fc1.bias": torch.rand(8)}, "start", "two tensors are called fc1.bias"),
        "not finite": (half | {"fc1.bias": torch.full((8,), torch.nan)}, "start", "fc1.bias holds numbers not"),
        "weights of either kind": (half, "", "add --weights start, or --weights trained"),
        "masks said to be weights": (mask, "start", "holds masks and no weights"),
        "sparse": ({"a.weight": torch.eye(3).to_sparse()}, "", "no plain tensor"),
        "complex": ({"a.weight": torch.eye(3) + 0j}, "", "no plain tensor"),
        "on no device": ({"a.weight": torch.empty(3, 3, device="meta")}, "", "no plain tensor"),
    }  # fmt: skip


@pytest.mark.parametrize("name", wrong_files(None))
def test_what_is_refused_names_the_file_and_the_way_out(tmp_path, name) -> None:
    content, weights, words = wrong_files(tmp_path)[name]
    torch.save(content, tmp_path / "theirs.pt")
    with pytest.raises(UserError) as caught:
        import_ticket(tmp_path / "theirs.pt", weights)
    assert str(caught.value).startswith(str(tmp_path / "theirs.pt"))
    assert "\n" not in str(caught.value)
    assert re.search(words, str(caught.value)), str(caught.value)


def test_a_start_that_does_not_fit(tmp_path) -> None:
    mask = as_npz({"fc1.weight": torch.eye(8, 12)}, tmp_path)
    for state, words in (
        ({"fc1.weight": torch.ones(12, 8)}, r"fc1.weight is \(12, 8\), its mask is \(8, 12\)"),
        ({"fc.weight": torch.ones(8, 12)}, "fc1.weight is missing"),
    ):
        with pytest.raises(UserError, match=words):
            import_ticket(mask, start=as_pt(state, tmp_path))
    both = as_pt(pruned(0).state_dict(), tmp_path)
    with pytest.raises(UserError, match="nothing starts from its weights and from"):
        import_ticket(both, "start", both)


def test_another_start_for_a_ticket_of_ours(tmp_path) -> None:
    module = pruned(0)
    file = as_pt(module.state_dict(), tmp_path)
    import_ticket(file, "trained").ticket.write(tmp_path / "a.safetensors")
    dense = small(0).state_dict()
    torch.save(dense, tmp_path / "start.pt")
    ticket = import_ticket(tmp_path / "a.safetensors", start=tmp_path / "start.pt").ticket
    same(ticket.part("dense"), {name: dense[name] for name in ("fc1.weight", "out.weight")})
    assert ticket.facts["start"]["file"] == "start.pt"
    with pytest.raises(UserError, match="says itself where it starts"):
        import_ticket(tmp_path / "a.safetensors", "start")


def test_the_ticket_says_what_it_came_from(tmp_path) -> None:
    file = as_pt(pruned(0).state_dict(), tmp_path)
    ticket = import_ticket(file, "start").ticket
    ticket.write(tmp_path / "t.safetensors")
    assert json.dumps(ticket.facts["imported"])
    assert ticket.facts["imported"]["file"] == "theirs.pt"
    assert ticket.facts["density"] == 0.5
    assert load_file(tmp_path / "t.safetensors").keys() == ticket.tensors.keys()


def test_a_state_dict_in_safetensors_needs_no_metadata(tmp_path) -> None:
    save_file({n: t.contiguous() for n, t in pruned(0).state_dict().items()}, tmp_path / "x.safetensors")
    assert import_ticket(tmp_path / "x.safetensors", "start").ticket.facts["density"] == 0.5
