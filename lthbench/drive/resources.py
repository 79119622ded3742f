"""What the training of a chunk asks a machine for: memory, time, a GPU. Torch-free and quick.

Time follows from measured rates (`lthbench.drive.cost`), memory from counting arrays. Where a rate was not
measured or a size is not known, a job asks for a round default. Each further attempt gets more of both; what a
killed attempt finished, and its last checkpoint, is kept.
"""

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lthbench.data.cache import cache_root
from lthbench.drive.cost import Rate, known_rates
from lthbench.plan.suite import Chunk
from lthbench.plan.unit import Unit
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment

NOT_MEASURED = 240  # minutes
START = 5  # minutes: a node's Python, PyTorch, reading the data
SLACK = 2.0  # times the measured time: another machine, other jobs on it
PROGRAM = {False: 800, True: 4000}  # MB of Python and PyTorch, without and with CUDA
COPIES = 8  # of each weight: value, gradient, two moments, mask, start, early stop, one in passing
NOT_KNOWN = 16_000  # MB, where the size of the data or of the network is not known
GPUS = ("NVIDIA", "AMD Instinct", "AMD Radeon", "Tesla", "GeForce", "Quadro")  # how the names of devices begin
# Bytes of the whole data set as it is trained on, 4 for each number; images of convolutional networks take fewer.
BYTES = {"mnist": 70_000 * 784 * 4, "fashion_mnist": 70_000 * 784 * 4, "cifar10": 60_000 * 3072 * 4}
SMALL = {"mnist1d": 40 * 4, "digits": 64 * 4}  # bytes of an example; each replicate has examples of its own


def minutes(chunk: Chunk, gpu: bool, attempt: int = 1) -> int:
    """How long a chunk may take on a device of the kind, rounded up; the slowest measured device counts."""
    return runtime(chunk.units, shipped_and_measured_here(), gpu) * attempt


def runtime(units: Sequence[Unit], rates: Sequence[Rate], gpu: bool) -> int:
    """Minutes of a first attempt."""
    slowest: dict[str, float] = {}
    for rate in rates:
        if rate.device.startswith(GPUS) == gpu:
            slowest[rate.experiment] = max(rate.ms, slowest.get(rate.experiment, 0.0))
    if any(unit.experiment.id not in slowest for unit in units):
        return NOT_MEASURED
    seconds = sum(unit.iterations * slowest[unit.experiment.id] / 1000 for unit in units)
    return START + math.ceil(SLACK * seconds / 60)


@cache
def shipped_and_measured_here() -> tuple[Rate, ...]:
    """The rates of the package and of this machine's cache, where `lthbench plan --measure` puts them.

    Not those of finished units: every job of a cluster reads the workflow, and would read all their records.
    """
    return tuple(known_rates(Path(), (), cache_root()).values())


def megabytes(chunk: Chunk, gpu: bool, attempt: int = 1) -> int:
    """Main memory of a chunk: the program, the data of one experiment, the networks of its largest unit."""
    return max(memory_of(unit, gpu) for unit in chunk.units) * 2 ** (attempt - 1)


def memory_of(unit: Unit, gpu: bool) -> int:
    """MB of one unit, rounded up to hundreds."""
    data = data_bytes(unit.experiment, len(unit.replicates))
    if data is None or unit.experiment.weights is None:
        return NOT_KNOWN
    networks = 4 * COPIES * unit.experiment.weights * unit.networks
    # Twice: data as they are read and as they are trained on, networks and what lies between their layers.
    return math.ceil((PROGRAM[gpu] + 2 * (data + networks) / 1e6) / 100) * 100


def data_bytes(experiment: Experiment, replicates: int) -> int | None:
    """Bytes of the data of a block; None where they are not known."""
    spec: DataSpec = experiment.data
    if spec.name in SMALL:
        return SMALL[spec.name] * ((spec.train or 0) + (spec.test or 0) + spec.validation) * replicates
    if spec.name == "npz" and spec.path:
        file = Path(spec.path).expanduser()
        return 4 * file.stat().st_size if file.is_file() else None
    return BYTES.get(spec.name)
