"""Variants: an experiment at another precision, or with its images laid out otherwise. Both change numbers.

A variant has a name of its own, and with its recipe a hash of its own, so its results are never taken for those of
the experiment. It shares the random streams: the same initial weights, splits and orders, replicate by replicate.
"""

from dataclasses import replace
from typing import Any

from lthbench.recipe.experiment import Experiment, Training

VARIANTS: dict[str, dict[str, Any]] = {
    "bf16": {"precision": "bf16"},
    "channels-last": {"memory_format": "channels-last"},
    "bf16-channels-last": {"precision": "bf16", "memory_format": "channels-last"},
}
BF16 = (
    "products and convolutions of training take and give bfloat16, forward and backward; weights, optimizer, "
    "masks, statistics of batch norm, losses and evaluation are float32"
)
CHANNELS_LAST = (
    "training batches of images lie in memory with their channels last, so that sums may come in another order"
)
SAYS = {"bf16": BF16, "channels-last": CHANNELS_LAST, "bf16-channels-last": f"{BF16}; {CHANNELS_LAST}"}


def variant_of(training: Training) -> str:
    """The variant that a training recipe is; empty for none."""
    plain = Training.precision, Training.memory_format
    differs = {name: getattr(training, name) for name in ("precision", "memory_format")}
    differs = {name: value for name, value in differs.items() if value not in plain}
    return next((name for name, keys in VARIANTS.items() if keys == differs), "")


def named(name: str, variant: str) -> str:
    """What a suite or an experiment is called as a variant."""
    return f"{name}-{variant}" if name else name


def varied(experiment: Experiment, variant: str) -> Experiment | None:
    """The experiment as a variant; None where it is one already, or where there are no images to lay out."""
    keys = VARIANTS[variant]
    if variant_of(experiment.training) or ("memory_format" in keys and experiment.network.kind == "mlp"):
        return None
    return replace(
        experiment,
        id=named(experiment.id, variant),
        title=f"{experiment.title} ({variant} variant)",
        training=replace(experiment.training, **keys),
        paired_with=experiment.streams,
        mask_from=named(experiment.mask_from, variant),
    )
