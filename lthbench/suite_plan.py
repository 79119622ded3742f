"""The plan of a suite: the union of the cells its claims ask for, cut into chunks of units."""

from collections.abc import Sequence
from dataclasses import dataclass

from lthbench.claims.load import Registry, cells
from lthbench.plan import Unit, plan_experiment


@dataclass(frozen=True)
class Chunk:
    """One block of replicates of one experiment: independent of every other chunk."""

    experiment: str
    block: int
    units: tuple[Unit, ...]

    @property
    def id(self) -> str:
        """A name for files and progress."""
        return f"{self.experiment}.b{self.block}"

    @property
    def iterations(self) -> int:
        """Optimizer steps of all its networks."""
        return sum(unit.iterations for unit in self.units)


def plan_suite(
    registry: Registry, suite: str, master: int, claims: Sequence[str] = (), replicates: int | None = None
) -> list[Chunk]:
    """All chunks of a suite (or of some of its claims), in the order they should be run.

    `replicates` overrides the registered numbers, for tuning seeds only.
    """
    if suite in registry.given_suites:
        return []  # nothing is trained: the line starts at the tidy table
    needed: dict[str, set[tuple[str, int]]] = {}
    count: dict[str, int] = {}
    for claim, registration in registry.registrations(suite):
        if claims and claim.id not in claims:
            continue
        for cell in cells(registration):
            needed.setdefault(cell.experiment, set()).add((cell.arm, cell.level))
            wanted = replicates or registration.replicates
            count[cell.experiment] = max(wanted, count.get(cell.experiment, 0))
    chunks: list[Chunk] = []
    for experiment, wanted_cells in needed.items():
        block_size = registry.suites[suite].block
        # The gates look at the dense network of every experiment.
        units = plan_experiment(
            registry.experiments[experiment],
            wanted_cells | {("dense", 0)},
            count[experiment],
            block_size,
            master,
        )
        for block in sorted({unit.block for unit in units}):
            mine = tuple(unit for unit in units if unit.block == block)
            chunks.append(Chunk(experiment, block, mine))
    return chunks
