"""Claims put to a network, data set or criterion of one's own: a folder of claim files to run and to edit.

The suite it writes is exploratory: contrasts, tests and margins are taken over from a registered suite, but
nothing was tuned or registered for this network: no accuracy band, no promised power, and the report says so.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import yaml

from lthbench.claims.load import ClaimFileError, Registry
from lthbench.claims.load import load as load_claims
from lthbench.claims.schema import Claim, Hypothesis, Registration, parse_cell
from lthbench.data.registry import load
from lthbench.errors import UserError
from lthbench.files import write_text
from lthbench.recipe.arms import ARMS
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training, check_patterns

SUITE = "own"
VALIDATION_SHARE = 10  # one training example in so many is for validation
DRAWS = 3  # of every control arm, inside a replicate


def data_of(name: str) -> tuple[DataSpec, tuple[int, ...], int]:
    """A data set by name or file, with the shape of one example and the number of classes.

    A tenth of the training examples are for validation. Raises DataError for what cannot be loaded.
    """
    file = Path(name).expanduser()
    spec = DataSpec("npz", path=str(file)) if file.suffix == ".npz" else DataSpec(name)
    arrays = load(spec, 0, None)
    spec = DataSpec(spec.name, path=spec.path, validation=len(arrays.x_train) // VALIDATION_SHARE)
    return spec, arrays.x_train.shape[1:], arrays.classes


def experiment_of(
    dataset: str, network: Network, training: Training, pruning: Pruning
) -> tuple[Experiment, float, list[str]]:
    """The experiment, the accuracy of guessing in percent, and the names of the weights that may be pruned.

    The network is built once to count them.
    """
    from lthbench.models.registry import model  # here: torch

    data, shape, classes = data_of(dataset)
    prunable = model(network, shape, classes).prunable
    check_patterns(pruning, list(prunable))
    weights = sum(prod(shape) for shape in prunable.values())
    title = f"{network.kind} on {Path(dataset).name}"
    draws = {"reinit": DRAWS, "reinit-rescaled": DRAWS, "random-mask": DRAWS, "shuffled": DRAWS}
    experiment = Experiment(SUITE, title, network, data, training, pruning, draws, weights=weights)
    return experiment, 100 / classes, list(prunable)


def beside(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment as a file of the folder says it: data in this folder, or named from it, by a path from there.

    Data elsewhere that were named by an absolute path keep it.
    """
    path, here = experiment.data.path, Path.cwd()
    if path is None or (Path(path).is_absolute() and not Path(path).is_relative_to(here)):
        return experiment
    relative = Path(os.path.relpath(here / path, folder.resolve()))
    return replace(experiment, data=replace(experiment.data, path=relative.as_posix()))


def options(pairs: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE pairs as keywords; values are read as YAML (numbers, true, text)."""
    keywords = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key.isidentifier():
            raise UserError(f"--option {pair}: write KEY=VALUE")
        try:
            keywords[key] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise UserError(f"--option {pair}: the value is no number, word or list") from None
    return keywords


def at_level(term: str | float, level: int | None) -> str | float:
    """A side of a contrast at another level (dense arms stay at level 0)."""
    if not isinstance(term, str) or level is None:
        return term
    cell = parse_cell(term, "")
    return f"{cell.arm}@{level}" if cell.level else term


def claim_of(claim: Claim, source: str, replicates: int, level: int | None, pruning: Pruning) -> dict[str, Any]:
    """The claim with one registration, for the suite `own`; raises UserError where it cannot be taken over."""
    trained = {suite: registration for suite, registration in claim.suites.items() if registration.trains}
    if source not in trained:
        suites = ", ".join(trained) or "none that trains"
        raise UserError(f"{claim.id}: suite '{source}' does not register it; it is in {suites}")
    registered = trained[source]
    hypotheses = []
    for line in registered.hypotheses:
        if {cell.experiment for cell in line.contrast.cells(SUITE)} != {SUITE}:
            raise UserError(
                f"{claim.id}: hypothesis {line.id} compares several experiments; write its file by hand"
            )
        hypotheses.append(hypothesis_of(line, source, level))
    return claim.model_dump(exclude={"suites", "published"}, exclude_none=True) | {
        # Of other networks at densities of their own: shown, and compared with nothing.
        "published": [effect.model_dump(exclude={"hypothesis", "suites"}) for effect in claim.published],
        "suites": {SUITE: registration_of(registered, claim, replicates, hypotheses, pruning)},
    }


def hypothesis_of(line: Hypothesis, source: str, level: int | None) -> dict[str, Any]:
    """A hypothesis with its margin, at another level where one is given."""
    sides = (line.contrast.minuend, line.contrast.subtrahend)
    return {
        "id": line.id,
        "says": line.says,
        "endpoint": line.endpoint,
        "contrast": dict(zip(("minuend", "subtrahend"), (at_level(side, level) for side in sides), strict=True)),
        "test": line.test,
        "delta": line.delta,
        "margin_from": f"taken over from suite {source}; nothing was measured for this network",
        "margin_rule": "none",
    }


def registration_of(
    registered: Registration,
    claim: Claim,
    replicates: int,
    hypotheses: list[dict[str, Any]],
    pruning: Pruning,
) -> dict[str, Any]:
    """The claim's entry for the suite."""
    at = densities_of(hypotheses, pruning)
    return {
        "title": f"{claim.title} (exploratory: your network and data{at})",
        "experiment": SUITE,
        "reduced_scale": True,
        "replicates": replicates,
        "hypotheses": hypotheses,
        "not_tested": list(registered.not_tested),
    }


def densities_of(hypotheses: list[dict[str, Any]], pruning: Pruning) -> str:
    """About how much of what may be pruned is left, in words; the claim's title may speak of other densities."""
    sides = [side for line in hypotheses for side in line["contrast"].values() if isinstance(side, str)]
    levels = sorted({parse_cell(side, "").level for side in sides} - {0})
    percents = [f"{100 * (1 - pruning.rate) ** level:.2g}" for level in levels]
    whole = "the weights that are not kept whole" if pruning.keep else "the weights"
    return f", at about {' and '.join(percents)} % of {whole}" if percents else ""


def write_folder(
    folder: Path,
    registry: Registry,
    claims: Sequence[str],
    experiment: Experiment,
    chance: float,
    replicates: int,
    source: str = "quick",
    level: int | None = None,
    accept: Callable[[Registry], None] = lambda registry: None,
    registered: str = "",
) -> None:
    """Write the claim files, the suite and the experiment. Where they cannot be used nothing is left behind.

    Refuses a folder that is not empty. `accept` looks at what was written, and raises what it does not accept.
    `registered` says in words what a suite registered of all this; "" where nothing was.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: not empty; choose a new folder, or edit the files that are there")
    suite = {
        "id": SUITE,
        "title": f"{', '.join(claims)} on {experiment.title}",
        "says": "Exploratory: margins of a registered suite on a network that nothing was registered for.",
        "claims": list(claims),
        "exploratory": True,
        "registered": registered,
        "block": min(replicates, 4),
        "chance": round(chance, 4),
        "dense_bands": {},
    }
    files = {f"suites/{SUITE}.yaml": suite, f"experiments/{SUITE}.yaml": concise(beside(experiment, folder))}
    for name in claims:
        if name not in registry.claims:
            raise UserError(f"there is no claim '{name}'; there are {', '.join(registry.claims)}")
        claim = claim_of(registry.claims[name], source, replicates, level, experiment.pruning)
        check_rewinding(name, claim, experiment.pruning.rewind)
        # What it qualifies is said where that is judged as well.
        files[f"{name}.yaml"] = claim | {"qualifies": [other for other in claim["qualifies"] if other in claims]}
    write_usable(folder, files, accept)


def check_rewinding(name: str, claim: dict[str, Any], rewind: int) -> None:
    """Refuse a claim about rewound networks where there is nothing to rewind to."""
    contrasts = [line["contrast"] for line in claim["suites"][SUITE]["hypotheses"]]
    cells = [parse_cell(side, "") for sides in contrasts for side in sides.values() if isinstance(side, str)]
    rewound = [cell.arm for cell in cells if cell.arm in ARMS and ARMS[cell.arm].starts_late]
    if rewound and not rewind:
        raise UserError(f"{name} is about the arm {rewound[0]}; add --rewind K, the iteration it returns to")


def write_usable(
    folder: Path, files: dict[str, Any], accept: Callable[[Registry], None] = lambda registry: None
) -> None:
    """Write files into an empty folder; where they cannot be loaded, or a write fails, it is as it was."""
    there = folder.exists()
    try:
        for name, values in files.items():
            text = yaml.safe_dump(plain(values), sort_keys=False, allow_unicode=True, width=110)
            write_text(folder / name, text)
        accept(load_claims(folder))
    except BaseException as error:
        empty(folder, there)
        if isinstance(error, ClaimFileError):
            raise UserError(f"{error}; nothing was written") from None
        if isinstance(error, OSError):
            why = error.strerror or error
            raise UserError(f"{folder}: cannot write there ({why}); choose another folder") from None
        raise


def empty(folder: Path, stays: bool) -> None:
    """Remove what lies in a folder, and the folder too unless it stays."""
    with suppress(OSError):
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not stays:
            folder.rmdir()


def concise(declaration: Any) -> dict[str, Any]:
    """A declaration as plain data, without the keys that have their default."""
    kept = {}
    for key in fields(declaration):
        value = getattr(declaration, key.name)
        unset = key.default if key.default_factory is MISSING else key.default_factory()
        if value != unset:
            kept[key.name] = concise(value) if is_dataclass(value) else value
    return kept


def plain(value: Any) -> Any:
    """Tuples as lists, so that YAML can hold them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
