"""What is trained and how: the declarations every arm of an experiment shares.

Plain frozen dataclasses, so that the training path needs nothing but torch, numpy and safetensors. The
claims package validates YAML into them (unknown keys refused); `canonical` gives the JSON they are hashed by.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from lthbench.recipe.arms import ARMS, ON_LINES
from lthbench.recipe.data import DataSpec
from lthbench.recipe.declaration import STRICT, content, later
from lthbench.recipe.families import FAMILIES, family_of

FUNCTION = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")  # package.module:function
LIBRARY = re.compile(r"^(torchvision|timm)/[\w.\-/]+$")
NOT_OF_THE_NUMBERS = ("title", "draws", "weights", "mask_from", "method", "own_start", "ticket")
CRITERIA = (
    "magnitude", "random", "snip", "synflow", "small-final", "large-init", "small-init", "large-init-large-final",
    "small-init-small-final", "magnitude-increase", "movement",
)  # fmt: skip


@dataclass(frozen=True)
class Network:
    """Which network. The kinds:

    `mlp`: a perceptron with `hidden` layers (LeNet-300-100 is hidden [300, 100]); with `batch_norm`, hidden
    layers are Linear (no bias) - BatchNorm - activation.
    `conv-2`, `conv-4`, `conv-6`, `vgg-11` .. `vgg-19`, `resnet-20`, `resnet-56`, ... (6n + 2 layers): the
    literature's CIFAR networks; `width` multiplies their hidden widths.
    `torchvision/resnet18`, `timm/mobilenetv3_small_050`: a library's network by name.
    `package.module:function`: a function of the user's that takes (shape, classes) and `options` as keywords
    and returns an nn.Module.

    `initialisation`: `glorot` is Gaussian Glorot for every weight and zero biases (1803.03635, Figure 2),
    `kaiming` Gaussian He (fan in); `own` leaves it to the module. Empty: glorot for the paper's networks, own for
    others.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    kind: str
    hidden: tuple[int, ...] = ()
    batch_norm: bool = False
    width: float = later(1.0)
    dropout: float = later(0.0)
    activation: Literal["relu", "tanh"] = later("relu")
    initialisation: Literal["", "glorot", "kaiming", "own"] = later("")
    options: dict[str, Any] = later(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.is_paper and not any(known.match(self.kind) for known in (LIBRARY, FUNCTION)):
            ours = ", ".join(family.says for family in FAMILIES.values())
            raise ValueError(
                f"kind '{self.kind}' is no network; use {ours}, torchvision/NAME, timm/NAME or "
                "package.module:function"
            )
        depth = self.kind.removeprefix("resnet-")
        if depth.isdigit() and (int(depth) < 8 or (int(depth) - 2) % 6):
            raise ValueError(f"kind '{self.kind}' has 6n + 2 layers; use resnet-8, 14, 20, 32, 44, 56, 110, ...")
        if (self.kind == "mlp") != bool(self.hidden):
            raise ValueError("hidden: the sizes of the hidden layers; an mlp needs them, other kinds have none")
        if self.batch_norm and self.kind != "mlp":
            raise ValueError("batch_norm: is a choice of mlp only")
        if not 0 <= self.dropout < 1 or not 0 < self.width < math.inf:
            raise ValueError("dropout lies between 0 and 1, width is positive")
        if not self.is_paper and (self.width != 1 or self.dropout or self.activation != "relu"):
            raise ValueError(f"width, dropout, activation: not for '{self.kind}'; pass its own names in options")
        if self.is_paper and self.options:
            raise ValueError("options: keywords for torchvision, timm or a function, not for the paper's networks")

    @property
    def is_paper(self) -> bool:
        """Whether this project builds the network itself."""
        return family_of(self.kind) is not None

    @property
    def normed(self) -> bool:
        """Whether a network of this project's has batch norm."""
        family = family_of(self.kind)
        return self.batch_norm or (family is not None and FAMILIES[family].normed)


@dataclass(frozen=True)
class Training:
    """The training recipe. Iterations are optimizer steps; `milestones` multiply the rate by `decay`.

    Augmentation of image batches: `flip` (left-right, one half of them) and `pad_crop` (that many black pixels
    on every side, then a crop of the old size), drawn afresh for every image from the stream `augment`.

    `measure`: accuracies that are taken besides that on the test set at the end, of the early stop on the test set
    and of the end on the training set. What no claim reads may be left out: it costs, and changes no training.

    `precision: bf16` rounds to bfloat16 what products and convolutions take and give while networks train, forward
    and backward; weights, gradients that reach the optimizer, its state, masks, statistics of batch norm, losses
    and all evaluation stay float32. `memory_format: channels-last` lays training batches of images out so; sums
    may then come in another order. Both change numbers: they are variants (`recipe.variants`).
    """

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
    flip: bool = later(False)
    pad_crop: int = later(0)
    measure: tuple[Literal["early-stop", "train"], ...] = later(("early-stop", "train"))
    precision: Literal["float32", "bf16"] = later("float32")
    memory_format: Literal["contiguous", "channels-last"] = later("contiguous")

    def __post_init__(self) -> None:
        if not 0 <= self.pad_crop <= 100:
            raise ValueError("pad_crop: how many pixels to pad on every side before cropping; 0 to 100")
        positive = (self.learning_rate, self.batch, self.iterations, self.evaluate_every)
        if not all(0 < value < math.inf for value in positive):
            raise ValueError("learning_rate, batch, iterations and evaluate_every must be positive and finite")
        if self.iterations % self.evaluate_every:
            raise ValueError("evaluate_every must divide iterations, so that the end is evaluated")
        if self.optimizer == "adam" and self.momentum:
            raise ValueError("momentum belongs to sgd; adam uses betas .9/.999")


@dataclass(frozen=True)
class Pruning:
    """The pruning recipe. `rate` is the fraction of the survivors removed per round.

    Layer-wise pruning may give the output layer (`out.weight`) a rate of its own (the paper: half the rate), and
    any weight one by its name or a pattern in `layer_rates` (the paper's conv layers: {"conv*": 0.1}). Weights
    that match `keep` are counted but never pruned (the paper's downsample and output layers of ResNets). `rewind`
    is the iteration k that the arm `rewound` returns to; the arm `ticket` always returns to k = 0. `criterion`
    scores the weights, the smallest scores go: a built-in one or `package.module:function`. `unit`: single
    weights, or whole filters (output channels; layer-wise only).
    """

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT
    scope: Literal["layer-wise", "global"]
    rate: float
    output_rate: float | None = None
    rewind: int = 0
    layer_rates: dict[str, float] = later(default_factory=dict)
    keep: tuple[str, ...] = later(())
    criterion: str = later("magnitude")
    unit: Literal["weight", "filter"] = later("weight")

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1 or not (self.output_rate is None or 0 < self.output_rate < 1):
            raise ValueError("rate and output_rate lie strictly between 0 and 1")
        if not all(0 <= rate < 1 for rate in self.layer_rates.values()):
            raise ValueError("layer_rates lie between 0 (never pruned) and 1")
        if self.scope == "global" and (self.output_rate is not None or self.layer_rates):
            raise ValueError("global pruning has one rate; output_rate and layer_rates belong to layer-wise")
        if self.criterion not in CRITERIA and not FUNCTION.match(self.criterion):
            raise ValueError(
                f"criterion '{self.criterion}' is unknown; use {', '.join(CRITERIA)} or package.module:function"
            )
        if self.unit == "filter" and self.scope == "global":
            raise ValueError("unit: filters are pruned layer-wise; set scope to layer-wise")


@dataclass(frozen=True)
class Experiment:
    """Network x data x training recipe x pruning recipe. All arms share this one object.

    `weights`: how many weights may be pruned, as counted by hand; a gate compares.
    `draws`: independent draws of a control arm inside each replicate (averaged before any test).
    `barrier_points`: evenly spaced points on the line between two trained networks.
    `shuffled_labels` serves the dense-accuracy gate: a dense network that must fall outside its band.
    `paired_with`: the experiment whose random streams this one shares, so that the two can be compared replicate
    by replicate (same initialisation, split and batch order); empty: streams of its own.
    `mask_from`: the experiment whose tickets the transferred arms wear. It has the same network, pruning recipe
    and streams, so that those tickets start from the same initial weights.
    `method`: a function `package.module:function` of the user's that finds tickets, for the arm `found`. With
    `own_start` its tickets may start from weights of its own choosing; else they start from the initial weights.
    `ticket`: a ticket file that the method hands over in every replicate. Where it holds what its pruned weights
    were before, all arms start from its weights, which are then the initial weights of every replicate.
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
    paired_with: str = later("")
    mask_from: str = later("")
    method: str = later("")
    own_start: bool = later(False)
    ticket: str = later("")

    def __post_init__(self) -> None:
        drawn = [name for name, arm in ARMS.items() if arm.stream and name not in ON_LINES]
        for arm, count in self.draws.items():
            if arm not in drawn or count < 1:
                raise ValueError(f"draws: {arm}: {count} is not possible; one or more of {', '.join(drawn)}")
        if self.draws.get("dense-reinit", 1) != self.draws.get("continued-permuted", 1):
            raise ValueError("draws: as many of continued-permuted as of dense-reinit, to whose units it is moved")
        if self.network.kind == "mlp":  # other networks are looked at when they are built
            layers = [*(f"fc{i + 1}.weight" for i in range(len(self.network.hidden))), "out.weight"]
            check_patterns(self.pruning, layers)
            if self.training.memory_format != "contiguous":
                raise ValueError("training.memory_format: a perceptron sees no images; leave it out")
        if self.method and not FUNCTION.match(self.method):
            raise ValueError(f"method '{self.method}' is no function; write package.module:function")
        if not 0 <= self.pruning.rewind < self.training.iterations:
            raise ValueError(f"pruning.rewind must be 0 or more and below {self.training.iterations} iterations")

    @property
    def streams(self) -> str:
        """The scope of the experiment's random streams."""
        return self.paired_with or self.id

    def recipe(self) -> dict[str, Any]:
        """Everything that can change a number; what came later is left out while it does nothing.

        `mask_from` and `method` count where they matter: the transferred arms are named by the source's tickets,
        their parents, and the arm `found` by the method's code. So one reference serves many methods. A `ticket`
        is named by what the file holds, among the code.
        """
        return {k: v for k, v in content(self).items() if k not in NOT_OF_THE_NUMBERS}


def check_patterns(pruning: Pruning, weights: list[str]) -> None:
    """Raise ValueError for a pattern of `layer_rates` or `keep` that no weight's name fits."""
    for key, patterns in (("layer_rates", pruning.layer_rates), ("keep", pruning.keep)):
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in weights):
                raise ValueError(f"pruning.{key}: no weight fits '{pattern}'; there are {', '.join(weights)}")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal declarations give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any, length: int = 16) -> str:
    """The first `length` hex digits of the sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]
