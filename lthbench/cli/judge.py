"""Judge without training: judge, check, diff, explain, report, footprint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lthbench.cli import complete
from lthbench.cli.options import HERE, JUDGE, LOOK, Claim, ClaimsDir, Data, Json, Out, Seed, SuiteName
from lthbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lthbench.drive.rejudge import Rejudged
    from lthbench.judging.diff import Diff
    from lthbench.report.compare import Side

commands = typer.Typer()
ClaimName = Annotated[
    str, typer.Argument(metavar="CLAIM", help="a claim, for example FC-1", autocompletion=complete.claims)
]
SuiteOfClaim = Annotated[str | None, typer.Option("--suite", help="the suite whose rule and run are meant")]
StoredRun = Annotated[
    str, typer.Option("--run", help="verdicts.json, or a folder that holds one; default: the run in --out")
]


@commands.command(rich_help_panel=JUDGE)
def judge(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claim = None,
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit code 1 when verdicts.json does not come out again")
    ] = False,
    json: Json = False,
) -> None:
    """Judge again from the tidy results, without training; SUITE may be a folder that holds tidy.csv[.gz]."""
    from lthbench.claims.load import load
    from lthbench.cli import show
    from lthbench.drive import ask, rejudge, remarks, stages

    if Path(suite).is_dir():
        raise typer.Exit(come_out(rejudge.rejudged_folder(Path(suite), load(claims_dir)), check, json))
    run = ask.run_of(suite, seed, claim, out, claims_dir=claims_dir)
    rejudge.collect(run)
    say = show.aside if json else show.lines
    say(*remarks.origin(run), *remarks.stale(run))
    if check:
        raise typer.Exit(come_out(rejudge.rejudged(run), check, json))
    stages.judge(run)
    verdicts = rejudge.verdicts_of_run(run)
    show.verdicts(verdicts, json)
    raise typer.Exit(verdicts.exit_code)


def come_out(again: "Rejudged", check: bool, json: bool = False) -> int:
    """Print verdicts and whether the stored text comes out again.

    The exit code is that of the verdicts, or with `check` 0; 1 where they come out different.
    """
    from lthbench.cli import show

    show.verdicts(again.verdicts, json)
    say = show.aside if json else show.lines
    if again.same:
        say("verdicts.json comes out again, byte for byte")
        return 0 if check else again.verdicts.exit_code
    say(f"verdicts.json comes out DIFFERENT ({', '.join(again.differing) or 'not in a claim'})")
    return 1


@commands.command(rich_help_panel=JUDGE)
def check(
    results: Annotated[
        Path, typer.Argument(help="results table: .csv, .csv.gz or .parquet (docs/results-format.md)")
    ],
    claim: Claim = None,
    suite: Annotated[str | None, typer.Option(help="suite whose registrations decide")] = None,
    as_: Annotated[str | None, typer.Option("--as", help="judge the table's experiment as this one")] = None,
    unit: Annotated[str | None, typer.Option(help="unit of accuracies: percent or fraction")] = None,
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
    json: Json = False,
) -> None:
    """Judge somebody's results: say which claims they can speak about, and what they say. Trains nothing."""
    from lthbench.claims.load import load
    from lthbench.cli import show
    from lthbench.drive import check as checking
    from lthbench.words import as_registered, listed

    registry = load(claims_dir)
    asked = tuple(as_registered(name, registry.claims) for name in listed(claim or []))
    answer = checking.answer(registry, checking.Question(results, asked, suite, as_, unit))
    say = show.aside if json else show.lines
    say(*answer.lines)
    show.verdicts(answer.verdicts, json)
    page = checking.write(registry, answer, results, out)
    say(f"Report: {page.resolve()}", f"Exit code {answer.verdicts.exit_code}.")
    raise typer.Exit(answer.verdicts.exit_code)


@commands.command(rich_help_panel=JUDGE)
def diff(
    before: Annotated[
        str, typer.Argument(metavar="BASELINE", help="verdicts.json, its folder, or a suite in --out")
    ],
    after: Annotated[str, typer.Argument(metavar="RUN", help="likewise")],
    junit: Annotated[
        Path | None, typer.Option(help="write a JUnit file: a case fails when its verdict changed")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="write a page that compares the two runs")] = None,
    json: Json = False,
    seed: Seed = 0,
    out: Out = HERE,
) -> None:
    """Say which verdicts changed. Exit code: 0 no primary verdict did, 1 one did (either way), 2 usage."""
    from lthbench.drive.compared import sides
    from lthbench.judging.diff import compare, load

    compared = compare(load(before, out, seed), load(after, out, seed))
    ran = sides(before, after, out, seed) if html else ()
    raise typer.Exit(changed(compared, junit, html, ran, json))


def changed(
    compared: "Diff",
    junit: Path | None,
    html: Path | None = None,
    ran: "Sequence[Side]" = (),
    json: bool = False,
) -> int:
    """Print what changed, write it as JUnit and as a page where asked to, and give the exit code.

    `ran` says of both runs, for the page, where they lie and what they were made with.
    """
    from lthbench.cli import asjson, show
    from lthbench.files import write_text
    from lthbench.report.diff_junit import diff_junit
    from lthbench.words import plain

    say = show.aside if json else show.lines
    if json:
        print(asjson.text(asjson.diff(compared)))
    else:
        show.diff(compared)
    if junit:
        write_text(junit, diff_junit(compared))
        say(f"JUnit: {junit.resolve()}")
    if html:
        from lthbench.report.compare import page

        write_text(html, page(compared, ran))
        say(f"Compared: {html.resolve()}")
    say(plain(compared.summary))
    return compared.exit_code


@commands.command(rich_help_panel=LOOK)
def explain(
    claim: ClaimName,
    suite: SuiteOfClaim = None,
    run: StoredRun = "",
    seed: Seed = 0,
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
    json: Json = False,
) -> None:
    """Print a claim, how it is decided, and the numbers behind its verdict; in short: `show`."""
    told(claim, suite, run, seed, out, claims_dir, json, short=False)


@commands.command("show", rich_help_panel=LOOK)
def show_claim(
    claim: ClaimName,
    suite: SuiteOfClaim = None,
    run: StoredRun = "",
    seed: Seed = 0,
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
    json: Json = False,
) -> None:
    """Print a claim in ten lines: the sentence, its source, how it is decided, and its verdict."""
    told(claim, suite, run, seed, out, claims_dir, json, short=True)


def told(
    claim: str, suite: str | None, run: str, seed: int, out: Path, claims_dir: Path | None, json: bool, short: bool
) -> None:
    """Print a claim, in short or in full."""
    from lthbench.claims.frozen import registered
    from lthbench.claims.load import load
    from lthbench.cli import asjson
    from lthbench.drive.reasons import behind, provenance
    from lthbench.report.brief import brief
    from lthbench.report.explain import explain
    from lthbench.report.frozen import frozen_part
    from lthbench.words import MINUS

    reasons = behind(load(claims_dir), claim, suite, run, out, seed)
    if json:
        print(asjson.text(asjson.explain(reasons.registry, reasons.claim, reasons.suite, reasons.verdict)))
        return
    words = brief if short else explain
    text = words(reasons.registry, reasons.claim, reasons.suite, reasons.verdicts, reasons.source)
    registration = None if short else registered(reasons.registry, reasons.suite, reasons.claim)
    text += frozen_part(registration, provenance(reasons))
    print(text.replace(MINUS, "-"), end="")


@commands.command(rich_help_panel=LOOK)
def report(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claim = None,
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
    open_: Annotated[bool, typer.Option("--open", help="and open it in the browser")] = False,
) -> None:
    """Write the report again from verdicts and tidy results, without training."""
    from lthbench.cli import show
    from lthbench.drive import ask, rejudge, remarks, stages

    run = ask.run_of(suite, seed, claim, out, claims_dir=claims_dir)
    rejudge.collect(run)
    show.lines(*remarks.origin(run), *remarks.stale(run))
    if not rejudge.whole(run.scope_folder / "verdicts.json"):
        stages.judge(run)
    stages.report(run)
    show.report_of(run)
    if open_ and typer.launch(str((run.report / "index.html").resolve())):
        raise UserError("no browser could be started; open the file named above")


@commands.command(rich_help_panel=LOOK)
def footprint(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claim = None,
    out: Out = HERE,
    data: Data = None,
    claims_dir: ClaimsDir = None,
    repetitions: Annotated[int, typer.Option(min=30, help="of every timing; the median counts")] = 30,
) -> None:
    """Measure a finished run's tickets: bytes in four formats, latency beside dense. No verdict rests on it."""
    from lthbench.cli import show
    from lthbench.drive import ask, stages
    from lthbench.files import write_text
    from lthbench.footprint import format as shape
    from lthbench.footprint import measure

    ask.surroundings(data)
    run = ask.run_of(suite, seed, claim, out, "cpu", claims_dir=claims_dir)
    if run.given:
        raise UserError(f"suite '{suite}' trains nothing, so it has no tickets to measure")
    measured = measure.measure(run, show.lines, repetitions)
    file = run.scope_folder / shape.FILE
    write_text(file, measured.model_dump_json(indent=1) + "\n")
    show.lines(f"{file}: measured on {measured.machine}")
    if (run.scope_folder / "verdicts.json").exists():
        stages.report(run)
        show.report_of(run)
