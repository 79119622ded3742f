"""Time a few iterations and evaluations of each kind of network, in a process of its own.

The loop is the one that trains; the examples are noise of the data set's shape, so nothing is read or fetched.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lthbench.drive.execute import die_with_parent
from lthbench.plan.unit import Unit
from lthbench.recipe.experiment import Experiment

ITERATIONS = 600  # at most
WARM = 1  # iteration before the clock runs
STEPS, LOOKS = 0.2, 0.05  # seconds of each that are enough
FEW = 100  # examples of a look at a slow network
EXAMPLES = 2000  # of noise
SETS = {  # shape of an example, training and test examples of the whole set; others are not measured
    "mnist1d": ((40,), 4000, 1000),
    "digits": ((64,), 1437, 360),
    "mnist": ((1, 28, 28), 60_000, 10_000),
    "fashion_mnist": ((1, 28, 28), 60_000, 10_000),
    "cifar10": ((3, 32, 32), 50_000, 10_000),
}


def begin() -> None:
    """What the process does first: it speaks to nobody, and ends with its parent."""
    die_with_parent()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def probe(units: Mapping[str, Unit], device: str, called: float, longest: float) -> tuple[float, dict[str, float]]:
    """Milliseconds until the process was ready, and those per network and iteration of the units' experiments.

    After so many seconds no further kind is begun. What cannot be made here is left out; the run will say why.
    """
    from lthbench.training import loop
    from lthbench.training.device import prepare

    where, ready, speeds = prepare(device), 1000 * (time.time() - called), {}
    for name, unit in units.items():
        if time.time() - called > longest + ready / 1000:
            break
        try:
            speeds[name] = milliseconds(unit, where, loop)
        except Exception:  # whatever it is, a run without an estimate is better than none
            continue
    return ready, speeds


def milliseconds(unit: Unit, device: Any, loop: Any) -> float:
    """Of one network and iteration, evaluations included as often as the recipe has them."""
    data, training = unit.experiment.data, unit.experiment.training
    _, train, test = SETS[data.name]
    # Networks with convolutions are trained one after the other: one of them tells.
    networks = len(unit.replicates) if unit.experiment.network.kind == "mlp" else 1
    course = begun(unit.experiment, networks, device, loop)
    step, example = seconds_of_step(course, loop), seconds_of_example(course, loop)
    looks = training.iterations // training.evaluate_every * data.validation
    at_the_end = 2 * (data.test or test) + (data.train or train) - data.validation
    return 1000 * (step + example * (looks + at_the_end) / training.iterations) / networks


def begun(experiment: Experiment, networks: int, device: Any, loop: Any, iterations: int = ITERATIONS) -> Any:
    """A training of so many dense networks on noise that evaluates at its end alone.

    The task is put together here, because the rooms that make a unit's import SciPy, which takes its time.
    """
    import numpy as np

    from lthbench.models import registry
    from lthbench.training.run import Task
    from lthbench.training.schedule import augmentation, batch_order, learning_rates

    few = replace(experiment.training, iterations=iterations, evaluate_every=iterations)
    generator, folds = np.random.default_rng(0), noise(experiment, networks, device)
    model = registry.model(experiment.network, folds.shape, folds.classes)
    augmented = [augmentation(few, generator) for _ in range(networks)]
    task = Task(
        model=model,
        training=few,
        states=[model.initial_state(generator) for _ in range(networks)],
        masks=[{} for _ in range(networks)],
        owners=list(range(networks)),
        orders=[batch_order(EXAMPLES, few, generator) for _ in range(networks)],
        rates=learning_rates(few),
        augmentation=[each for each in augmented if each is not None],
        seeds=[0] * networks,
    )
    return loop.begin(task, folds)


def noise(experiment: Experiment, networks: int, device: Any) -> Any:
    """Folds of a data set's shape that hold noise."""
    import numpy as np
    import torch

    from lthbench.tickets.folds import examples
    from lthbench.training.run import Folds

    generator, (shape, _, _), side = np.random.default_rng(0), SETS[experiment.data.name], experiment.data.size
    shape = (shape[0], side, side) if side else shape  # images that the recipe shrinks
    x = generator.integers(0, 256, (EXAMPLES, *shape), dtype=np.uint8)
    x = x if experiment.data.mean else (x / 128 - 1).astype(np.float32)
    made = examples(experiment, [x], [generator.integers(0, 10, EXAMPLES)], device)
    rows = torch.arange(EXAMPLES, device=device).expand(networks, -1)
    return Folds(made, made, rows, rows[:, : EXAMPLES // 2], rows)


def seconds_of_step(course: Any, loop: Any) -> float:
    """Seconds of one iteration of the stack: as many as fill the time, a slow network's at least one."""
    loop.advance(course, 0, WARM)
    done, size, started = WARM, 1, time.perf_counter()
    while time.perf_counter() - started < STEPS and done < ITERATIONS:
        loop.advance(course, done, min(done + size, ITERATIONS))
        done, size = min(done + size, ITERATIONS), min(2 * size, 16)
    return (time.perf_counter() - started) / (done - WARM)


def seconds_of_example(course: Any, loop: Any) -> float:
    """Seconds that a stack takes to look at one example of each of its networks."""
    import torch

    def look(rows: Any) -> float:
        started, count = time.perf_counter(), 0
        with torch.no_grad():
            while count == 0 or (time.perf_counter() - started < LOOKS and count < 1000):
                loop.count_correct(course.engine, course.state.net, course.folds.examples, rows)
                count += 1
        return (time.perf_counter() - started) / count / rows.shape[1]

    rows = course.folds.validation
    slow = look(rows[:, :FEW])
    return slow if slow * rows.shape[1] > LOOKS else look(rows)
