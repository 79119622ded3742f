"""Variants: bfloat16 and channels-last train as the serial reference does, declared, and change nothing else."""

import dataclasses
from contextlib import nullcontext
from typing import ClassVar

import gpu_lab as gpu
import numpy as np
import pytest
import science_lab as lab
import torch
from torch import nn

from lthbench.models import registry
from lthbench.models.module import module_model
from lthbench.plan.unit import plan_experiment
from lthbench.recipe.arms import ARMS
from lthbench.recipe.experiment import Experiment, Training
from lthbench.recipe.variants import SAYS, VARIANTS, variant_of, varied
from lthbench.training import loop, module, perceptron, reference
from lthbench.training.run import Folds, Task, Trained
from lthbench.training.stack import stack

BF16 = [name for name, (_, changes) in gpu.VARIANTS.items() if "precision" in changes]
LAID = [name for name, (_, changes) in gpu.VARIANTS.items() if "precision" not in changes]
PLAIN = {name: kind for name, (kind, _) in gpu.VARIANTS.items()}
SMALLEST, NEAR = 0.001, 0.02  # of the way the weights went


def apart(task: Task, first: Trained, second: Trained) -> list[float]:
    """How far two trainings ended from one another, as a fraction of the way they went, by network and weight."""
    return [
        float(np.linalg.norm(a[name] - b[name]) / np.linalg.norm(b[name] - start[name]))
        for start, a, b in zip(task.states, first.states, second.states, strict=True)
        for name in task.model.prunable
    ]


def rounded_as_declared(task: Task, folds: Folds) -> None:
    """A training in bfloat16 is the reference's in bfloat16, and none in float32."""
    whole = dataclasses.replace(task, training=dataclasses.replace(task.training, precision="float32"))
    fast, slow, float32 = loop.train(task, folds), reference.train(task, folds), loop.train(whole, folds)
    assert max(apart(task, fast, slow)) < NEAR
    assert min(apart(task, fast, float32)) > SMALLEST
    assert not np.array_equal(fast.validation_loss, float32.validation_loss)


@pytest.mark.parametrize("kind", BF16)
def test_bfloat16_is_the_serial_references_and_not_float32(kind: str) -> None:
    rounded_as_declared(*gpu.kind(kind))


@pytest.mark.parametrize(
    ("kind", "owner", "name", "silent"),
    [
        ("perceptron, bf16", perceptron, "in_bf16", perceptron.in_float32),
        ("residual, bf16", module, "rounding", lambda device: nullcontext()),
    ],
)
def test_a_variant_that_silently_trains_in_float32_is_noticed(monkeypatch, kind, owner, name, silent) -> None:
    task, folds = gpu.kind(kind)
    monkeypatch.setattr(owner, name, silent)
    with pytest.raises(AssertionError):
        rounded_as_declared(task, folds)


@pytest.mark.parametrize("kind", BF16)
def test_all_that_is_kept_is_float32_and_pruned_weights_are_exactly_zero(kind: str) -> None:
    task, folds = gpu.kind(kind, keep_at=7)
    with torch.no_grad():
        course = loop.begin(task, folds)
        loop.advance(course, 0, task.training.iterations)
    floats = {name: t for name, t in course.state.tensors().items() if t.is_floating_point()}
    assert {tensor.dtype for tensor in floats.values()} == {torch.float32}
    assert {course.mask.dtype, *(view.dtype for view in course.state.net.views.values())} == {torch.float32}
    # Kept in more digits than bfloat16 has: weights, moments and batch norm's statistics.
    for name in ("net", "first", *(name for name in floats if name.startswith("net/") and "mean" in name)):
        assert (floats[name] != floats[name].bfloat16().float()).float().mean() > 0.4, name
    ended = loop.result(task, folds, course.engine, course.state, course.owners)
    for state, mask in zip(ended.states, task.masks, strict=True):
        for name, kept in mask.items():
            assert not state[name][~kept].any()
            assert state[name][kept].all()


@pytest.mark.parametrize("kind", ["perceptron", "module", "residual"])
def test_it_learns(kind: str) -> None:
    """Inputs that show their labels: as well as in float32."""
    network, shape, _ = gpu.KINDS[kind]
    folds = lab.image_folds(shape, sizes=(64, 40, 40))
    for examples in (folds.examples, folds.held_out):
        part = examples.x[0].numel() // 10
        for flat, label in zip(examples.x.flatten(1), examples.y, strict=True):
            flat[label * part : (label + 1) * part] = 255 if flat.dtype == torch.uint8 else 4.0
    right = []
    for precision in ("float32", "bf16"):
        training = Training("adam", 0.01, batch=16, iterations=60, evaluate_every=20, precision=precision)
        task = lab.any_task(registry.model(network, shape, 10), training, folds)
        right.append(loop.train(dataclasses.replace(task, seeds=()), folds).final_test_accuracy.mean())
    assert min(right) > 30  # of ten classes
    assert abs(right[0] - right[1]) < 15


@pytest.mark.parametrize("kind", BF16 + LAID)
def test_evaluation_is_float32s_bit_for_bit(kind: str) -> None:
    task, folds = gpu.kind(kind)
    net = stack(task.model, task.states, lab.CPU)
    engines = [loop.engine_for(task.model, net, (), how) for how in (task.training, None)]
    rows = folds.validation[torch.tensor(list(task.owners))]
    with torch.no_grad():
        looks = [loop.count_correct(engine, net, folds.examples, rows) for engine in engines]
    assert all(torch.equal(a, b) for a, b in zip(*looks, strict=True))


def test_the_loss_is_taken_in_float32(monkeypatch) -> None:
    seen = []
    entropy = module.functional.cross_entropy

    def watched(logits, labels):
        seen.append(logits.dtype)
        return entropy(logits, labels)

    monkeypatch.setattr(module.functional, "cross_entropy", watched)
    task, folds = gpu.kind("residual, bf16")
    loop.train(task, folds)
    assert set(seen) == {torch.float32}


class Sees(nn.Module):
    """Notes the type of what a convolution and batch norm take and give, how images lie, if oneDNN is on."""

    seen: ClassVar[list[tuple]] = []

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1, self.out = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.conv1(x)
        h = self.norm1(z)
        if self.training:
            laid = [t.is_contiguous(memory_format=torch.channels_last) for t in (x, z)]
            self.seen.append((z.dtype, self.norm1.running_mean.dtype, *laid, torch.backends.mkldnn.enabled))
        return self.out(h.relu().mean((2, 3)))


@pytest.mark.parametrize("variant", ["", *VARIANTS])
def test_a_variant_is_what_its_recipe_says_and_no_other(variant: str) -> None:
    training = dataclasses.replace(gpu.SGD, **VARIANTS.get(variant, {}))
    Sees.seen.clear()
    loop.train(*gpu.task_of(module_model(Sees, "kaiming"), gpu.IMAGE, training))
    dtype = torch.bfloat16 if "bf16" in variant else torch.float32
    last = "channels-last" in variant
    sound = not last  # a processor without AVX-512 would write past a buffer: training.device.sound_convolutions
    assert set(Sees.seen) == {(dtype, torch.float32, last, last, sound)}
    assert torch.backends.mkldnn.enabled
    assert variant_of(training) == variant


@pytest.mark.parametrize("kind", LAID)
def test_channels_last_is_the_same_training_to_rounding(kind: str) -> None:
    task, folds = gpu.kind(kind)
    plain, laid = (loop.train(each, folds) for each in (gpu.kind(PLAIN[kind])[0], task))
    assert max(apart(task, laid, plain)) < 1e-5
    assert max(apart(task, laid, reference.train(task, folds))) < 1e-5
    np.testing.assert_allclose(laid.validation_loss, plain.validation_loss, rtol=1e-6)


# Arms

CELLS = {
    ("dense-copy", 0), ("dense-late-copy", 0), ("ticket", 2), ("rewound", 1), ("one-shot", 1), ("reinit", 2),
    ("random-mask", 1), ("shuffled", 1), ("lr-rewound", 1), ("fine-tuned", 1), ("pruned-at-init", 1),
    ("ticket-copy", 1), ("edge-popup", 1), ("supermask", 1), ("untrained", 1),
}  # fmt: skip


@pytest.mark.parametrize("made", [lab.plain, lab.module])
def test_every_arm_goes_through_the_same_step_in_bfloat16(tmp_path, cache, monkeypatch, made) -> None:
    engines = []
    step = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda engine, *given: (engines.append(engine), step(engine, *given)))
    ran = lab.run(varied(made(), "bf16"), CELLS, tmp_path, cache)
    assert {unit.arm for unit in ran.units} == {arm for arm, _ in CELLS} | {"dense"}
    assert {engine.bf16 for engine in engines} == {True}
    steps = sum(len(seen.rates) for seen in ran.seen.values())
    assert len(engines) == steps == sum(40 - unit.start for unit in ran.units)
    for unit in ran.units:
        assert ran.seen[unit.name].task.training.precision == "bf16"
        if ARMS[unit.arm].pruned == "zero" and unit.level and ARMS[unit.arm].learns == "weights":
            for s, mask in enumerate(ran.seen[unit.name].task.masks):
                replicate, draw = unit.replicates[s // unit.draws], s % unit.draws
                for name, kept in mask.items():
                    left = ran.measured(f"nonzero:{name}", unit.arm, unit.level)
                    assert left[replicate, draw, 40] == kept.sum()


def test_a_variant_starts_and_sees_what_its_experiment_does(tmp_path, cache) -> None:
    """Replicate by replicate the same initial weights, splits, orders and masks drawn; other numbers come out."""
    plain = lab.run(lab.plain(), {("reinit", 1)}, tmp_path / "plain", cache)
    other = lab.run(varied(lab.plain(), "bf16"), {("reinit", 1)}, tmp_path / "bf16", cache)
    for s in (0, 1):
        for mine, theirs in zip(other.watched("dense", 0).fed(s), plain.watched("dense", 0).fed(s), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert lab.same(other.watched("dense", 0).start[s], plain.watched("dense", 0).start[s])
        assert not lab.same(other.stored("final", "dense", 0, s), plain.stored("final", "dense", 0, s))


# Names


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_has_keys_and_a_recipe_of_its_own(variant: str) -> None:
    plain = dataclasses.replace(lab.plain(), network=gpu.KINDS["residual"][0], draws={})
    other = varied(plain, variant)
    assert (other.id, other.streams) == (f"plain-{variant}", "plain")
    assert variant_of(other.training) == variant
    assert variant in SAYS
    keys = [
        {unit.key for unit in plan_experiment(e, {("dense", 0), ("ticket", 2)}, 2, 2, 0)} for e in (plain, other)
    ]
    assert not set.intersection(*keys)
    changed = {k for k, v in other.recipe().items() if plain.recipe().get(k) != v}
    assert changed == {"id", "training", "paired_with"}
    alone = dataclasses.replace(plain, training=other.training)  # under its own name too
    assert alone.recipe() != plain.recipe()


def test_a_perceptron_has_no_channels_and_a_variant_no_variants() -> None:
    assert varied(lab.plain(), "channels-last") is None
    assert varied(lab.plain(), "bf16-channels-last") is None
    assert varied(varied(lab.plain(), "bf16"), "bf16") is None
    with pytest.raises(ValueError, match="a perceptron sees no images"):
        dataclasses.replace(lab.plain(), training=dataclasses.replace(lab.ADAM, memory_format="channels-last"))


def test_a_recipe_that_names_none_is_none() -> None:
    assert variant_of(lab.ADAM) == ""
    assert "precision" not in lab.plain().recipe()["training"]
    assert isinstance(lab.plain(), Experiment)
    assert Training.precision == "float32"
