"""A command: `python by_hand.py ARM LEVEL DRAW REPLICATE PROBLEM EARLIER OUT`, numpy and torch alone."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional


def main(arm, level, draw, replicate, problem, earlier, out):
    problem, out = Path(problem), Path(out)
    data, initial = (dict(np.load(problem / f"{name}.npz")) for name in ("data", "initial"))
    recipe = json.loads((problem / "recipe.json").read_text())
    state = {name: torch.from_numpy(value.copy()) for name, value in initial.items()}
    mask = {name: torch.ones(shape, dtype=torch.bool) for name, shape in recipe["prunable"].items()}
    if arm == "ticket":
        above = "dense-0-draw-0" if level == "1" else f"ticket-{int(level) - 1}-draw-0"
        before = np.load(Path(earlier) / f"{above}.npz")
        for name in mask:
            kept, size = (
                torch.from_numpy(before[f"mask/{name}"]),
                torch.from_numpy(before[f"weights/{name}"]).abs(),
            )
            rate = recipe["pruning"]["output_rate" if name.startswith("out") else "rate"]
            n = int(kept.sum()) - int(np.floor(int(kept.sum()) * rate + 0.5))
            best = size.masked_fill(~kept, -1).flatten().argsort(descending=True, stable=True)[:n]
            mask[name] = torch.zeros(kept.numel(), dtype=torch.bool).index_fill(0, best, True).view(kept.shape)
    for name, kept in mask.items():
        state[name] *= kept
    start = {name: value.clone() for name, value in state.items()}
    train(state, mask, data, recipe["training"])
    accuracy = 100 * float(
        (forward(state, torch.from_numpy(data["test_x"])).argmax(1).numpy() == data["test_y"]).mean()
    )
    with out.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["experiment", "arm", "level", "draw", "replicate", "metric", "value", "unit"])
        rows.writerow(["own", arm, level, draw, replicate, "final_test_accuracy", accuracy, "percent"])
    kinds = {"start": start, "weights": state, "mask": mask}
    np.savez(
        out.with_suffix(".npz"),
        **{f"{k}/{n}": v.detach().numpy() for k, each in kinds.items() for n, v in each.items()},
    )


def train(state, mask, data, recipe):
    x, y = torch.from_numpy(data["train_x"]), torch.from_numpy(data["train_y"])
    learned = [value.requires_grad_() for value in state.values()]
    optimizer = torch.optim.Adam(learned, recipe["learning_rate"])
    for rows in torch.from_numpy(data["order"]):
        optimizer.zero_grad()
        functional.cross_entropy(forward(state, x[rows]), y[rows]).backward()
        optimizer.step()
        with torch.no_grad():
            for name, kept in mask.items():
                state[name] *= kept


def forward(state, x):
    layers = sorted({name.rpartition(".")[0] for name in state} - {"out"})
    for layer in layers:
        x = torch.relu(x @ state[f"{layer}.weight"].T + state[f"{layer}.bias"])
    return x @ state["out.weight"].T + state["out.bias"]


if __name__ == "__main__":
    main(*sys.argv[1:])
