"""An implementation in the dock from Python: the answer to a call, not a command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lthbench.claims.load import load
from lthbench.drive import dock
from lthbench.drive.answer import Answer
from lthbench.drive.answers import checked
from lthbench.drive.implementation import THEIRS, Asked, tested
from lthbench.drive.implementation_dock import registry_of
from lthbench.drive.lock import exclusive
from lthbench.drive.mendable import mendable
from lthbench.drive.tested import data_in, named, network_of, place, threads_as_before
from lthbench.judging.dock.standing import Standing
from lthbench.recipe import given
from lthbench.words import listed


@dataclass(frozen=True, repr=False)
class Stood(Answer):
    """The claims on an implementation's numbers, and how it stands beside them.

    `standing` has the invariants and the comparison with the reference's arms; `notes` say it in words.
    """

    standing: Standing | None = None

    @property
    def exit_code(self) -> int:
        """That of `lthbench test --implementation`: invariants and the reference count as well."""
        return self.standing.exit_code if self.standing else super().exit_code


def implementation_tested(
    run: str | Callable[..., Any],
    network: Any,
    data: Any,
    claims: str | Sequence[str],
    out: Path | None,
    cores: int,
    tell: Callable[[str], None],
    **more: Any,
) -> Stood:
    """How an implementation stands; without `out` nothing stays on disk. `more` is a `dock.Question`'s.

    One core, or a function that cannot be imported: it is called in this process.
    """
    names = tuple(listed(claims))
    with mendable(), place(out) as folder, threads_as_before():
        seed, name = more.pop("seed"), named(run)
        question = dock.Question("", names, network=network_of(network), data=data_in(folder, data), **more)
        here = name.startswith(given.__name__)
        asked = Asked(
            name,
            question.suite,
            names,
            question.replicates,
            seed,
            folder,
            cores=0 if here or cores == 1 else cores,
        )
        with exclusive(folder):
            asked, registry = registry_of(asked, question, load())
            standing = tested(asked, registry, tell)
        table = pd.read_csv(folder / THEIRS)
        own = folder / "claims" if (folder / "claims").is_dir() else None
        answer = checked(table, asked.claims, asked.suite, None, "percent", own)
    words = (standing.words(), *filter(None, [standing.diagnosis()]))
    return Stood(answer.verdicts, answer.material, words, standing)
