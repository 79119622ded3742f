"""The section "How often would this verdict be wrong": the packaged simulation of the same registration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lthbench.calibration import reading, store
from lthbench.calibration.reading import percent
from lthbench.claims.load import Registry
from lthbench.judging.verdict import Verdicts
from lthbench.report.style import GREY, INK, Picture, grid, new_figure, picture, styled

BLUE = "#0072B2"


@dataclass(frozen=True)
class CalibrationRow:
    """One claim, as printed."""

    claim: str
    n: str
    false_pass: str
    worst_false_pass: str
    false_fail: str
    planned: str
    headline: str
    worst_power: str


@dataclass(frozen=True)
class CalibrationPart:
    """The whole section; `said` alone where nothing was simulated for this registration."""

    said: list[str]
    headline: str = ""
    rows: tuple[CalibrationRow, ...] = ()
    shortfalls: tuple[str, ...] = ()
    picture: Picture | None = None


def calibration_part(registry: Registry, verdicts: Verdicts) -> CalibrationPart | None:
    """The section of a suite that was trained here; None for results of others, which have no design of ours."""
    if verdicts.origin != "own":
        return None
    found = store.find(registry, verdicts.suite)
    if found is None:
        return CalibrationPart(
            ["How often the verdicts of this registration would be wrong was not simulated, or only for another "
             f"registration. Where effects and SDs are registered, lthbench calibrate {verdicts.suite} does it."]
        )  # fmt: skip
    shown = [claim.id for claim in verdicts.claims]
    return CalibrationPart(
        said=said(found),
        headline=found["headline"],
        rows=tuple(row(r) for r in reading.rows(found) if r.claim in shown),
        shortfalls=tuple(reading.shortfalls(found)),
        picture=rates_plot(found, shown),
    )


def said(found: dict[str, Any]) -> list[str]:
    """What was simulated, and what it came to for the suite."""
    resampled = (
        f" “Measured” takes the means, SDs and correlations of {found['replicates_measured']} committed "
        "replicates of the confirmatory seeds, “resampled” draws whole replicates from them (smoothed)."
        if found["replicates_measured"]
        else ""
    )
    return [
        reading.together(found),
        f"{found['simulations']:,} suites per world were drawn and decided by the rules above. “Planned” takes "
        f"the registered effects and SDs for true.{resampled} Shapes of noise: normal, heavy-tailed, skewed "
        "either way, outlier seeds (one replicate in twenty is five times as noisy), pairs of unequal noise.",
        "False PASS: how often a claim passes although one of its hypotheses lies exactly on its boundary (0 for "
        "superiority, −δ for non-inferiority, ±δ for equivalence). False FAIL: how often it fails under the "
        "effects taken to be true. All at the levels Holm gives.",
    ]


def row(r: reading.Row) -> CalibrationRow:
    """A claim's rates as text."""
    return CalibrationRow(
        r.claim,
        str(r.n),
        percent(r.false_pass),
        named(r.worst_false_pass),
        percent(r.worst_false_fail.rate),
        percent(r.planned_power),
        percent(r.headline_power),
        named(r.worst_power),
    )


def named(worst: reading.Worst) -> str:
    """A rate and the world it was found in."""
    return f"{percent(worst.rate)} ({worst.world})" if 0 < worst.rate < 1 else percent(worst.rate)


def rates_plot(found: dict[str, Any], claims: Sequence[str]) -> Picture:
    """Every claim in every world: false PASS on the left, P(PASS) on the right."""
    false = {c: rates_of(found, c, "false_pass_at_boundary_in_family") for c in claims}
    power = {c: rates_of(found, c, "power_in_family") for c in claims}
    words = "; ".join(
        f"{c}: false PASS {percent(min(false[c].values()))} to {percent(max(false[c].values()))}, "
        f"P(PASS) {percent(min(power[c].values()))} to {percent(max(power[c].values()))}"
        for c in claims
    )
    return picture(
        draw(false, power, found["headline"]),
        "calibration",
        "How often each verdict would be wrong, by simulation",
        f"Simulated rates per claim over {len(found['worlds'])} worlds. {words}.",
        f"One circle per claim and world; filled: {found['headline']}. Left: PASS although a hypothesis lies "
        "exactly on its boundary; dashed: 5 %. Right: PASS where the effects are as taken to be true; dashed: the "
        "90 % asked for when n is registered.",
    )


def rates_of(found: dict[str, Any], claim: str, key: str) -> dict[str, float]:
    """One rate of a claim in every world."""
    return {name: world["claims"][claim][key] for name, world in found["worlds"].items()}


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
                  markeredgecolor=BLUE, markeredgewidth=0.9)  # fmt: skip
        axes.plot([of_claim[headline]], [-place], "o", markersize=5.5, color=INK)
    axes.set_ylim(-len(rates) + 0.5, 0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_color(GREY)
