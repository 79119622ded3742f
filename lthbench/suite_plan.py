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
    registry: Registry,
    suite: str,
    master: int,
    claims: Sequence[str] = (),
    replicates: int | None = None,
    most: int | None = None,
) -> list[Chunk]:
    """All chunks of a suite (or of some of its claims), in the order they should be run.

    `replicates` overrides the registered numbers, for tuning seeds only; `most` caps them.
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
            wanted = min(replicates or registration.replicates, most or replicates or registration.replicates)
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


def first_chunks(
    registry: Registry, suite: str, master: int, claims: Sequence[str] = (), replicates: int | None = None
) -> list[Chunk]:
    """The chunks that are trained in any case: those of the first look, where a suite has one."""
    trained = registry.suites.get(suite)
    look = None if trained is None or replicates else trained.first_look
    return plan_suite(registry, suite, master, claims, replicates, look.replicates if look else None)


def second_chunks(registry: Registry, suite: str, master: int, left_open: Sequence[str]) -> list[Chunk]:
    """The chunks that claims which the first look left open need beyond it."""
    look, block = registry.suites[suite].first_look, registry.suites[suite].block
    if look is None or not left_open:
        return []
    chunks = plan_suite(registry, suite, master, left_open)
    return [chunk for chunk in chunks if chunk.block * block >= look.replicates]
