"""All mutants by id."""

from collections.abc import Sequence

from lthbench.errors import UserError
from tools.mutants.known import KNOWN
from tools.mutants.mutant import Mutant
from tools.mutants.plausible import PLAUSIBLE

CATALOGUE: dict[str, Mutant] = {mutant.id: mutant for mutant in (*KNOWN, *PLAUSIBLE)}


def chosen(only: Sequence[str]) -> list[Mutant]:
    """The mutants named, or all; UserError for an id that there is not."""
    for name in only:
        if name not in CATALOGUE:
            raise UserError(f"mutants: there is no mutant '{name}'; there are {', '.join(CATALOGUE)}")
    return [mutant for mutant in CATALOGUE.values() if not only or mutant.id in only]
