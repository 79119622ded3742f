"""Whether a user's network does the same thing twice: two iterations of the loop that trains, on a few examples.

What may differ between two runs, or between a run and the same one resumed, is changed in between: Python's,
numpy's and torch's random numbers. A network may draw from torch's while it trains; there it has a stream.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

from lthbench.data.arrays import Arrays
from lthbench.drive.preflight.remark import Remark, firsts, notice, refusal
from lthbench.errors import OutOfTime
from lthbench.models.mlp import Mlp
from lthbench.models.module import ModuleModel
from lthbench.pruning import masks
from lthbench.recipe.experiment import Training
from lthbench.training import loop
from lthbench.training.checkpoint import Checkpoint
from lthbench.training.run import Examples, Folds, Model, Task, Trained
from lthbench.training.schedule import batch_order, learning_rates

TRIAL = Training("sgd", 0.01, batch=4, iterations=2, evaluate_every=1, momentum=0.9)
EXAMPLES = 8


def remarks(model: ModuleModel, arrays: Arrays, trained: Trained) -> Iterator[Remark]:
    """About a network that was `trained` once by `trial`."""
    folds = trial_folds(model, arrays)
    x = folds.examples.inputs(folds.train[0])
    for question in (input_changed, evaluation_differs):
        differences = list(question(model.build, x))
        yield from differences
        if differences:
            return  # the next differ for the same reason
    with other_numbers(1):
        again = trial(model, folds)
    if differ(trained, again):
        yield refusal(
            f"the same step from the same start ends elsewhere: its forward draws {sources(model.build, x)}; draw "
            "from torch's own generator (torch.rand without generator=), which has a stream for every network"
        )
    elif differ(trained, resumed(model, folds)):
        yield refusal(
            "a training that is interrupted and resumed ends elsewhere: forward keeps something between calls "
            "that is neither parameter nor buffer; register_buffer it"
        )
    yield from counters(model.build, x)
    yield from without_gradient(model, folds)


def trial_folds(model: Model, arrays: Arrays) -> Folds:
    """A few examples, for training and looking alike."""
    few = np.linspace(0, len(arrays.x_train) - 1, min(EXAMPLES, len(arrays.x_train))).astype(int)
    x = torch.from_numpy(np.array(arrays.x_train[few]))
    if isinstance(model, Mlp):
        x = (x / 255 if x.dtype == torch.uint8 else x).flatten(1)
    examples, rows = Examples(x, torch.from_numpy(arrays.y_train[few])), torch.arange(len(few))[None]
    return Folds(examples, examples, rows, rows, rows, arrays.classes)


def task_of(model: Model, folds: Folds) -> Task:
    """One network under a random mask of half its weights."""
    generator = np.random.default_rng(0)
    state = model.initial_state(generator)
    mask = {name: generator.random(shape) < 0.5 for name, shape in sorted(model.prunable.items())}
    return Task(
        model=model,
        training=TRIAL,
        states=[masks.apply(mask, state)],
        masks=[mask],
        owners=[0],
        orders=[batch_order(folds.train.shape[1], TRIAL, generator)],
        rates=learning_rates(TRIAL),
        seeds=[0],
    )


def trial(model: Model, folds: Folds) -> Trained:
    """Two iterations. Raises what the network raises, AssertionError where pruned weights move."""
    return loop.train(task_of(model, folds), folds)


def resumed(model: Model, folds: Folds) -> Trained:
    """The same, saved after the first iteration and gone on with by new modules."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "checkpoint"
        with suppress(OutOfTime):
            loop.train(task_of(model, folds), folds, Checkpoint(file, deadline=0.0))
        return loop.train(task_of(model, folds), folds, Checkpoint(file))


def differ(first: Trained, second: Trained) -> bool:
    """Whether two trainings differ in any bit of their weights, buffers or losses."""
    ends = zip(first.states, second.states, strict=True)
    moved = any(a[name].tobytes() != b[name].tobytes() for a, b in ends for name in a)
    return moved or first.validation_loss.tobytes() != second.validation_loss.tobytes()


def input_changed(build: Callable[[], nn.Module], x: torch.Tensor) -> Iterator[Remark]:
    """A batch is read from the data: what is changed in it is changed for everybody who looks at it later."""
    module, given = quiet(build), x.clone()
    untouched = given._version  # counted by torch: a clamp writes, and may change none of these few examples
    for training in (False, True):
        with torch.no_grad():
            module.train(training)(given)
    if given._version != untouched or (not torch.equal(given, x) and not x.isnan().any()):
        yield refusal("forward changes its input in place, and with it the data; copy first (x = x.clone())")


def evaluation_differs(build: Callable[[], nn.Module], x: torch.Tensor) -> Iterator[Remark]:
    """In evaluation nothing is drawn."""
    module, outputs = quiet(build).eval(), []
    for seed in (1, 2):
        with other_numbers(seed), torch.no_grad():
            outputs.append(module(x.clone()))
    if outputs[0].numpy().tobytes() != outputs[1].numpy().tobytes():
        yield refusal(
            "gives another output for the same input in evaluation, so accuracies would not be its own; draw and "
            "count only while self.training (F.dropout(x, training=self.training))"
        )


def counters(build: Callable[[], nn.Module], x: torch.Tensor) -> Iterator[Remark]:
    """Plain numbers that a module changes while it trains: what depends on them may change later than here."""
    module = quiet(build).train()
    before = plain_numbers(module)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        module(x.clone())
    changed = [name for name, number in plain_numbers(module).items() if before.get(name) != number]
    if changed:
        yield notice(
            f"{firsts(changed)}: changed by forward, and no buffer: a resumed training starts it anew; "
            "register_buffer it where the output depends on it"
        )


def plain_numbers(module: nn.Module) -> dict[str, float]:
    """The attributes of a module and its parts that are plain numbers, by name."""
    return {
        f"{name}.{key}".removeprefix("."): value
        for name, part in module.named_modules()
        for key, value in vars(part).items()
        if type(value) in (int, float)
    }


def without_gradient(model: ModuleModel, folds: Folds) -> Iterator[Remark]:
    """Weights that are never trained: a frozen part is refused, what is not used at all is named."""
    module, rows = quiet(model.build).train(), folds.train[0]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        loss = module(folds.examples.inputs(rows).clone()).sum()
        parameters = dict(module.named_parameters())
        partials = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    idle = [n for n, g in zip(parameters, partials, strict=True) if g is None and n in model.prunable]
    used = [name for name in idle if depends_on(model.build, name, folds.examples.inputs(rows))]
    if used:
        yield refusal(
            f"{firsts(used)}: used, but no gradient reaches it (detach, no_grad, checkpoint with "
            "use_reentrant=True?), so it would stay as it was drawn; all weights are trained here"
        )
    elif idle:
        yield notice(
            f"{firsts(idle)}: no gradient reaches it, so it is never trained, and yet it counts as weights"
        )


def depends_on(build: Callable[[], nn.Module], name: str, x: torch.Tensor) -> bool:
    """Whether another value of a parameter gives another output in evaluation."""
    module = quiet(build).eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before, parameter = module(x.clone()), dict(module.named_parameters())[name]
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
        return not torch.equal(module(x.clone()), before)


def sources(build: Callable[[], nn.Module], x: torch.Tensor) -> str:
    """Whose random numbers a forward pass in training takes, in words."""
    module, drawn = quiet(build).train(), []
    before = random.getstate(), numpy_state()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        module(x.clone())
    if random.getstate() != before[0]:
        drawn.append("Python's random numbers")
    if numpy_state() != before[1]:
        drawn.append("numpy's random numbers")
    return " and ".join(drawn) or "numbers of its own, or depends on more than weights and input"


def numpy_state() -> tuple[object, ...]:
    """Where numpy's global generator is."""
    kind, words, *rest = np.random.get_state()
    return kind, np.asarray(words).tobytes(), *rest


def quiet(build: Callable[[], nn.Module]) -> nn.Module:
    """A new module; the caller's random numbers stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return build()


@contextmanager
def other_numbers(seed: int) -> Iterator[None]:
    """Python's, numpy's and torch's global generators somewhere else; put back afterwards."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
