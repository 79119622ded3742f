"""The tables of `list` and `plan`."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from rich.table import Table

from lthbench.claims.load import Registry, cells
from lthbench.claims.schema import Registration
from lthbench.cli.show import table
from lthbench.data.cache import cache_root
from lthbench.drive import campaign, cost, stages
from lthbench.plan.run import Run
from lthbench.plan.unit import Unit
from lthbench.recipe.variants import SAYS, variant_of
from lthbench.words import ranges

MORE = "Of one suite: lthbench list SUITE; of a claim: lthbench show CLAIM, in full: explain CLAIM"


def catalogue(registry: Registry, width: int | None = None) -> Iterator[str]:
    """Suites with the ids of their claims, and every claim once, cut to `width` columns (None: not cut)."""
    for name, suite in registry.suites.items():
        yield cut(f"{name}: {suite.title}", width)
        yield from wrap(", ".join(suite.claims), width or 100, initial_indent="  ", subsequent_indent="  ")
    for id in dict.fromkeys(id for suite in registry.suites.values() for id in suite.claims):
        yield cut(f"{id:6} {registry.claims[id].kind:9} {registry.claims[id].title}", width)
    yield cut(MORE, width)


def overview(
    registry: Registry,
    names: Sequence[str],
    width: int | None = None,
    of_one: bool = False,
    words: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[str]:
    """Suites with their claims, a line each, cut to `width` columns (None: not cut).

    `of_one`: what is registered, not the claim's title. `words` are the verdicts by suite and claim.
    """
    for name in names:
        yield cut(f"{name}: {registry.suites[name].title}", width)
        for claim, registration in registry.registrations(name):
            verdict = f"{(words[name].get(claim.id) or '-'):15} " if words is not None else ""
            said = registered(registration) if of_one else claim.title
            yield cut(f"  {claim.id:6} {claim.kind:9} {verdict}{said}", width)
    yield cut(MORE, width)


def registered(registration: Registration) -> str:
    """A registration in a line."""
    power = "" if registration.power is None else f", power {registration.power:.3f}"
    size = f"n = {registration.replicates}{power}" if registration.replicates else "n is theirs"
    return f"{size}: {registration.title}" + (" (reduced scale)" if registration.reduced_scale else "")


def cut(line: str, width: int | None) -> str:
    """A line of a terminal's width; a cut one says so."""
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


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


def units(run: Run, done: set[str]) -> Iterator[str]:
    """What a run would train and what is finished of it: a line per arm; --json has each unit."""
    asked = [unit for chunk in run.chunks() for unit in chunk.units]
    rows: list[tuple[str, ...]] = [("arm", "levels", "units", "networks", "iterations", "record")]
    rows_of: dict[str, list[tuple[str, ...]]] = {}
    for (experiment, arm), own in groups(asked).items():
        ready = sum(unit.key in done for unit in own)
        record = "finished" if ready == len(own) else f"{ready} finished" if ready else "to do"
        networks, iterations = (sum(getattr(unit, name) for unit in own) for name in ("networks", "iterations"))
        row = (arm, ranges(sorted({unit.level for unit in own})), str(len(own)), str(networks), f"{iterations:,}")
        rows_of.setdefault(experiment, []).append((*row, record))
    rows += [row for own in rows_of.values() for row in own]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"plan of {run.suite}, master seed {run.seed}"
    for variant in dict.fromkeys(variant_of(unit.experiment.training) for unit in asked):
        yield from [f"{variant} variant: {SAYS[variant]}"] if variant else []
    yield "  " + "  ".join(map(str.ljust, rows[0], widths)).rstrip()
    for experiment, own_rows in rows_of.items():
        yield experiment
        yield from ("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in own_rows)


def groups(units: Sequence[Unit]) -> dict[tuple[str, str], list[Unit]]:
    """Units by experiment and arm, each once."""
    by: dict[tuple[str, str], list[Unit]] = {}
    for unit in {unit.key: unit for unit in units}.values():
        by.setdefault((unit.experiment.id, unit.arm), []).append(unit)
    return dict(sorted(by.items(), key=lambda item: item[0][0]))


def finished(run: Run) -> set[str]:
    """The keys of the units that are finished."""
    return {unit.key for unit in stages.finished(run, run.units())}


def size(run: Run, done: set[str]) -> str:
    """How much there is to train."""
    chunks = run.chunks()
    todo = [unit for chunk in chunks for unit in chunk.units if unit.key not in done]
    total = sum(chunk.iterations for chunk in chunks)
    count = sum(len(chunk.units) for chunk in chunks)
    left = sum(unit.iterations for unit in todo)
    return f"{count} units in {len(chunks)} chunks, {total:,} iterations, {left:,} to do"


def costs(rows: Sequence[cost.CostRow]) -> Iterator[str]:
    """What it costs on every device that was measured, within 80 columns; then where each rate comes from."""
    for device in dict.fromkeys(row.device for row in rows):
        own = [row for row in rows if row.device == device]
        whole = sum(row.to_do for row in own)
        yield f"cost on {device or 'this machine'}, one unit after the other"
        yield f"  {'experiment':34}  {'to do':>11}  {'ms':>6}  {'time':>12}"
        for row in own:
            ms = f"{row.rate.ms:.3g}" if row.rate else "-"
            yield f"  {row.experiment:34}  {row.to_do:>11,}  {ms:>6}  {cost.duration(row.seconds):>12}"
        yield f"  {'together':34}  {whole:>11,}  {'':6}  {cost.duration(cost.total(own)):>12}"
        measured: dict[str, list[str]] = {}
        for row in own:
            if row.rate:
                measured.setdefault(row.rate.measured, []).append(row.experiment)
        if measured:
            yield "  to do: iterations of all networks; ms: per network and iteration, measured:"
        for how, experiments in measured.items():
            yield f"  - {how} ({', '.join(experiments)})"


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
