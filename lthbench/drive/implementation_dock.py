"""What is asked of an implementation on a network or data of the user's own: claim files for it, below `out`."""

import shutil
from dataclasses import replace
from pathlib import Path

from lthbench.claims import dock as claims_dock
from lthbench.claims import own
from lthbench.claims.load import Registry, load
from lthbench.drive import dock
from lthbench.drive.implementation import Asked, claims_of
from lthbench.errors import UserError


def registry_of(asked: Asked, question: dock.Question, registry: Registry) -> tuple[Asked, Registry]:
    """The registry that decides: the given one, or for a changed experiment one that was written for it.

    Margins are then those of the suite it was asked from, and the suite is exploratory.
    """
    claims = claims_of(asked, registry)
    experiment, chance = dock.experiment_of(registry, question, claims[0])
    registered = claims_dock.registered_level(registry, asked.suite, claims[0])
    changed = experiment.id == claims_dock.SUITE
    if not changed and question.density is None:
        return asked, registry
    rung = dock.rung_of(experiment, question.density, registered)
    level = rung.level if question.density else None
    folder = asked.out / "claims"
    emptied(folder)
    mine = replace(experiment, id=own.SUITE, method="", own_start=False)
    words = claims_dock.registered(registry, asked.suite, claims, mine, rung)
    own.write_folder(
        folder, registry, claims, mine, chance, asked.replicates, asked.suite, level, registered=words
    )
    return replace(asked, suite=own.SUITE, claims=claims), load(folder)


def emptied(folder: Path) -> None:
    """Remove claim files that an earlier call wrote. Raises UserError where others lie there."""
    if folder.exists() and not (folder / "suites" / f"{own.SUITE}.yaml").is_file():
        raise UserError(f"{folder}: not made by `lthbench test`; choose another folder with --out")
    shutil.rmtree(folder, ignore_errors=True)
