"""Accuracy against density for given results: mean and SD per cell, from runs or from summaries."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lthbench.report.density import label_densities, ticks
from lthbench.report.numbers import fixed, percent
from lthbench.report.style import INK, LOOKS, Look, Picture, grid, new_figure, picture, slug, styled

FEWEST_DENSITIES = 3
OTHERS = (
    Look("#009E73", "v", (0, (5, 1.5)), False),
    Look("#D55E00", "s", (0, (1, 1.2)), False),
    Look("#E69F00", "P", (0, (4, 1.5, 1, 1.5))),
    Look("#56B4E9", "X", (0, (4, 1.2, 1, 1.2, 1, 1.2))),
    Look("#CC79A7", "D", (0, (3, 1.5)), False),
    Look("#9c5a83", "h", (0, (1, 2.5)), False),
)


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns arm, density, mean, sd, n of one experiment's final accuracy; sd and n missing where not stated."""
    runs = rows[rows["replicate"] != ""].groupby(["arm", "density"])["value"].agg(["mean", "std", "count"])
    runs = runs.rename(columns={"std": "sd", "count": "n"}).reset_index()
    told = rows[rows["replicate"] == ""].rename(columns={"value": "mean"})[["arm", "density", "mean", "sd", "n"]]
    parts = [part.astype({"sd": float, "n": float}) for part in (runs, told) if not part.empty]
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["arm", "density", "mean", "sd", "n"])
    )


def given_density_plot(rows: pd.DataFrame, experiment: str, arms: list[str]) -> Picture | None:
    """The figure of the arms named; None with fewer than three densities."""
    table = cells(rows)
    dense = table[table["density"] == 1].head(1)
    pruned = table[(table["density"] < 1) & table["arm"].isin(arms)]
    pruned = pruned[~pruned["n"].eq(1)]  # a single run is no mean
    pruned = pruned[pruned.groupby("arm")["density"].transform("nunique") >= FEWEST_DENSITIES]
    if pruned.empty:
        return None
    title = f"{experiment}: final test accuracy against density"
    caption = (
        "Final test accuracy by percent of weights remaining (log scale). Markers: mean over the runs that were "
        "released; bars: ± 1 SD over runs, where stated. Dashed line and band: the dense network, likewise. "
        "Arms that no claim here looks at, and single runs, are left out."
    )
    figure = draw(dense, pruned, [arm for arm in arms if arm in set(pruned["arm"])])
    return picture(figure, f"{slug(experiment)}-density", title, describe(dense, pruned), caption)


def looks(arms: list[str]) -> dict[str, Look]:
    """A look for each arm: its own where it has one, else one that differs from all others."""
    others = iter([look for look in OTHERS if look.marker not in {LOOKS[a].marker for a in arms if a in LOOKS}])
    return {arm: LOOKS[arm] if arm in LOOKS else next(others, OTHERS[0]) for arm in arms}


def dense_band(axes: Axes, dense: pd.DataFrame) -> None:
    """The dense network: its mean as a dashed line, one SD around it shaded where it is known."""
    for row in dense.to_dict("records"):
        sd = 0.0 if pd.isna(row["sd"]) else float(row["sd"])
        axes.axhspan(row["mean"] - sd, row["mean"] + sd, color="#e6e6e6", linewidth=0, zorder=0.5)
        axes.axhline(row["mean"], color=INK, linestyle=(0, (6, 2)), linewidth=1.4, label="dense")


@styled
def draw(dense: pd.DataFrame, pruned: pd.DataFrame, arms: list[str]) -> Figure:
    """One line per arm."""
    figure = new_figure(3.7)
    axes = figure.add_axes((0.11, 0.29, 0.87, 0.68))
    grid(axes)
    dense_band(axes, dense)
    for arm, style in looks(arms).items():
        own = pruned[pruned["arm"] == arm].sort_values("density", ascending=False)
        axes.errorbar(
            100 * own["density"], own["mean"], own["sd"].fillna(0), label=arm, color=style.colour,
            linestyle=style.dashes, linewidth=1.3, marker=style.marker, markersize=5, elinewidth=1, capsize=2,
            markerfacecolor=style.colour if style.filled else "white", gid=f"arm.{arm}",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.invert_xaxis()
    label_densities(figure, axes, ticks(pruned)[1:])
    return figure


def describe(dense: pd.DataFrame, pruned: pd.DataFrame) -> str:
    """The figure in words, from its numbers."""
    parts = [f"dense {fixed(row['mean'])} %" for row in dense.to_dict("records")]
    for arm, own in pruned.groupby("arm"):
        steps = ", ".join(
            f"{fixed(row['mean'])} at {percent(row['density'])}"
            for row in own.sort_values("density", ascending=False).to_dict("records")
        )
        parts.append(f"{arm} {steps}")
    return "Mean final test accuracy in percent by percent of weights remaining: " + "; ".join(parts) + "."
