"""The command line: `lthbench run quick`, `list`, `plan`, `judge`, `report`, and the stages Snakemake calls."""

import difflib
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import lthbench
from lthbench.errors import BLOCKED, INTERRUPTED, USAGE, Terminated, UserError, say, shown, stopped

app = typer.Typer(
    help="The referee of the lottery ticket hypothesis: paper claims as pre-registered statistical decisions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Text of files is never markup: a title may hold brackets. What is coloured is built as Text.
console = Console(soft_wrap=True, markup=False, emoji=False)

SuiteName = Annotated[
    str, typer.Argument(metavar="SUITE", help="a suite, for example quick (see `lthbench list`)")
]
Seed = Annotated[int, typer.Option(min=0, help="master seed: 0, 1, 2 confirmatory; 1000 and up for tuning")]
Claims = Annotated[str, typer.Option("--claim", help="decide one claim only")]
Out = Annotated[Path, typer.Option(help="folder for results/ and reports/")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Data = Annotated[
    Path | None,
    typer.Option(help="folder of the data sets; else $LTHBENCH_DATA, else the platform's cache folder"),
]
Deterministic = Annotated[bool, typer.Option(help="GPU: the same bits every time, at a price (docs/commands.md)")]
Replicates = Annotated[int, typer.Option(min=0, help="override the registered number (tuning seeds only)")]
ClaimsDir = Annotated[Path | None, typer.Option(help="folder of the claim files, where it is not the package's")]


def make_run(
    suite: str,
    seed: int,
    claim: str,
    out: Path,
    device: str = "auto",
    replicates: int = 0,
    folder: Path | None = None,
) -> Any:
    """Check what was asked for and put it into a Run."""
    from lthbench.claims.load import load
    from lthbench.plan.run import Run

    registry = load(folder)
    if suite not in registry.suites:
        raise UserError(f"unknown suite '{suite}'; {choices(suite, registry.suites)}")
    known = registry.suites[suite].claims
    if claim != "all" and claim not in known:
        raise UserError(f"suite '{suite}' has no claim '{claim}'; {choices(claim.upper(), known)}")
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"unknown device '{device}'; use auto, cpu or cuda")
    if not registry.suites[suite].trains and (seed or replicates):
        raise UserError(f"suite '{suite}' trains nothing, so it has no seeds; leave out --seed and --replicates")
    if replicates and seed < 1000:
        raise UserError(
            "--replicates is for tuning seeds (1000 and up); confirmatory seeds run the registered number"
        )
    return Run(registry, suite, seed, claim, out, device, replicates or None)


def surroundings(data: Path | None, deterministic: bool = False) -> None:
    """What child processes must know as well goes into the environment."""
    if data is not None:
        os.environ["LTHBENCH_DATA"] = str(data.resolve())
    if deterministic:
        os.environ["LTHBENCH_DETERMINISTIC"] = "1"


def choices(name: str, known: Iterable[str]) -> str:
    """The names one may use, the nearest one first."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return (f"did you mean '{close[0]}'? " if close else "") + f"there are: {', '.join(names)}"


@app.command()
def run(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claims = "all",
    out: Out = Path("."),
    cores: Annotated[int, typer.Option(min=1, help="chunks at a time, one thread each")] = os.cpu_count() or 1,
    device: Device = "auto",
    data: Data = None,
    deterministic: Deterministic = False,
    replicates: Replicates = 0,
    claims_dir: ClaimsDir = None,
    snakemake: Annotated[bool, typer.Option(help="let Snakemake drive, or do without it")] = True,
    against: Annotated[
        str, typer.Option(metavar="BASELINE", help="exit code: did a verdict change from it? As `lthbench diff`")
    ] = "",
) -> None:
    """Train what is missing, judge, and write the report. Exit code: 0 pass, 1 fail, 3 inconclusive, 4 blocked."""
    started = time.monotonic()
    surroundings(data, deterministic)
    from lthbench.drive.here import run_here
    from lthbench.drive.lock import exclusive
    from lthbench.drive.progress import Watch, clock, shown
    from lthbench.drive.snakemake import with_snakemake
    from lthbench.judging.verdict import from_json

    what = make_run(suite, seed, claim, out, device, replicates, claims_dir)
    baseline = load_baseline(against, what) if against else None
    named = (
        f"suite {suite}, released results, nothing is trained"
        if what.given
        else f"suite {suite}, master seed {seed}"
    )
    console.print(f"lthbench {lthbench.__version__}: {named}", highlight=False)
    with exclusive(out):
        watch = Watch(what, console)
        units = sum(len(chunk.units) for chunk in watch.chunks)
        networks = sum(unit.networks for chunk in watch.chunks for unit in chunk.units)
        console.print(
            f"results in {what.results}"
            if what.given
            else f"{units} units ({networks} networks, {watch.total:,} iterations), {units - len(watch.pending)} "
            f"finished before; {cores} processes of one thread; results in {what.results}{second_look(what)}",
            highlight=False,
        )
        print_stale(what)
        with shown(watch) as tick:
            # Without training there is nothing to schedule; `snakemake published` is there for those who want it.
            if snakemake and not what.given:
                with_snakemake(what, cores, claims_dir, tick)
            else:
                run_here(what, cores, tick)
    print_origin(what)
    verdicts = from_json((what.scope_folder / "verdicts.json").read_text())
    print_verdicts(verdicts)
    console.print(
        f"Report: {(what.report / 'index.html').resolve()}  (also report.md, verdicts.json, junit.xml)\n"
        f"Took {clock(time.monotonic() - started)}." + ("" if baseline else f" Exit code {verdicts.exit_code}."),
        highlight=False,
    )
    if baseline is None:
        raise typer.Exit(verdicts.exit_code)
    raise typer.Exit(show_diff(baseline, verdicts, what.claims, what.report / "diff.xml"))


def second_look(what: Any) -> str:
    """What a suite with a first look may train besides; empty for others."""
    if not what.looks_twice:
        return ""
    from lthbench.plan.suite import second_chunks

    claims = what.claims or what.registry.suites[what.suite].claims
    most = sum(chunk.iterations for chunk in second_chunks(what.registry, what.suite, what.seed, claims))
    n = what.registry.suites[what.suite].first_look.replicates
    return (
        f"\nfirst look at {n} replicates; claims it leaves inconclusive go on (at most {most:,} more iterations)"
    )


def load_baseline(against: str, what: Any) -> Any:
    """The verdicts to compare with, read before a run in the same folder can replace them."""
    from lthbench.judging import diff

    baseline = diff.load(against, what.out, what.seed)
    diff.compare(baseline, baseline, what.claims)
    if baseline.suite != what.suite:
        raise UserError(f"{against}: verdicts of suite '{baseline.suite}'; this run is of suite '{what.suite}'")
    return baseline


def show_diff(before: Any, after: Any, only: Iterable[str], junit: Path | None) -> int:
    """Print what changed, write it as junit where asked to, and give the exit code."""
    from lthbench.files import write_text
    from lthbench.judging.diff import compare
    from lthbench.report.diff_junit import diff_junit
    from lthbench.report.numbers import plain

    found = compare(before, after, tuple(only))
    table = Table(title=f"verdicts of suite {found.after.suite}, before and now", title_justify="left")
    for heading in ("claim", "kind", "before", "now", "mean before [95 % interval]", "mean now", "also differs"):
        table.add_column(heading)
    for change in found.changes:
        style = "bold" if change.changed else None
        row = (change.claim.id, change.claim.kind, *change.words, *change.means, change.differs)
        table.add_row(*map(plain, row), style=style)
    wide(table)
    for line in found.circumstances:
        console.print(plain(line), highlight=False)
    if junit:
        write_text(junit, diff_junit(found))
        console.print(f"JUnit: {junit.resolve()}", highlight=False)
    console.print(plain(found.summary), highlight=False)
    return found.exit_code


@app.command("diff")
def diff_command(
    before: Annotated[
        str, typer.Argument(metavar="BASELINE", help="verdicts.json, its folder, or a suite in --out")
    ],
    after: Annotated[str, typer.Argument(metavar="RUN", help="likewise")],
    junit: Annotated[
        Path | None, typer.Option(help="write a JUnit file: a case fails when its verdict changed")
    ] = None,
    seed: Seed = 0,
    out: Out = Path("."),
) -> None:
    """Say which verdicts changed. Exit code: 0 no primary verdict did, 1 one did (either way), 2 usage."""
    from lthbench.judging import diff

    raise typer.Exit(show_diff(diff.load(before, out, seed), diff.load(after, out, seed), (), junit))


@app.command("explain")
def explain_command(
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="a claim, for example FC-1")],
    suite: Annotated[str | None, typer.Option(help="the suite whose rule and run are meant")] = None,
    run: Annotated[
        str, typer.Option(help="verdicts.json, or a folder that holds one; default: the run in --out")
    ] = "",
    seed: Seed = 0,
    out: Out = Path("."),
    claims_dir: ClaimsDir = None,
) -> None:
    """Print a claim, how it is decided, and the numbers behind its verdict."""
    from lthbench.claims.load import load
    from lthbench.judging import diff
    from lthbench.report import explain

    registry = load(claims_dir)
    if claim not in registry.claims:
        raise UserError(f"no claim '{claim}'; {choices(claim.upper(), registry.claims)}")
    verdicts = diff.load(run, out, seed) if run else None
    asked = suite or (verdicts.suite if verdicts else None)
    name = explain.suite_of(
        registry, claim, asked, lambda suite: explain.last_run(out, suite, seed, claim) is not None
    )
    if verdicts and verdicts.suite != name:
        raise UserError(f"{run}: verdicts of suite '{verdicts.suite}', not of '{name}'; leave out --suite")
    source = f"read from {run}"
    if not run:
        file = explain.last_run(out, name, seed, claim)
        verdicts = diff.load(str(file), out) if file else None
        source = f"read from {file}" if file else explain.way_to_a_run(registry, name, claim)
    typer.echo(explain.explain(registry, claim, name, verdicts, source), nl=False)


def wide(table: Table) -> None:
    """Print a table; into a file or pipe, wide enough to be read."""
    width = max(console.width, 120) if not console.is_terminal else None
    Console(width=width, markup=False, emoji=False).print(table)


def print_verdicts(verdicts: Any) -> None:
    """The table at the end."""
    from lthbench.drive.progress import COLOURS
    from lthbench.judging.diagnosis import of as diagnose
    from lthbench.judging.verdict import ORIGINS, SYMBOLS
    from lthbench.judging.words import sizes
    from lthbench.report.numbers import plain

    origin = ORIGINS[verdicts.origin]
    of = f"verdicts {origin}, no replication of ours" if origin else f"master seed {verdicts.master_seed}"
    table = Table(title=plain(f"{verdicts.title} ({of})"), title_justify="left")
    for heading in ("claim", "kind", "verdict", "mean [95 % interval]", "n", "what it says at this scale"):
        table.add_column(heading)
    for claim in verdicts.claims:
        key = claim.hypotheses[0].evidence
        numbers = f"{key['mean']:+.2f} [{key['low']:+.2f}, {key['high']:+.2f}]" if key else "-"
        symbol = Text(f"{SYMBOLS[claim.verdict]} {claim.verdict}", style=COLOURS[claim.verdict])
        symbol.append(f"\n{origin}" if origin else "", style="default")
        count = sizes(claim.hypotheses[0]) if origin else str(claim.replicates)
        table.add_row(claim.id, claim.kind, symbol, numbers, count, plain(claim.registered_title))
    wide(table)
    for claim in verdicts.claims:
        if claim.verdict != "PASS":
            word = f"{claim.verdict} {origin}".strip()
            console.print(plain(f"{claim.id} {word}: {claim.why} {claim.settle or ''}"), highlight=False)
    diagnosis = diagnose(verdicts)
    if diagnosis:
        console.print(plain(diagnosis), highlight=False)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="a new folder for the claim files")],
    network: Annotated[str, typer.Option(help="package.module:function, conv-4, timm/NAME, ... or mlp")],
    dataset: Annotated[str, typer.Option(help="FILE.npz (x_train, y_train, x_test, y_test), mnist, cifar10, ...")],
    claim: Annotated[list[str], typer.Option(help="a claim to take over; may be given several times")],
    criterion: Annotated[str, typer.Option(help="package.module:function or a built-in name")] = "magnitude",
    hidden: Annotated[str, typer.Option(help="hidden layers of an mlp, for example 300,100")] = "",
    option: Annotated[list[str] | None, typer.Option(help="KEY=VALUE for the network's function")] = None,
    optimizer: Annotated[str, typer.Option(help="adam or sgd (momentum 0.9)")] = "adam",
    learning_rate: float = 0.001,
    batch: int = 50,
    iterations: int = 1000,
    evaluate_every: int = 50,
    scope: Annotated[str, typer.Option(help="layer-wise or global")] = "layer-wise",
    rate: Annotated[float, typer.Option(help="fraction of the survivors pruned per round")] = 0.2,
    keep: Annotated[list[str] | None, typer.Option(help="weights never pruned, by name or pattern")] = None,
    rewind: Annotated[int, typer.Option(help="iteration k of the arm rewound")] = 0,
    level: Annotated[int, typer.Option(help="rounds of pruning, where the registered level does not suit")] = 0,
    replicates: Annotated[int, typer.Option(min=2)] = 8,
    like: Annotated[str, typer.Option(help="the suite whose contrasts and margins are taken over")] = "quick",
    data: Data = None,
) -> None:
    """Write claim files for a network, data set or criterion of your own, to run and to edit."""
    from lthbench.claims import own
    from lthbench.claims.load import load
    from lthbench.recipe.experiment import Network, Pruning, Training

    surroundings(data)
    sys.path.insert(0, str(Path.cwd()))  # a module that lies here need not be installed
    try:
        net = Network(network, tuple(int(n) for n in hidden.split(",") if n), options=own.options(option or []))
        momentum = 0.9 if optimizer == "sgd" else 0.0
        training = Training(optimizer, learning_rate, batch, iterations, evaluate_every, momentum)  # type: ignore[arg-type]
        pruning = Pruning(scope, rate, rewind=rewind, keep=tuple(keep or ()), criterion=criterion)  # type: ignore[arg-type]
        experiment, chance = own.experiment_of(dataset, net, training, pruning)
    except ValueError as error:
        raise UserError(str(error)) from None
    own.write_folder(folder, load(), claim, experiment, chance, replicates, like, level or None)
    load(folder)
    console.print(
        f"{folder}: {len(claim)} claims on {experiment.title} ({experiment.weights:,} prunable weights). Margins "
        f"are those of suite {like}: look at them, then\n  lthbench run own --claims-dir {folder}",
        highlight=False,
    )


@app.command("list")
def list_claims(claims_dir: ClaimsDir = None) -> None:
    """List suites and their claims."""
    from lthbench.claims.load import load
    from lthbench.cli import given_suites

    registry = load(claims_dir)
    for suite in (suite for suite in registry.suites.values() if suite.trains):
        table = Table(title=f"suite {suite.id}: {suite.title}", title_justify="left")
        for heading in ("claim", "kind", "n", "power", "planned from", "title", "at this scale"):
            table.add_column(heading)
        for claim, registration in registry.registrations(suite.id):
            scale = registration.title + (" (reduced scale)" if registration.reduced_scale else "")
            row = (
                claim.id,
                claim.kind,
                str(registration.replicates),
                "-" if registration.power is None else f"{registration.power:.3f}",
                registration.planned_from,
                claim.title,
                scale,
            )
            table.add_row(*row)
        wide(table)
    for name in (name for name, suite in registry.suites.items() if not suite.trains):
        wide(given_suites.listing(registry, name))


@app.command()
def plan(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claims = "all",
    out: Out = Path("."),
    claims_dir: ClaimsDir = None,
    budget: Annotated[str, typer.Option(help="show what a campaign of this length would run: 25m, 6h")] = "",
    measure: Annotated[
        bool, typer.Option("--measure", help="time a few iterations of each experiment here")
    ] = False,
    device: Device = "auto",
    data: Data = None,
    stale: Annotated[
        bool, typer.Option("--stale", help="only list the files of unit records that are not used, to delete them")
    ] = False,
) -> None:
    """Show what a run would train: units, what each is made from, what is finished, and the cost by device."""
    from lthbench.drive import campaign, stages

    surroundings(data)
    seconds = campaign.parse_budget(budget) if budget else 0.0
    what = make_run(suite, seed, claim, out, device, folder=claims_dir)
    if what.given:
        from lthbench.cli import given_suites

        console.print(given_suites.plan(what))
        return
    if stale:
        print_stale_files(what)
        return
    if measure:
        measure_rates(what)
    chunks = what.chunks()
    done = {unit.key for unit in stages.finished(what, what.units())}
    table = Table(title=f"plan of {suite}, master seed {seed}", title_justify="left")
    for heading in ("chunk", "arm@level", "made from", "networks", "iterations", "record"):
        table.add_column(heading)
    for chunk in chunks:
        for unit in chunk.units:
            parents = ", ".join(f"{arm}@{level}" for arm, level in unit.parents)
            row = (chunk.id, f"{unit.arm}@{unit.level}", parents, str(unit.networks), f"{unit.iterations:,}")
            table.add_row(*row, "finished" if unit.key in done else "to do")
    wide(table)
    total = sum(chunk.iterations for chunk in chunks)
    todo = sum(unit.iterations for unit in what.units() if unit.key not in done)
    size = f"{len(what.units())} units in {len(chunks)} chunks, {total:,} iterations, {todo:,} to do"
    console.print(f"{size}{second_look(what)}")
    print_costs(what, done, seconds)
    print_stale(what)


def print_stale_files(what: Any) -> None:
    """The files of the records that are not used, one per line."""
    from lthbench.drive.stages import whole_plan
    from lthbench.results.stale import stale_records

    for record in stale_records(what.results, whole_plan(what)):
        for file in (record, record.with_suffix(".safetensors")):
            if file.exists():
                typer.echo(file)


def measure_rates(what: Any) -> None:
    """Time every experiment of a run on this machine; remember the rates and print the lines to commit."""
    from lthbench.data.cache import cache_root
    from lthbench.data.errors import DataError
    from lthbench.drive import cost

    cache, block = cache_root(), what.registry.suites[what.suite].block
    for name in dict.fromkeys(name for chunk in what.chunks() for name in chunk.experiments):
        try:
            rate = cost.measure(what.registry.experiments[name], block, what.device, cache)
        except DataError as error:
            console.print(f"{name}: not measured: {error}", highlight=False, markup=False)
            continue
        cost.remember([rate], cache / "rates.yaml")
        console.print(cost.to_yaml([rate]).strip(), highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"kept in {cache / 'rates.yaml'}; to share them, add the lines above to lthbench/drive/rates.yaml"
    )


def print_costs(what: Any, done: set[str], budget: float) -> None:
    """The cost table, and what a campaign of `budget` seconds would run on each device that was measured."""
    from lthbench.data.cache import cache_root
    from lthbench.drive import campaign, cost

    units = what.units()
    rates = cost.known_rates(what.results, units, cache_root())
    table = Table(title="cost, one unit after the other", title_justify="left")
    for heading in (
        "device",
        "experiment",
        "iterations",
        "to do",
        "ms per network and iteration",
        "time",
        "measured",
    ):
        table.add_column(heading)
    rows = cost.cost_rows(units, done, rates)
    for row in cost.table_rows(rows):
        table.add_row(*row)
    wide(table)
    for device in dict.fromkeys(row.device for row in rows) if budget else ():
        found, unmeasured, left = campaign.preview(what, budget, rates, device)
        console.print(f"a campaign of {cost.duration(budget)} on {device or 'this machine'}:", highlight=False)
        for unit, seconds in found:
            console.print(f"  {unit.name} ({cost.duration(seconds)})", highlight=False)
        if unmeasured is not None:
            console.print(f"  {unmeasured.experiment.id}: not measured on it, so what follows is not known")
        console.print(f"  {left} units would be left")


@app.command("campaign")
def campaign_command(
    suite: SuiteName,
    budget: Annotated[str, typer.Option(help="how long the whole command may take: 90s, 25m, 6h, 1h30m")],
    seed: Seed = 0,
    claim: Claims = "all",
    out: Out = Path("."),
    device: Device = "auto",
    cores: Annotated[
        int, typer.Option(min=1, help="units at a time, one thread each; on a GPU leave it at 1")
    ] = 1,
    data: Data = None,
    deterministic: Deterministic = False,
    claims_dir: ClaimsDir = None,
) -> None:
    """Run the most valuable pending units until the budget is spent; then judge what is there."""
    started = time.monotonic()
    surroundings(data, deterministic)
    from lthbench.data.cache import cache_root
    from lthbench.drive import campaign
    from lthbench.drive.lock import exclusive
    from lthbench.drive.progress import clock
    from lthbench.judging.verdict import from_json

    deadline = campaign.Deadline(started + campaign.training_time(campaign.parse_budget(budget)))
    what = make_run(suite, seed, claim, out, device, folder=claims_dir)

    def tell(line: str) -> None:
        console.print(f"[{clock(time.monotonic() - started)}] {line}", highlight=False, markup=False)
        sys.stdout.flush()

    with exclusive(out):
        print_stale(what)
        campaign.conduct(what, deadline, campaign.device_name(device), cache_root(), tell, cores)
        campaign.finish(what)
    print_origin(what)
    verdicts = from_json((what.scope_folder / "verdicts.json").read_text())
    print_verdicts(verdicts)
    console.print(
        f"Report: {(what.report / 'index.html').resolve()}\n"
        f"Took {clock(time.monotonic() - started)}. Exit code {verdicts.exit_code}.",
        highlight=False,
    )
    raise typer.Exit(verdicts.exit_code)


@app.command("merge")
def merge_command(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the folder to merge into, as given to --out")],
    slices: Annotated[list[Path], typer.Argument(metavar="SLICE...", help="folders of other machines")],
    without_tensors: Annotated[
        bool, typer.Option("--without-tensors", help="records only, packed: a slice to be committed")
    ] = False,
    claims_dir: ClaimsDir = None,
) -> None:
    """Join slices of a suite from several machines; then judge what is there."""
    from lthbench.drive import campaign
    from lthbench.drive.lock import exclusive
    from lthbench.results.merge import merge

    with exclusive(out):
        for suite, seed in merge(out, slices, without_tensors):
            if without_tensors:
                continue
            what = make_run(suite, seed, "all", out, folder=claims_dir)
            campaign.finish(what)
            console.print(
                f"{suite}, master seed {seed}: {(what.report / 'index.html').resolve()}", highlight=False
            )


@app.command()
def judge(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claims = "all",
    out: Out = Path("."),
    claims_dir: ClaimsDir = None,
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit code 1 when verdicts.json does not come out again")
    ] = False,
) -> None:
    """Judge again from the tidy results, without training; SUITE may be a folder that holds tidy.csv[.gz]."""
    from lthbench.drive import stages
    from lthbench.judging.verdict import from_json

    if Path(suite).is_dir():
        raise typer.Exit(judge_folder(Path(suite), claims_dir, check))
    what = make_run(suite, seed, claim, out, folder=claims_dir)
    collected(what)
    print_origin(what)
    print_stale(what)
    if check:
        stored = need(what.scope_folder / "verdicts.json", f"lthbench judge {suite}").read_text()
        raise typer.Exit(say_same(stored, stages.judged(what), check))
    stages.judge(what)
    verdicts = from_json((what.scope_folder / "verdicts.json").read_text())
    print_verdicts(verdicts)
    raise typer.Exit(verdicts.exit_code)


def judge_folder(folder: Path, claims_dir: Path | None, check: bool = False) -> int:
    """Judge a stored table and say whether its verdicts.json comes out again; write nothing.

    The exit code is that of the verdicts, or with `check` 0; 1 where they come out different.
    """

    from lthbench.claims.load import load
    from lthbench.judging.judge import judge as decide
    from lthbench.judging.stored import text_of, verdicts_of
    from lthbench.results.foreign import foreign_kinds, read_foreign

    tables = [path for path in (folder / "tidy.csv.gz", folder / "tidy.csv") if path.exists()]
    need(tables[0] if tables else folder / "tidy.csv", "a folder that holds tidy.csv or tidy.csv.gz")
    stored = text_of(need(folder / "verdicts.json", "a folder that holds verdicts.json"))
    old = verdicts_of(stored, folder / "verdicts.json")
    registry = load(claims_dir)
    trained = [name for name, suite in registry.suites.items() if suite.trains]
    if old.suite not in trained:
        raise UserError(f"{folder}: judged by suite '{old.suite}'; {choices(old.suite, trained)}")
    table, kinds = read_foreign(tables[0]), foreign_kinds(folder / "provenance.json")
    try:
        new = decide(registry, old.suite, old.master_seed, table, trained_with=old.engine, devices=kinds)
    except (ValueError, KeyError) as error:  # measurements there for some runs only, or twice
        raise UserError(f"{tables[0]}: not the whole table of one run ({shown(error, 80)})") from None
    return say_same(stored, new, check)


def say_same(stored: str, new: Any, check: bool) -> int:
    """Print the verdicts and whether they are the stored text; the exit code as in `judge_folder`."""
    from lthbench.judging.verdict import from_json, to_json

    print_verdicts(new)
    if to_json(new) == stored:
        console.print("verdicts.json comes out again, byte for byte")
        return 0 if check else int(new.exit_code)
    old = {claim.id: claim for claim in from_json(stored).claims}
    now = {claim.id: claim for claim in new.claims}
    differ = [name for name in {**old, **now} if old.get(name) != now.get(name)]
    console.print(f"verdicts.json comes out DIFFERENT ({', '.join(differ) or 'not in a claim'})", highlight=False)
    return 1


def collected(what: Any) -> None:
    """The tidy table is there: released results are collected at once, trained ones need a run first.

    A table that is not as it was written is collected again from the unit records, where there are any.
    """
    from lthbench.drive import stages

    if what.given:
        stages.tidy(what)
        return
    table = need(what.scope_folder / "tidy.csv", f"lthbench run {what.suite}")
    sound = [whole(path) for path in (table, what.scope_folder / "provenance.json")]
    if all(sound):
        return
    if not stages.finished(what, what.units()):
        raise UserError(
            f"{table}: no unit records to make it from; needed first: lthbench run {what.suite}", BLOCKED
        )
    stages.tidy(what)


def whole(path: Path) -> bool:
    """Whether a table or verdicts are there as they were written; a damaged file is named."""
    from lthbench.results.store import RecordError
    from lthbench.results.sums import check

    if not path.exists():
        return False
    try:
        check(path)
    except RecordError as error:
        say(f"{error}; it is made again")
        return False
    return True


def print_stale(what: Any) -> None:
    """Lines about unit records in the run's folder that are not used."""
    from lthbench.drive.stages import whole_plan
    from lthbench.results.stale import stale_lines

    for line in stale_lines(what.results, whole_plan(what), what.suite):
        console.print(line, highlight=False)


def print_origin(what: Any) -> None:
    """Lines about what the run's table was made by, where that is not what is installed."""
    import json

    from lthbench.results.stale import table_lines

    path = what.scope_folder / "provenance.json"
    for line in table_lines(json.loads(path.read_text()), what.suite) if path.exists() else ():
        console.print(line, highlight=False)


def need(path: Path, way_out: str) -> Path:
    """Refuse to go on without a file."""
    if not path.exists():
        raise UserError(f"{path}: not there; needed first: {way_out}")
    return path


@app.command()
def report(
    suite: SuiteName, seed: Seed = 0, claim: Claims = "all", out: Out = Path("."), claims_dir: ClaimsDir = None
) -> None:
    """Write the report again from verdicts and tidy results, without training."""
    from lthbench.drive import stages

    what = make_run(suite, seed, claim, out, folder=claims_dir)
    collected(what)
    print_origin(what)
    print_stale(what)
    if not whole(what.scope_folder / "verdicts.json"):
        stages.judge(what)
    stages.report(what)
    console.print(f"Report: {(what.report / 'index.html').resolve()}", highlight=False)


@app.command("footprint")
def footprint_command(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claims = "all",
    out: Out = Path("."),
    data: Data = None,
    claims_dir: ClaimsDir = None,
    repetitions: Annotated[int, typer.Option(min=30, help="of every timing; the median counts")] = 30,
) -> None:
    """Measure a finished run's tickets: bytes in four formats, latency beside dense. No verdict rests on it."""
    surroundings(data)
    from lthbench.drive import stages
    from lthbench.files import write_text
    from lthbench.footprint import format as shape
    from lthbench.footprint import measure

    what = make_run(suite, seed, claim, out, "cpu", folder=claims_dir)
    if what.given:
        raise UserError(f"suite '{suite}' trains nothing, so it has no tickets to measure")
    found = measure.measure(what, lambda line: console.print(line, highlight=False), repetitions)
    file = what.scope_folder / shape.FILE
    write_text(file, found.model_dump_json(indent=1) + "\n")
    console.print(f"{file}: measured on {found.machine}", highlight=False)
    if (what.scope_folder / "verdicts.json").exists():
        stages.report(what)
        console.print(f"Report: {(what.report / 'index.html').resolve()}", highlight=False)


@app.command()
def export(
    suite: SuiteName,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="arm@level, for example ticket@9")],
    replicate: Annotated[int, typer.Option(min=0, help="which replicate")],
    draw: Annotated[int, typer.Option(min=0, help="which draw of a control arm")] = 0,
    experiment: Annotated[str, typer.Option(help="of the cell, where several have it")] = "",
    final: Annotated[bool, typer.Option("--final", help="the trained weights too, where they are stored")] = False,
    to: Annotated[Path | None, typer.Option(help="the file, or a folder for it")] = None,
    seed: Seed = 0,
    out: Out = Path("."),
    data: Data = None,
    replicates: Replicates = 0,
    claims_dir: ClaimsDir = None,
) -> None:
    """Write a ticket (mask, starting weights, recipe) as safetensors; docs/tickets.md shows how to load it."""
    surroundings(data)
    what = make_run(suite, seed, "all", out, "cpu", replicates, claims_dir)
    from lthbench.data.cache import cache_root
    from lthbench.tickets import export as tickets

    unit = tickets.find(what, cell, experiment, replicate)
    ticket = tickets.ticket(unit, what.units(), what.results, cache_root(), replicate, draw, final)
    file = tickets.file_for(unit, replicate, draw, to)
    ticket.write(file)
    console.print(f"{file}: {cell}, {100 * ticket.facts['density']:.3g} % of the weights", highlight=False)


@app.command()
def check(
    results: Annotated[
        Path, typer.Argument(help="results table: .csv, .csv.gz or .parquet (docs/results-format.md)")
    ],
    claims: Annotated[str, typer.Option(help="claims to judge, separated by commas; default: all it has")] = "",
    suite: Annotated[str | None, typer.Option(help="suite whose registrations decide")] = None,
    as_: Annotated[str | None, typer.Option("--as", help="judge the table's experiment as this one")] = None,
    unit: Annotated[str | None, typer.Option(help="unit of accuracies: percent or fraction")] = None,
    out: Out = Path("."),
    claims_dir: ClaimsDir = None,
) -> None:
    """Judge somebody's results: say which claims they can speak about, and what they say. Trains nothing."""
    from lthbench.claims.load import load
    from lthbench.drive import check as checking

    registry = load(claims_dir)
    asked = tuple(filter(None, (claim.strip() for claim in claims.split(","))))
    found = checking.answer(registry, checking.Question(results, asked, suite, as_, unit))
    for line in found.lines:
        console.print(line, highlight=False)
    print_verdicts(found.verdicts)
    page = checking.write(registry, found, results, out)
    console.print(f"Report: {page.resolve()}\nExit code {found.verdicts.exit_code}.", highlight=False)
    raise typer.Exit(found.verdicts.exit_code)


@app.command()
def tune(
    suite: SuiteName,
    seed: Seed = 1000,
    replicates: Replicates = 16,
    out: Out = Path("."),
    cores: Annotated[int, typer.Option(min=1)] = os.cpu_count() or 1,
    data: Data = None,
    claims_dir: ClaimsDir = None,
) -> None:
    """Measure on tuning seeds what a registration needs: effects, SDs, power by n, accuracy bands."""
    surroundings(data)
    from lthbench.drive import stages, tuning
    from lthbench.drive.here import train_here
    from lthbench.drive.lock import exclusive
    from lthbench.drive.progress import Watch, shown

    if seed < 1000:
        raise UserError("tuning uses master seeds from 1000 up; 0, 1, 2, ... are for confirmation")
    what = make_run(suite, seed, "all", out, "auto", replicates, claims_dir)
    with exclusive(out), shown(Watch(what, console)) as tick:
        train_here(what, cores, tick)
        stages.tidy(what)
    console.print(tuning.study(what), highlight=False, markup=False)


@app.command()
def calibrate(
    suite: SuiteName,
    simulations: Annotated[int, typer.Option(min=100, help="simulated suites per world")] = 20_000,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="write the numbers here, as JSON")] = None,
    measured: Annotated[
        list[Path] | None,
        typer.Option(metavar="TIDY", help="confirmatory tidy tables; else the committed ones of the suite"),
    ] = None,
    claims_dir: ClaimsDir = None,
) -> None:
    """Simulate how often the verdicts of a suite would be wrong: error rates, power by n, P(all as registered)."""
    from lthbench.calibration import store, study, table
    from lthbench.files import write_text
    from lthbench.results.tidy import read

    what = make_run(suite, 0, "all", Path("."), folder=claims_dir)
    if what.given:
        raise UserError(f"suite '{suite}' judges released results; there is no design to simulate")
    paths = measured or (store.reference_tables(suite) if claims_dir is None else [])
    found = study.study(what.registry, suite, [read(path) for path in paths], simulations, tell=say_progress)
    for line in table.lines(found):
        console.print(line, highlight=False, markup=False)
    if out is not None:
        write_text(out, store.to_json(found))


def say_progress(line: str) -> None:
    """A line that is not part of the answer."""
    print(line, file=sys.stderr, flush=True)


@app.command()
def schema(kind: Annotated[str, typer.Argument(help="claim, suite, experiment, popular or results")]) -> None:
    """Print the JSON schema of a file kind, for editors."""
    import json

    from pydantic import TypeAdapter

    from lthbench.claims.popular import Popular
    from lthbench.claims.schema import Claim, Suite
    from lthbench.recipe.experiment import Experiment
    from lthbench.results.format import Row

    kinds: dict[str, Any] = {"claim": Claim, "suite": Suite, "experiment": Experiment}
    kinds |= {"popular": Popular, "results": Row}
    if kind not in kinds:
        raise UserError(f"unknown kind '{kind}'; use claim, suite, experiment, popular or results")
    typer.echo(json.dumps(TypeAdapter(kinds[kind]).json_schema(), indent=1))


@app.command()
def engine() -> None:
    """Print the engine's declared version and whether the training code still is it."""
    from lthbench.recipe import engine as ev

    declared = "as declared" if ev.source_hash() == ev.SOURCE else f"declared is {ev.SOURCE}"
    typer.echo(f"engine {ev.engine()}: version {ev.VERSION}, source {ev.source_hash()} ({declared})")


stage = typer.Typer(hidden=True)
app.add_typer(stage, name="stage")


@stage.callback()
def stage_of_line() -> None:
    """The stages of the line; Snakemake's rules call these."""
    from lthbench.drive.execute import job_of_parent

    job_of_parent()


@stage.command("chunk")
def stage_chunk(
    suite: SuiteName,
    chunk: Annotated[str, typer.Option()],
    scope: str = "all",
    seed: Seed = 0,
    device: Device = "auto",
    replicates: Replicates = 0,
    claims_dir: ClaimsDir = None,
) -> None:
    """Train one chunk."""
    from lthbench.drive import stages

    what = make_run(suite, seed, scope, Path("."), device, replicates, claims_dir)
    chunks = {c.id: c for c in what.chunks()}
    if chunk not in chunks:
        raise UserError(f"unknown chunk '{chunk}'; the chunks are {', '.join(chunks)}")
    stages.train(what, chunks[chunk], lambda line: print(line, flush=True))


def _stage(name: str) -> None:
    @stage.command(name)
    def command(
        suite: SuiteName,
        scope: str = "all",
        seed: Seed = 0,
        device: Device = "auto",
        replicates: Replicates = 0,
        claims_dir: ClaimsDir = None,
    ) -> None:
        from lthbench.drive import stages

        what = make_run(suite, seed, scope, Path("."), device, replicates, claims_dir)
        getattr(stages, name.replace("-", "_"))(what)

    command.__doc__ = f"The stage {name}."


for _name in ("first-look", "tidy", "judge", "report"):
    _stage(_name)


def main() -> None:
    """Run the command line; errors a user can mend are one or two lines."""
    from lthbench.claims.load import ClaimFileError
    from lthbench.data.errors import DataError
    from lthbench.models.errors import ModelError
    from lthbench.pruning.errors import CriterionError
    from lthbench.results.store import RecordError

    try:
        code = app(standalone_mode=False) or 0
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code)
    except UserError as error:
        say(str(error))
        sys.exit(error.code)
    except (ClaimFileError, DataError, ModelError, CriterionError) as error:
        say(str(error))
        sys.exit(USAGE)
    except RecordError as error:
        say(str(error))
        sys.exit(BLOCKED)
    except (KeyboardInterrupt, Terminated, typer.Abort) as error:
        sys.exit(stopped(error))
    except MemoryError as error:
        say(str(error) or "out of memory; finished units are kept, the same command goes on from here")
        sys.exit(BLOCKED)
    except OSError as error:
        say(f"{error.filename or 'file system'}: {error.strerror or error}; free space or use --out FOLDER")
        sys.exit(BLOCKED)
    except Exception as error:
        usage = getattr(error, "format_message", None)  # click's own errors: unknown option, missing argument
        if usage is None:
            raise
        say(f"{usage()} (see `lthbench --help`)")
        sys.exit(USAGE)
