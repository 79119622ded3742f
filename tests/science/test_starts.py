"""The facts of every start: on sound runs they are what the gates expect, and each mistake in the making shows."""

import dataclasses

import numpy as np
import pytest
import science_lab as lab

from lthbench.claims.schema import Cell
from lthbench.judging.gates.cells import Cells
from lthbench.judging.gates.starts import start_gates
from lthbench.judging.table import Table
from lthbench.results.tidy import collect
from lthbench.tickets import networks, starts

CELLS = {("rewound", 2), ("reinit", 2), ("shuffled", 1), ("one-shot", 2), ("random-mask", 1), ("fine-tuned", 2)}
EVERY = {"dense@0", "ticket@1", "ticket@2", "rewound@1", "rewound@2", "fine-tuned@1"} | {
    f"{a}@{n}" for a, n in CELLS
}
KINDS = pytest.mark.parametrize("kind", [lab.plain, lab.normed, lab.module], ids=["plain", "normed", "module"])


def gates_of(experiment, folder, cache) -> dict[str, bool]:
    units = lab.planned(experiment, CELLS)
    lab.execute(units, folder, cache)
    table = Table(collect(folder, units)[0])
    every = [Cell(experiment.id, unit.arm, unit.level) for unit in units]
    gates = start_gates(Cells(experiment, every, table, 2))
    return {gate.name.partition(": ")[2]: gate.passed for gate in gates}


@KINDS
def test_sound_runs_pass_every_gate(kind, tmp_path, cache) -> None:
    found = gates_of(kind(), tmp_path, cache)
    assert found == dict.fromkeys(found, True)
    assert set(found) >= {
        "start of every network", "spread of fresh weights of reinit@2", "the smallest weights were pruned",
        "learning rates", "rewind point",
    }  # fmt: skip


def stale(state_for):
    """M4."""

    def wrong(unit, model, mask, above, index, draw):
        state = state_for(unit, model, mask, above, index, draw)
        if unit.arm == "rewound":
            trained = networks.part(networks.above_level(unit, above), "final", index)
            state |= {name: trained[name] for name in model.buffers}
        return state

    return wrong


def larger(state_for):
    """P4, seen by its spread."""

    def wrong(unit, model, mask, above, index, draw):
        state = state_for(unit, model, mask, above, index, draw)
        return {n: v * 3 if n in mask and unit.arm == "reinit" else v for n, v in state.items()}

    return wrong


def untrained(mask_for):
    """P9: one-shot prunes what it starts from."""

    def wrong(unit, model, folds, above, index, draw, filters=None):
        if unit.arm != "one-shot":
            return mask_for(unit, model, folds, above, index, draw, filters)
        initial = networks.start_of_all(unit, model, above, index)
        dense = {name: np.ones(shape, bool) for name, shape in model.prunable.items()}
        return networks.pruned(unit, model, folds, dense, initial, initial, index, filters)

    return wrong


@pytest.mark.parametrize(("name", "mistake", "gate"), [
    ("state_for", stale, "start of every network"),
    ("state_for", larger, "spread of fresh weights of reinit@2"),
    ("mask_for", untrained, "the smallest weights were pruned"),
])  # fmt: skip
def test_a_mistake_fails_its_gate_alone(name, mistake, gate, tmp_path, cache, monkeypatch) -> None:
    from lthbench.tickets import unit

    monkeypatch.setattr(unit, name, mistake(getattr(networks, name)))
    found = gates_of(lab.normed(), tmp_path, cache)
    assert [failed for failed, passed in found.items() if not passed] == [gate]


def test_wrongly_pruned_by_hand() -> None:
    unit = lab.planned(lab.plain(), {("ticket", 1)})[-1]
    trained = {"a": np.array([1.0, -5, 2, 3]), "out.weight": np.array([0.1, -0.2, 0.3, 0.4])}
    worn = {name: np.ones(4, bool) for name in trained}
    largest = {"a": np.array([False, True, False, True]), "out.weight": np.array([False, False, True, True])}
    by_value = {"a": np.array([True, False, True, True]), "out.weight": largest["out.weight"]}
    assert starts.wrongly_pruned(unit, trained, worn, largest) == 0
    assert starts.wrongly_pruned(unit, trained, worn, by_value) == 1
    everywhere = dataclasses.replace(unit.experiment, pruning=dataclasses.replace(lab.GLOBAL))
    together = dataclasses.replace(unit, experiment=everywhere)
    # 1 and 2 of "a" went while 0.3 of the other matrix stayed.
    assert starts.wrongly_pruned(together, trained, worn, largest) == 2
    came_back = worn | {"a": np.array([False, True, True, True])}
    assert starts.wrongly_pruned(unit, trained, came_back, largest | {"a": worn["a"]}) == 1
