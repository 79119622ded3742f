"""A command: `python numpy_alone.py ARM LEVEL REPLICATE PROBLEM EARLIER OUT`, with numpy and no framework.

A perceptron of one hidden layer, Adam, iterative magnitude pruning. Whoever writes JAX, R or C++ does the same.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np


def main(arm, level, replicate, problem, earlier, out):
    problem, out = Path(problem), Path(out)
    data, initial = (dict(np.load(problem / f"{name}.npz")) for name in ("data", "initial"))
    recipe = json.loads((problem / "recipe.json").read_text())
    mask = {name: np.ones(shape, bool) for name, shape in recipe["prunable"].items()}
    if arm == "ticket":
        above = "dense-0" if level == "1" else f"ticket-{int(level) - 1}"
        mask = pruned(dict(np.load(Path(earlier) / f"{above}-draw-0.npz")), recipe["pruning"], mask)
    start = {name: value * mask.get(name, True) for name, value in initial.items()}
    ended = trained(start, mask, data, recipe["training"])
    right = logits(ended, data["test_x"].reshape(len(data["test_x"]), -1))[1].argmax(1) == data["test_y"]
    with out.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["experiment", "arm", "level", "draw", "replicate", "metric", "value", "unit"])
        rows.writerow(["own", arm, level, 0, replicate, "final_test_accuracy", 100 * right.mean(), "percent"])
    kinds = {"start": start, "weights": ended, "mask": mask}
    np.savez(out.with_suffix(".npz"), **{f"{k}/{n}": v for k, each in kinds.items() for n, v in each.items()})


def pruned(above, pruning, mask):
    """The smallest weights of each matrix go, as many as the recipe says."""
    smaller = {}
    for name in mask:
        kept, size = above[f"mask/{name}"], np.abs(above[f"weights/{name}"])
        rate = pruning["output_rate" if name.startswith("out") else "rate"]
        left = int(kept.sum()) - int(np.floor(int(kept.sum()) * rate + 0.5))
        best = np.argsort(np.where(kept, size, -1).ravel(), kind="stable")[::-1][:left]
        smaller[name] = np.isin(np.arange(kept.size), best).reshape(kept.shape)
    return smaller


def logits(state, x):
    hidden = np.maximum(x @ state["fc1.weight"].T + state["fc1.bias"], 0)
    return hidden, hidden @ state["out.weight"].T + state["out.bias"]


def trained(start, mask, data, recipe):
    state = {name: value.copy() for name, value in start.items()}
    moments = {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in state.items()}
    x, y = data["train_x"].reshape(len(data["train_x"]), -1), data["train_y"]
    for step, rows in enumerate(data["order"], start=1):
        for name, slope in slopes(state, x[rows], y[rows]).items():
            slope = slope * mask.get(name, True)
            first, second = moments[name]
            first += 0.1 * (slope - first)
            second += 0.001 * (slope**2 - second)
            rate = recipe["learning_rate"] / (1 - 0.9**step)
            state[name] -= (rate * first / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)).astype(np.float32)
    return state


def slopes(state, x, y):
    hidden, out = logits(state, x)
    share = np.exp(out - out.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    share[np.arange(len(y)), y] -= 1
    share /= len(y)
    back = (share @ state["out.weight"]) * (hidden > 0)
    return {
        "out.weight": share.T @ hidden, "out.bias": share.sum(0),
        "fc1.weight": back.T @ x, "fc1.bias": back.sum(0),
    }  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
