"""What is trained and how: the declarations every arm of an experiment shares.

Plain frozen dataclasses, so that the training path needs nothing but torch, numpy and safetensors. The
claims package validates YAML into them (unknown keys refused); `canonical` gives the JSON they are hashed by.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from lthbench.data.registry import DataSpec
from lthbench.tickets.arms import ARMS

STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron: ReLU after every hidden layer, Gaussian Glorot weights, zero biases.

    With `batch_norm`, hidden layers are Linear (no bias) - BatchNorm - ReLU.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    kind: Literal["mlp"]
    hidden: tuple[int, ...]
    batch_norm: bool = False


@dataclass(frozen=True)
class Training:
    """The training recipe. Iterations are optimizer steps; `milestones` multiply the rate by `decay`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    optimizer: Literal["adam", "sgd"]
    learning_rate: float
    batch: int
    iterations: int
    evaluate_every: int
    momentum: float = 0.0
    weight_decay: float = 0.0
    warmup: int = 0
    milestones: tuple[int, ...] = ()
    decay: float = 0.1

    def __post_init__(self) -> None:
        positive = (self.learning_rate, self.batch, self.iterations, self.evaluate_every)
        if not all(0 < value < math.inf for value in positive):
            raise ValueError("learning_rate, batch, iterations and evaluate_every must be positive and finite")
        if self.iterations % self.evaluate_every:
            raise ValueError("evaluate_every must divide iterations, so that the end is evaluated")
        if self.optimizer == "adam" and self.momentum:
            raise ValueError("momentum belongs to sgd; adam uses betas .9/.999")


@dataclass(frozen=True)
class Pruning:
    """Magnitude pruning. `rate` is the fraction of the survivors removed per round.

    Layer-wise pruning may give the output layer a rate of its own (the paper: half the rate), and any weight
    matrix one by its name in `layer_rates` (the paper's conv layers: 10 %). `rewind` is the iteration k that the
    arm `rewound` returns to; the arm `ticket` always returns to k = 0.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    scope: Literal["layer-wise", "global"]
    rate: float
    output_rate: float | None = None
    rewind: int = 0
    layer_rates: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1 or not (self.output_rate is None or 0 < self.output_rate < 1):
            raise ValueError("rate and output_rate lie strictly between 0 and 1")
        if not all(0 <= rate < 1 for rate in self.layer_rates.values()):
            raise ValueError("layer_rates lie between 0 (never pruned) and 1")
        if self.scope == "global" and (self.output_rate is not None or self.layer_rates):
            raise ValueError("global pruning has one rate; output_rate and layer_rates belong to layer-wise")


@dataclass(frozen=True)
class Experiment:
    """Network x data x training recipe x pruning recipe. All arms share this one object.

    `weights`: how many weights may be pruned, as counted by hand; a gate compares.
    `draws`: independent draws of a control arm inside each replicate (averaged before any test).
    `barrier_points`: evenly spaced points on the line between two copies (arm `dense-copy`).
    `shuffled_labels` serves the dense-accuracy gate: a dense network that must fall outside its band.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    id: str
    title: str
    network: Network
    data: DataSpec
    training: Training
    pruning: Pruning
    draws: dict[str, int] = field(default_factory=dict)
    barrier_points: int = 11
    shuffled_labels: bool = False
    weights: int | None = None

    def __post_init__(self) -> None:
        drawn = [name for name, arm in ARMS.items() if arm.stream]
        for arm, count in self.draws.items():
            if arm not in drawn or count < 1:
                raise ValueError(f"draws: {arm}: {count} is not possible; one or more of {', '.join(drawn)}")
        layers = [*(f"fc{i + 1}.weight" for i in range(len(self.network.hidden))), "out.weight"]
        for layer in self.pruning.layer_rates:
            if layer not in layers:
                raise ValueError(f"pruning.layer_rates: no matrix '{layer}'; there are {', '.join(layers)}")
        if not 0 <= self.pruning.rewind < self.training.iterations:
            raise ValueError(f"pruning.rewind must be 0 or more and below {self.training.iterations} iterations")

    def recipe(self) -> dict[str, Any]:
        """Everything that can change a number; what came later is left out while it does nothing."""
        content = {key: value for key, value in asdict(self).items() if key not in ("title", "draws", "weights")}
        if not self.pruning.layer_rates:
            del content["pruning"]["layer_rates"]
        return content


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal declarations give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any, length: int = 16) -> str:
    """The first `length` hex digits of the sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]
