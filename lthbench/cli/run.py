"""Train: run, campaign, tune, merge."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lthbench.cli.options import (
    DEVELOP,
    HERE,
    TRAIN,
    Claim,
    ClaimsDir,
    Cores,
    Data,
    Deterministic,
    Device,
    Out,
    Replicates,
    Seed,
    SuiteName,
    Variant,
)
from lthbench.errors import UserError
from lthbench.recipe.engine import __version__

if TYPE_CHECKING:
    from lthbench.drive.progress import Watch
    from lthbench.plan.run import Run

commands = typer.Typer()


@commands.command(rich_help_panel=TRAIN)
def run(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claim = None,
    variant: Variant = "",
    out: Out = HERE,
    cores: Cores = None,
    device: Device = "auto",
    data: Data = None,
    deterministic: Deterministic = False,
    replicates: Replicates = 0,
    claims_dir: ClaimsDir = None,
    snakemake: Annotated[bool, typer.Option(help="let Snakemake drive, or do without it")] = True,
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="where and how jobs run: a profile, as `lthbench profile` writes"),
    ] = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="two iterations on a few examples: does all of it run? No results")
    ] = False,
    against: Annotated[
        str, typer.Option(metavar="BASELINE", help="exit code: did a verdict change from it? As `lthbench diff`")
    ] = "",
) -> None:
    """Train what is missing, judge, and write the report. Exit code: 0 pass, 1 fail, 3 inconclusive, 4 blocked."""
    started = time.monotonic()
    from lthbench.cli import show
    from lthbench.cli.judge import changed
    from lthbench.data.cache import cache_root
    from lthbench.drive import ask, remarks, speed
    from lthbench.drive.compared import side
    from lthbench.drive.here import run_here
    from lthbench.drive.lock import exclusive
    from lthbench.drive.preflight.run import before
    from lthbench.drive.profiles import device_of
    from lthbench.drive.progress import Watch, shown
    from lthbench.drive.rejudge import verdicts_of_run
    from lthbench.drive.snakemake import with_snakemake
    from lthbench.judging import diff

    ask.surroundings(data, deterministic)
    if profile and device == "auto":
        device = device_of(profile)
    asked = ask.run_of(suite, seed, claim, out, device, replicates, claims_dir, variant)
    if rehearse:
        rehearsed(asked)
        return
    baseline = diff.baseline(against, asked) if against else None
    stored = side(against, out, seed) if against else None  # before this run can replace it
    show.lines(f"lthbench {__version__}: {named(asked)}")
    cores = speed.processes(cores, device)
    with exclusive(out):
        watch = Watch(asked, show.console, cores)
        show.lines(
            *beginning(watch, f"profile {profile}" if profile else f"{cores} processes of one thread"),
            *remarks.stale(asked),
            *before(asked),
        )
        if not profile:  # how fast other machines are is not known here
            here = watch.expect(speed.measured(watch.pending, cores, device, cache_root()))
            show.lines(*filter(None, [here]))
        with shown(watch) as tick:
            # Without training there is nothing to schedule; `snakemake published` is there for those who want it.
            if snakemake and not asked.given:
                with_snakemake(asked, cores, claims_dir, tick, profile)
            else:
                run_here(asked, cores, tick)
        if not profile:
            speed.keep(watch.forecast.speeds, cores, device, cache_root())
    show.lines(*remarks.origin(asked))
    verdicts = verdicts_of_run(asked)
    show.verdicts(verdicts)
    show.report_of(asked, "  (also report.md, verdicts.json, junit.xml)")
    show.lines(took(started) + ("" if baseline else f" Exit code {verdicts.exit_code}."))
    if baseline is None:
        raise typer.Exit(verdicts.exit_code)
    compared = diff.compare(baseline, verdicts, asked.claims)
    ran = (stored, side(str(asked.scope_folder), out, seed)) if stored else ()
    raise typer.Exit(changed(compared, asked.report / "diff.xml", asked.report / "diff.html", ran))


def rehearsed(asked: "Run") -> None:
    """Rehearse, and say where it lies; nothing is decided."""
    from lthbench.cli import show
    from lthbench.drive.lock import exclusive
    from lthbench.drive.rehearse import BANNER, rehearse

    if asked.given:
        raise UserError(f"suite '{asked.suite}' trains nothing, so there is nothing to rehearse")
    show.lines(BANNER)
    with exclusive(asked.out):
        page = rehearse(asked, show.lines)
    show.lines(f"Everything ran. {page.resolve()} shows what a report of {asked.suite} looks like.", BANNER)


def named(asked: "Run") -> str:
    """The run in a few words."""
    if asked.given:
        return f"suite {asked.suite}, released results, nothing is trained"
    return f"suite {asked.suite}, master seed {asked.seed}"


def beginning(watch: "Watch", by: str) -> list[str]:
    """How much there is to do, by whom, and where it goes."""
    from lthbench.drive.remarks import second_look

    asked = watch.run
    if asked.given:
        return [f"results in {asked.results}"]
    units = [unit for chunk in watch.chunks for unit in chunk.units]
    networks = sum(unit.networks for unit in units)
    size = f"{len(units)} units ({networks} networks, {watch.total:,} iterations)"
    done = f"{len(units) - len(watch.pending)} finished before"
    first = f"{size}, {done}; {by}; results in {asked.results}"
    return [first, *filter(None, [second_look(asked)])]


def took(started: float) -> str:
    """How long the command took."""
    from lthbench.drive.budget import clock

    return f"Took {clock(time.monotonic() - started)}."


@commands.command(rich_help_panel=TRAIN)
def campaign(
    suite: SuiteName,
    budget: Annotated[str, typer.Option(help="how long the whole command may take: 90s, 25m, 6h, 1h30m")],
    seed: Seed = 0,
    claim: Claim = None,
    variant: Variant = "",
    out: Out = HERE,
    device: Device = "auto",
    cores: Cores = None,
    data: Data = None,
    deterministic: Deterministic = False,
    claims_dir: ClaimsDir = None,
) -> None:
    """Run the most valuable pending units until the budget is spent; then judge what is there."""
    started = time.monotonic()
    from lthbench.cli import show
    from lthbench.data.cache import cache_root
    from lthbench.drive import ask, remarks, speed
    from lthbench.drive import campaign as drive
    from lthbench.drive.budget import clock, parse_budget, training_time
    from lthbench.drive.lock import exclusive
    from lthbench.drive.preflight.run import before
    from lthbench.drive.rejudge import verdicts_of_run

    ask.surroundings(data, deterministic)
    deadline = drive.Deadline(started + training_time(parse_budget(budget)))
    asked = ask.run_of(suite, seed, claim, out, device, claims_dir=claims_dir, variant=variant)

    def tell(line: str) -> None:
        show.lines(f"[{clock(time.monotonic() - started)}] {line}")
        sys.stdout.flush()

    with exclusive(out):
        show.lines(*remarks.stale(asked), *before(asked))
        drive.finish(asked, drive.conduct(asked, deadline, cache_root(), tell, speed.processes(cores, device)))
    show.lines(*remarks.origin(asked))
    verdicts = verdicts_of_run(asked)
    show.verdicts(verdicts)
    show.report_of(asked)
    show.lines(f"{took(started)} Exit code {verdicts.exit_code}.")
    raise typer.Exit(verdicts.exit_code)


@commands.command(rich_help_panel=DEVELOP)
def tune(
    suite: SuiteName,
    seed: Seed = 1000,
    claim: Claim = None,
    replicates: Replicates = 16,
    out: Out = HERE,
    cores: Cores = None,
    data: Data = None,
    claims_dir: ClaimsDir = None,
) -> None:
    """Measure on tuning seeds what a registration needs: effects, SDs, power by n, accuracy bands."""
    from lthbench.cli import show
    from lthbench.data.cache import cache_root
    from lthbench.drive import ask, speed, stages, tuning
    from lthbench.drive.here import train_here
    from lthbench.drive.lock import exclusive
    from lthbench.drive.preflight.run import before
    from lthbench.drive.progress import Watch, shown
    from lthbench.judging.table import Table
    from lthbench.results.tidy import read

    ask.surroundings(data)
    if seed < ask.FIRST_TUNING_SEED:
        raise UserError("tuning uses master seeds from 1000 up; 0, 1, 2, ... are for confirmation")
    asked = ask.run_of(suite, seed, claim, out, replicates=replicates, claims_dir=claims_dir)
    cores = speed.processes(cores, asked.device)
    with exclusive(out):
        watch = Watch(asked, show.console, cores)
        show.lines(*beginning(watch, f"{cores} processes of one thread"), *before(asked))
        here = watch.expect(speed.measured(watch.pending, cores, asked.device, cache_root()))
        show.lines(*filter(None, [here]))
        with shown(watch) as tick:
            train_here(asked, cores, tick)
        stages.tidy(asked)
        table = Table(read(asked.scope_folder / "tidy.csv"))
        show.lines(*tuning.hypotheses(asked, table), "", *tuning.margins(asked, table), "")
        show.lines("for the bands: dense networks at a tenth of the rate, and on shuffled labels")
        sys.stdout.flush()
        tuning.train_variants(asked, cores)
    show.lines(*tuning.bands(asked, table))


@commands.command(rich_help_panel=TRAIN)
def merge(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the folder to merge into, as given to --out")],
    slices: Annotated[list[Path], typer.Argument(metavar="SLICE...", help="folders of other machines")],
    without_tensors: Annotated[
        bool, typer.Option("--without-tensors", help="records only, packed: a slice to be committed")
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="ARM-LEVEL",
            help="with --without-tensors: keep the tensors of this cell (ticket-7), to go on from it elsewhere",
        ),
    ] = None,
    claims_dir: ClaimsDir = None,
) -> None:
    """Join slices of a suite from several machines; then judge what is there."""
    from lthbench.cli import show
    from lthbench.drive import ask, campaign
    from lthbench.drive.lock import exclusive
    from lthbench.results.merge import merge

    if keep and not without_tensors:
        raise UserError("--keep goes with --without-tensors: otherwise all tensors are kept")
    with exclusive(out):
        for suite, seed in merge(out, slices, without_tensors, keep or ()):
            if without_tensors:
                continue
            merged = ask.run_of(suite, seed, out=out, claims_dir=claims_dir)
            campaign.finish(merged)
            show.lines(f"{suite}, master seed {seed}: {(merged.report / 'index.html').resolve()}")
