"""Gates on results that lthbench did not train, as far as the table has the columns for them."""

import numpy as np
import pandas as pd

from lthbench.claims.load import Registry
from lthbench.claims.schema import Place, Reanalysis, Registration
from lthbench.judging.gates.checks import GateResult, all_finite, nobody_at_chance, not_censored, within_band
from lthbench.judging.gates.claim import cells_and_parents, claim_gates, not_looked_at
from lthbench.judging.table import Table
from lthbench.results.given import GivenTable, Measured

ACCURACY = ("final_test_accuracy", "early_stop_test_accuracy")


def given_gates(
    registry: Registry, suite: str, registration: Registration | Reanalysis, table: GivenTable
) -> tuple[list[GateResult], list[str]]:
    """The gates of one claim, and what could not be looked at."""
    if isinstance(registration, Registration):
        structural = own_gates(registry, suite, registration, table)
        if structural is not None:
            return structural
    found: list[GateResult] = []
    values = measured_values(registration, table)
    for experiment in dict.fromkeys(place.experiment for place, _ in values):
        mine = {key: v for key, v in values.items() if key[0].experiment == experiment}
        finite = all_finite({f"{place}, {endpoint}": v for (place, endpoint), v in mine.items()})
        found.append(GateResult(f"{experiment}: {finite.name}", finite.passed, finite.detail))
        accuracies = {str(place): v for (place, endpoint), v in mine.items() if endpoint in ACCURACY}
        if accuracies:
            chance = nobody_at_chance(accuracies, chance_of(registry, suite, experiment))
            found.append(GateResult(f"{experiment}: {chance.name}", chance.passed, chance.detail))
        found += band_gate(registry, suite, experiment, table)
    stops = [v for (_, endpoint), v in values.items() if endpoint == "early_stop_iteration"]
    if stops and isinstance(registration, Registration):
        last = registry.experiments[registration.experiment].training.iterations
        found.append(not_censored(np.concatenate(stops), last))
    return found, ["structural gates on masks and weight counts: the table holds neither"]


def measured_values(
    registration: Registration | Reanalysis, table: GivenTable
) -> dict[tuple[Place, str], np.ndarray]:
    """Every value the lines of a claim use, by place and endpoint."""
    found = {}
    for line in registration.lines():
        for place in line.contrast.places(registration.experiment):
            measured = table.measured(place, line.endpoint)
            if measured is not None:
                found[place, line.endpoint] = values_of(measured)
    return found


def values_of(measured: Measured) -> np.ndarray:
    """Runs, or the mean of a summary."""
    return np.array(list(measured.runs.values()) if measured.runs is not None else [measured.group.mean])


def chance_of(registry: Registry, suite: str, experiment: str) -> float:
    """Accuracy of guessing, percent."""
    if suite in registry.given_suites:
        return registry.given_suites[suite].experiments[experiment].chance
    return registry.suites[suite].chance


def band_gate(registry: Registry, suite: str, experiment: str, table: GivenTable) -> list[GateResult]:
    """Dense accuracy in its band, where the suite registers one and the table has dense networks."""
    bands = registry.suites[suite].dense_bands if suite in registry.suites else {}
    dense = table.measured(Place(experiment, "dense", 0, None), "final_test_accuracy")
    if experiment not in bands or dense is None:
        return []
    band = bands[experiment]
    name = f"{experiment}: dense accuracy in its band"
    return [within_band(name, values_of(dense), band.low, band.high, "%")]


def own_gates(
    registry: Registry, suite: str, registration: Registration, table: GivenTable
) -> tuple[list[GateResult], list[str]] | None:
    """All structural gates, where the table is as complete as lthbench's own (None where it is not).

    Beside them what they could not look at: facts on starts that the table lacks.
    """
    frame = table.table
    labels = frame.loc[frame["experiment"].isin(cells_and_parents(registry, registration)), "replicate"].unique()
    if sorted(labels, key=lambda label: (len(label), label)) != [str(i) for i in range(len(labels))] or not len(
        labels
    ):
        return None
    own = Table(frame[frame["replicate"].isin(labels)].assign(replicate=lambda t: pd.to_numeric(t["replicate"])))
    n = min(
        (
            int(rows["replicate"].nunique()) if rows is not None else 0
            for every in cells_and_parents(registry, registration).values()
            for cell in every
            for rows in [
                own.rows(cell, metric) for metric in ("final_test_accuracy", "validation_loss", "mask_crc32")
            ]
        ),
        default=0,
    )
    counted = all(
        any(metric.startswith("nonzero:") for metric in own.metrics(cell))
        for every in cells_and_parents(registry, registration).values()
        for cell in every
    )
    if not n or not counted:
        return None
    asked = registration.model_copy(update={"replicates": n})
    try:
        gates = claim_gates(registry, registry.suites[suite], asked, own)
        return gates, list(not_looked_at(registry, asked, own))
    except (ValueError, KeyError):  # arrays of unequal length: measured for some runs, not for others
        why = "The table has masks or weight counts for some runs only."
        return [GateResult("masks and weight counts", False, why)], []
