"""Accuracy against the rewind epoch, one line per density, as in "Stabilizing the LTH" (1903.01611), Figure 6."""

import pandas as pd
from matplotlib.figure import Figure

from lthbench.report.figures.ends import End, label_ends
from lthbench.report.figures.given_density import cells, dense_band
from lthbench.report.figures.style import GREY, INK, Picture, grid, look, new_figure, picture, shade, slug, styled
from lthbench.report.numbers import fixed, percent

MARKERS = ("o", "s", "^", "D", "P", "X")


def rewinding_plot(rows: pd.DataFrame, experiment: str) -> Picture:
    """The figure of an experiment whose arms end in `-epoch-<k>`."""
    table = cells(rows)
    table["epoch"] = pd.to_numeric(table["arm"].str.extract(r"-epoch-(\d+)$")[0])
    rewound = table.dropna(subset=["epoch"]).sort_values("epoch")
    reinit = table[table["arm"].str.endswith("reinit")]
    dense = table[table["density"] == 1].head(1)
    title = f"{experiment}: final test accuracy against rewind epoch"
    counted = "" if rewound["n"].notna().all() else " The source does not state how many runs there were."
    caption = (
        "Final test accuracy by the epoch the pruned network was rewound to, one line per percent of weights "
        "remaining. Bars: ± 1 SD as stated. Hollow marks at the left: the same mask with fresh weights. Dashed "
        f"line and band: the dense network ± 1 SD.{counted}"
    )
    figure = draw(rewound, reinit, dense)
    return picture(
        figure, f"{slug(experiment)}-rewinding", title, describe(rewound, reinit, dense), caption,
        pd.concat([dense, rewound, reinit]),
    )  # fmt: skip


@styled
def draw(rewound: pd.DataFrame, reinit: pd.DataFrame, dense: pd.DataFrame) -> Figure:
    """One line per density; fresh weights stand left of epoch 0."""
    figure = new_figure(3.4)
    axes = figure.add_axes((0.1, 0.15, 0.76, 0.82))
    grid(axes)
    dense_band(axes, dense)
    beside = float(rewound["epoch"].min()) - 1
    densities = sorted(rewound["density"].unique())
    ends = [End(float(rewound["epoch"].max()), row["mean"], "dense", INK) for row in dense.to_dict("records")]
    for density, line in rewound.groupby("density", sort=False):
        place = densities.index(density)
        colour, marker = shade(look("rewound").colour, place, len(densities)), MARKERS[place % len(MARKERS)]
        ends.append(
            End(float(line["epoch"].iloc[-1]), float(line["mean"].iloc[-1]), percent(float(str(density))), colour)
        )
        axes.errorbar(
            line["epoch"], line["mean"], line["sd"].fillna(0), label=percent(float(str(density))), color=colour,
            linewidth=1.3, marker=marker, markersize=5, elinewidth=1, capsize=2,
            gid=f"density.{density}",
        )  # fmt: skip
        fresh = reinit[reinit["density"] == density]
        axes.errorbar(
            [beside] * len(fresh), fresh["mean"], fresh["sd"].fillna(0), color=colour, linestyle="none",
            marker=marker, markersize=5, markerfacecolor="white", elinewidth=1, capsize=2, gid="reinit",
        )  # fmt: skip
    epochs = sorted(rewound["epoch"].unique())
    axes.set_xticks([beside, *epochs], ["fresh", *(f"{epoch:g}" for epoch in epochs)])
    axes.axvline(beside / 2 + epochs[0] / 2, color=GREY, linewidth=0.6)
    axes.set_xlabel("rewind epoch")
    axes.set_ylabel("final test accuracy, %")
    label_ends(axes, ends)
    return figure


def describe(rewound: pd.DataFrame, reinit: pd.DataFrame, dense: pd.DataFrame) -> str:
    """The figure in words, from its numbers."""
    parts = [f"dense {fixed(row['mean'])} %" for row in dense.to_dict("records")]
    for density, line in rewound.groupby("density", sort=False):
        fresh = reinit[reinit["density"] == density]
        start = [f"{fixed(row['mean'])} with fresh weights" for row in fresh.to_dict("records")]
        steps = [f"{fixed(row['mean'])} at epoch {row['epoch']:g}" for row in line.to_dict("records")]
        parts.append(f"{percent(float(str(density)))} of the weights: {', '.join(start + steps)}")
    return "Mean final test accuracy in percent by rewind epoch: " + "; ".join(parts) + "."
