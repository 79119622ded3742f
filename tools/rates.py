"""`python -m tools.rates`: write the package's rates.yaml anew, from the seconds that committed runs took.

Run it when a run is committed, so that `lthbench plan` knows what its suite costs before anything is measured.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lthbench.claims.load import load
from lthbench.drive.cost import SHIPPED, Rate, from_provenance, to_yaml
from lthbench.files import write_text
from lthbench.plan.run import Run
from lthbench.plan.unit import Unit
from tools.answer import answer

RUNS = Path(__file__).parents[1] / "reports/reference"
HEAD = """\
# Measured milliseconds per network and iteration, evaluations included: written by `python -m tools.rates` from
# the provenance of the committed runs. What other machines measure is kept in their cache folders.
"""


def main() -> int:
    """Write them."""
    write_text(SHIPPED, text(RUNS))
    print(f"{SHIPPED}: written from {RUNS}")
    return 0


def text(runs: Path) -> str:
    """The file, from a folder of committed runs."""
    return HEAD + to_yaml(rates(runs))


def rates(runs: Path) -> list[Rate]:
    """A rate per experiment and device, of all units that the committed runs name."""
    units = [*finished(runs)]
    days: dict[tuple[str, str], str] = {}
    for unit, provenance in units:
        name = unit.experiment.id, provenance["device"]
        days[name] = max(days.get(name, ""), provenance["finished"][:10])
    measured = sorted(from_provenance(units), key=lambda rate: (rate.experiment, rate.device))
    return [dated(rate, days[rate.experiment, rate.device]) for rate in measured]


def dated(rate: Rate, day: str) -> Rate:
    """A rate to three digits, with the day of its last unit."""
    widths = {width: three_digits(ms) for width, ms in rate.widths.items()}
    said = f"{day}, {rate.measured} of the committed runs"
    return replace(rate, ms=three_digits(rate.ms), widths=widths, measured=said)


def three_digits(ms: float) -> float:
    """As exact as a rate is."""
    return float(f"{ms:.3g}")


def finished(runs: Path) -> Iterator[tuple[Unit, dict[str, Any]]]:
    """The units of the committed runs with their provenance, each once: two runs may share records."""
    registry, seen = load(), set[str]()
    for file in sorted(runs.glob("*/seed-*/provenance.json")):
        suite, seed = file.parts[-3], int(file.parent.name.removeprefix("seed-"))
        if not registry.suites[suite].trains:
            continue
        planned = {unit.name: unit for unit in Run(registry, suite, seed).whole_plan}
        for provenance in json.loads(file.read_text(encoding="utf-8")):
            unit = planned.get(provenance["unit"])
            if unit and unit.iterations and unit.key not in seen:
                seen.add(unit.key)
                yield unit, provenance


if __name__ == "__main__":
    sys.exit(answer(main))
