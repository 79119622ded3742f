"""What is measured: one list for `python -m tools.benchmarks` and for the tests.

Every case makes itself ready first and then runs as often as asked. Beside it runs its floor; a case that names
another in `against` is compared with that one.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lthbench.claims.load import load as load_claims
from lthbench.models import registry as models
from lthbench.pruning import masks
from lthbench.pruning.counts import ladder
from lthbench.recipe.experiment import Experiment, Network, canonical
from lthbench.training import graph, loop, reference
from lthbench.training.run import Folds, Task
from tools.benchmarks import floors
from tools.benchmarks.baseline import Baseline, Images, Lenet, evaluate
from tools.benchmarks.setting import (
    LENET,
    MEAN,
    STD,
    Setting,
    cifar,
    digits,
    folds,
    random_features,
    random_images,
    task,
)

Run = Callable[[], object]
PERIODS = 4  # of a prepared training; then it starts again at its first batch, with the weights it has
STACK = 4
PART = 500
BLOCK = 6  # replicates side by side in the quick suite
ROOT = Path(__file__).parents[2]
TABLE = ROOT / "reports/reference/quick/seed-0/tidy.csv.gz"


@dataclass(frozen=True)
class Prepared:
    """Ready to run: `run` does `per` units of work, `floor` the unavoidable part of `floor_per` units."""

    run: Run
    per: float
    floor: Run
    floor_per: float


@dataclass(frozen=True)
class Case:
    """One line of the table; the cases of a group are measured in turn.

    `needs`: cuda, or reference (the committed table).
    """

    name: str
    group: str
    unit: str
    floor_is: str
    make: Callable[[Setting], Prepared]
    against: str = ""
    needs: str = ""


# Training


@dataclass
class Walk:
    """A prepared training that goes on, period after period."""

    course: loop.Course
    period: int
    done: int = 0

    def __call__(self) -> None:
        """Train one more period."""
        if self.done == self.course.task.training.iterations:
            self.done = 0
            if isinstance(self.course.step, graph.captured):
                self.course.step.t.zero_()
        loop.advance(self.course, self.done, self.done + self.period)
        self.done += self.period


def lenet_folds(setting: Setting, size: int) -> Folds:
    """The folds of LeNet on MNIST."""
    x, y, source = digits(setting.scale.examples)
    setting.notes.add(f"LeNet: {source}")
    return folds(LENET, x, y, setting.scale.validation, size, setting.device)


def step_floor(wanted: Task, data: Folds) -> Run:
    """The products of one step of one network."""
    module = reference.module_of(wanted.model, wanted.states[0]).to(data.device)
    return floors.step(module, data.examples.inputs(data.train[0][torch.from_numpy(wanted.orders[0][0])]))


def look_floor(module: torch.nn.Module, data: Folds) -> Run:
    """The products of a look at the validation set, in parts that fit a core's cache."""
    rows = data.validation[0]
    part = floors.forward(module, data.examples.inputs(rows[:PART]))
    return lambda: [part() for _ in range(max(1, len(rows) // PART))]


def floor_of(wanted: Task, data: Folds, iterations: int) -> Run:
    """The products of one network's training for so many iterations, validation included."""
    module = reference.module_of(wanted.model, wanted.states[0]).to(data.device)
    step = step_floor(wanted, data)
    look = look_floor(module, data)
    looks = iterations // wanted.training.evaluate_every

    def run() -> None:
        for _ in range(iterations):
            step()
        for _ in range(looks):
            look()

    return run


def lenet_loop(setting: Setting, size: int, recorded: bool = True) -> Prepared:
    """Our loop, `size` networks in a stack; on a GPU recorded as a graph, or launched from the host."""
    period = setting.scale.period
    data = lenet_folds(setting, size)
    wanted = task(LENET, data, PERIODS * period, period)
    course = loop.begin(wanted, data)
    if not recorded and isinstance(course.step, graph.captured):
        course = replace(course, step=course.step.eager)
    return Prepared(Walk(course, period), period * size, floor_of(wanted, data, period), period)


def lenet_dataloader(setting: Setting) -> Prepared:
    """The baseline."""
    scale = setting.scale
    data = lenet_folds(setting, 1)
    wanted = task(LENET, data, PERIODS * scale.period, scale.period)
    x, y, _ = digits(scale.examples)
    parts = (data.train[0].cpu().numpy(), data.validation[0].cpu().numpy())
    train, validation = (Images(x[rows], y[rows], MEAN, STD) for rows in parts)
    module = Lenet(wanted.states[0], wanted.masks[0])
    baseline = Baseline.begin(
        module, train, validation, LENET.training.learning_rate, LENET.training.batch, scale.period, setting.device
    )
    floor = floor_of(wanted, data, scale.period)
    return Prepared(partial(baseline.advance, scale.period), scale.period, floor, scale.period)


def whole(setting: Setting, wanted: Task, data: Folds, serial: bool) -> Prepared:
    """One call that trains a task from its beginning to the numbers it returns; serial: one network of it."""
    iterations, size = wanted.training.iterations, len(wanted.states)
    floor = floor_of(wanted, data, iterations)
    if serial:
        return Prepared(partial(reference.train_one, wanted, data, 0), iterations, floor, iterations)
    return Prepared(partial(loop.train, wanted, data), iterations * size, floor, iterations)


def lenet_whole(setting: Setting, serial: bool) -> Prepared:
    """A short training of one LeNet; its training set is a part, as its accuracy is measured at the end."""
    data = lenet_folds(setting, 1)
    data = replace(data, train=data.train[:, :2_000], test=data.test[:, :500])
    return whole(setting, task(LENET, data, 2 * setting.scale.period, setting.scale.period), data, serial)


def quick_network(setting: Setting, name: str, serial: bool) -> Prepared:
    """A network of the quick suite, with a smaller test set than there."""
    experiment = load_claims().experiments[name]
    x, y = random_features(experiment.data.train or 4_000, 40)
    data = folds(experiment, x, y, experiment.data.validation, BLOCK, setting.device)
    every = experiment.training.evaluate_every
    iterations = max(1, setting.scale.iterations // every) * every
    data = replace(data, train=data.train[:, :4_000])
    return whole(setting, task(experiment, data, iterations, every), data, serial)


def convolutional(setting: Setting, kind: str, batch: int, serial: bool) -> Prepared:
    """Iterations of a network for CIFAR, with next to no evaluation: two images, shown again and again."""
    scale = setting.scale
    experiment = cifar(kind, batch * scale.conv_batch // 60)
    x, y = random_images(4, (3, 32, 32))
    data = folds(experiment, x, y, 2, 1, setting.device)
    wanted = task(experiment, data, scale.conv_iterations, scale.conv_iterations)
    return whole(setting, wanted, data, serial)


def resnet_loop(setting: Setting, recorded: bool) -> Prepared:
    """Iterations of ResNet-20 without evaluation (GPU)."""
    period = setting.scale.period
    experiment = cifar("resnet-20", 128)
    x, y = random_images(10_000, (3, 32, 32))
    data = folds(experiment, x, y, 2, 1, setting.device)
    wanted = task(experiment, data, PERIODS * period, PERIODS * period)
    course = loop.begin(wanted, data)
    if not recorded and isinstance(course.step, graph.captured):
        course = replace(course, step=course.step.eager)
    return Prepared(Walk(course, period), period, step_floor(wanted, data), 1)


@contextmanager
def determinism() -> Iterator[None]:
    """Deterministic kernels and no TF32 for a while, as LTHBENCH_DETERMINISTIC=1 sets them."""
    before = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before
        torch.set_float32_matmul_precision(precision)


def deterministic(make: Callable[[Setting], Prepared], setting: Setting) -> Prepared:
    """The same case with deterministic kernels. (CUBLAS_WORKSPACE_CONFIG is set for all cases.)"""
    with determinism():
        made = make(setting)

    def run() -> None:
        with determinism():
            made.run()

    return replace(made, run=run)


# The rest of the line


def evaluation(setting: Setting, dataloader: bool) -> Prepared:
    """One look of a LeNet at the validation set."""
    data = lenet_folds(setting, 1)
    wanted = task(LENET, data, setting.scale.period, setting.scale.period)
    module = reference.module_of(wanted.model, wanted.states[0]).to(setting.device)
    floor = look_floor(module, data)
    if dataloader:
        x, y, _ = digits(setting.scale.examples)
        rows = data.validation[0].cpu().numpy()
        loader = torch.utils.data.DataLoader(Images(x[rows], y[rows], MEAN, STD), 1_000)
        net = Lenet(wanted.states[0], wanted.masks[0]).to(setting.device)
        return Prepared(partial(evaluate, net, loader, setting.device), 1, floor, 1)
    course = loop.begin(wanted, data)

    @torch.no_grad()
    def run() -> object:
        return loop.tally(course.engine, course.state.net, data.examples, course.validation())

    return Prepared(run, 1, floor, 1)


def pruning(setting: Setting, network: Network, experiment: Experiment) -> Prepared:
    """One round of magnitude pruning of a dense network."""
    shape = (784,) if network.kind == "mlp" else (3, 32, 32)
    model = models.model(replace(network, width=setting.scale.width), shape, 10)
    generator = np.random.default_rng(0)
    trained = {n: generator.standard_normal(s, dtype=np.float32) for n, s in model.prunable.items()}
    dense = masks.ones(model.prunable)
    left = ladder(masks.counts(dense), experiment.pruning, 1)
    flat = np.concatenate([np.abs(weight).ravel() for weight in trained.values()])
    rank = flat.size - sum(left.values())

    def run() -> object:
        return masks.prune({name: np.abs(weight) for name, weight in trained.items()}, dense, left)

    return Prepared(run, 1, lambda: np.partition(flat, rank), 1)


def judging(setting: Setting) -> Prepared:
    """Every verdict of the quick suite from its committed table."""
    from lthbench.judging.judge import judge
    from lthbench.judging.lines import contrast
    from lthbench.judging.table import Table
    from lthbench.results.tidy import read
    from lthbench.stats.decision import weigh

    registry, tidy = load_claims(), read(TABLE)
    look, table = registry.suites["quick"].first_look, Table(tidy)
    lines = []
    for _, registration in registry.registrations("quick"):
        for line in registration.lines():
            n = look.replicates if look else registration.replicates  # as many as the table has
            sides = contrast(table, line, registration.experiment, n)
            if sides is not None:
                lines.append((sides[0] - sides[1], line.rule))
    assert lines, f"{TABLE} has not the replicates that are judged"
    return Prepared(
        partial(judge, registry, "quick", 0, tidy), 1, lambda: [weigh(d, rule) for d, rule in lines], 1
    )


def planning(setting: Setting) -> Prepared:
    """A plan of 10,000 units: 20 a block."""
    from lthbench.plan.unit import plan_experiment

    wanted, levels = setting.scale.units, 19
    experiment = load_claims().experiments["mnist1d-mlp"]
    cells = {("dense", 0), *(("ticket", level) for level in range(1, levels + 1))}
    replicates = -(-wanted // (levels + 1)) * BLOCK
    recipe = canonical(experiment.recipe()).encode()

    def run() -> int:
        return len(plan_experiment(experiment, cells, replicates, BLOCK, 0))

    def floor() -> None:
        for _ in range(wanted):
            hashlib.sha256(recipe).hexdigest()

    return Prepared(run, 1, floor, 1)


PRODUCTS = "products of forward, backward and validation"
ITERATION = "iteration of one network, validation included"
VGG = replace(LENET, pruning=replace(LENET.pruning, scope="global", output_rate=None))
QUICK_UNIT = "iteration of one network, short whole training"

CASES = (
    Case("lenet", "lenet", ITERATION, PRODUCTS, partial(lenet_loop, size=1), "lenet-dataloader"),
    Case(
        f"lenet-stack-{STACK}", "lenet", ITERATION, PRODUCTS, partial(lenet_loop, size=STACK), "lenet-dataloader"
    ),
    Case("lenet-dataloader", "lenet", ITERATION, PRODUCTS, lenet_dataloader),
    *(
        Case(
            f"{name}{'-reference' * serial}", name, QUICK_UNIT, PRODUCTS, partial(make, serial=bool(serial)), other
        )
        for name, make in (
            ("lenet-whole", lenet_whole),
            ("quick-mlp", partial(quick_network, name="mnist1d-mlp")),
            ("quick-deep-bn", partial(quick_network, name="mnist1d-deep-bn")),
            ("conv-4", partial(convolutional, kind="conv-4", batch=60)),
            ("resnet-20", partial(convolutional, kind="resnet-20", batch=128)),
        )
        for serial, other in ((0, f"{name}-reference"), (1, ""))
    ),
    Case(
        "evaluation",
        "evaluation",
        "look at the validation set",
        "products of the forward pass",
        partial(evaluation, dataloader=False),
        "evaluation-dataloader",
    ),
    Case(
        "evaluation-dataloader",
        "evaluation",
        "look at the validation set",
        "products of the forward pass",
        partial(evaluation, dataloader=True),
    ),
    Case(
        "prune-lenet",
        "pruning",
        "round, 266,200 weights",
        "one selection (np.partition) of |w|",
        partial(pruning, network=LENET.network, experiment=LENET),
    ),
    Case(
        "prune-vgg-16",
        "pruning",
        "global round, 14.7 million weights",
        "one selection (np.partition) of |w|",
        partial(pruning, network=Network("vgg-16"), experiment=VGG),
    ),
    Case(
        "judge-quick",
        "judging",
        "suite quick from its table",
        "the lines' statistics",
        judging,
        needs="reference",
    ),
    Case("plan", "planning", "10,000 units", "one sha256 of the recipe for each unit", planning),
    *(
        Case(f"{name}-{kind}", f"{name}-gpu", "iteration of one network", PRODUCTS, make, other, needs="cuda")
        for name, recorded, eager in (
            ("lenet", partial(lenet_loop, size=1), partial(lenet_loop, size=1, recorded=False)),
            ("resnet-20", partial(resnet_loop, recorded=True), partial(resnet_loop, recorded=False)),
        )
        for kind, make, other in (
            ("graph", recorded, f"{name}-eager"),
            ("eager", eager, ""),
            ("deterministic", partial(deterministic, recorded), f"{name}-graph"),
        )
    ),
)


def available(case: Case, device: torch.device) -> bool:
    """Whether a case can be measured here."""
    return not lacking(case, device)


def lacking(case: Case, device: torch.device) -> str:
    """What a case needs and has not here; empty when nothing."""
    if case.needs == "cuda" and device.type != "cuda":
        return "a CUDA device (--device cuda)"
    if case.needs == "reference" and not TABLE.exists():
        return f"the committed table {TABLE.relative_to(ROOT)}; use a whole checkout"
    return ""
