"""Gates on accuracies as they were measured: they see wrong totals and the wrong network, and nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
from judging_lab import N, claim, line, registry, table, where

from lthbench.claims.schema import Cell
from lthbench.judging.gates.accuracy import counting_gate, end_gate
from lthbench.judging.gates.cells import Cells
from lthbench.judging.table import Table
from lthbench.recipe.data import DataSpec

CELLS = [Cell("toy", "dense", 0), Cell("toy", "ticket", 1), Cell("toy", "reinit", 1)]
LAB = registry(claim("A-1", line("ticket@1", "reinit@1")))
TOY = replace(LAB.experiments["toy"], data=DataSpec("digits", test=1000))


def found(frame: pd.DataFrame, experiment=TOY) -> list[str]:
    cells = Cells(experiment, CELLS, Table(frame), N)
    gates = counting_gate(cells) + end_gate(cells)
    assert not any(gate.passed for gate in gates), "a pass leaves no trace"
    return [gate.name for gate in gates]


def test_whole_numbers_of_examples_and_two_networks_are_sound() -> None:
    assert found(table(LAB, {"ticket@1": 60.3})) == []


def test_accuracies_of_no_whole_number_of_examples_are_noticed() -> None:
    frame = table(LAB, {"ticket@1": 60.34})
    assert found(frame) == ["toy: accuracies of ticket@1"]
    assert found(frame, replace(TOY, data=DataSpec("digits", test=10_000))) == []
    assert found(frame, replace(TOY, data=DataSpec("digits"))) == []  # nobody says of how many


def test_a_network_of_the_early_stop_that_passes_for_the_last_one_is_noticed() -> None:
    frame = table(LAB)
    for cell in CELLS:
        name = f"{cell.arm}@{cell.level}"
        early = where(frame, name, "early_stop_test_accuracy")
        frame.loc[early, "value"] = frame.loc[where(frame, name, "final_test_accuracy"), "value"].to_numpy()
    assert found(frame) == ["toy: accuracy at the end of training"]
    one = where(frame, "dense@0", "final_test_accuracy", replicate=0)
    frame.loc[one, "value"] += 1
    assert found(frame) == []  # one that differs: two networks were evaluated


def test_runs_that_never_stop_early_say_nothing() -> None:
    frame = table(LAB)
    for cell in CELLS:
        name = f"{cell.arm}@{cell.level}"
        frame.loc[where(frame, name, "early_stop_iteration"), "value"] = 30.0
        early = where(frame, name, "early_stop_test_accuracy")
        frame.loc[early, "value"] = frame.loc[where(frame, name, "final_test_accuracy"), "value"].to_numpy()
    assert found(frame) == []
    assert np.all(frame.loc[where(frame, "dense@0", "early_stop_iteration"), "value"] == 30)
