"""Named tensors out of somebody's file: safetensors, .npz, or what torch.save wrote. No code in it ever runs."""

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from lthbench.data.errors import one_line
from lthbench.data.npz import BROKEN
from lthbench.errors import UserError
from lthbench.words import shown

TORCH = (".pt", ".pth", ".ckpt", ".bin", ".tar", ".th")
KINDS = f".safetensors, .npz or what torch.save wrote ({', '.join(TORCH)})"
LARGEST = 20 * 10**9  # bytes of a file and of all its tensors
LONGEST_NAME = 200
# Where checkpoints keep what this needs, the likeliest first.
WEIGHTS = ("state_dict", "model_state_dict", "model", "net", "weights", "params")
MASKS = ("masks", "mask")

ASKED = re.compile(r"GLOBAL ([\w.]+)")  # in torch's own words: what a file wants made or called

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class WeightsFile:
    """What a file holds: tensors by name as they are stored, and those it keeps apart as masks.

    `inside` is the key of a checkpoint that the tensors came from; `said` is the metadata of a safetensors file.
    """

    tensors: Tensors
    masks: Tensors
    inside: str = ""
    said: Mapping[str, str] | None = None


def read(file: Path) -> WeightsFile:
    """Read a file. Raises UserError, naming it and the way out, for what is no set of named tensors."""
    if not file.is_file():
        raise UserError(f"{file}: no such file; give a {KINDS}")
    if file.stat().st_size > LARGEST:
        raise UserError(f"{file}: larger than {LARGEST // 10**9} GB; save the weights of one network alone")
    if file.suffix == ".safetensors":
        return from_safetensors(file)
    if file.suffix == ".npz":
        return WeightsFile(checked(from_npz(file), file), {})
    if file.suffix in TORCH:
        return from_torch(file)
    raise UserError(f"{file}: unknown kind of file; give a {KINDS}")


def from_safetensors(file: Path) -> WeightsFile:
    """The tensors and the metadata of a safetensors file."""
    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
            return WeightsFile(checked(tensors, file), {}, said=opened.metadata() or {})
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError, MemoryError) as error:
        raise UserError(f"{file}: no readable safetensors file ({shown(one_line(error), 80)})") from None


def from_npz(file: Path) -> dict[str, Any]:
    """The arrays of an .npz file; those of Python objects are refused."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            members = archive.zip.infolist()
            if sum(int(member.file_size) for member in members) > LARGEST:
                raise UserError(f"{file}: unpacks to more than {LARGEST // 10**9} GB; save one network alone")
            return {name: torch.from_numpy(np.asarray(archive[name])) for name in archive}
    except (*BROKEN, AttributeError) as error:
        objects = "allow_pickle" in str(error) or "object_" in str(error)
        why = "holds Python objects" if objects else f"cannot be read ({shown(one_line(error), 80)})"
        raise UserError(f"{file}: {why}; save numeric arrays by name with np.savez") from None


def from_torch(file: Path) -> WeightsFile:
    """The tensors of what torch.save wrote, loaded as weights only; what needs more is refused."""
    check_unpacked(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a stranger's bytes: the unpickler may raise anything
        asked = ASKED.search(str(error))
        why = (
            f"holds a {shown(asked[1], 60)}, and only weights are loaded"
            if asked
            else "not what torch.save writes"
        )
        raise UserError(f"{file}: {why}; save the state dict alone: torch.save(model.state_dict(), ...)") from None
    if isinstance(content, list | tuple):
        raise UserError(f"{file}: holds a list without names; save a dict, {{parameter name: mask}}")
    if not isinstance(content, dict):
        kind = shown(type(content).__name__)
        raise UserError(f"{file}: holds one {kind}, not named tensors; save model.state_dict()")
    masks = next((part for _, part in parts(content, MASKS)), {})
    inside, weights = next(parts(content, WEIGHTS), ("", content))
    tensors = checked(weights, file)
    if not tensors and not masks:
        keys = ", ".join(shown(key) for key in list(content)[:8]) or "nothing"
        raise UserError(f"{file}: no named tensors (found: {keys}); save the state dict alone")
    return WeightsFile(tensors, checked(masks, file), inside)


def check_unpacked(file: Path) -> None:
    """Refuse an archive that unpacks without end."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(int(member.file_size) for member in archive.infolist())
    except (*BROKEN, NotImplementedError):  # no archive: torch says what is wrong, or reads its older format
        return
    if unpacked > LARGEST:
        raise UserError(f"{file}: unpacks to more than {LARGEST // 10**9} GB; save one network alone")


def parts(content: Mapping[Any, Any], keys: Iterable[str], deep: int = 3) -> Iterator[tuple[str, dict[Any, Any]]]:
    """The dicts with tensors in them that lie under one of the keys, or inside such a dict."""
    for key in keys:
        part = content.get(key)
        if not isinstance(part, dict):
            continue
        if deep:
            yield from ((f"{key}.{inner}", found) for inner, found in parts(part, keys, deep - 1))
        if any(isinstance(value, torch.Tensor) for value in part.values()):
            yield key, part


def checked(named: Mapping[Any, Any], file: Path) -> Tensors:
    """The tensors among named values. Raises UserError where one cannot be a mask or a weight."""
    tensors = {name: value.detach() for name, value in named.items() if isinstance(value, torch.Tensor)}
    total = 0
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
            raise UserError(f"{file}: a tensor is called '{shown(name)}'; names are those of parameters")
        total += tensor.numel() * tensor.element_size()  # a few bytes may stand for more numbers than fit
        if total > LARGEST:
            raise UserError(f"{file}: unpacks to more than {LARGEST // 10**9} GB; save one network alone")
        plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
        if not plain or tensor.is_quantized or tensor.is_complex() or tensor.element_size() > 8:
            kind = f"{tensor.layout}, {tensor.dtype}, {tensor.device}".replace("torch.", "")
            raise UserError(f"{file}: {shown(name, 80)} is no plain tensor ({kind}); save it as float32")
    return tensors
