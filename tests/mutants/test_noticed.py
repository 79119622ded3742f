"""Every mutant is noticed by a unit test. Minutes: `python -m pytest -m mutants`."""

import pytest

from tools.mutants.catalogue import CATALOGUE
from tools.mutants.harness import Harness


@pytest.mark.mutants
@pytest.mark.parametrize("mutant", CATALOGUE.values(), ids=CATALOGUE)
def test_a_unit_test_notices(mutant) -> None:
    assert Harness(outcomes=False).attempt(mutant).test, f"{mutant.id} survives: {mutant.says}"
