"""The section "How often would this verdict be wrong": the packaged simulation of the same registration."""

from dataclasses import dataclass
from typing import Any

from lthbench.calibration import reading, store
from lthbench.calibration.noise import FAR
from lthbench.calibration.reading import percent
from lthbench.report.figures.rates import rates_plot
from lthbench.report.figures.style import Picture
from lthbench.report.section import Material, Part
from lthbench.stats.rule import ROWS, edge


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
class CalibrationPart(Part):
    """The whole section; `said` alone where nothing was simulated for this registration."""

    said: list[str]
    headline: str = ""
    rows: tuple[CalibrationRow, ...] = ()
    shortfalls: tuple[str, ...] = ()
    picture: Picture | None = None

    @property
    def pictures(self) -> list[Picture]:
        """The one figure, where something was simulated."""
        return [self.picture] if self.picture else []


def calibration_part(material: Material) -> CalibrationPart | None:
    """The section of a suite that was trained here; None for results of others, which have no design of ours."""
    registry, verdicts = material.registry, material.verdicts
    if not material.own:
        return None
    study = store.find(registry, verdicts.suite)
    if study is None:
        return CalibrationPart(
            ["How often the verdicts of this registration would be wrong was not simulated, or only for another "
             f"registration. Where effects and SDs are registered, lthbench calibrate {verdicts.suite} does it."]
        )  # fmt: skip
    shown = [claim.id for claim in verdicts.claims]
    return CalibrationPart(
        said=said(study),
        headline=study["headline"],
        rows=tuple(row(r) for r in reading.rows(study) if r.claim in shown),
        shortfalls=tuple(reading.shortfalls(study)),
        picture=rates_plot(study, shown),
    )


def said(study: dict[str, Any]) -> list[str]:
    """What was simulated, and what it came to for the suite."""
    resampled = (
        f" “Measured” takes the means, SDs and correlations of {study['replicates_measured']} committed "
        "replicates of the confirmatory seeds, “resampled” draws whole replicates from them (smoothed)."
        if study["replicates_measured"]
        else ""
    )
    boundaries = ", ".join(
        f"{' or '.join(edge(bound, 'δ') for bound in row.passes)} for {test}" for test, row in ROWS.items()
    )
    clips = any("clip" in h for h in study["hypotheses"])
    clipped = ", where d is clipped: the mean of the clipped d does" if clips else ""
    collapses = f", and runs of which 1 % or 3 % collapse to {FAR:g} SDs of d away" if clips else ""
    return [
        reading.together(study),
        f"{study['simulations']:,} suites per world were drawn and decided by the rules above. “Planned” takes "
        f"the registered effects and SDs for true.{resampled} Shapes of noise: normal, heavy-tailed, skewed "
        "either way, outlier seeds (one replicate in twenty is five times as noisy), pairs of unequal "
        f"noise{collapses}.",
        "False PASS: how often a claim passes although one of its hypotheses lies exactly on its boundary "
        f"({boundaries}){clipped}. False FAIL: how often it fails under the "
        "effects taken to be true. Each claim at its own level, look by look.",
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
