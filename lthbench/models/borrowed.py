"""Networks that others define: torchvision's and timm's by name, and a user's own function."""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from lthbench.data.torchvision_ops import import_torchvision
from lthbench.errors import place_of_function
from lthbench.models.errors import ModelError, told
from lthbench.models.parts import image
from lthbench.recipe.experiment import Network
from lthbench.words import did_you_mean


def borrowed(network: Network, shape: tuple[int, ...], classes: int) -> nn.Module:
    """A freshly initialised module of `torchvision/NAME`, `timm/NAME` or `package.module:function`.

    Nothing is downloaded: libraries' networks come without trained weights. torchvision and timm are imported only
    when one of their networks is asked for.
    """
    library, _, name = network.kind.partition("/")
    if ":" in network.kind:
        return from_function(network, shape, classes)
    return (from_torchvision if library == "torchvision" else from_timm)(network, name, shape, classes)


def from_torchvision(network: Network, name: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    """One of torchvision's classifiers; they take three channels, so data with others do not fit."""
    models = library(network, "torchvision").models
    known = models.list_models(module=models)  # classifiers; detection and the like live in modules below
    if name not in known:
        raise ModelError(f"{network.kind}: torchvision has no such classifier{nearest(name, known)}")
    if image(network, shape)[0] != 3:
        raise ModelError(f"{network.kind}: takes images of 3 channels, these have {shape[0]}; timm/NAME takes any")
    return made(network, models.get_model, name, weights=None, num_classes=classes)


def from_timm(network: Network, name: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    """One of timm's networks for images of any number of channels; some need `img_size` among the options."""
    timm = library(network, "timm")
    if not timm.is_model(name):
        raise ModelError(f"{network.kind}: timm has no such network{nearest(name, timm.list_models())}")
    channels = image(network, shape)[0]
    untrained = {"pretrained": False, "checkpoint_path": None}  # a file would change results unseen by their hash
    return made(network, timm.create_model, name, num_classes=classes, in_chans=channels, **untrained)


def from_function(network: Network, shape: tuple[int, ...], classes: int) -> nn.Module:
    """What the user's function returns for (shape, classes) and the options as keywords."""
    return made(network, own_function(network), shape, classes)


def own_function(network: Network) -> Callable[..., Any]:
    """The user's function."""
    package, _, name = network.kind.partition(":")
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{network.kind}: there is no {error.name or package} to import; "
            "it must be installed in this environment or lie on PYTHONPATH"
        ) from error
    except (Exception, SystemExit) as error:  # the user's code may fail in any way
        raise ModelError(f"{network.kind}: importing {package} failed ({told(error)})") from error
    function = getattr(module, name, None)
    if not callable(function):
        callables = [key for key, value in vars(module).items() if callable(value)]
        raise ModelError(f"{network.kind}: {package} has no function {name}{nearest(name, callables)}")
    return function


def place(network: Network) -> str:
    """Where a user's function is defined, ` (file, line N)`; empty for a library's networks."""
    return place_of_function(own_function(network)) if ":" in network.kind else ""


def library(network: Network, name: str) -> Any:
    """Import torchvision or timm; timm imports torchvision, so that always comes first."""
    try:
        torchvision = import_torchvision()
        return torchvision if name == "torchvision" else importlib.import_module(name)
    except ImportError as error:
        raise ModelError(f"{network.kind}: cannot import {name} ({told(error)}); pip install {name}") from error


def made(network: Network, function: Callable[..., Any], *args: Any, **fixed: Any) -> nn.Module:
    """Call what makes the module, with the options; whatever goes wrong in there is told in one line."""
    taken = sorted(fixed.keys() & network.options.keys())
    if taken:
        raise ModelError(f"{network.kind}: options cannot set {', '.join(taken)}")
    try:
        module = function(*args, **fixed, **network.options)
    except (Exception, SystemExit) as error:
        raise ModelError(f"{network.kind}: making it failed ({told(error)})") from error
    if not isinstance(module, nn.Module):
        said = f"returned a {type(module).__name__}, not a torch.nn.Module"
        raise ModelError(f"{network.kind}: {said}{place_of_function(function)}")
    return module


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the known one that looks most like it, if any does."""
    near = did_you_mean(name, known)
    return f"; {near}".rstrip() if near else ""
