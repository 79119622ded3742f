"""A user's method: the built-in one, written as one, gives the built-in's tickets bit for bit."""

import dataclasses
import sys
from pathlib import Path

import pytest
import science_lab as lab

from lthbench.drive.execute import run_chunk
from lthbench.plan.unit import plan_experiment
from lthbench.results import store
from lthbench.tickets.networks import part

METHODS = Path(__file__).parents[2] / "examples" / "methods"
CELLS = {("ticket", 2), ("found", 2), ("found-reinit", 2), ("reinit", 2), ("found-shuffled", 2), ("shuffled", 2),
         ("found-random-mask", 2), ("random-mask", 2)}  # fmt: skip
DRAWS = dict.fromkeys(("reinit", "shuffled", "random-mask"), 2)
DRAWS |= {f"found-{arm}": 2 for arm in DRAWS}
KINDS = {"plain": lab.plain, "normed": lab.normed, "module": lab.module}


@pytest.fixture(scope="module")
def methods():
    sys.path.insert(0, str(METHODS))
    yield
    sys.path.remove(str(METHODS))


@pytest.fixture(scope="module", params=KINDS)
def ran(request, methods, tmp_path_factory, cache):
    """Every cell of two replicates, each a block of its own: `train` trains one network at a time too."""
    root = tmp_path_factory.mktemp(request.param)
    experiment = KINDS[request.param](method="iterative:find", draws=DRAWS)
    pruning = dataclasses.replace(experiment.pruning, rewind=0)
    units = plan_experiment(dataclasses.replace(experiment, pruning=pruning), CELLS, 2, 1, 0)
    for block in (0, 1):
        run_chunk([u for u in units if u.block == block], root, cache, "cpu", lambda unit, how: None)
    return root, {(u.arm, u.level, u.block): u for u in units}


def tensors(ran, *cell):
    root, units = ran
    return store.tensors_of(root, units[cell])


def measured(ran, *cell):
    """All rows of a cell but those on the search."""
    root, units = ran
    rows = store.read(store.path_of(root, units[cell])).rows
    return sorted((row for row in rows if row[3] not in ("search_iterations", "wrongly_pruned")), key=str)


@pytest.mark.parametrize("block", [0, 1])
def test_the_built_in_as_a_method_finds_the_built_ins_masks(ran, block) -> None:
    own, found = (part(tensors(ran, arm, 2, block), "mask", 0) for arm in ("ticket", "found"))
    assert lab.same(own, found)
    assert not lab.same(found, part(tensors(ran, "found", 2, 1 - block), "mask", 0))


@pytest.mark.parametrize("arm", ["reinit", "shuffled", "random-mask"])
def test_its_controls_are_the_tickets_controls_bit_for_bit(ran, arm) -> None:
    assert measured(ran, f"found-{arm}", 2, 0) == measured(ran, arm, 2, 0)


def test_its_ticket_trains_as_the_ticket_does_bit_for_bit(ran) -> None:
    facts = {"start_moved:weights", "start_moved:others"}
    found = measured(ran, "found", 2, 0)
    own = [row for row in measured(ran, "ticket", 2, 0) if not row[3].startswith("start_rms:")]
    assert found == own
    assert {row[3] for row in found} >= facts | {"final_test_accuracy", "validation_loss"}


def test_the_search_is_counted(ran) -> None:
    root, units = ran
    rows = store.read(store.path_of(root, units["found", 2, 0])).rows
    assert [row[4] for row in rows if row[3] == "search_iterations"] == [2 * lab.ADAM.iterations]
