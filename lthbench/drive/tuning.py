"""What a registration needs from tuning seeds: effects and SDs, power by n, accuracy bands, quarter margins.

Prints numbers for an author to write into claim and suite files; decides nothing.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lthbench.claims.schema import Cell
from lthbench.data.cache import cache_root
from lthbench.drive.execute import run_chunk
from lthbench.judging.lines import contrast
from lthbench.judging.table import Table
from lthbench.plan.run import Run
from lthbench.plan.unit import plan_experiment
from lthbench.recipe.experiment import Experiment
from lthbench.results.tidy import collect, read
from lthbench.stats.power import power, smallest_n

VARIANT_REPLICATES = 4
BAND_SDS = 4


def study(run: Run) -> str:
    """The whole study as text."""
    table = Table(read(run.scope_folder / "tidy.csv"))
    return "\n".join([*hypotheses(run, table), "", *margins(run, table), "", *bands(run, table)])


def hypotheses(run: Run, table: Table) -> Iterator[str]:
    """Per hypothesis and line: mean and SD of d, power at the registered n, n for 90 % power."""
    suite = run.registry.suites[run.suite]
    n = run.replicates or 0
    heads = f"{'hypothesis':24} {'mean':>8} {'SD':>7} {'min':>8} {'max':>8}"
    yield f"{heads}  power at n  n for 90 %  (tuning n = {n})"
    for claim, registration in run.registry.registrations(run.suite):
        level = run.registry.level(run.suite, claim, suite.alpha)
        for line in registration.lines():
            sides = contrast(table, line, registration.experiment, n)
            if sides is None:
                continue
            d = sides[0] - sides[1]
            mean, sd = d.mean(), d.std(ddof=1)
            at_n = power(line.rule, mean, sd, registration.replicates, level)
            needed = smallest_n(line.rule, mean, sd, level)
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


def bands(run: Run, table: Table) -> Iterator[str]:
    """Dense accuracy: mean +- 4 SD of one replicate, and what two mistakes would have given."""
    for name in dict.fromkeys(name for chunk in run.chunks() for name in chunk.experiments):
        dense = table.values(Cell(name, "dense", 0), "final_test_accuracy", run.replicates or 0)
        if dense is None:
            continue
        mean, half = dense.mean(), BAND_SDS * dense.std(ddof=1)
        experiment = run.registry.experiments[name]
        slow = replace(experiment.training, learning_rate=experiment.training.learning_rate / 10)
        yield (
            f"{name}: dense {mean:.2f} %, SD {half / BAND_SDS:.2f}; band {mean - half:.2f} to {mean + half:.2f}; "
            f"a tenth of the rate {dense_mean(run, replace(experiment, training=slow)):.2f}, "
            f"shuffled labels {dense_mean(run, replace(experiment, shuffled_labels=True)):.2f}"
        )


def dense_mean(run: Run, experiment: Experiment) -> float:
    """Mean accuracy of a few dense networks of a variant."""
    units = plan_experiment(experiment, {("dense", 0)}, VARIANT_REPLICATES, VARIANT_REPLICATES, run.seed)
    root: Path = run.results / "variants"
    run_chunk(units, root, cache_root(), run.device, lambda unit, how: None)
    table, _ = collect(root, units)
    return float(np.mean(table[table["metric"] == "final_test_accuracy"]["value"]))
