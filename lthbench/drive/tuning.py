"""What a registration needs from tuning seeds: effects and SDs, power by n, accuracy bands, quarter margins.

Prints numbers for an author to write into claim and suite files; decides nothing.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lthbench.claims.schema import Cell
from lthbench.drive.execute import missing
from lthbench.drive.here import train_all
from lthbench.drive.pool import Folder
from lthbench.drive.schedule import tasks
from lthbench.judging.lines import contrast
from lthbench.judging.table import Table
from lthbench.plan.run import Run
from lthbench.plan.unit import Unit, plan_experiment
from lthbench.recipe.experiment import Experiment
from lthbench.results.tidy import collect
from lthbench.stats.power import power, smallest_n

VARIANT_REPLICATES = 4
BAND_SDS = 4


def hypotheses(run: Run, table: Table) -> Iterator[str]:
    """Per hypothesis and line: mean and SD of d, power at the registered n, n for 90 % power."""
    suite = run.registry.suites[run.suite]
    n = run.replicates or 0
    heads = f"{'hypothesis':24} {'mean':>8} {'SD':>7} {'min':>8} {'max':>8}"
    yield f"{heads}  power at n  n for 90 %  (tuning n = {n})"
    for claim, registration in run.registry.registrations(run.suite):
        if run.claims and claim.id not in run.claims:
            continue
        level = run.registry.level(run.suite, claim, suite.alpha)
        for line in registration.lines():
            sides = contrast(table, line, registration.experiment, n)
            if sides is None:
                continue
            d = sides[0] - sides[1]
            mean, sd = d.mean(), d.std(ddof=1)
            at_n = power(line.rule, mean, sd, registration.replicates, level)
            needed = smallest_n(line.rule, mean, sd, level) or "none up to 40"
            yield (
                f"{claim.id + ' ' + line.id:24} {mean:8.3f} {sd:7.3f} {d.min():8.3f} {d.max():8.3f}"
                f"  {at_n:.4f} at {registration.replicates}  {needed}"
            )


def margins(run: Run, table: Table) -> Iterator[str]:
    """The quarter rule: "matches dense" may lose a quarter of dense minus reinit at that level."""
    for cell in sorted({(u.experiment.id, u.level) for u in run.units() if u.arm == "reinit"}):
        experiment, level = cell
        n = run.replicates or 0
        dense = table.values(Cell(experiment, "dense", 0), "final_test_accuracy", n)
        reinit = table.values(Cell(experiment, "reinit", level), "final_test_accuracy", n)
        if dense is not None and reinit is not None:
            quarter = (dense - reinit).mean() / 4
            yield f"{experiment}: a quarter of dense - reinit at level {level} is {quarter:.2f} pp"


def variants(run: Run) -> dict[str, dict[str, list[Unit]]]:
    """Dense networks trained with a mistake that the band should notice, by experiment and mistake."""
    names = dict.fromkeys(name for chunk in run.chunks() for name in chunk.experiments)
    return {name: dict(mistaken(run.registry.experiments[name], run.seed)) for name in names}


def mistaken(experiment: Experiment, seed: int) -> Iterator[tuple[str, list[Unit]]]:
    """A few dense networks of an experiment by mistake; what a mistake is called, and their units."""
    slow = replace(experiment.training, learning_rate=experiment.training.learning_rate / 10)
    for mistake, changed in (
        ("a tenth of the rate", replace(experiment, training=slow)),
        ("shuffled labels", replace(experiment, shuffled_labels=True)),
    ):
        yield mistake, plan_experiment(changed, {("dense", 0)}, VARIANT_REPLICATES, VARIANT_REPLICATES, seed)


def variants_folder(run: Run) -> Folder:
    """Where their records go, apart from those of the run."""
    return Folder(run.results / "variants", run.device)


def train_variants(run: Run, cores: int) -> None:
    """Train them, but for what is there. Raises as `train_all` does."""
    place = variants_folder(run)
    units = [unit for mistakes in variants(run).values() for each in mistakes.values() for unit in each]
    train_all(place, tasks(units, missing(units, place.results), run.device), cores, lambda: None)


def bands(run: Run, table: Table) -> Iterator[str]:
    """Dense accuracy: mean +- 4 SD of one replicate, and what two mistakes would have given."""
    for name, mistakes in variants(run).items():
        dense = table.values(Cell(name, "dense", 0), "final_test_accuracy", run.replicates or 0)
        if dense is None:
            continue
        mean, half = dense.mean(), BAND_SDS * dense.std(ddof=1)
        root = variants_folder(run).results
        others = [f"{mistake} {accuracy(root, units):.2f}" for mistake, units in mistakes.items()]
        yield (
            f"{name}: dense {mean:.2f} %, SD {half / BAND_SDS:.2f}; band {mean - half:.2f} to {mean + half:.2f}; "
            + ", ".join(others)
        )


def accuracy(root: Path, units: list[Unit]) -> float:
    """Mean accuracy of some units at the end of training, in percent."""
    table, _ = collect(root, units)
    return float(np.mean(table[table["metric"] == "final_test_accuracy"]["value"]))
