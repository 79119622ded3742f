"""An implementation that is a command: any program, in any language, that writes the public results format.

It is started once per arm and replicate. `{problem}` is a folder with what it needs: data.npz (train_x, train_y,
validation_x, ..., test_y, order), initial.npz (the replicate's initial weights by name) and recipe.json.
`{earlier}` is a folder with what it wrote for the replicate's other arms, NAME-LEVEL-draw-DRAW.npz. It writes its
measurements to `{out}` (docs/results-format.md) and, if it can, arrays to the same name ending in .npz:
start/NAME, weights/NAME and mask/NAME. Nothing pickled is loaded.
"""

import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lthbench.errors import BLOCKED, UserError
from lthbench.results.format import read_results
from lthbench.results.returned import CURVES, NUMBERS, STATES, Arm
from lthbench.tickets.implementation import Problem
from lthbench.words import shown

PLACES = ("arm", "level", "draw", "replicate", "seed", "problem", "earlier", "out")
NEEDED = ("arm", "level", "replicate", "out")


@dataclass(frozen=True)
class Command:
    """A command with places to fill in; called as an implementation is."""

    template: str

    def __post_init__(self) -> None:
        """Raises UserError for a place that nothing fills in, or one that is missing."""
        try:
            self.filled(dict.fromkeys(PLACES, ""))
        except (KeyError, IndexError, ValueError) as error:
            places = ", ".join(f"{{{name}}}" for name in PLACES)
            raise UserError(f"--command: cannot fill in {shown(error)}; the places are {places}") from None
        missing = [f"{{{name}}}" for name in NEEDED if f"{{{name}}}" not in self.template]
        if missing:
            raise UserError(
                f"--command: has no {', '.join(missing)}; every arm must be asked for, and answer, apart"
            )

    def filled(self, values: Mapping[str, Any]) -> list[str]:
        """The words of the command."""
        return [word.format_map(values) for word in shlex.split(self.template)]

    def __call__(self, problem: Problem, arm: Arm) -> dict[str, Any]:
        """Run it for one arm. Raises UserError where it ends with an error or writes no results."""
        folder = problem.folder
        out = folder / "results.csv"
        write_problem(problem, folder / "problem")
        write_earlier(problem, folder / "earlier")
        values = {
            "arm": arm.name, "level": arm.level, "draw": arm.draw, "replicate": problem.replicate,
            "seed": problem.seed, "problem": folder / "problem", "earlier": folder / "earlier", "out": out,
        }  # fmt: skip
        words = self.filled(values)
        try:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace")
        except OSError as error:
            raise UserError(f"--command: cannot start {words[0]} ({error.strerror})") from None
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise UserError(
                f"--command ended with {done.returncode} for {arm.name}@{arm.level}: {shown(last[0], 200)}\n"
                f"to see more: {shlex.join(words)}",
                BLOCKED,
            )
        return results_of(out, problem, arm)


def write_problem(problem: Problem, folder: Path) -> None:
    """What a program needs, in formats that all languages read."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": problem.train, "validation": problem.validation, "test": problem.test}
    data: dict[str, Any] = {
        f"{name}_{axis}": part.numpy()
        for name, pair in parts.items()
        for axis, part in zip("xy", pair, strict=True)
    }
    np.savez(folder / "data.npz", order=problem.order.numpy(), **data)
    np.savez(
        folder / "initial.npz", **{name: value.numpy() for name, value in problem.module().state_dict().items()}
    )
    recipe = {
        "training": asdict(problem.recipe), "pruning": asdict(problem.pruning),
        "prunable": {name: list(shape) for name, shape in problem.prunable.items()}, "seed": problem.seed,
    }  # fmt: skip
    (folder / "recipe.json").write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")


def write_earlier(problem: Problem, folder: Path) -> None:
    """What the command returned for the replicate's other arms, as it may return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for (arm, level, draw), result in problem.earlier.items():
        states: dict[str, Any] = {
            f"{kind}/{n}": a for kind in STATES for n, a in (getattr(result, kind) or {}).items()
        }
        np.savez(folder / f"{arm}-{level}-draw-{draw}.npz", **states)


def results_of(out: Path, problem: Problem, arm: Arm) -> dict[str, Any]:
    """What a command wrote about one arm."""
    if not out.is_file():
        raise UserError(f"--command wrote no {out} for {arm.name}@{arm.level}; give it one row per measurement")
    table = read_results(out).table
    own = table["arm"].eq(arm.name) & table["replicate"].astype(str).eq(str(problem.replicate))
    own &= table["draw"].eq(arm.draw) & table["level"].eq(arm.level).fillna(False)
    if not own.any():
        raise UserError(
            f"{out}: no rows of {arm.name}, level {arm.level}, replicate {problem.replicate}, draw {arm.draw}"
        )
    values: dict[str, Any] = {}
    for metric, rows in table[own].groupby("metric"):
        if metric in NUMBERS:
            values[str(metric)] = float(rows["value"].iloc[-1])
        elif metric in CURVES:
            values[str(metric)] = curve_of(rows)
    return values | states_of(out.with_suffix(".npz"))


def curve_of(rows: pd.DataFrame) -> dict[int, float]:
    """A curve by iteration; rows that do not say theirs are left out."""
    rows = rows[rows["iteration"].notna()]
    return {int(at): float(value) for at, value in zip(rows["iteration"], rows["value"], strict=True)}


def states_of(file: Path) -> dict[str, dict[str, np.ndarray]]:
    """The arrays that lie beside a table of results; none where there is no file."""
    if not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file}: not readable arrays ({shown(error, 80)}); write them with numpy.savez") from None
    states: dict[str, dict[str, np.ndarray]] = {}
    for name, array in content.items():
        kind, _, entry = name.partition("/")
        if kind not in STATES or not entry:
            raise UserError(f"{file}: '{shown(name)}' is none of start/NAME, weights/NAME, mask/NAME")
        states.setdefault(kind, {})[entry] = array
    return states
