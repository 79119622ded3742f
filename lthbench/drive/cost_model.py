"""What training would cost on a device by its bytes and products alone: a model, no measurement.

Of each experiment one training step of one network is counted, operation by operation, at two small batches;
bytes and products grow in a straight line with the batch. The step then takes at least what the device needs for
the bytes or for the products, whichever is longer. Nothing is known of launches, caches or fused operations: a
small network may take several times as long, a compiled one less.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lthbench.drive.bench import Limits, counted
from lthbench.drive.cost import duration
from lthbench.drive.probe import SETS, begun
from lthbench.plan.unit import Unit
from lthbench.recipe.experiment import Experiment

# Rounded down from what the vendor's data sheets promise; products in TF32 and bfloat16, at half of the promise.
DEVICES = (
    Limits("H100", "", bytes=3.0e12, operations=250e12, bf16=500e12),
    Limits("A100", "", bytes=1.5e12, operations=75e12, bf16=150e12),
)
SMALL = (2, 4)  # batches that are counted


@dataclass(frozen=True)
class Step:
    """Bytes and operations of one network's iteration; `bytes` is None where they were not counted.

    `bf16`: whether its products are of bfloat16.
    """

    bytes: float | None
    operations: float
    bf16: bool = False

    def ms(self, of: Limits) -> float:
        """What the device needs at the least."""
        return 1000 * max(
            (self.bytes or 0) / of.bytes, self.operations / (of.bf16 if self.bf16 else of.operations)
        )


def step_of(experiment: Experiment) -> Step:
    """The step of one dense network at the experiment's batch."""
    bf16 = experiment.training.precision == "bf16"
    if experiment.data.name not in SETS:
        return Step(None, 6.0 * experiment.training.batch * multiply_adds(experiment), bf16)
    few, more = (counted_at(experiment, batch) for batch in SMALL)
    scale = (experiment.training.batch - SMALL[0]) / (SMALL[1] - SMALL[0])
    moved, multiplied = (a + scale * (b - a) for a, b in zip(few, more, strict=True))
    return Step(moved, multiplied, bf16)


def counted_at(experiment: Experiment, batch: int) -> tuple[float, float]:
    """Bytes and operations of a step with so many examples."""
    import torch

    from lthbench.training import loop

    small = replace(experiment, training=replace(experiment.training, batch=batch))
    with torch.no_grad():
        return counted(begun(small, 1, torch.device("cpu"), loop))


def multiply_adds(experiment: Experiment) -> float:
    """Of one example's forward pass; images of a folder, in 1,000 classes. Three times as many train it."""
    import torch

    from lthbench.models.registry import build
    from lthbench.models.shrink import cost

    shape = (3, experiment.data.size or 224, experiment.data.size or 224)
    return float(cost(build(experiment.network, shape, 1000), torch.zeros(1, *shape)).multiply_adds)


def lines(units: Sequence[Unit], done: set[str], devices: Iterable[Limits] = DEVICES) -> Iterator[str]:
    """The table: each experiment's iterations to do, and by device the least a network's iteration takes."""
    devices = tuple(devices)
    names = " ".join(f"{'ms':>9} {of.device:>12}" for of in devices)
    yield "by a model (bytes and products at the device's limits), not measured: at the least"
    yield f"  {'experiment':<34}{'to do':>14} {names}"
    totals = [0.0] * len(devices)
    for experiment in {unit.experiment.id: unit.experiment for unit in units}.values():
        own = [unit for unit in units if unit.experiment.id == experiment.id and unit.key not in done]
        to_do, step = sum(unit.iterations for unit in own), step_of(experiment)
        seconds = [to_do * step.ms(of) / 1000 for of in devices]
        totals = [total + each for total, each in zip(totals, seconds, strict=True)]
        columns = " ".join(
            f"{step.ms(of):>9.3g} {duration(each):>12}" for of, each in zip(devices, seconds, strict=True)
        )
        yield f"  {experiment.id:<34}{to_do:>14,} {columns}{'' if step.bytes else '  (products alone)'}"
    together = " ".join(f"{'':>9} {duration(total):>12}" for total in totals)
    yield f"  {'together':<34}{'':>14} {together}"
    for of in devices:
        yield f"  {of.device}: {of.bytes / 1e12:g} TB/s, {of.operations / 1e12:g} TFLOP/s, assumed"
