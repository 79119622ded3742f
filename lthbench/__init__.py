"""lthbench turns sentences of the lottery-ticket literature into pre-registered statistical decisions.

From Python, without training anything (docs/python.md):

    lthbench.load("quick")                  verdicts as they are stored
    lthbench.judge("reports/reference/quick/seed-0")   the same, judged again from the table
    lthbench.check("results.csv")           your results, or a pandas table of them, judged

Each gives a `lthbench.drive.answer.Answer`. What goes wrong is a `lthbench.UserError`, in the words of the command
line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lthbench.errors import UserError
from lthbench.recipe.engine import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from lthbench.drive.answer import Answer
    from lthbench.tickets.method import Problem, Ticket

__all__ = ["Problem", "Ticket", "UserError", "__version__", "check", "judge", "load", "test"]


def __getattr__(name: str) -> Any:
    """Ticket and Problem, which need torch: it is imported when one of them is asked for."""
    if name in ("Problem", "Ticket"):
        from lthbench.tickets import method

        return getattr(method, name)
    raise AttributeError(f"module 'lthbench' has no attribute '{name}'")


def load(run: str | Path, out: str | Path = ".", seed: int = 0, claims_dir: str | Path | None = None) -> Answer:
    """The verdicts of a run as they are stored.

    `run` is a verdicts.json, a folder that holds one, or the name of a suite that was run in `out`.
    """
    from pathlib import Path

    from lthbench.drive import answers

    return answers.stored(run, Path(out), seed, Path(claims_dir) if claims_dir else None)


def judge(
    run: str | Path,
    out: str | Path = ".",
    seed: int = 0,
    claim: str | Sequence[str] = "all",
    claims_dir: str | Path | None = None,
) -> Answer:
    """The verdicts of a run, decided again from its table, as `lthbench judge` does; the stored ones stay.

    `run` is a folder that holds tidy.csv or tidy.csv.gz beside verdicts.json, or the name of a suite that was run
    in `out`, whose `seed` and `claim` are meant.
    """
    from pathlib import Path

    from lthbench.drive import answers

    return answers.judged(run, Path(out), seed, claim, Path(claims_dir) if claims_dir else None)


def check(
    table: str | Path | pd.DataFrame,
    claims: str | Sequence[str] = (),
    suite: str | None = None,
    as_: str | None = None,
    unit: str | None = None,
    claims_dir: str | Path | None = None,
) -> Answer:
    """Somebody's results, judged as `lthbench check` does: which claims they can speak about, and what they say.

    `table` is a file or a pandas table in the public format (docs/results-format.md), `claims` the ids to judge
    (none: all it has the cells for), `suite` the one whose registrations decide, `as_` the registered experiment
    that the table's one is judged as, `unit` that of accuracies: percent or fraction.
    """
    from pathlib import Path

    from lthbench.drive import answers

    return answers.checked(table, claims, suite, as_, unit, Path(claims_dir) if claims_dir else None)
