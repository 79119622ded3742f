"""The plan of a suite: the union of the cells its claims ask for, cut into chunks of units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lthbench.claims.load import Registry, cells
from lthbench.plan.unit import Unit, plan_experiment, with_sources
from lthbench.recipe.arms import ARMS, Cell
from lthbench.recipe.experiment import Experiment


@dataclass(frozen=True)
class Chunk:
    """One block of replicates of one experiment: independent of every other chunk.

    Experiments of which one wears the other's masks share a chunk, `experiment` being the first.
    """

    experiment: str
    block: int
    units: tuple[Unit, ...]

    @property
    def id(self) -> str:
        """A name for files and progress."""
        return f"{self.experiment}.b{self.block}"

    @property
    def experiments(self) -> list[str]:
        """The experiments whose units it holds."""
        return list(dict.fromkeys(unit.experiment.id for unit in self.units))

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
    if not registry.suites[suite].trains:
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
    experiments = registry.experiments
    # The gates look at the dense network of every experiment.
    needed = with_sources({name: own | {("dense", 0)} for name, own in needed.items()}, experiments)
    chunks: list[Chunk] = []
    for together in joined(needed, experiments):
        alike = max(count.get(name, 0) for name in together)
        block_size = registry.suites[suite].block_of(together[0])
        units: list[Unit] = []
        for name in together:
            source = experiments.get(experiments[name].mask_from)
            units += plan_experiment(experiments[name], needed[name], alike, block_size, master, source)
        # Nothing is made from what wears another experiment's mask, so it comes last.
        units.sort(key=lambda unit: ARMS[unit.arm].of == "source")
        for block in sorted({unit.block for unit in units}):
            of_block = tuple(unit for unit in units if unit.block == block)
            chunks.append(Chunk(together[0], block, of_block))
    return chunks


def first_chunks(
    registry: Registry, suite: str, master: int, claims: Sequence[str] = (), replicates: int | None = None
) -> list[Chunk]:
    """The chunks that are trained in any case: those of the first look, where a suite has one."""
    look = None if replicates else registry.suites[suite].first_look
    return plan_suite(registry, suite, master, claims, replicates, look.replicates if look else None)


def second_chunks(registry: Registry, suite: str, master: int, left_open: Sequence[str]) -> list[Chunk]:
    """The chunks that claims which the first look left open need beyond it."""
    look, size = registry.suites[suite].first_look, registry.suites[suite].block_of
    if look is None or not left_open:
        return []
    chunks = plan_suite(registry, suite, master, left_open)
    return [chunk for chunk in chunks if chunk.block * size(chunk.experiment) >= look.replicates]


def joined(needed: Mapping[str, set[Cell]], experiments: Mapping[str, Experiment]) -> list[tuple[str, ...]]:
    """The experiments in their order, those together of which one wears the other's masks."""
    group = {name: {name} for name in needed}
    for name, own in needed.items():
        if any(ARMS[arm].of == "source" for arm, _ in own):
            whole = group[name] | group[experiments[name].mask_from]
            group |= dict.fromkeys(whole, whole)
    return list(dict.fromkeys(tuple(other for other in needed if other in group[name]) for name in needed))
