"""A calibration as text, for `lthbench calibrate`."""

from collections.abc import Iterator
from typing import Any

from lthbench.calibration import reading
from lthbench.calibration.reading import percent


def lines(calibration: dict[str, Any]) -> Iterator[str]:
    """All of it, in the order one reads it."""
    primaries = [c for c, about in calibration["claims"].items() if about["kind"] == "primary"]
    yield (
        f"suite {calibration['suite']}, registration {calibration['registration']}, "
        f"{calibration['simulations']:,} simulated suites per world, seed {calibration['seed']}, "
        f"{calibration['replicates_measured']} measured replicates"
    )
    yield ""
    yield "P per verdict. False PASS: a hypothesis on its boundary. P(PASS): under the effects taken to be true."
    yield (
        f"{'claim':7}{'n':>3} {'false PASS: normal':>18} {'worst':>8} {'(world)':24}{'false FAIL: worst':>17} "
        f"{'P(PASS): planned':>16} {calibration['headline']:>20} {'worst':>8} (world)"
    )
    for row in reading.rows(calibration):
        wrong, weak = row.worst_false_pass, row.worst_power
        yield (
            f"{row.claim:7}{row.n:>3} {percent(row.false_pass):>18} {percent(wrong.rate):>8} {wrong.world:24}"
            f"{percent(row.worst_false_fail.rate):>17} {percent(row.planned_power):>16} "
            f"{percent(row.headline_power):>20} {percent(weak.rate):>8} {weak.world}"
        )
    yield ""
    yield f"{'world':26} {'all primaries PASS':>18} {'all claims PASS':>16} {'any false PASS':>15}"
    for name, world in calibration["worlds"].items():
        yield (
            f"{name:26} {percent(world['all_primaries_pass']):>18} {percent(world['all_claims_pass']):>16} "
            f"{percent(world['any_false_pass']):>15}"
        )
    yield ""
    yield f"{'P(PASS), by n':32} {'n':>3} {'all':>8}" + "".join(f"{c:>9}" for c in primaries)
    for name, entries in calibration["by_n"].items():
        for entry in entries:
            cells = "".join(f"{percent(entry['power'][c]):>9}" for c in primaries)
            yield f"{name:32} {entry['n']:>3} {percent(entry['all_primaries_pass']):>8}{cells}"
    yield ""
    for pool in calibration["all_primaries_pass_over_pools"]:
        between = f"{percent(pool['low'])} to {percent(pool['high'])}"
        yield f"n = {pool['n']}: all primaries PASS {between} (5th to 95th percentile over draws of replicates)"
    yield ""
    yield from reading.look_words(calibration)
    yield ""
    yield reading.together(calibration)
    yield from reading.shortfalls(calibration)
