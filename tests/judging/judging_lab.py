"""A registry of toy claims, and tidy tables made up for it: numbers with a known verdict."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from lthbench.claims.load import Registry, cells
from lthbench.claims.schema import Cell, Claim, Suite
from lthbench.pruning.counts import ladder
from lthbench.recipe.arms import ARMS, closure
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results.tidy import COLUMNS, ORDER

N = 10
SIZES = {"fc1.weight": 80, "out.weight": 20}
BASE = 60.0
Change = Callable[[pd.DataFrame], Any]


def experiment(name: str = "toy", scope: str = "layer-wise") -> Experiment:
    return Experiment(
        name, "", Network("mlp", (4,)), DataSpec("digits"), Training("adam", 0.01, 10, 30, 10),
        Pruning(scope, 0.5, rewind=10), draws={"reinit": 2, "random-mask": 2},
    )  # fmt: skip


def line(minuend: Any, subtrahend: Any, test: str = "superiority", delta: float = 1.0, **more: Any) -> dict:
    """A hypothesis."""
    return {
        "id": "H1", "says": "as it says", "endpoint": "final_test_accuracy", "test": test, "delta": delta,
        "contrast": {"minuend": minuend, "subtrahend": subtrahend}, "margin_from": "a rule", "margin_rule": "none",
        "expected": {"effect": 3, "sd": 1},
    } | more  # fmt: skip


def beside(of: dict, name: str) -> dict:
    return {key: value for key, value in of.items() if key not in ("margin_from", "margin_rule", "expected")} | {
        "id": name
    }


def claim(
    name: str, *hypotheses: dict, kind: str = "primary", on: str = "toy", lines: tuple = (),
    registered: dict | None = None, **more: Any,
):  # fmt: skip
    """A claim of the suite `toys`; hypotheses are numbered, `registered` is added to the registration."""
    numbered = [h | {"id": f"H{i}"} for i, h in enumerate(hypotheses, start=1)]
    return Claim.model_validate({
        "id": name, "title": f"Title of {name}", "sentence": "It is so.", "kind": kind, "conditions": [],
        "contradictions": [], "sources": [{"paper": "p", "where": "w", "quote": "q", "verified": "paper"}],
        "suites": {"toys": {
            "title": f"{name} at toy scale", "experiment": on, "reduced_scale": True, "replicates": N,
            "tuning": {"master_seed": 1000, "replicates": 16}, "power": 0.95, "hypotheses": numbered,
            "beside": list(lines),
        } | (registered or {})},
    } | more)  # fmt: skip


def registry(*claims: Claim, scope: str = "layer-wise", **suite_keys: Any) -> Registry:
    names = dict.fromkeys(cell.experiment for c in claims for cell in cells(c.suites["toys"]))
    band = {"low": 50, "high": 70, "measured_on": "toys", "tenfold_smaller_rate": 30, "shuffled_labels": 10}
    suite = {"id": "toys", "title": "Toys", "says": "", "claims": [c.id for c in claims], "block": 5, "chance": 10,
             "dense_bands": dict.fromkeys(names, band)} | suite_keys  # fmt: skip
    return Registry(
        {c.id: c for c in claims}, {"toys": Suite.model_validate(suite)}, {n: experiment(n, scope) for n in names}
    )


def spread(n: int = N, sd: float = 0.5) -> np.ndarray:
    """n values of mean 0 and so much SD, in no order."""
    z = np.random.default_rng(n).permutation(np.linspace(-1, 1, n))
    return z * sd / z.std(ddof=1)


def starts_of(recipe: Experiment, cell: Cell, left: dict[str, int]) -> list[tuple[str, float]]:
    """What a sound run says of its start: `recipe` trains 30 iterations at 0.01 and rewinds to 10."""
    kind = ARMS[cell.arm]
    own = kind.weights not in ("init", "rewind-point", "trained", "ended")
    rates = {"nothing": 0.0}.get(kind.learns, 0.2 if kind.starts_late else 0.3)
    found = [
        ("start_moved:weights", float(own * sum(left.values()))), ("start_moved:others", 0.0),
        ("rate_total", rates),
        *((f"start_rms:{name}", 0.1) for name in left),
    ]  # fmt: skip
    if kind.weights in ("fresh-signed-as-ended", "rewind-signed"):
        found.append(("start_signs_other", 0.0))
    if kind.mask in ("iterative", "one-shot", "at-init"):
        found.append(("wrongly_pruned", 0.0))
    return [*found, ("rewind_validation_loss", 1.8)] if cell.arm == "dense" else found


def runs_of(found: Registry, cell: Cell, values: np.ndarray) -> list[tuple]:
    """The rows of one cell: `values` are its accuracies, one per replicate (draws scatter around them)."""
    recipe = found.experiments[cell.experiment]
    draws = recipe.draws.get(cell.arm, 1) if ARMS[cell.arm].stream else 1
    left = ladder(SIZES, recipe.pruning, cell.level)
    if "all" in left:
        left = {"fc1.weight": left["all"] - 7, "out.weight": 7}
        left = SIZES if cell.level == 0 else left
    rows = []
    for replicate, value in enumerate(values):
        for draw in range(draws):
            mine = value + (draw - (draws - 1) / 2) * 4
            crc = {"ones": 1, "random": 50_000 + 10 * replicate + draw, "permuted": 70_000 + replicate}.get(
                ARMS[cell.arm].mask, 1000 * cell.level + replicate
            )
            if cell.arm == "one-shot" or "rewound" in (cell.arm, ARMS[cell.arm].of):
                crc += 9_000_000
            for iteration, below in ((10, 8.0), (20, 4.0), (30, 0.0)):
                rows.append((replicate, draw, iteration, "validation_accuracy", mine - below))
                rows.append((replicate, draw, iteration, "validation_loss", 1 + below / 10))
            rows += [
                (replicate, draw, 20, "early_stop_test_accuracy", mine - 1),
                (replicate, draw, None, "early_stop_iteration", 20.0),
                (replicate, draw, 30, "final_test_accuracy", mine),
                (replicate, draw, None, "mask_crc32", float(crc)),
                *((replicate, draw, 30, f"nonzero:{name}", float(count)) for name, count in left.items()),
            ]
            rows += [(replicate, draw, None, *start) for start in starts_of(recipe, cell, left)]
            if cell.arm == "dense-copy":
                rows.append((replicate, draw, None, "barrier", mine - BASE))
    density = sum(left.values()) / 100
    return [(cell.experiment, cell.arm, cell.level, density, *row) for row in rows]


def table(found: Registry, accuracies: dict[str, Any] | None = None, change: Change | None = None, n: int = N):
    """Every cell the suite needs. `accuracies` by `arm@level` or `experiment:arm@level`; 60 where not given."""
    needed: dict[Cell, None] = {}
    for _, registration in found.registrations("toys"):
        asked = cells(registration)
        for name in dict.fromkeys(cell.experiment for cell in asked):
            own = {(c.arm, c.level) for c in asked if c.experiment == name} | {("dense", 0)}
            needed |= dict.fromkeys(Cell(name, *cell) for cell in closure(own))
    rows = []
    for cell in needed:
        label = f"{cell.arm}@{cell.level}"
        given = (accuracies or {}).get(f"{cell.experiment}:{label}", (accuracies or {}).get(label, BASE))
        rows += runs_of(found, cell, np.broadcast_to(np.asarray(given, float), n))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["iteration"] = frame["iteration"].astype("Int64")
    frame = frame.sort_values(ORDER, kind="stable", ignore_index=True)
    if change is None:
        return frame
    changed = change(frame)
    return frame if changed is None else changed


def where(frame: pd.DataFrame, cell: str, metric: str, replicate: int | None = None, draw: int | None = None):
    """Rows of a cell as a boolean mask."""
    arm, level = cell.split("@")
    mask = (frame["arm"] == arm) & (frame["level"] == int(level)) & (frame["metric"] == metric)
    if replicate is not None:
        mask &= frame["replicate"] == replicate
    if draw is not None:
        mask &= frame["draw"] == draw
    assert mask.any()
    return mask


def without(cell: str, metric: str = "") -> Change:
    """Take a cell (or one of its metrics) out of the table."""
    arm, level = cell.split("@")

    def drop(frame):
        hit = (frame["arm"] == arm) & (frame["level"] == int(level))
        if metric:
            hit &= frame["metric"] == metric
        assert hit.any()
        return frame[~hit].reset_index(drop=True)

    return drop


def setting(cell: str, metric: str, value: Any, **which: int) -> Change:
    def change(frame):
        frame.loc[where(frame, cell, metric, **which), "value"] = value

    return change
