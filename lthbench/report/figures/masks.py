"""Where a ticket's weights are: how dense each layer is, and how many weights of each input survive."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from lthbench.report.figures.ends import End, label_ends
from lthbench.report.figures.style import GREY, Picture, grid, look, new_figure, picture, shade, slug, styled
from lthbench.report.figures.summaries import density_of, of_experiment
from lthbench.report.numbers import percent

COUNT = "nonzero:"
FEWEST = 3  # densities, or it is no ladder
APART = 1.2  # times as dense as another layer: less is nothing to look at


def layers_plot(tidy: pd.DataFrame, experiment: str) -> Picture | None:
    """The density of every layer of an experiment's tickets; None where all layers are pruned alike."""
    table = layer_densities(of_experiment(tidy, experiment))
    if table.empty or table["total"].nunique() < FEWEST:
        return None
    widest = table.groupby("total")["density"].agg(lambda layer: layer.max() / max(layer.min(), 1e-12)).max()
    if widest < APART:
        return None
    title = f"{experiment}: weights remaining in each layer of the ticket"
    caption = (
        "Percent of each layer's weights that remain, by percent of all weights remaining (both log scale), mean "
        "over replicates. Grey diagonal: every layer as dense as the whole. Dark to light: from input to output."
    )
    return picture(draw(table), f"{slug(experiment)}-layers", title, describe(table), caption, table)


def layer_densities(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns layer, level, total and density (fractions) of the arm `ticket`, in the order of the layers."""
    counts = rows[rows["metric"].str.startswith(COUNT) & rows["arm"].isin(["dense", "ticket"])]
    means = counts.groupby(["metric", "arm", "level"], sort=False)["value"].mean()
    every: list[tuple[tuple[str, str, int], float]] = list(means.items())  # type: ignore[arg-type]
    whole = {metric: value for (metric, arm, _), value in every if arm == "dense"}
    totals = density_of(rows)
    return pd.DataFrame(
        [
            {"layer": metric.removeprefix(COUNT).removesuffix(".weight"), "level": level,
             "total": totals["ticket", level], "density": value / whole[metric]}
            for (metric, arm, level), value in every
            if arm == "ticket" and whole.get(metric) and ("ticket", level) in totals
        ],
        columns=["layer", "level", "total", "density"],
    )  # fmt: skip


@styled
def draw(table: pd.DataFrame) -> Figure:
    """A line per layer."""
    figure = new_figure(3.0)
    axes = figure.add_axes((0.1, 0.17, 0.7, 0.78))
    grid(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    totals = sorted(100 * table["total"].unique(), reverse=True)
    axes.plot(totals, totals, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    layers = list(dict.fromkeys(table["layer"]))
    ends = []
    for place, layer in enumerate(layers):
        cells = table[table["layer"] == layer].sort_values("total", ascending=False)
        colour = shade(look("ticket").colour, place, len(layers))
        axes.plot(100 * cells["total"], 100 * cells["density"], color=colour, linewidth=1.3, marker="o",
                  markersize=3.5, gid=f"layer.{layer}")  # fmt: skip
        ends.append((100 * float(cells["total"].iloc[-1]), 100 * float(cells["density"].iloc[-1]), layer, colour))
    for axis, values in ((axes.xaxis, totals), (axes.yaxis, totals)):
        axis.set_major_locator(FixedLocator(values[:: 1 + len(values) // 8]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _: f"{value:.3g}")
    axes.invert_xaxis()
    axes.set_xlabel("weights remaining, %")
    axes.set_ylabel("in this layer, %")
    label_ends(axes, [End(*end) for end in ends])
    return figure


def describe(table: pd.DataFrame) -> str:
    """The figure in words, from its numbers."""
    sparsest = table[table["total"] == table["total"].min()]
    layers = ", ".join(f"{row.layer} {percent(row.density)}" for row in sparsest.itertuples())
    return (
        f"Weights remaining per layer of the ticket; at {percent(table['total'].min())} of all weights: {layers}."
    )
