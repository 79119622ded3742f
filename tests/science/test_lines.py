"""Lines between the trained networks of two cells: which networks they join, and what is recorded of them."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab

from lthbench.recipe.arms import ARMS, check_cell, line_start, parents
from lthbench.tickets.barrier import barrier, errors_on_line

ENDS = {  # the line, the networks it starts from, the networks it ends at
    ("ticket-line", 2): (("ticket", 1), ("ticket", 2)),
    ("ticket-line", 1): (("dense", 0), ("ticket", 1)),
    ("rewound-line", 2): (("rewound", 1), ("rewound", 2)),
    ("continued-line", 2): (("lr-rewound", 2), ("continued", 2)),
    ("continued-reinit-line", 2): (("lr-rewound", 2), ("continued-reinit", 2)),
}


@pytest.fixture(scope="module", params=["plain", "normed", "module"])
def joined(request, tmp_path_factory, cache):
    """Every line once, in blocks of two replicates and one; draws of other controls are no draws of an end."""
    experiment = dataclasses.replace(getattr(lab, request.param)(), draws={"reinit": 2})
    return lab.run(experiment, set(ENDS), tmp_path_factory.mktemp("lines"), cache, replicates=3, block=2)


@pytest.mark.parametrize("line", ENDS)
def test_a_line_joins_the_networks_its_arm_names(joined, line) -> None:
    """The barrier and every point of the line, computed again from the stored networks of both ends."""
    first, second = ENDS[line]
    assert set(parents(*line)) == {first, second}
    points = joined.experiment.barrier_points
    for block in (0, 1):
        replicates = joined.unit(*line, block).replicates
        starts, ends = (
            [joined.stored("final", *cell, s, block) for s in range(len(replicates))] for cell in (first, second)
        )
        errors = errors_on_line(joined.model, starts, ends, joined.load_folds(block), points)
        for s, replicate in enumerate(replicates):
            for i, error in enumerate(errors[:, s]):
                recorded = joined.measured(f"line_error:{i / (points - 1):.4g}", *line, block)
                assert recorded[replicate, 0, None] == pytest.approx(error)
            assert joined.measured("barrier", *line, block)[replicate, 0, None] == pytest.approx(
                barrier(errors)[s]
            )


@pytest.mark.parametrize("line", ENDS)
def test_the_network_at_the_end_is_the_trained_one(joined, line) -> None:
    """Nothing is trained, nothing moved, and the mask is the one the trained network wears."""
    _, end = ENDS[line]
    assert joined.unit(*line).iterations == 0
    for metric in ("final_test_accuracy", "mask_crc32"):
        on_line, trained = joined.measured(metric, *line), joined.measured(metric, *end)
        assert sorted(on_line.values()) == sorted(trained.values())
    for metric in ("start_moved:weights", "start_moved:others"):
        assert set(joined.measured(metric, *line).values()) == {0}


def test_ticket_and_pruned_network_of_one_mask(joined) -> None:
    """`continued` and `lr-rewound` of a level wear one mask, so that the line between them stays inside it."""
    for arm in ("continued", "continued-reinit"):
        for s in (0, 1):
            mine, theirs = joined.stored("mask", arm, 2, s), joined.stored("mask", "lr-rewound", 2, s)
            assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)


def test_a_start_that_is_not_the_trained_network_is_a_fact(joined) -> None:
    """A line from the initial weights instead: the fact that the gate looks at says so."""
    from lthbench.tickets import starts, unit
    from lthbench.tickets.fitted import initial_state

    one = joined.unit("ticket-line", 2)
    above = joined.above(one)
    task = unit.make_task(one, joined.model, joined.load_folds(), above)
    task.states[0] = initial_state(one, joined.model, 0)
    moved = {s: n for s, metric, n in starts.start_facts(one, task, above) if metric == "start_moved:weights"}
    assert moved[0] > 0
    assert moved[1] == 0


@pytest.mark.parametrize("arm", [name for name, arm in ARMS.items() if arm.line_from])
def test_lines_start_from_what_is_named(arm: str) -> None:
    level = 0 if arm == "dense-copy" else 3
    assert line_start(arm, level) in parents(arm, level)


def test_a_line_of_rewound_tickets_needs_a_rewind_point() -> None:
    with pytest.raises(ValueError, match=r"pruning.rewind > 0"):
        check_cell("rewound-line", 2, rewind=0)


def test_an_end_of_a_line_is_drawn_once() -> None:
    with pytest.raises(ValueError, match="draws: continued-reinit"):
        dataclasses.replace(lab.plain(), draws={"continued-reinit": 2})
