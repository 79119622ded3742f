"""Importing torchvision also where its compiled operators do not fit the installed torch.

The ordinary torchvision package is compiled against the CUDA build of torch. Beside a CPU-only torch its library
does not load, and `import torchvision` stops with "operator torchvision::nms does not exist", although nothing but
detection models ever calls that operator. Declaring the missing operators, without kernels, lets the import pass.
"""

import importlib
import importlib.machinery
import importlib.util
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_lock = threading.Lock()
_declared: list[Any] = []  # torch drops a declaration together with its Library object, so they are kept here


def import_torchvision() -> ModuleType:
    """Return the module torchvision, importing it at the first call; its compiled operators may be missing.

    Raises ModuleNotFoundError where torchvision is not installed.
    """
    with _lock:
        _load_compiled()
        _declare_missing()
        return importlib.import_module("torchvision")


def _load_compiled() -> None:
    """Load torchvision's compiled operators, as its own import does; loading them again does nothing.

    Declared first and loaded later they would end the process. The library is `_C`, from torchvision 0.29 on
    `_C_stable`.
    """
    import torch

    spec = importlib.util.find_spec("torchvision")  # finds the package without importing it
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in sorted(Path(folder).glob("_C*")):
            if file.name.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)):
                with suppress(OSError):  # a library that it needs is missing: this is the case to mend
                    torch.ops.load_library(str(file))


def _declare_missing() -> None:
    """Declare those operators that torch does not know."""
    import torch
    from torch import library

    for schema in SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            fragment = library.Library("torchvision", "FRAGMENT")
            fragment.define(schema)
            _declared.append(fragment)
