"""What training will cost: milliseconds per network and iteration as measured, never guessed. Torch-free.

A rate comes from the provenance of units finished in this results folder, else from `rates.yaml` in the cache
folder (what `lthbench plan --measure` measured on this machine), else from the committed `rates.yaml` of the
package. Rates are per experiment and per device, by the device's name; where none is known, the word is "not
measured".
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from time import gmtime, strftime
from typing import Any

import yaml

from lthbench.errors import UserError
from lthbench.files import read_text, write_text
from lthbench.plan.unit import Unit, plan_experiment
from lthbench.recipe.experiment import Experiment
from lthbench.results import store

SHIPPED = Path(__file__).parent / "rates.yaml"
FIRST_ITERATIONS = 5  # of a measurement; three times as many until the difference is long enough to be timed
ENOUGH_SECONDS = 2.0
Rates = Mapping[tuple[str, str], "Rate"]  # by experiment and device


@dataclass(frozen=True)
class Rate:
    """One measured rate: `ms` per network and iteration, evaluations included, networks trained side by side.

    `networks` is the size of the stack it was measured with; `measured` says when and how. Where stacks of several
    sizes were measured, `networks` is the largest, `ms` the mean, and `widths` has each: on a GPU a network in a
    wide stack takes a fraction of what it takes in a narrow one.
    """

    experiment: str
    device: str
    ms: float
    networks: int
    measured: str
    widths: Mapping[int, float] = field(default_factory=dict)

    def of(self, networks: int) -> float:
        """Milliseconds per network and iteration in a stack of so many.

        Between two measured sizes the time of the whole stack grows evenly; beyond them the nearest counts.
        """
        known = self.widths or {self.networks: self.ms}
        narrow = max((size for size in known if size <= networks), default=min(known))
        wide = min((size for size in known if size >= networks), default=max(known))
        if narrow >= wide:
            return known[narrow]
        share = (networks - narrow) / (wide - narrow)
        return ((1 - share) * narrow * known[narrow] + share * wide * known[wide]) / networks

    def seconds(self, unit: Unit) -> float:
        """The expected duration of a unit."""
        return unit.iterations * self.of(unit.networks) / 1000


def read_rates(path: Path) -> list[Rate]:
    """The rates of a file; none where there is no file. Raises UserError when it is no table of rates."""
    if not path.exists():
        return []
    try:
        return [
            Rate(**entry) for entry in yaml.safe_load(read_text(path, 10**6, UserError, "mend or delete it")) or []
        ]
    except (yaml.YAMLError, TypeError) as error:
        raise UserError(f"{path}: not a list of rates ({str(error).splitlines()[0]}); mend or delete it") from None


def to_yaml(rates: Iterable[Rate]) -> str:
    """Rates as the lines of a rates.yaml."""
    entries = ({key: value for key, value in asdict(rate).items() if value != {}} for rate in rates)
    lines = (yaml.safe_dump(each, default_flow_style=True, sort_keys=False, width=10_000) for each in entries)
    return "".join(f"- {line}" for line in lines)


def remember(rates: Sequence[Rate], path: Path) -> None:
    """Put rates into a file in place of older ones of the same experiment and device."""
    by_name = {(rate.experiment, rate.device): rate for rate in [*read_rates(path), *rates]}
    write_text(path, to_yaml(by_name.values()))


def from_records(root: Path, units: Iterable[Unit]) -> list[Rate]:
    """Rates of the units finished below a results folder, from the seconds in their provenance."""
    paths = ((unit, store.path_of(root, unit)) for unit in units if unit.iterations)
    rates = from_provenance((unit, store.read(path).provenance) for unit, path in paths if path.exists())
    return [replace(rate, measured=f"{rate.measured} of this folder") for rate in rates]


def from_provenance(finished: Iterable[tuple[Unit, Mapping[str, Any]]]) -> list[Rate]:
    """Rates of finished units, from the seconds and the device that their provenance names."""
    spent: dict[tuple[str, str], list[tuple[float, Unit]]] = {}
    for unit, provenance in finished:
        name = (unit.experiment.id, str(provenance.get("device", "unknown")))
        spent.setdefault(name, []).append((float(provenance.get("seconds", 0)), unit))
    return [
        together(
            *name,
            {width: median_ms([run for run in runs if run[1].networks == width]) for width in widths_of(runs)},
            median_ms(runs),
            f"{len(runs)} units",
        )
        for name, runs in spent.items()
    ]


def widths_of(runs: Sequence[tuple[float, Unit]]) -> list[int]:
    """The sizes of stacks."""
    return sorted({unit.networks for _, unit in runs})


def median_ms(runs: Sequence[tuple[float, Unit]]) -> float:
    """Milliseconds per network and iteration that half the iterations of some units took at most.

    Seconds are the clock's: a unit that slept with its machine or waited for a core says nothing of the next.
    """
    by_rate = sorted((1000 * seconds / unit.iterations, unit.iterations) for seconds, unit in runs)
    half = sum(iterations for _, iterations in by_rate) / 2
    trained = accumulate(iterations for _, iterations in by_rate)
    return next(ms for (ms, _), so_far in zip(by_rate, trained, strict=True) if so_far >= half)


def together(experiment: str, device: str, widths: Mapping[int, float], ms: float, measured: str) -> Rate:
    """The rate of an experiment of which stacks of some sizes were measured."""
    return Rate(experiment, device, ms, max(widths), measured, widths if len(widths) > 1 else {})


def known_rates(root: Path, units: Sequence[Unit], cache: Path | None) -> dict[tuple[str, str], Rate]:
    """All rates, the nearest source last so that it wins: shipped, cached, this folder's own units."""
    cached = read_rates(cache / "rates.yaml") if cache else []
    rates = [*read_rates(SHIPPED), *cached, *from_records(root, units)]
    return {(rate.experiment, rate.device): rate for rate in rates}


def devices(rates: Rates, experiments: Iterable[str]) -> list[str]:
    """The devices on which at least one of the experiments was measured."""
    wanted = set(experiments)
    return sorted({device for experiment, device in rates if experiment in wanted})


@dataclass(frozen=True)
class CostRow:
    """One line of the cost table: iterations of all networks together.

    `seconds` is the expected duration of what is to do, one unit after the other; None means not measured.
    """

    experiment: str
    device: str
    iterations: int
    to_do: int
    rate: Rate | None
    seconds: float | None


def cost_rows(units: Sequence[Unit], done: set[str], rates: Rates) -> list[CostRow]:
    """A row per device and experiment; one per experiment with device "" where nothing was measured at all."""
    names = list(dict.fromkeys(unit.experiment.id for unit in units))
    rows = []
    for device in devices(rates, names) or [""]:
        for name in names:
            members = [unit for unit in units if unit.experiment.id == name]
            left = [unit for unit in members if unit.key not in done]
            rate = rates.get((name, device))
            rows.append(
                CostRow(
                    experiment=name,
                    device=device,
                    iterations=sum(unit.iterations for unit in members),
                    to_do=sum(unit.iterations for unit in left),
                    rate=rate,
                    seconds=None if rate is None else math.fsum(map(rate.seconds, left)),
                )
            )
    return rows


def total(rows: Sequence[CostRow]) -> float | None:
    """Seconds of all rows together; None when one that has something to do was not measured."""
    seconds = [row.seconds for row in rows if row.to_do]
    return (
        None if any(value is None for value in seconds) else sum(value for value in seconds if value is not None)
    )


def duration(seconds: float | None) -> str:
    """`3:05` (minutes and seconds), `2 h 05 min`, or "not measured"."""
    if seconds is None:
        return "not measured"
    if seconds >= 3600:
        return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02d} min"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def measure(experiment: Experiment, widths: Sequence[int], device: str, cache: Path | None) -> Rate:
    """Time a short training of dense networks, in stacks of each of some sizes."""
    timed = {networks: timed_stack(experiment, networks, device, cache) for networks in widths}
    name, iterations = next((name, n) for _, name, n in timed.values())
    ms_of = {networks: ms for networks, (ms, _, _) in timed.items()}
    day, sizes = strftime("%Y-%m-%d", gmtime()), " and ".join(map(str, widths))
    how = f"{day}, lthbench plan --measure, {iterations} iterations of {sizes} dense networks"
    return together(experiment.id, name, ms_of, float(f"{fmean(ms_of.values()):.3g}"), how)


def timed_stack(experiment: Experiment, networks: int, device: str, cache: Path | None) -> tuple[float, str, int]:
    """Milliseconds per network and iteration in a stack of so many, the device's name, and the iterations timed.

    The difference between a short and a longer run leaves out what is paid once (building, compiling, loading); a
    run that evaluates more often gives the price of an evaluation, counted at the experiment's own cadence.
    """
    name = ""

    def seconds(iterations: int, evaluate_every: int) -> float:
        nonlocal name
        spent, name = time_dense(experiment, iterations, evaluate_every, networks, device, cache)
        return spent

    n, most = FIRST_ITERATIONS, experiment.training.iterations
    seconds(n, n)  # the first run warms caches up
    short, long = seconds(n, n), seconds(3 * n, 3 * n)
    while long - short < ENOUGH_SECONDS and 9 * n <= most:
        n *= 3
        short, long = seconds(n, n), seconds(3 * n, 3 * n)
    looks = 3 if n == FIRST_ITERATIONS else 27  # the more, the less a noisy moment counts; slow networks get few
    often = seconds(3 * n, 3 * n // looks)
    # On a machine this noisy and a run this short, the whole run is the better estimate.
    step = (long - short) / (2 * n) if long > short else long / (3 * n)
    evaluation = max(0.0, often - long) / (looks - 1)
    ms = 1000 * (step + evaluation / experiment.training.evaluate_every) / networks
    return float(f"{ms:.3g}"), name, 3 * n


def time_dense(
    experiment: Experiment, iterations: int, evaluate_every: int, networks: int, device: str, cache: Path | None
) -> tuple[float, str]:
    """Seconds that a short training of dense networks takes, and the name of the device."""
    from lthbench.drive.execute import run_chunk

    variant = replace(
        experiment,
        training=replace(experiment.training, iterations=iterations, evaluate_every=evaluate_every),
        pruning=replace(experiment.pruning, rewind=0),
    )
    units = plan_experiment(variant, {("dense", 0)}, networks, networks, master=1000)
    with TemporaryDirectory() as folder:
        run_chunk(units, Path(folder), cache, device, lambda unit, how: None)
        provenance = store.read(store.path_of(Path(folder), units[0])).provenance
    return float(provenance["seconds"]), str(provenance["device"])
