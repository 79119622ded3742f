"""Which errors a user can mend: each room has its own; a command or a Python call ends with the same words."""

from collections.abc import Iterator
from contextlib import contextmanager

from lthbench.claims.load import ClaimFileError
from lthbench.data.errors import DataError
from lthbench.errors import BLOCKED, USAGE, UserError
from lthbench.models.errors import ModelError
from lthbench.pruning.errors import CriterionError
from lthbench.results.store import RecordError


@contextmanager
def mendable() -> Iterator[None]:
    """Raise the errors of the rooms below as UserError, with the exit code of a command."""
    try:
        yield
    except (ClaimFileError, DataError, ModelError, CriterionError) as error:
        raise UserError(str(error), USAGE) from error
    except RecordError as error:
        raise UserError(str(error), BLOCKED) from error
