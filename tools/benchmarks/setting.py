"""What the benchmark cases train: data, folds and tasks of the right shapes; the contents do not matter."""

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch

from lthbench.data.registry import load as load_data
from lthbench.data.root import data_root
from lthbench.models import registry as models
from lthbench.pruning import masks
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training
from lthbench.tickets import folds as block_data
from lthbench.training.run import Folds, Task
from lthbench.training.schedule import augmentation, batch_order, learning_rates

MEAN, STD = 0.1307, 0.3081  # MNIST's


@dataclass(frozen=True)
class Scale:
    """How much of everything a round does; `full` is what the published table is made of."""

    period: int = 100  # iterations between two looks at the validation set (the paper's)
    validation: int = 5_000
    examples: int = 60_000
    iterations: int = 150  # of the quick suite's networks, in a round
    conv_iterations: int = 1
    conv_batch: int = 60
    units: int = 10_000
    width: float = 1.0  # of the VGG-16 that is pruned


FULL = Scale()
QUICK = replace(FULL, period=20, validation=1_000, iterations=75, width=0.3)
TINY = Scale(period=5, validation=50, examples=300, iterations=75, conv_batch=4, units=40, width=0.1)


@dataclass(frozen=True)
class Setting:
    """Where and how much to measure; `notes` collects what a reader of the table has to know."""

    device: torch.device
    scale: Scale = FULL
    notes: set[str] = field(default_factory=set)


LENET = Experiment(
    id="bench-lenet",
    title="LeNet-300-100 on MNIST as in 1803.03635: Adam 1.2e-3, batch 60",
    network=Network("mlp", (300, 100)),
    data=DataSpec("mnist", validation=5_000, mean=(MEAN,), std=(STD,)),
    training=Training("adam", 1.2e-3, 60, 400, 100),
    pruning=Pruning(scope="layer-wise", rate=0.2, output_rate=0.1),
)


def cifar(kind: str, batch: int) -> Experiment:
    """A convolutional network on images of CIFAR-10's shape, augmented as usual."""
    channels = (0.5, 0.5, 0.5)
    return replace(
        LENET,
        id=f"bench-{kind}",
        network=Network(kind),
        data=DataSpec("cifar10", mean=channels, std=channels),
        training=Training("sgd", 0.01, batch, 100, 1, momentum=0.9, flip=True, pad_crop=4),
        pruning=Pruning(scope="global", rate=0.2),
    )


@lru_cache(maxsize=1)
def digits(examples: int) -> tuple[np.ndarray, np.ndarray, str]:
    """So many uint8 images (n, 1, 28, 28) with labels: MNIST where it lies in the data root, else random ones."""
    folder = data_root() / "MNIST" / "raw"
    if examples <= 60_000 and any(folder.glob("train-images-idx3-ubyte*")):
        arrays = load_data(LENET.data, 0, None)
        return arrays.x_train[:examples], arrays.y_train[:examples], "MNIST's images"
    x, y = random_images(examples, (1, 28, 28))
    return x, y, "random images of MNIST's shape, as MNIST is not in the data root"


def random_images(examples: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images and labels."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (examples, *shape), dtype=np.uint8)
    return x, generator.integers(0, 10, examples)


def random_features(examples: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """float32 features with labels that can be learned, so that no weights grow without bound."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((examples, features), dtype=np.float32)
    return x, (x @ generator.standard_normal((features, 10), dtype=np.float32)).argmax(1)


def folds(
    experiment: Experiment, x: np.ndarray, y: np.ndarray, validation: int, size: int, device: torch.device
) -> Folds:
    """Folds of `size` replicates that share all examples; the test set is a copy of the validation set."""
    examples = block_data.examples(experiment, [x], [y], device)
    generator = np.random.default_rng(1)
    orders = torch.from_numpy(np.stack([generator.permutation(len(y)) for _ in range(size)])).to(device)
    held_out = orders[:, :validation]
    return Folds(examples, examples, orders[:, validation:], held_out, held_out)


def task(experiment: Experiment, data: Folds, iterations: int, every: int) -> Task:
    """One network for each replicate of the folds, unpruned, at the experiment's rate."""
    training = replace(experiment.training, iterations=iterations, evaluate_every=every, milestones=())
    model = models.model(experiment.network, data.shape, data.classes)
    generator, size = np.random.default_rng(2), len(data.train)
    drawn = [augmentation(training, generator) for _ in range(size)]
    return Task(
        model=model,
        training=training,
        states=[model.initial_state(generator) for _ in range(size)],
        masks=[masks.ones(model.prunable)] * size,
        owners=range(size),
        orders=[batch_order(data.train.shape[1], training, generator) for _ in range(size)],
        rates=learning_rates(training),
        augmentation=[draw for draw in drawn if draw is not None],
    )
