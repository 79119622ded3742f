"""lthbench turns sentences of the lottery-ticket literature into pre-registered statistical decisions.

From Python (docs/python.md), where the first three train nothing:

    lthbench.load("quick")                  verdicts as they are stored
    lthbench.judge("reports/reference/quick/seed-0")   the same, judged again from the table
    lthbench.check("results.csv")           your results, or a pandas table of them, judged
    lthbench.test(find)                     a method of yours that finds tickets, through the claims (docs/dock.md)
    lthbench.test_implementation(run)       your code that trains every arm itself (docs/dock-implementation.md)

Each gives a `lthbench.drive.answer.Answer`. What goes wrong is a `lthbench.UserError`, in the words of the command
line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lthbench.errors import UserError
from lthbench.recipe.engine import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from lthbench.drive.answer import Answer
    from lthbench.drive.implementation_tested import Stood
    from lthbench.recipe.experiment import Network
    from lthbench.tickets.method import Problem, Ticket

__all__ = [
    "Problem",
    "Ticket",
    "UserError",
    "__version__",
    "check",
    "judge",
    "load",
    "test",
    "test_implementation",
]


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


def test(
    method: str | Callable[[Problem], Ticket] | None = None,
    network: str | Network | Callable[..., Any] | None = None,
    data: str | Path | Sequence[Any] | None = None,
    claims: str | Sequence[str] = (),
    suite: str = "quick",
    density: float | None = None,
    iterations: int | None = None,
    learning_rate: float | None = None,
    batch: int | None = None,
    own_start: bool = False,
    replicates: int = 8,
    seed: int = 0,
    out: str | Path | None = None,
    cores: int = 1,
    quiet: bool = False,
    ticket: str | Path | None = None,
    keep: Sequence[str] = (),
) -> Answer:
    """A method of yours that finds tickets, or a ticket, put through claims as `lthbench test` does.

    `method` is a function of a `Problem` that returns a `Ticket`, or its name package.module:function. `network`
    is a kind (`conv-4`, `timm/NAME`), a declaration, or a function (shape, classes) of a new module; `data`
    a data set's name, an .npz file, or four arrays or tensors x_train, y_train, x_test, y_test. Without both,
    those of the `suite` are taken, whose recipe, contrasts and margins decide. `density` is a fraction of the
    weights; `keep` are weights of your network that are never pruned. `ticket` is a file (docs/tickets.md) in the
    method's place. All of it is trained.

    Functions of a notebook run in this process; those of a module that can be imported may run on several `cores`.
    Without `out` nothing stays on disk.
    """
    from pathlib import Path

    from lthbench.drive import tested
    from lthbench.words import listed

    return tested.tested(
        method, network, data, claims, Path(out) if out else None, seed, cores, quiet, suite=suite,
        density=density, iterations=iterations, learning_rate=learning_rate, batch=batch, replicates=replicates,
        own_start=own_start, ticket=str(ticket) if ticket else None, keep=tuple(listed(keep)),
    )  # fmt: skip


def test_implementation(
    run: str | Callable[..., Any],
    network: str | Network | Callable[..., Any] | None = None,
    data: str | Path | Sequence[Any] | None = None,
    claims: str | Sequence[str] = (),
    suite: str = "quick",
    density: float | None = None,
    iterations: int | None = None,
    learning_rate: float | None = None,
    batch: int | None = None,
    replicates: int = 8,
    seed: int = 0,
    out: str | Path | None = None,
    cores: int = 1,
    quiet: bool = False,
) -> Stood:
    """Your code that trains every arm itself, as `lthbench test --implementation` does.

    `run` is a function of a problem and an arm (docs/dock-implementation.md), its name package.module:function, or
    a command (it has a space in it). The rest is as for `test`. The answer's claims are judged on your numbers;
    its `standing` has the invariants and the comparison with the reference.
    """
    from pathlib import Path

    from lthbench.drive.implementation_tested import implementation_tested

    return implementation_tested(
        run, network, data, claims, Path(out) if out else None, cores, (lambda _: None) if quiet else print,
        suite=suite, density=density, iterations=iterations, learning_rate=learning_rate, batch=batch,
        replicates=replicates, seed=seed,
    )  # fmt: skip


test.__test__ = False  # type: ignore[attr-defined]  # pytest takes a function of this name for a test of theirs
test_implementation.__test__ = False  # type: ignore[attr-defined]
