"""Ticket files from strangers: read, or refused in a line, within bounds; nothing in them runs."""

import io
import time
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from ticket_files import pruned

from lthbench.errors import UserError
from lthbench.tickets import weights_file
from lthbench.tickets.imports import import_ticket
from lthbench.words import UNPRINTABLE

SLOW = 5.0  # seconds
fuzz = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def bytes_of(content: object, suffix: str) -> bytes:
    stream = io.BytesIO()
    if suffix == ".safetensors":
        return save({name: tensor.contiguous() for name, tensor in content.items()})
    if suffix == ".npz":
        import numpy as np

        np.savez(stream, **{name: tensor.numpy() for name, tensor in content.items()})
        return stream.getvalue()
    torch.save(content, stream, _use_new_zipfile_serialization=suffix == ".pt")
    return stream.getvalue()


WHOLE = {suffix: bytes_of(pruned(0).state_dict(), suffix) for suffix in (".pt", ".pth", ".npz", ".safetensors")}


@fuzz
@given(data=st.data(), suffix=st.sampled_from(list(WHOLE)))
def test_a_damaged_file_is_read_or_refused_in_a_line(tmp_path_factory, data, suffix) -> None:
    content = bytearray(WHOLE[suffix])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    refused_or_read(tmp_path_factory.mktemp("theirs") / f"theirs{suffix}", bytes(content))


NUMBERS = st.sampled_from([0, 1, -1, 0.5, float("nan"), float("inf"), 1e300])
TENSORS = st.builds(
    lambda number, shape, dtype: (number * torch.ones(shape)).to(dtype),
    NUMBERS,
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from([torch.float32, torch.float16, torch.bool, torch.int64, torch.bfloat16, torch.float64]),
)
NAMES = st.sampled_from(
    ["fc1.weight", "fc1.weight_mask", "fc1.weight_orig", "fc1.bias", "module.fc1.weight", "mask/fc1.weight",
     "start/fc1.weight", "dense/fc1.weight", "mask", "state_dict", "", "_mask", "_orig", "weight", "\x1b[31m"]
)  # fmt: skip
LEAVES = st.one_of(TENSORS, st.integers(), st.text(max_size=3), st.none(), st.lists(TENSORS, max_size=2))
CONTENTS = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=5), lambda c: st.dictionaries(NAMES, c, max_size=3)
)


@fuzz
@given(content=CONTENTS, role=st.sampled_from(["", "start", "trained"]))
def test_any_names_and_tensors_are_a_ticket_or_refused_in_a_line(tmp_path_factory, content, role) -> None:
    refused_or_read(tmp_path_factory.mktemp("theirs") / "theirs.pt", bytes_of(content, ".pt"), role)


def refused_or_read(file, content: bytes, role: str = "start") -> None:
    file.write_bytes(content)
    began = time.monotonic()
    said, read = "", None
    try:
        read = import_ticket(file, role)
    except UserError as error:
        said = str(error)
    assert time.monotonic() - began < SLOW
    assert not UNPRINTABLE.search("".join((said, *(read.lines if read else ()))))
    if read is None:
        assert said.startswith(str(file))
        assert len(said) < 500
        return
    assert 0 < read.ticket.facts["density"] < 1
    read.ticket.write(file.with_name("ticket.safetensors"))
    again = import_ticket(file.with_name("ticket.safetensors")).ticket
    assert again.tensors.keys() == read.ticket.tensors.keys()


@pytest.mark.parametrize("suffix", [".pt", ".npz"])
def test_an_archive_that_unpacks_without_end(tmp_path, monkeypatch, suffix) -> None:
    with zipfile.ZipFile(tmp_path / f"theirs{suffix}", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(10**7))
    monkeypatch.setattr(weights_file, "LARGEST", 10**6)
    with pytest.raises(UserError, match="unpacks to more than"):
        weights_file.read(tmp_path / f"theirs{suffix}")


def test_no_class_of_torch_or_of_ours_is_made(tmp_path) -> None:
    """weights_only is torch's promise; a class of one's own, and a module, are refused."""
    torch.save({"fc1.weight": torch.eye(3), "net": pruned(0)}, tmp_path / "theirs.pt")
    with pytest.raises(UserError, match=r"holds a ticket_files.Small, and only weights are loaded"):
        weights_file.read(tmp_path / "theirs.pt")


def test_the_environment_cannot_turn_it_off(tmp_path, monkeypatch) -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return open, (str(tmp_path / "it-ran"), "w")

    torch.save({"fc1.weight": Runs()}, tmp_path / "theirs.pt")
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(UserError, match=r"holds a .*open, and only weights are loaded"):
        weights_file.read(tmp_path / "theirs.pt")
    assert not (tmp_path / "it-ran").exists()
