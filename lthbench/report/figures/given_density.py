"""Accuracy (or BLEU) against density for given results: mean and SD per cell, from runs or from summaries."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lthbench.report.figures.density import PLOT, label_densities, ticks
from lthbench.report.figures.ends import End, label_ends
from lthbench.report.figures.style import INK, Picture, grid, look, new_figure, picture, slug, styled
from lthbench.report.figures.summaries import by_density
from lthbench.report.numbers import fixed

FEWEST_DENSITIES = 3
MEASURES = {"final_test_accuracy": ("final test accuracy", " %"), "test_bleu": ("BLEU", "")}  # with their units


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns arm, density, mean, sd, n of one experiment's measure; sd and n missing where not stated.

    Draws of a replicate are averaged first.
    """
    replicates = rows[rows["replicate"] != ""].groupby(["arm", "density", "replicate"])["value"].mean()
    runs = replicates.groupby(["arm", "density"]).agg(["mean", "std", "count"])
    runs = runs.rename(columns={"std": "sd", "count": "n"}).reset_index()
    told = rows[rows["replicate"] == ""].rename(columns={"value": "mean"})[["arm", "density", "mean", "sd", "n"]]
    parts = [part.astype({"sd": float, "n": float}) for part in (runs, told) if not part.empty]
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["arm", "density", "mean", "sd", "n"])
    )


def given_density_plot(
    rows: pd.DataFrame, experiment: str, arms: list[str], metric: str = "final_test_accuracy"
) -> Picture | None:
    """The figure of the arms named, of rows of one metric; None with fewer than three densities."""
    table = cells(rows)
    measure, unit = MEASURES[metric]
    dense = table[table["density"] == 1].head(1)
    pruned = table[(table["density"] < 1) & table["arm"].isin(arms)]
    pruned = pruned[~pruned["n"].eq(1)]  # a single run is no mean
    pruned = pruned[pruned.groupby("arm")["density"].transform("nunique") >= FEWEST_DENSITIES]
    if pruned.empty:
        return None
    title = f"{experiment}: {measure} against density"
    caption = (
        f"{measure[0].upper()}{measure[1:]} by percent of weights remaining (log scale). Markers: mean over the "
        "runs that were released (over replicates, where several runs make one); bars: ± 1 SD over them, where "
        "stated. Dashed line and band: the dense network, likewise. Arms that no claim here looks at, and single "
        "runs, are left out."
    )
    figure = draw(
        dense, pruned, [arm for arm in arms if arm in set(pruned["arm"])], f"{measure},{unit}".rstrip(",")
    )
    words = f"Mean {measure} by percent of weights remaining: {describe(dense, pruned, unit)}."
    return picture(figure, f"{slug(experiment)}-density", title, words, caption, pd.concat([dense, pruned]))


def dense_band(axes: Axes, dense: pd.DataFrame) -> None:
    """The dense network: its mean as a dashed line, one SD around it shaded where it is known."""
    for row in dense.to_dict("records"):
        sd = 0.0 if pd.isna(row["sd"]) else float(row["sd"])
        axes.axhspan(row["mean"] - sd, row["mean"] + sd, color="#e6e6e6", linewidth=0, zorder=0.5)
        axes.axhline(row["mean"], color=INK, linestyle=(0, (6, 2)), linewidth=1.4, label="dense")


@styled
def draw(dense: pd.DataFrame, pruned: pd.DataFrame, arms: list[str], label: str) -> Figure:
    """One line per arm; `label` names the vertical axis."""
    figure = new_figure(3.2)
    axes = figure.add_axes((PLOT[0], 0.16, PLOT[1], 0.81))
    grid(axes)
    ends = [
        End(100 * float(pruned["density"].min()), row["mean"], "dense", INK) for row in dense.to_dict("records")
    ]
    dense_band(axes, dense)
    for arm in arms:
        style = look(arm)
        shown = pruned[pruned["arm"] == arm].sort_values("density", ascending=False)
        axes.errorbar(
            100 * shown["density"], shown["mean"], shown["sd"].fillna(0), label=arm, color=style.colour,
            linestyle=style.dashes, linewidth=1.3, marker=style.marker, markersize=5, elinewidth=1, capsize=2,
            markerfacecolor=style.face, gid=f"arm.{arm}",
        )  # fmt: skip
        ends.append(End(100 * float(shown["density"].iloc[-1]), float(shown["mean"].iloc[-1]), arm, style.colour))
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_ylabel(label)
    label_densities(axes, ticks(pruned)[1:])
    label_ends(axes, ends)
    return figure


def describe(dense: pd.DataFrame, pruned: pd.DataFrame, unit: str) -> str:
    """The figure's numbers in words."""
    parts = [f"dense {fixed(row['mean'])}{unit}" for row in dense.to_dict("records")]
    parts += [f"{arm} {by_density(rows)}" for arm, rows in pruned.groupby("arm")]
    return "; ".join(parts)
