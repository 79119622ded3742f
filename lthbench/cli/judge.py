"""Judge without training: judge, check, diff, explain, report, footprint."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lthbench.cli.options import HERE, Claim, ClaimsDir, Data, Out, Seed, SuiteName
from lthbench.errors import UserError

if TYPE_CHECKING:
    from lthbench.drive.rejudge import Rejudged
    from lthbench.judging.diff import Diff

commands = typer.Typer()


@commands.command()
def judge(
    suite: SuiteName,
    seed: Seed = 0,
    claim: Claim = None,
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit code 1 when verdicts.json does not come out again")
    ] = False,
) -> None:
    """Judge again from the tidy results, without training; SUITE may be a folder that holds tidy.csv[.gz]."""
    from lthbench.claims.load import load
    from lthbench.cli import show
    from lthbench.drive import ask, rejudge, remarks, stages

    if Path(suite).is_dir():
        raise typer.Exit(come_out(rejudge.rejudged_folder(Path(suite), load(claims_dir)), check))
    run = ask.run_of(suite, seed, claim, out, claims_dir=claims_dir)
    rejudge.collect(run)
    show.lines(*remarks.origin(run), *remarks.stale(run))
    if check:
        raise typer.Exit(come_out(rejudge.rejudged(run), check))
    stages.judge(run)
    verdicts = rejudge.verdicts_of_run(run)
    show.verdicts(verdicts)
    raise typer.Exit(verdicts.exit_code)


def come_out(again: "Rejudged", check: bool) -> int:
    """Print verdicts and whether the stored text comes out again.

    The exit code is that of the verdicts, or with `check` 0; 1 where they come out different.
    """
    from lthbench.cli import show

    show.verdicts(again.verdicts)
    if again.same:
        show.lines("verdicts.json comes out again, byte for byte")
        return 0 if check else again.verdicts.exit_code
    show.lines(f"verdicts.json comes out DIFFERENT ({', '.join(again.differing) or 'not in a claim'})")
    return 1


@commands.command()
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
) -> None:
    """Judge somebody's results: say which claims they can speak about, and what they say. Trains nothing."""
    from lthbench.claims.load import load
    from lthbench.cli import show
    from lthbench.drive import check as checking
    from lthbench.words import as_registered, listed

    registry = load(claims_dir)
    asked = tuple(as_registered(name, registry.claims) for name in listed(claim or []))
    answer = checking.answer(registry, checking.Question(results, asked, suite, as_, unit))
    show.lines(*answer.lines)
    show.verdicts(answer.verdicts)
    page = checking.write(registry, answer, results, out)
    show.lines(f"Report: {page.resolve()}", f"Exit code {answer.verdicts.exit_code}.")
    raise typer.Exit(answer.verdicts.exit_code)


@commands.command()
def diff(
    before: Annotated[
        str, typer.Argument(metavar="BASELINE", help="verdicts.json, its folder, or a suite in --out")
    ],
    after: Annotated[str, typer.Argument(metavar="RUN", help="likewise")],
    junit: Annotated[
        Path | None, typer.Option(help="write a JUnit file: a case fails when its verdict changed")
    ] = None,
    seed: Seed = 0,
    out: Out = HERE,
) -> None:
    """Say which verdicts changed. Exit code: 0 no primary verdict did, 1 one did (either way), 2 usage."""
    from lthbench.judging.diff import compare, load

    raise typer.Exit(changed(compare(load(before, out, seed), load(after, out, seed)), junit))


def changed(compared: "Diff", junit: Path | None) -> int:
    """Print what changed, write it as JUnit where asked to, and give the exit code."""
    from lthbench.cli import show
    from lthbench.files import write_text
    from lthbench.report.diff_junit import diff_junit
    from lthbench.words import plain

    show.diff(compared)
    if junit:
        write_text(junit, diff_junit(compared))
        show.lines(f"JUnit: {junit.resolve()}")
    show.lines(plain(compared.summary))
    return compared.exit_code


@commands.command()
def explain(
    claim: Annotated[str, typer.Argument(metavar="CLAIM", help="a claim, for example FC-1")],
    suite: Annotated[str | None, typer.Option(help="the suite whose rule and run are meant")] = None,
    run: Annotated[
        str, typer.Option(help="verdicts.json, or a folder that holds one; default: the run in --out")
    ] = "",
    seed: Seed = 0,
    out: Out = HERE,
    claims_dir: ClaimsDir = None,
) -> None:
    """Print a claim, how it is decided, and the numbers behind its verdict."""
    from lthbench.claims.load import load
    from lthbench.drive.reasons import reasons

    print(reasons(load(claims_dir), claim, suite, run, out, seed), end="")


@commands.command()
def report(
    suite: SuiteName, seed: Seed = 0, claim: Claim = None, out: Out = HERE, claims_dir: ClaimsDir = None
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


@commands.command()
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
