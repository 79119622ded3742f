"""A few iterations of every arm that wears a file's ticket."""

from dataclasses import replace
from pathlib import Path

from lthbench.drive.execute import run_chunk
from lthbench.plan.unit import plan_experiment
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.results import store
from lthbench.tickets.from_file import METHOD

TINY = Experiment(
    "tiny",
    "",
    Network("mlp", (24, 16), batch_norm=True),
    DataSpec("digits", test=400, validation=100),
    Training("adam", 0.002, batch=40, iterations=20, evaluate_every=10),
    Pruning("layer-wise", 0.5),
)
ARMS = ("found", "found-reinit", "found-shuffled", "found-random-mask", "ticket")


def trained(file: Path, folder: Path, own_start: bool, tiny: Experiment = TINY) -> dict[str, tuple[list, dict]]:
    """Rows and tensors of every arm that wears the file's ticket, two replicates each."""
    experiment = replace(tiny, id="own", method=METHOD, ticket=str(file), own_start=own_start)
    units = plan_experiment(experiment, {(arm, 2) for arm in ARMS}, 2, 2, 0)
    run_chunk(units, folder, None, "cpu", lambda *_: None)
    records = {}
    for unit in units:
        records[f"{unit.arm}@{unit.level}"] = (
            store.read(store.path_of(folder, unit)).rows,
            store.tensors_of(folder, unit),
        )
    return records


def values(record: tuple[list, dict], metric: str) -> list[float]:
    return [row[4] for row in record[0] if row[3] == metric]
