"""Before a run: list, plan, calibrate, engine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lthbench.cli.options import (
    DEVELOP,
    HERE,
    LOOK,
    TRAIN,
    Claim,
    ClaimsDir,
    Data,
    Device,
    Json,
    Out,
    Seed,
    SuiteName,
    Variant,
)
from lthbench.errors import UserError

commands = typer.Typer()


@commands.command("list", rich_help_panel=LOOK)
def list_suites(
    suite: Annotated[
        str, typer.Argument(metavar="[SUITE]", help="everything that one suite registers", show_default=False)
    ] = "",
    verdicts: Annotated[bool, typer.Option("--verdicts", help="with the verdicts of the runs in --out")] = False,
    json: Json = False,
    seed: Seed = 0,
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
) -> None:
    """List suites and claims, each claim once; of one SUITE, with n, power and scale."""
    from lthbench.claims.load import load
    from lthbench.claims.variants import with_variant
    from lthbench.cli import asjson, show, tables
    from lthbench.drive import reasons
    from lthbench.words import choices

    registry = with_variant(load(claims_dir), suite)
    if suite and suite not in registry.suites:
        raise UserError(f"unknown suite '{suite}'; {choices(suite, registry.suites)}")
    names = [suite] if suite else list(registry.suites)
    stored = reasons.last_runs(names, out, seed) if verdicts else {}
    if json:
        print(asjson.text(asjson.suites(registry, names, stored)))
        return
    words = {name: asjson.verdict_words(stored.get(name)) for name in names} if verdicts else None
    width = show.console.width if show.console.is_terminal else None
    whole = not suite and words is None
    show.lines(
        *(
            tables.catalogue(registry, width)
            if whole
            else tables.overview(registry, names, width, bool(suite), words)
        )
    )


@commands.command(rich_help_panel=TRAIN)
def plan(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claim = None,
    variant: Variant = "",
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
    budget: Annotated[str, typer.Option(help="show what a campaign of this length would run: 25m, 6h")] = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="time a few iterations of each experiment here")
    ] = False,
    model: Annotated[
        bool, typer.Option("--model", help="the least it takes on devices that were not measured, by arithmetic")
    ] = False,
    device: Device = "auto",
    data: Data = None,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write the units to FILE, for a machine that has only torch (docs/gpu.md)"
        ),
    ] = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="only list the files of unit records that are not used, to delete them")
    ] = False,
    json: Json = False,
) -> None:
    """Show what a run would train, what of it is finished, and the cost by device; --json has every unit."""
    from lthbench.cli import asjson, show, tables
    from lthbench.data.cache import cache_root
    from lthbench.drive import ask, cost, remarks, speed, stages
    from lthbench.drive.budget import parse_budget
    from lthbench.drive.forecast import promise
    from lthbench.drive.preflight.run import before

    ask.surroundings(data)
    seconds = parse_budget(budget) if budget else 0.0
    run = ask.run_of(suite, seed, claim, out, device, claims_dir=claims_dir, variant=variant)
    if run.given:
        show.wide(tables.released(run))
        return
    if stale:
        show.lines(*map(str, remarks.stale_files(run)))
        return
    if write is not None:
        from lthbench.drive.campaign import write_plan

        show.lines(write_plan(run, write, cache_root()))
        return
    said = before(run, keep=False)
    if measure:
        from lthbench.drive.rates import measured

        for line in measured(run):
            (show.aside if json else show.lines)(line)
    cores = speed.processes(None, device)
    speeds = (speed.measured if measure else speed.known)(run.units(), cores, device, cache_root())
    units = run.units()
    records = stages.finished(run, units)
    done, rates = {unit.key for unit in records}, tables.known_rates(run)
    here, rows = promise(run, records, cores, speeds), cost.cost_rows(units, done, rates)
    if json:
        print(asjson.text(asjson.plan(run, done, rows, here)))
        return
    show.lines(*tables.units(run, done), tables.size(run, done), *filter(None, [remarks.second_look(run)]))
    show.lines(*tables.costs(rows))
    if model:
        from lthbench.drive import cost_model

        show.lines(*cost_model.lines(units, done))
    source = "by earlier runs or a short reading"  # the table knows neither
    show.lines(*filter(None, [here and f"{here} with {cores} processes ({source})"]))
    show.lines(*(tables.campaigns(run, seconds, rates) if budget else ()), *remarks.stale(run), *said)


@commands.command(rich_help_panel=DEVELOP)
def calibrate(
    suite: Annotated[
        str, typer.Argument(metavar="[SUITE]", help="whose registered design to simulate", show_default=False)
    ] = "",
    rules: Annotated[
        bool, typer.Option("--rules", help="no suite, but the decision rule itself, with runs that collapse")
    ] = False,
    simulations: Annotated[
        int, typer.Option(min=100, help="simulated suites per world; of --rules: samples, half as many")
    ] = 20_000,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write the numbers here, as JSON (--rules: CSV)")
    ] = None,
    measured: Annotated[
        list[Path] | None,
        typer.Option(metavar="TIDY", help="confirmatory tidy tables; else the committed ones of the suite"),
    ] = None,
    claims_dir: ClaimsDir = None,
) -> None:
    """Simulate how often the verdicts of a suite would be wrong: error rates, power by n, P(all as registered)."""
    if rules == bool(suite):
        raise UserError("name a suite to simulate, or ask for --rules, which belong to none")
    if rules:
        calibrate_rules(simulations // 2, out, claims_dir)
    else:
        calibrate_suite(suite, simulations, out, measured, claims_dir)


def calibrate_rules(samples: int, out: Path | None, claims_dir: Path | None) -> None:
    """The rule by itself, the gate on collapses, and what unlabelled tables lose."""
    from lthbench.calibration import collapse_gate, rules, rules_table, unlabelled
    from lthbench.claims.load import load
    from lthbench.cli import show
    from lthbench.files import write_text

    asked = rules.questions(load(claims_dir))
    drawn = rules.noises(samples, max(q.sizes[-1] for q in asked))
    answers = rules.answers(asked, drawn, for_power=samples // 5, tell=say_progress)
    if out is not None:
        write_text(out, rules_table.csv_text(answers))
    show.lines(*rules_table.lines(answers), "", *collapse_gate.lines(), "", *unlabelled.lines(samples // 5))


def calibrate_suite(
    suite: str, simulations: int, out: Path | None, measured: list[Path] | None, claims_dir: Path | None
) -> None:
    """A suite's registered design."""
    from lthbench.calibration import store, study, table
    from lthbench.cli import show
    from lthbench.drive import ask
    from lthbench.files import write_text
    from lthbench.results.tidy import read

    run = ask.run_of(suite, claims_dir=claims_dir)
    if run.given:
        raise UserError(f"suite '{suite}' judges released results; there is no design to simulate")
    paths = measured or (store.reference_tables(suite) if claims_dir is None else [])
    tables = [read(path) for path in paths]
    studied = study.study(run.registry, suite, tables, simulations, tell=say_progress)
    show.lines(*table.lines(studied))
    if out is not None:
        write_text(out, store.to_json(studied))


def say_progress(line: str) -> None:
    """A line that is not part of the answer."""
    print(line, file=sys.stderr, flush=True)


@commands.command(rich_help_panel=DEVELOP)
def bench(
    suite: SuiteName,
    device: Device = "auto",
    widths: Annotated[str, typer.Option(help="how many networks train side by side")] = "1,5,15,60",
    only: Annotated[str, typer.Option(metavar="TEXT", help="experiments that have this in their name")] = "",
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="write the numbers to a file")] = None,
    claims_dir: ClaimsDir = None,
    variants: Annotated[
        str, typer.Option(metavar="NAMES", help="beside each: bf16, channels-last, bf16-channels-last")
    ] = "",
) -> None:
    """Measure how fast each network of a suite trains here, beside what memory and arithmetic allow."""
    from lthbench.cli import show
    from lthbench.drive import ask
    from lthbench.drive import bench as drive

    units = ask.run_of(suite, device=device, claims_dir=claims_dir).units()
    named = {unit.experiment.id: unit.experiment for unit in units if only in unit.experiment.id}
    named = drive.with_variants(named, variants)
    for line in drive.bench(named, drive.parse_widths(widths), device, json):
        show.lines(line)


@commands.command(rich_help_panel=DEVELOP)
def engine() -> None:
    """Print the engine's declared version and whether the training code still is it."""
    from lthbench.recipe import engine as training

    here = training.source_hash()
    declared = "as declared" if here == training.SOURCE else f"declared is {training.SOURCE}"
    print(f"engine {training.engine()}: version {training.VERSION}, source {here} ({declared})")
