"""Register claims of one's own: new-claim, freeze."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lthbench.cli.options import DEVELOP
from lthbench.errors import UserError

commands = typer.Typer()

Folder = Annotated[Path | None, typer.Option("--claims-dir", help="the folder of your claim files")]


@commands.command("new-claim", rich_help_panel=DEVELOP)
def new_claim(
    id: Annotated[str, typer.Argument(metavar="ID", help="capital letters, a hyphen and a number: MY-1")],
    claims_dir: Folder = None,
    sentence: Annotated[str, typer.Option(help="what is claimed, in one sentence")] = "",
    hypothesis: Annotated[
        list[str] | None,
        typer.Option(help="'ticket@5 - dense@0 non-inferiority 1 [expect EFFECT SD]'; again for more"),
    ] = None,
    margin_from: Annotated[str, typer.Option(help="what gave the margin, in words")] = "",
    suite: Annotated[str, typer.Option(help="where the folder has several")] = "",
    experiment: Annotated[str, typer.Option(help="where the folder has several")] = "",
    kind: Annotated[str, typer.Option(help="primary, secondary or counter")] = "secondary",
    endpoint: Annotated[str, typer.Option(help="what is compared")] = "final_test_accuracy",
    replicates: Annotated[int, typer.Option(min=0, help="n; else as many as the suite's other claims have")] = 0,
    tuned: Annotated[str, typer.Option(metavar="SEED:N", help="the tuning study that gave EFFECT and SD")] = "",
    source: Annotated[str, typer.Option(help="the paper that says it, where one does")] = "",
    where: Annotated[str, typer.Option(help="and the place in it")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="write over the file that is there")] = False,
) -> None:
    """Write a claim of your own, and say how it is decided and with what power (docs/register.md)."""
    from lthbench.claims.new_claim import Answers, planning_words, write
    from lthbench.cli import show
    from lthbench.report.explain import rule_part

    folder = needed(claims_dir, "new-claim")
    asked = [
        answer(sentence, "--sentence", "What is claimed, in one sentence"),
        *(hypothesis or [answer("", "--hypothesis", "One hypothesis, as ticket@5 - dense@0 non-inferiority 1")]),
        answer(margin_from, "--margin-from", "What gave the margin"),
    ]
    study = tuning(tuned)
    answers = Answers(
        id, asked[0], tuple(asked[1:-1]), asked[-1], "", suite, experiment, kind, endpoint, replicates, study,
        source, where,
    )  # fmt: skip
    registry = write(folder, answers, replace)
    claim = registry.claims[id]
    name = next(iter(claim.suites))
    show.lines(
        f"{folder / id}.yaml: written", *rule_part(registry, claim, registry.suites[name], claim.suites[name])
    )
    show.lines(*planning_words(registry, name, claim))
    at = f"--claims-dir {folder}"
    show.lines(
        f"next: `lthbench tune {name} {at}` measures effects and SDs, `lthbench freeze {at}` registers it, "
        f"`lthbench run {name} {at}` decides it"
    )


@commands.command(rich_help_panel=DEVELOP)
def freeze(
    claims_dir: Folder = None,
    suite: Annotated[str, typer.Option(help="where the folder has several")] = "",
    why: Annotated[str, typer.Option(help="where it was frozen before: what changed, and why")] = "",
) -> None:
    """Record what is registered now in frozen.json; verdicts then say whether it is what they judged."""
    from lthbench.claims import frozen
    from lthbench.claims.load import load
    from lthbench.claims.new_claim import the_one
    from lthbench.cli import show

    folder = needed(claims_dir, "freeze")
    registry = load(folder)
    name = the_one(suite, list(registry.suites), "suite")
    made = frozen.freeze(registry, name, why)
    show.lines(*(f"{claim} {hash[: frozen.SHOWN]}" for claim, hash in made.claims.items()))
    show.lines(f"{folder / frozen.FILE}: suite {name} as it is at {made.at}; commit this file before you run it")


def needed(folder: Path | None, command: str) -> Path:
    """The folder of the user's claim files; those of the package are no user's to write."""
    if folder is None:
        raise UserError(
            f"{command}: name the folder of your claim files with --claims-dir; `lthbench new` makes one"
        )
    return folder


def answer(given: str, option: str, question: str) -> str:
    """What an option says, else what the user answers on a terminal."""
    if given:
        return given
    if not sys.stdin.isatty():
        raise UserError(f"new-claim: missing {option}; give it, or type the command on a terminal to be asked")
    return str(typer.prompt(question))


def tuning(text: str) -> tuple[int, int] | None:
    """`1000:16` as master seed and replicates; None where there was no study."""
    seed, separator, replicates = text.partition(":")
    if not text:
        return None
    if not (separator and seed.isdecimal() and replicates.isdecimal()):
        raise UserError(f"--tuned {text}: write SEED:REPLICATES, as in 1000:16")
    return int(seed), int(replicates)
