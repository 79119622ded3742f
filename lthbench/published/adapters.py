"""From the released files to the results format. One function per file; nothing is computed but units and names.

Accuracies become percent, BLEU stays as it is, sparsity becomes density (fraction remaining). Single runs are
labelled by their arm where no source says that two arms share a trial: they are not paired. A maximum over
configurations is written as what it is, one run without a spread, so that no test can take it for a mean.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

DATA = Path(__file__).parent / "data"
GALE, BLALOCK, RENDA = DATA / "gale2019", DATA / "shrinkbench", DATA / "renda2020"
POSTERIOR = DATA / "posterior-modes"
BAND = 0.005  # of sparsity, where it is an outcome
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
GALE_RN50 = "gale2019-resnet50"
FRANKLE_RN50 = "frankle2019-resnet50"
GALE_TRANSFORMER = "gale2019-transformer"
BLEU = "test_bleu"
RUNS_OF_A_MASK = 5
DIVERGED = 0.0  # the BLEU of a run that translates nothing
Row = dict[str, Any]


def published() -> pd.DataFrame:
    """Every released result, in the results format (accuracies in percent), sorted."""
    rows: list[Row] = []
    for adapter in (
        gale_dense, gale_grids, gale_outcomes, gale_tickets, gale_scratch, transformer_dense, transformer_masks,
        rewinding, turnaround, li, renda, posterior_seeds, posterior_differences,
    ):  # fmt: skip
        rows += adapter()
    table = pd.DataFrame([row(**content) for content in rows])
    return table.sort_values(["experiment", "arm", "density", "replicate"], ascending=[True, True, False, True],
                             kind="stable", ignore_index=True)  # fmt: skip


def row(
    experiment: str,
    arm: str,
    density: float,
    value: float,
    replicate: str = "",
    sd: float | None = None,
    n: int | None = None,
    draw: int | None = None,
    minus: str = "",
    metric: str = "final_test_accuracy",
) -> Row:
    """One row: a run when `replicate` is given (`draw`: one of several in it), else a summary.

    With `minus`, a summary of the differences to that cell, run by run.
    """
    return {
        "experiment": experiment, "arm": arm, "density": round(density, 10), "replicate": replicate, "draw": draw,
        "minus": minus,
        "metric": metric, "value": round(value, 10), "unit": "" if metric == BLEU else "percent", "sd": sd, "n": n,
    }  # fmt: skip


def runs(experiment: str, arm: str, density: float, values: Iterable[float]) -> Iterator[Row]:
    """Runs of one arm, labelled by the arm so that they pair with no other."""
    for i, value in enumerate(values, start=1):
        yield {"experiment": experiment, "arm": arm, "density": density, "value": value, "replicate": f"{arm}-{i}"}


def gale_dense() -> list[Row]:
    """rn50_baselines.csv: three dense runs, in percent."""
    return list(runs(GALE_RN50, "dense", 1.0, pd.read_csv(GALE / "rn50_baselines.csv")["Accuracy"]))


def gale_grids() -> list[Row]:
    """rn50_magnitude.csv and rn50_random.csv: one run per configuration; the grid, and its best run as n = 1.

    `magnitude-same` is the one magnitude run of the configuration that the ticket and scratch runs used.
    """
    rows: list[Row] = []
    setting = ["begin", "end", "freq", "label smoothing"]
    tickets = pd.read_csv(GALE / "rn50_lottery_ticket.csv").groupby("sparsity")[setting].first()
    for arm, column in (("magnitude", "Sparsity"), ("random-pruning", "Target Sparsity")):
        grid = pd.read_csv(GALE / f"rn50_{arm.removesuffix('-pruning')}.csv")
        for sparsity, at_sparsity in grid.groupby(column):
            density, accuracy = 1 - float(str(sparsity)), 100 * at_sparsity["accuracy"]
            rows += runs(GALE_RN50, arm, density, accuracy)
            rows.append(single(f"{arm}-best", density, accuracy.max()))
            same = (at_sparsity[setting] == tickets.loc[sparsity]).all(axis=1)
            if arm == "magnitude" and same.sum() == 1:
                rows.append(single("magnitude-same", density, accuracy[same].iloc[0]))
    return rows


def gale_outcomes() -> list[Row]:
    """rn50_variational_dropout.csv, rn50_l0.csv: the best run within half a point of each sparsity, as n = 1."""
    rows = []
    for arm, sparsity_column, accuracy_column in (
        ("variational_dropout", "global sparsity", "Accuracy"),
        ("l0", "global_sparsity", "accuracy"),
    ):
        grid = pd.read_csv(GALE / f"rn50_{arm}.csv")
        for sparsity in SPARSITIES:
            near = grid[(grid[sparsity_column] - sparsity).abs() <= BAND]
            if not near.empty:
                best = 100 * near[accuracy_column].max()
                rows.append(single(f"{arm.replace('_', '-')}-best", 1 - sparsity, best))
    return rows


def single(arm: str, density: float, value: float) -> Row:
    """One run of Gale et al., stated as such."""
    return {"experiment": GALE_RN50, "arm": arm, "density": density, "value": value, "n": 1}


def gale_tickets() -> list[Row]:
    """rn50_lottery_ticket.csv: the pruned mask trained from its initial weights, nine runs (three at 98 %)."""
    rows: list[Row] = []
    for sparsity, at_sparsity in pd.read_csv(GALE / "rn50_lottery_ticket.csv").groupby("sparsity"):
        rows += runs(GALE_RN50, "ticket", 1 - float(str(sparsity)), 100 * at_sparsity["accuracy"])
    return rows


def gale_scratch() -> list[Row]:
    """rn50_scratch.csv: the pruned mask trained from new random weights, nine runs side by side."""
    names = {
        (1, "baseline"): "reinit", (1, "sparse"): "reinit-rescaled",
        (2, "baseline"): "reinit-double", (2, "sparse"): "reinit-rescaled-double",
    }  # fmt: skip
    rows: list[Row] = []
    for _, line in pd.read_csv(GALE / "rn50_scratch.csv").iterrows():
        arm = names[int(line["time multiplier"]), str(line["init method"])]
        values = [100 * float(line[f"Run {i}"]) for i in range(1, 10)]
        rows += runs(GALE_RN50, arm, 1 - float(line["sparsity"]), values)
    return rows


def transformer_dense() -> list[Row]:
    """transformer_baselines.csv: five dense runs, BLEU."""
    bleu = pd.read_csv(GALE / "transformer_baselines.csv")["MOSES BLEU"]
    return [r | {"metric": BLEU} for r in runs(GALE_TRANSFORMER, "dense", 1.0, bleu)]


def transformer_masks() -> list[Row]:
    """transformer_*.csv of scratch_lotto: 25 runs a sparsity, by five of one mask after another; BLEU.

    A mask is a replicate and its runs are draws, so that no test takes runs of one mask for independent. That five
    consecutive runs have one mask is read from the sparsities, which change after a multiple of five runs only.
    Every run is in its arm as measured. An arm with runs that ended at 0 BLEU has a second one, `<arm>-trained`,
    without them: what they do to a difference can be seen beside it.
    """
    rows: list[Row] = []
    for arm, name in TRANSFORMER_ARMS.items():
        table = pd.read_csv(GALE / f"transformer_{name}.csv")
        for sparsity, at_sparsity in table.groupby(table["Sparsity"].round(2)):
            for run, bleu in enumerate(at_sparsity["MOSES BLEU"]):
                mask, draw = divmod(run, RUNS_OF_A_MASK)
                content = {
                    "experiment": GALE_TRANSFORMER, "density": 1 - float(str(sparsity)), "value": float(bleu),
                    "draw": draw, "metric": BLEU,
                }  # fmt: skip
                rows.append(content | {"arm": arm, "replicate": f"{arm}-mask-{mask + 1}"})
                if bleu != DIVERGED and (table["MOSES BLEU"] == DIVERGED).any():
                    rows.append(content | {"arm": f"{arm}-trained", "replicate": f"{arm}-trained-mask-{mask + 1}"})
    return rows


TRANSFORMER_ARMS = {
    "ticket": "lottery_ticket",
    "reinit": "scratche",
    "reinit-rescaled": "scratche_augmented_init",
    "reinit-double": "scratchb",
}


def rewinding() -> list[Row]:
    """fig5: one-shot pruned ResNet-50 by rewind epoch, mean and SD in percent, number of trials not stated.

    The dense accuracy, 76.14 with SD 0.08, is the one that results_selected.csv quotes from the same paper.
    """
    rows = [{"experiment": FRANKLE_RN50, "arm": "dense", "density": 1.0, "value": 76.14, "sd": 0.08}]
    for _, line in pd.read_csv(BLALOCK / "fig5-resnet50-reset-to-epoch-vs-top1.csv").iterrows():
        epoch = str(line["resetToEpoch"]).strip()
        arm = "one-shot-reinit" if epoch == "R" else f"one-shot-epoch-{epoch}"
        for percent in (70, 50, 30, 20, 10):
            value, sd = float(line[f"fracRemaining={percent}%"]), float(line[f"stdFrac{percent}%"])
            rows.append(
                {"experiment": FRANKLE_RN50, "arm": arm, "density": percent / 100, "value": value, "sd": sd}
            )
    return rows


def turnaround() -> list[Row]:
    """fig9: the same network pruned at the epoch in the arm's name and rewound to epoch 4; as fig5, without n."""
    rows = []
    for _, line in pd.read_csv(BLALOCK / "fig9-resnet50-turnaround-epoch-vs-top1.csv").iterrows():
        arm = f"one-shot-pruned-at-{line['pruneAtEpoch']:.0f}"
        for percent in (70, 50, 30, 20, 10):
            value, sd = float(line[f"fracRemaining={percent}%"]), float(line[f"stdFrac{percent}%"])
            rows.append(
                {"experiment": FRANKLE_RN50, "arm": arm, "density": percent / 100, "value": value, "sd": sd}
            )
    return rows


def li() -> list[Row]:
    """results_selected.csv, rows of Li et al. 2017: fine-tuned accuracy (100 - error) and dense, single values."""
    table = pd.read_csv(BLALOCK / "results_selected.csv")
    names = {
        "VGG-Torch-CIFAR10": "vgg16",
        "ResNet-56": "resnet56",
        "ResNet-110": "resnet110",
        "ResNet-34": "resnet34",
    }
    rows: list[Row] = []
    for (model, _), of_network in table[table["Paper"] == "pruning-filters"].groupby(
        ["Model", "Dataset"], sort=False
    ):
        name = f"li2017-{names[str(model)]}"
        rows.append(
            {
                "experiment": name,
                "arm": "dense",
                "density": 1.0,
                "value": percent_of(of_network["OrigTop1"].iloc[0]),
            }
        )
        # Settings A, B, C of the paper, told apart by the weights they leave.
        for letter, line in zip("abc", of_network.to_dict("records"), strict=False):
            arm = "finetuned" if len(of_network) == 1 else f"finetuned-{letter}"
            density = float(line["MParams"]) / float(line["OrigMParams"])
            value = 100 - percent_of(line["Err1"])
            rows.append({"experiment": name, "arm": arm, "density": density, "value": value})
    return rows


def percent_of(text: str) -> float:
    """`6.90%` as 6.9."""
    return float(str(text).rstrip("%"))


RENDA_ARMS = {
    ("iterative", "weights_to_0"): "ticket",
    ("iterative", "weights_late"): "rewound",
    ("iterative", "lr_rewind"): "lr-rewound",
    ("iterative", "finetune"): "finetuned",
    ("one-shot", "weights_to_0"): "one-shot",
    ("one-shot", "weights_late"): "one-shot-rewound",
    ("one-shot", "lr_rewind"): "one-shot-lr-rewound",
    ("one-shot", "finetune"): "one-shot-finetuned",
    ("one-shot", "reinit"): "one-shot-reinit",
    ("-", "dense"): "dense",
}


def renda() -> list[Row]:
    """renda2020/summary.csv: mean, SD and n per cell. Structured pruning is an experiment of its own."""
    rows = []
    for line in pd.read_csv(RENDA / "summary.csv").to_dict("records"):
        structure = str(line["structure"])
        experiment = f"renda2020-{str(line['network']).replace('_', '-')}"
        if structure.startswith("structured"):
            experiment += f"-{structure}"
        rows.append({
            "experiment": experiment, "arm": RENDA_ARMS[str(line["mode"]), str(line["arm"])],
            "density": float(line["density"]), "value": float(line["mean_top1_pct"]),
            "sd": float(line["sd_top1_pp"]), "n": int(line["n"]),
        })  # fmt: skip
    return rows


def posterior_seeds() -> list[Row]:
    """resnet20_seeds.csv: dense and the ticket rewound to epoch 1, per seed; the arms of a seed are paired."""
    rows: list[Row] = []
    for line in pd.read_csv(POSTERIOR / "resnet20_seeds.csv").to_dict("records"):
        for arm, density in (("dense", 1.0), ("rewound", 1 - line["imp_sparsity"])):
            accuracy = 100 * line["dense_accuracy" if arm == "dense" else "imp_accuracy"]
            rows.append({"experiment": "anonymous2026-resnet20", "arm": arm, "density": density, "value": accuracy,
                         "replicate": f"seed-{line['seed']:.0f}"})  # fmt: skip
    return rows


def posterior_differences() -> list[Row]:
    """resnet20_differences.csv: masks of one pruning minus the iterative one, mean and SD over five seeds."""
    density = 1 - float(pd.read_csv(POSTERIOR / "resnet20_seeds.csv")["imp_sparsity"].iloc[0])
    return [
        {
            "experiment": "anonymous2026-resnet20-masks", "density": density,
            "arm": str(line["base_source"]).replace("epoch_", "one-shot-after-"),
            "minus": f"rewound@{100 * density:.2f}%",
            "value": 100 * line["accuracy_minus_imp_mean"], "sd": 100 * line["accuracy_minus_imp_std"],
            "n": int(line["accuracy_minus_imp_n"]),
        }
        for line in pd.read_csv(POSTERIOR / "resnet20_differences.csv").to_dict("records")
    ]  # fmt: skip


def sources() -> list[dict[str, str]]:
    """Every file these results come from, with its sha256: the provenance of a published run."""
    return [
        {"file": path.relative_to(DATA).as_posix(), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(DATA.rglob("*.csv"))
    ]
