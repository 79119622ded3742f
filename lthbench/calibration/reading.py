"""What a calibration says: worst cases, and the n that would mend them. Numbers from the study, no simulation."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

LARGEST_FALSE, LEAST_POWER, LEAST_TOGETHER = 0.05, 0.90, 0.98


@dataclass(frozen=True)
class Worst:
    """The worst rate over worlds, and the world it was found in."""

    rate: float
    world: str


@dataclass(frozen=True)
class Row:
    """One claim: how often its verdict would be wrong, as registered and in the worst world."""

    claim: str
    kind: str
    n: int
    false_pass: float  # normal noise, headline's truth; a hypothesis on its boundary
    worst_false_pass: Worst
    worst_false_fail: Worst  # under the effects taken to be true
    planned_power: float
    headline_power: float
    worst_power: Worst


def rows(calibration: dict[str, Any]) -> list[Row]:
    """A row per claim."""
    worlds, headline = calibration["worlds"], calibration["headline"]
    normal = f"{headline.split(',')[0]}, normal"

    def value(world: str, claim: str, key: str) -> float:
        return worlds[world]["claims"][claim][key]

    def worst(claim: str, key: str, pick: Any) -> Worst:
        world = pick(worlds, key=lambda w: value(w, claim, key))
        return Worst(value(world, claim, key), world)

    return [
        Row(
            claim,
            about["kind"],
            about["n"],
            value(normal, claim, "false_pass_at_boundary"),
            worst(claim, "false_pass_at_boundary", max),
            worst(claim, "false_fail", max),
            value("planned, normal", claim, "power"),
            value(headline, claim, "power"),
            worst(claim, "power", min),
        )
        for claim, about in calibration["claims"].items()
    ]


def margin(calibration: dict[str, Any], rate: float) -> float:
    """Two standard errors of a simulated rate."""
    return 2 * sqrt(rate * (1 - rate) / calibration["simulations"])


def exceeds(calibration: dict[str, Any], rate: float) -> bool:
    """Whether a false rate is shown to lie above 5 %: by more than two standard errors of the simulation."""
    return rate - margin(calibration, LARGEST_FALSE) > LARGEST_FALSE


def mended_at(calibration: dict[str, Any], world: str, least: float, claim: str | None = None) -> int | None:
    """Smallest simulated n from which on a claim's power (or P(all primaries pass)) is at least `least`."""
    sizes: list[int] = []
    for entry in reversed(calibration["by_n"].get(world, [])):
        rate = entry["all_primaries_pass"] if claim is None else entry["power"][claim]
        if rate < least:
            break
        sizes.append(entry["n"])
    return sizes[-1] if sizes else None


def together(calibration: dict[str, Any]) -> str:
    """P(all primary verdicts as registered | correct code), against 98 %, and what would mend it."""
    headline = calibration["headline"]
    rate = calibration["worlds"][headline]["all_primaries_pass"]
    said = (
        f"P(all primary claims pass | the code is correct) = {percent(rate)} ± "
        f"{percent(margin(calibration, rate))} ({headline}"
    )
    if headline != "planned, normal":
        said += f"; planned, normal: {percent(calibration['worlds']['planned, normal']['all_primaries_pass'])}"
    if pools := calibration["all_primaries_pass_over_pools"]:
        at = {pool["n"]: f"{percent(pool['low'])} to {percent(pool['high'])}" for pool in pools}
        n = max(about["n"] for about in calibration["claims"].values())
        said += (
            f"; {at[n]} over other draws of the {calibration['replicates_measured']} replicates" if n in at else ""
        )
    said += ")"
    if rate >= LEAST_TOGETHER:
        return f"{said}: at least 98 %, as a check in CI needs."
    n = mended_at(calibration, headline, LEAST_TOGETHER)
    mend = f"n = {n} would reach it" if n else "no n that was simulated reaches it"
    return f"{said}: below the 98 % a check in CI needs; {mend}."


def shortfalls(calibration: dict[str, Any]) -> list[str]:
    """Each way in which a claim's design falls short, with what would mend it where that was simulated."""
    lines = []
    for row in rows(calibration):
        wrong, weak = row.worst_false_pass, row.worst_power
        if exceeds(calibration, wrong.rate):
            lines.append(
                f"{row.claim}: with a hypothesis exactly on its boundary, {percent(wrong.rate)} false PASS "
                f"({wrong.world}); with normal noise {percent(row.false_pass)}."
            )
        if weak.rate < LEAST_POWER:
            n = mended_at(calibration, weak.world, LEAST_POWER, row.claim)
            mend = f"; n = {n} would reach 90 % there" if n else ""
            lines.append(f"{row.claim}: power {percent(weak.rate)} ({weak.world}){mend}.")
    return lines


def look_words(calibration: dict[str, Any]) -> list[str]:
    """The second look, one line per design and world."""
    return [
        f"{world}: {design_words(entry)}"
        for world, entries in calibration["second_look"].items()
        for entry in entries
    ]


def design_words(entry: dict[str, Any]) -> str:
    """One design of one look or two."""
    looks = ", then ".join(map(str, entry["looks"]))
    spent = " + ".join(f"{alpha:g}" for alpha in entry["spent"])
    return (
        f"n = {looks} at alpha {spent}: all pass {percent(entry['all_primaries_pass'])}; false PASS of one claim "
        f"{percent(entry['false_pass_at_boundary'])}, of any {percent(entry['any_false_pass'])}; mean n "
        f"{entry['mean_n_per_claim']:g} claim by claim, {entry['mean_n_whole_suite']:g} if all go on together"
    )


def percent(rate: float) -> str:
    """A rate as one writes it."""
    if rate in (0, 1):
        return f"{100 * rate:.0f} %"
    return "> 99.9 %" if rate > 0.9995 else f"{100 * rate:.2g} %" if rate < 0.1 else f"{100 * rate:.1f} %"
