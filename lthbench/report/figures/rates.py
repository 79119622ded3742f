"""Simulated rates of every claim in every world: how often its verdict would be wrong."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lthbench.calibration.reading import percent
from lthbench.report.figures.style import GREY, INK, Picture, grid, new_figure, picture, styled


def rates_plot(study: dict[str, Any], claims: Sequence[str]) -> Picture:
    """Every claim in every world: false PASS on the left, P(PASS) on the right."""
    false = {c: rates_of(study, c, "false_pass_at_boundary") for c in claims}
    power = {c: rates_of(study, c, "power") for c in claims}
    words = "; ".join(
        f"{c}: false PASS {percent(min(false[c].values()))} to {percent(max(false[c].values()))}, "
        f"P(PASS) {percent(min(power[c].values()))} to {percent(max(power[c].values()))}"
        for c in claims
    )
    return picture(
        draw(false, power, study["headline"]),
        "calibration",
        "How often each verdict would be wrong, by simulation",
        f"Simulated rates per claim over {len(study['worlds'])} worlds. {words}.",
        f"One circle per claim and world; filled: {study['headline']}. Left: PASS although a hypothesis lies "
        "exactly on its boundary; dashed: 5 %. Right: PASS where the effects are as taken to be true; dashed: the "
        "90 % asked for when n is registered.",
        pd.DataFrame(
            {"claim": c, "world": world, "false_pass": false[c][world], "pass": power[c][world]}
            for c in claims
            for world in false[c]
        ),
    )


def rates_of(study: dict[str, Any], claim: str, key: str) -> dict[str, float]:
    """One rate of a claim in every world."""
    return {name: world["claims"][claim][key] for name, world in study["worlds"].items()}


@styled
def draw(false: dict[str, dict[str, float]], power: dict[str, dict[str, float]], headline: str) -> Figure:
    """Two panels, one row per claim, first on top."""
    height = 0.34 * len(false) + 0.75
    figure = new_figure(height)
    foot = 0.58 / height
    left = figure.add_axes((0.1, foot, 0.4, 0.97 - foot))
    right = figure.add_axes((0.57, foot, 0.4, 0.97 - foot))
    circles(left, false, headline, 0.05)
    circles(right, power, headline, 0.90)
    left.set_yticks(range(0, -len(false), -1), list(false))
    right.set_yticks(range(0, -len(power), -1), [""] * len(power))
    left.set_xlim(left=-0.005)
    right.set_xlim(right=1.005)
    left.set_xlabel("P(PASS), truth on the boundary")
    right.set_xlabel("P(PASS), effects true")
    return figure


def circles(axes: Axes, rates: dict[str, dict[str, float]], headline: str, limit: float) -> None:
    """One panel."""
    grid(axes)
    axes.axvline(limit, color=INK, linewidth=1, linestyle=(0, (4, 2)))
    for place, of_claim in enumerate(rates.values()):
        axes.plot(list(of_claim.values()), [-place] * len(of_claim), "o", markersize=5.5, markerfacecolor="none",
                  markeredgecolor=GREY, markeredgewidth=0.9)  # fmt: skip
        axes.plot([of_claim[headline]], [-place], "o", markersize=5.5, color=INK)
    axes.set_ylim(-len(rates) + 0.5, 0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color(GREY)
