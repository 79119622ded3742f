"""The tables of `list` and `plan`."""

from collections.abc import Iterator

from rich.table import Table

from lthbench.claims.load import Registry, cells
from lthbench.cli.show import table
from lthbench.data.cache import cache_root
from lthbench.drive import campaign, cost, stages
from lthbench.plan.run import Run


def overview(registry: Registry, width: int | None) -> Iterator[str]:
    """Every suite with its claims, a line each, cut to `width` columns (None: not cut)."""
    for name, suite in registry.suites.items():
        yield f"{name}: {suite.title}"[:width]
        for claim, _ in registry.registrations(name):
            line = f"  {claim.id:6} {claim.kind:9} {claim.title}"
            yield line if width is None or len(line) <= width else line[: width - 1] + "…"
    yield "More of a suite: lthbench list SUITE; of a claim: lthbench explain CLAIM"


def claims(registry: Registry, name: str) -> Table:
    """The claims of a suite, with what it registers about each."""
    if not registry.suites[name].trains:
        return given_claims(registry, name)
    heads = ("claim", "kind", "n", "power", "planned from", "title", "at this scale")
    made = table(f"suite {name}: {registry.suites[name].title}", *heads)
    for claim, registration in registry.registrations(name):
        scale = registration.title + (" (reduced scale)" if registration.reduced_scale else "")
        power = "-" if registration.power is None else f"{registration.power:.3f}"
        n, planned = str(registration.replicates), registration.planned_from
        made.add_row(claim.id, claim.kind, n, power, planned, claim.title, scale)
    return made


def given_claims(registry: Registry, name: str) -> Table:
    """The claims of a suite that trains nothing."""
    title = f"suite {name}: {registry.suites[name].title} (nothing is trained)"
    made = table(title, "claim", "kind", "hypotheses", "qualifies", "title", "on these data")
    for claim, registration in registry.registrations(name):
        count, qualifies = str(len(registration.hypotheses)), ", ".join(claim.qualifies)
        made.add_row(claim.id, claim.kind, count, qualifies, claim.title, registration.title)
    return made


def released(run: Run) -> Table:
    """The experiments whose released results a run would judge."""
    from lthbench.published.adapters import published  # here: pandas

    results = published()
    asked = {
        cell.experiment
        for claim, registration in run.registry.registrations(run.suite)
        if not run.claims or claim.id in run.claims
        for cell in cells(registration)
    }
    title = f"plan of {run.suite}: nothing to train, {len(asked)} experiments of others to judge"
    made = table(title, "experiment", "arms", "rows", "source")
    for name, experiment in run.registry.suites[run.suite].experiments.items():
        if name in asked:
            rows = results[results["experiment"] == name]
            made.add_row(name, str(rows["arm"].nunique()), str(len(rows)), experiment.source)
    return made


def units(run: Run) -> Table:
    """What a run would train, and what is finished of it."""
    made = table(
        f"plan of {run.suite}, master seed {run.seed}",
        *("chunk", "arm@level", "made from", "networks", "iterations", "record"),
    )
    done = finished(run)
    for chunk in run.chunks():
        for unit in chunk.units:
            parents = ", ".join(f"{arm}@{level}" for arm, level in unit.parents)
            row = (chunk.id, f"{unit.arm}@{unit.level}", parents, str(unit.networks), f"{unit.iterations:,}")
            made.add_row(*row, "finished" if unit.key in done else "to do")
    return made


def finished(run: Run) -> set[str]:
    """The keys of the units that are finished."""
    return {unit.key for unit in stages.finished(run, run.units())}


def size(run: Run) -> str:
    """How much there is to train."""
    chunks, done = run.chunks(), finished(run)
    todo = [unit for chunk in chunks for unit in chunk.units if unit.key not in done]
    total = sum(chunk.iterations for chunk in chunks)
    count = sum(len(chunk.units) for chunk in chunks)
    left = sum(unit.iterations for unit in todo)
    return f"{count} units in {len(chunks)} chunks, {total:,} iterations, {left:,} to do"


def costs(run: Run, rates: cost.Rates) -> Table:
    """What it costs on every device that was measured."""
    heads = ("device", "experiment", "iterations", "to do", "ms per network and iteration", "time", "measured")
    made = table("cost, one unit after the other", *heads)
    for row in cost.table_rows(cost.cost_rows(run.units(), finished(run), rates)):
        made.add_row(*row)
    return made


def known_rates(run: Run) -> cost.Rates:
    """What is known about the speed of training."""
    return cost.known_rates(run.results, run.units(), cache_root())


def campaigns(run: Run, budget: float, rates: cost.Rates) -> Iterator[str]:
    """What a campaign of `budget` seconds would run on each device that was measured."""
    names = dict.fromkeys(unit.experiment.id for unit in run.units())
    for device in cost.devices(rates, names) or [""]:
        planned, unmeasured, left = campaign.preview(run, budget, rates, device)
        yield f"a campaign of {cost.duration(budget)} on {device or 'this machine'}:"
        for unit, seconds in planned:
            yield f"  {unit.name} ({cost.duration(seconds)})"
        if unmeasured is not None:
            yield f"  {unmeasured.experiment.id}: not measured on it, so what follows is not known"
        yield f"  {left} units would be left"
