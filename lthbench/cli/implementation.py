"""`lthbench test --implementation` and `--command`: what is printed of an implementation in the dock."""

from typing import TYPE_CHECKING

from lthbench.words import plain

if TYPE_CHECKING:
    from lthbench.drive.dock import Question
    from lthbench.drive.implementation import Asked
    from lthbench.judging.dock.standing import Standing


def run(asked: "Asked", question: "Question") -> int:
    """Train, judge, print; returns the exit code."""
    from lthbench.claims.load import load
    from lthbench.cli import show
    from lthbench.drive.implementation import tested
    from lthbench.drive.implementation_dock import registry_of
    from lthbench.drive.lock import exclusive

    with exclusive(asked.out):
        asked, registry = registry_of(asked, question, load())
        standing = tested(asked, registry, show.lines)
    print_standing(standing)
    show.lines(f"Page: {(asked.out / 'standing.md').resolve()}", f"Exit code {standing.exit_code}.")
    return standing.exit_code


def print_standing(standing: "Standing") -> None:
    """Three tables, then the verdict in a sentence."""
    from lthbench.cli import show
    from lthbench.report import standing as page

    tables = (
        ("What must hold in what it returned", page.INVARIANTS, map(page.invariant_row, standing.invariants)),
        ("Its arms beside the reference's", page.POINTS, map(page.point_row, standing.points)),
        ("Claims on its numbers", page.CLAIMS, page.claim_rows(standing)),
    )
    for title, head, rows in tables:
        shown = show.table(title, *head)
        for row in rows:
            shown.add_row(*map(plain, row))
        show.wide(shown)
    show.lines(plain(page.NOTE), plain(standing.words()), *[plain(s) for s in [standing.diagnosis()] if s])
