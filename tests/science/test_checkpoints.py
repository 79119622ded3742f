"""A training that was stopped and taken up again is, bit for bit, the training that was not."""

import dataclasses
import json
import logging
import time

import pytest
import science_lab as lab
import torch

from lthbench.drive.execute import run_chunk
from lthbench.errors import OutOfTime
from lthbench.models import registry
from lthbench.models.mlp import Mlp
from lthbench.recipe.experiment import Network, Training
from lthbench.results import store
from lthbench.training import checkpoint as checkpoints
from lthbench.training import loop
from lthbench.training.checkpoint import Checkpoint

PAST = 0.0
SGD = Training("sgd", 0.05, batch=6, iterations=12, evaluate_every=3, momentum=0.9, weight_decay=1e-3)
ADAM = Training("adam", 0.01, batch=6, iterations=12, evaluate_every=3)
MOVED = dataclasses.replace(SGD, flip=True, pad_crop=1, warmup=4, milestones=(8,))


def perceptron(training=ADAM, **more):
    folds = lab.image_folds((10,))
    return lab.any_task(Mlp((10, 8, 6, 10), True), training, folds, (1, 0, 1), 0.6, **more), folds


def module(training=MOVED, **more):
    folds, network = lab.image_folds((1, 8, 8)), Network("conv-2", width=0.1, dropout=0.4)
    return lab.any_task(registry.model(network, (1, 8, 8), 10), training, folds, (1, 0), 0.6, **more), folds


def normed_module(training=ADAM, **more):
    folds, network = lab.image_folds((10,)), Network("mlp", (8, 6), batch_norm=True, dropout=0.2)
    return lab.any_task(registry.model(network, (10,), 10), training, folds, (1, 0), 0.6, **more), folds


ENGINES = {"perceptron": perceptron, "module": module, "normed-module": normed_module}


@pytest.fixture(params=ENGINES.values(), ids=ENGINES)
def made(request):
    """What makes a task and its folds."""
    return request.param


def stopped(task, folds, path, monkeypatch, look: int) -> None:
    """Train until the first look at the clock after `look` iterations finds the deadline past."""
    monkeypatch.setattr(checkpoints, "LOOK", look)
    with pytest.raises(OutOfTime, match="goes on from there"):
        loop.train(task, folds, Checkpoint(path, deadline=PAST))
    monkeypatch.undo()


@pytest.mark.parametrize("keep_at", [0, 2, 6, 12])
@pytest.mark.parametrize("stop", [1, 5, 6, 11])
def test_stopped_and_resumed_is_not_stopped(made, tmp_path, monkeypatch, stop, keep_at) -> None:
    task, folds = made(keep_at=keep_at)
    whole = loop.train(task, folds)
    stopped(task, folds, tmp_path / "x.partial", monkeypatch, stop)
    lab.same_training(loop.train(task, folds, Checkpoint(tmp_path / "x.partial")), whole)


@pytest.mark.parametrize("training", [SGD, ADAM], ids=["sgd", "adam"])
def test_stopped_after_every_iteration_is_not_stopped(made, tmp_path, monkeypatch, training) -> None:
    task, folds = made(training, keep_at=4)
    task = dataclasses.replace(task, start=2)
    whole = loop.train(task, folds)
    for _ in range(9):  # iterations 3 .. 11
        stopped(task, folds, tmp_path / "x.partial", monkeypatch, 1)
    steps, step = [], loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *a: (steps.append(1), step(*a)))
    lab.same_training(loop.train(task, folds, Checkpoint(tmp_path / "x.partial")), whole)
    assert len(steps) == 1


def test_saving_without_stopping_changes_nothing(made, tmp_path, monkeypatch) -> None:
    task, folds = made(keep_at=4)
    whole = loop.train(task, folds)
    monkeypatch.setattr(checkpoints, "LOOK", 1)
    saved = []
    save = Checkpoint.save
    monkeypatch.setattr(Checkpoint, "save", lambda self, t, state: (saved.append(t), save(self, t, state)))
    lab.same_training(loop.train(task, folds, Checkpoint(tmp_path / "x.partial", every=0.0)), whole)
    assert saved == list(range(1, 12))  # the end is not saved: the record is


def test_the_clock_is_looked_at_now_and_then_and_saved_after_a_while(tmp_path, monkeypatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    quiet = Checkpoint(tmp_path / "a", every=60, saved_at=1000.0)
    late = Checkpoint(tmp_path / "b", deadline=1050.0, every=60, saved_at=1000.0)
    for seconds, wanted in ((59, (False, True)), (60, (True, True)), (49, (False, False)), (50, (False, True))):
        now[0] = 1000.0 + seconds
        for one, due in zip((quiet, late), wanted, strict=True):
            answers = [one.due() for _ in range(checkpoints.LOOK)]
            assert answers == [False] * (checkpoints.LOOK - 1) + [due]


def test_saving_before_the_deadline_goes_on_and_resets_the_clock(tmp_path, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    one = Checkpoint(tmp_path / "a", deadline=100.0, every=60, saved_at=0.0)
    now[0] = 61.0
    one.save(20, {"net": torch.ones(3)})
    assert not any(one.due() for _ in range(checkpoints.LOOK))
    now[0] = 100.0
    with pytest.raises(OutOfTime, match="after iteration 40"):
        one.save(40, {"net": torch.zeros(3)})
    t, found = Checkpoint(tmp_path / "a").load({"net": torch.empty(3)})
    assert (t, found["net"].tolist()) == (40, [0, 0, 0])


def test_the_seconds_of_all_runs_are_added_up(tmp_path, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for run in (1, 2, 3):
        one = Checkpoint(tmp_path / "a", since=now[0])
        one.load({"net": torch.empty(3)})
        assert one.seconds_before == pytest.approx(10 * (run - 1))
        now[0] += 10
        one.save(run, {"net": torch.zeros(3)})


@pytest.mark.parametrize("harm", ["flipped bit", "half", "empty", "only the digest", "of another kind"])
def test_a_checkpoint_that_cannot_be_used_is_named_and_ignored(made, tmp_path, monkeypatch, caplog, harm) -> None:
    task, folds = made(keep_at=4)
    path = tmp_path / "x.partial"
    whole = loop.train(task, folds)
    stopped(task, folds, path, monkeypatch, 5)
    content = path.read_bytes()
    if harm == "of another kind":
        path.unlink()
        stopped(*made(keep_at=None), path, monkeypatch, 5)
    else:
        flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        half = content[: len(content) // 2]
        path.write_bytes({"flipped bit": flipped, "half": half, "empty": b""}.get(harm, content[:32]))
    with caplog.at_level(logging.WARNING, logger="lthbench"):
        lab.same_training(loop.train(task, folds, Checkpoint(path)), whole)
    said = "another kind" if harm == "of another kind" else "damaged"
    assert [said in record.message and str(path) in record.message for record in caplog.records] == [True]


def test_no_checkpoint_is_no_event(made, tmp_path, caplog) -> None:
    task, folds = made()
    lab.same_training(loop.train(task, folds, Checkpoint(tmp_path / "none")), loop.train(task, folds))
    assert not caplog.records
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("experiment", [lab.normed, lab.module])
def test_a_run_stopped_again_and_again_is_the_run_that_was_not(tmp_path, cache, monkeypatch, experiment) -> None:
    units = lab.planned(experiment(), {("ticket", 1), ("rewound", 1)})
    lab.execute(units, tmp_path / "whole", cache)
    monkeypatch.setattr(checkpoints, "LOOK", 7)
    stops = 0
    while True:
        try:
            run_chunk(units, tmp_path / "stopped", cache, "cpu", lambda *_: None, deadline=PAST)
            break
        except OutOfTime:
            stops += 1
            partial = list((tmp_path / "stopped").rglob("*.partial"))
            assert len(partial) == 1
            assert partial[0].name.endswith(".cpu.partial")
    assert stops == 3 * 5 - 1  # 40 iterations by sevens, and the 30 of the rewound ticket
    assert not list((tmp_path / "stopped").rglob("*.partial"))
    for unit in units:
        contents = []
        for root in (tmp_path / "whole", tmp_path / "stopped"):
            path = store.path_of(root, unit)
            record = json.loads(path.read_text())
            contents.append((record["content"], path.with_suffix(".safetensors").read_bytes()))
        assert contents[0] == contents[1]
