"""A campaign: run the most valuable pending units of a suite until a budget of time is spent.

The order (`order` below is the rule):

1. A step is what one claim still lacks to have one block of replicates complete: all pending units of that block
   behind its cells, controls beside the verdict included, parents before children.
2. Primary claims come before the others, lower blocks before higher ones, so that n grows evenly over the claims.
3. Among claims waiting for the same block, the one with the most replicates gained per hour goes first. Hours
   come from measured rates (`lthbench.drive.cost`); where one of the suite's experiments was not measured on
   this device, the arithmetic of its networks (multiply-adds) stands in for hours. Units that one claim trained
   are free for the next one.

On several cores each worker takes the first unit whose parents are finished. Before the budget ends the units
under way are saved as checkpoints and a report of what is there is written; the next campaign, or `lthbench run`,
goes on from there, bit for bit. SIGTERM and Ctrl-C bring the end forward.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from shlex import quote

from lthbench.claims.load import Registry, cells
from lthbench.claims.schema import Registration
from lthbench.data.errors import DataError
from lthbench.drive import stages
from lthbench.drive.budget import training_time
from lthbench.drive.cost import Rates, duration, known_rates
from lthbench.drive.execute import missing
from lthbench.drive.pool import Deadline, Task
from lthbench.drive.schedule import tasks, train
from lthbench.plan import planfile
from lthbench.plan.planfile import Plan
from lthbench.plan.run import Run
from lthbench.plan.unit import Unit, with_sources
from lthbench.recipe.arms import closure

Cost = Callable[[Unit], float]
Tell = Callable[[str], None]


# Order


def order(
    registry: Registry,
    suite: str,
    units: Sequence[Unit],
    pending: Sequence[Unit],
    cost: Cost,
    only: Collection[str] = (),
) -> list[Unit]:
    """The pending units in the order of the rule above; `cost` of a unit in any one unit of measure.

    `units` are those of the claims named by `only`, or of all.
    """
    left = {unit.key: unit for unit in pending}
    claims = {
        claim.id: (claim.kind != "primary", registration)
        for claim, registration in registry.registrations(suite)
        if not only or claim.id in only
    }
    waiting = {
        (secondary, block, name): needed(registration, units, block)
        for name, (secondary, registration) in claims.items()
        for block in sorted({unit.block for unit in units})
    }
    ordered: list[Unit] = []
    while left and waiting:
        front = min((secondary, block) for secondary, block, _ in waiting)
        steps = [step for step in waiting if step[:2] == front]

        def price(step: tuple[bool, int, str]) -> float:
            own = [unit for unit in waiting[step] if unit.key in left]
            gained = replicates_of(waiting[step], claims[step[2]][1])
            return sum(cost(unit) for unit in own) / max(1, gained)

        best = min(steps, key=price)
        for unit in waiting.pop(best):
            if left.pop(unit.key, None):
                ordered.append(unit)
    return [*ordered, *left.values()]  # what only a gate asks for comes last


def needed(registration: Registration, units: Sequence[Unit], block: int) -> list[Unit]:
    """The units of one block behind the cells of a registration, parents before children."""
    wanted: dict[str, set[tuple[str, int]]] = {}
    for cell in cells(registration):
        wanted.setdefault(cell.experiment, {("dense", 0)}).add((cell.arm, cell.level))
    everywhere = with_sources(wanted, {unit.experiment.id: unit.experiment for unit in units})
    behind = {name: set(closure(own)) for name, own in everywhere.items()}
    return [
        unit
        for unit in units
        if unit.block == block
        and (unit.arm, unit.level) in behind.get(unit.experiment.id, ())
        and unit.replicates[0] < registration.replicates
    ]


def replicates_of(units: Sequence[Unit], registration: Registration) -> int:
    """How many of the registered replicates a block holds."""
    return len({r for unit in units for r in unit.replicates if r < registration.replicates})


def measured(rates: Rates, device: str, units: Sequence[Unit]) -> bool:
    """Whether every experiment was measured on the device."""
    return all((unit.experiment.id, device) in rates for unit in units)


def cost_of(rates: Rates, device: str, units: Sequence[Unit]) -> Cost:
    """Seconds where every experiment was measured on the device, else iterations."""
    if measured(rates, device, units):
        return lambda unit: rates[unit.experiment.id, device].seconds(unit)
    return lambda unit: float(unit.iterations)


def arithmetic(units: Sequence[Unit], cache: Path | None) -> Cost:
    """Multiply-adds of forward passes: iterations x batch x those of one example; infinite without the data."""
    import torch

    from lthbench.data.registry import load
    from lthbench.models.registry import build
    from lthbench.models.shrink import cost

    each = {}
    for name, experiment in {unit.experiment.id: unit.experiment for unit in units}.items():
        try:
            data = load(experiment.data, 0, cache)
        except DataError:
            each[name] = float("inf")
            continue
        shape = data.x_train.shape[1:]
        module = build(experiment.network, shape, data.classes)
        each[name] = float(experiment.training.batch * cost(module, torch.zeros(1, *shape)).multiply_adds)
    return lambda unit: unit.iterations * each[unit.experiment.id] if unit.iterations else 0.0


# Running


def conduct(run: Run, deadline: Deadline, cache: Path | None, tell: Tell, cores: int = 1) -> bool:
    """Train pending units until none is left or the deadline passes. What is finished or saved stays.

    Where a first look is complete, what it leaves open follows. False where there was nothing to train.
    """
    trained = conduct_known(run, deadline, cache, tell, cores)
    if run.looks_twice and (trained or run.left_open() is None):
        stages.first_look(run)
        if not deadline.passed() and missing(run.units(), run.results):
            trained |= conduct_known(run, deadline, cache, tell, cores)
    return trained


def conduct_known(run: Run, deadline: Deadline, cache: Path | None, tell: Tell, cores: int) -> bool:
    """Train the pending units that are known now; False where there are none."""
    units = run.units()
    pending = missing(units, run.results)
    size = f"{len(units)} units, {len(units) - len(pending)} finished before, {len(pending)} to do"
    if not pending:
        tell(size)
        tell("nothing is left to do")
        return False
    from lthbench.results.provenance import called  # here: it imports torch, which takes seconds
    from lthbench.training.device import prepare

    device = called(prepare(run.device))
    tell(f"{size} on {device}")
    rates = known_rates(run.results, units, cache)
    queue = tasks(units, in_order(run, units, pending, rates, device, cache), run.device)

    def begins(task: Task) -> None:
        rate = rates.get((task.experiment, device))
        expected = f", about {duration(sum(map(rate.seconds, task.units)))}" if rate else ""
        tell(f"training {task.name} ({task.networks} networks{expected})")

    def fails(experiment: str, why: str) -> None:
        tell(f"{experiment} is left out: {why}")

    left = train(run, queue, cores, deadline, cache, begins, fails).left
    tell(f"{left} units to do" if left else "nothing is left to do")
    return True


def in_order(
    run: Run, units: Sequence[Unit], pending: Sequence[Unit], rates: Rates, device: str, cache: Path | None
) -> list[Unit]:
    """The pending units of a run in the order of the rule, by what is known of a device."""
    known = measured(rates, device, units)
    price = cost_of(rates, device, units) if known else arithmetic(units, cache)
    return order(run.registry, run.suite, units, pending, price, run.claims)


def write_plan(run: Run, file: Path, cache: Path | None) -> str:
    """Write all units of a run, in the order of the rule, for drive/train_plan.py; gives what to do with the file.

    What is finished here is among them: there, what is made from it needs its tensors.
    """
    from lthbench.results.provenance import called
    from lthbench.training.device import prepare

    units = run.units()
    device = called(prepare(run.device))
    ordered = in_order(run, units, units, known_rates(run.results, units, cache), device, cache)
    planfile.write(file, Plan(run.suite, run.seed, tuple(planfile.parents_first(ordered))))
    networks, iterations = sum(unit.networks for unit in units), sum(unit.iterations for unit in units)
    return "\n".join(
        (
            f"{file}: {len(units)} units ({networks} networks, {iterations:,} iterations)",
            "where only torch, numpy and safetensors are:",
            f"  python -m lthbench.drive.train_plan {quote(file.name)} --budget 9m --out slice",
            f"when the slice is back: lthbench merge {quote(str(run.out))} slice",
        )
    )


def finish(run: Run, trained: bool = True) -> None:
    """Table, verdicts and report of what is there; cells that were not run are shown as such.

    Where nothing was trained and the verdicts come out as they are stored, the report that is there stays.
    """
    before = verdicts_text(run)
    if run.looks_twice and run.left_open() is None:
        stages.first_look(run)  # slices that were merged bring none
    stages.tidy(run)
    stages.judge(run)
    if trained or verdicts_text(run) != before or not (run.report / "index.html").exists():
        stages.report(run)


def verdicts_text(run: Run) -> str:
    """The stored verdicts; empty where there are none."""
    file = run.scope_folder / "verdicts.json"
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def preview(
    run: Run, budget: float, rates: Rates, device: str
) -> tuple[list[tuple[Unit, float]], Unit | None, int]:
    """What a campaign of so many seconds would run on a device.

    The units with their expected seconds (the last one perhaps saved under way), the first unit whose rate was not
    measured if the preview ends there, and how many units would be left.
    """
    units = run.units()
    cost, pending = cost_of(rates, device, units), missing(units, run.results)
    queue = order(run.registry, run.suite, units, pending, cost, run.claims)
    left, affordable = training_time(budget), list[tuple[Unit, float]]()
    for number, unit in enumerate(queue):
        rate = rates.get((unit.experiment.id, device))
        if rate is None:
            return affordable, unit, len(queue) - number
        if left <= 0:
            break
        affordable.append((unit, rate.seconds(unit)))
        left -= rate.seconds(unit)
    return affordable, None, len(queue) - len(affordable) + (left < 0)
