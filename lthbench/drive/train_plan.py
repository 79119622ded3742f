"""Train what a plan asks for, as far as a budget of time reaches: `python -m lthbench.drive.train_plan PLAN`.

For a machine that has torch, numpy and safetensors, and nothing else that lthbench needs elsewhere. The plan is
made where everything is, with `lthbench plan SUITE --write plan.json`; what is trained here is brought back and
joined there with `lthbench merge`. It has the keys that it would have had there, and on one kind of device and
version of torch the bits.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from lthbench.drive.budget import clock, parse_budget, training_time
from lthbench.errors import BLOCKED, PASS, UserError, say

if TYPE_CHECKING:
    from lthbench.drive.pool import Task
    from lthbench.drive.schedule import Outcome
    from lthbench.plan.unit import Unit

SAVING = 20.0  # seconds of a long budget that are left for saving what is under way


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(
        prog="python -m lthbench.drive.train_plan", description=__doc__.partition("\n\n")[0]
    )
    options.add_argument("plan", type=Path, metavar="PLAN", help="a file of `lthbench plan SUITE --write FILE`")
    options.add_argument("--budget", default="", help="how long it may take: 90s, 9m, 6h; default: no end")
    options.add_argument("--out", type=Path, default=Path("slice"), help="folder for results/; default: slice")
    options.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    options.add_argument("--cores", type=int, default=1, help="units at a time, one thread each; default: 1")
    options.add_argument("--data", type=Path, help="folder of the data sets; else $LTHBENCH_DATA")
    options.add_argument("--only", metavar="TEXT", default="", help="experiments that have this in their name")
    options.add_argument("--deterministic", action="store_true", help="GPU: the same bits every time, at a price")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, and say what was trained; returns the exit code: 0, or 4 where an experiment had to be left out."""
    started = time.monotonic()
    given = parser().parse_args(arguments)
    try:
        return train_plan(given, started)
    except UserError as error:
        say(str(error))
        return error.code


def train_plan(given: argparse.Namespace, started: float) -> int:
    """The same; raises UserError for what the user can mend."""
    surroundings(given)
    if given.cores < 1:
        raise UserError(f"--cores {given.cores}: use 1 or more")
    from lthbench.data.cache import cache_root
    from lthbench.drive import schedule
    from lthbench.drive.execute import missing
    from lthbench.drive.lock import exclusive
    from lthbench.drive.pool import Deadline, Folder
    from lthbench.plan import planfile

    plan = planfile.read(given.plan)
    place = Folder(given.out / "results" / plan.suite / f"seed-{plan.seed}", given.device)
    end = started + training_time(parse_budget(given.budget), SAVING) if given.budget else float("inf")

    def tell(line: str) -> None:
        print(f"[{clock(time.monotonic() - started)}] {line}", flush=True)

    units = planfile.of_experiments(plan.units, given.only)
    if not units:
        raise UserError(f"--only {given.only!r}: {given.plan} has no such experiment; see its `experiments`")
    with exclusive(given.out):
        pending = missing(units, place.results)
        done = len(units) - len(pending)
        tell(f"{plan.suite}, master seed {plan.seed}: {len(units)} units, {done} finished before")
        if pending:
            from lthbench.results.provenance import called
            from lthbench.training.device import prepare

            tell(f"on {called(prepare(given.device))}; records in {place.results}")
        tasks = schedule.tasks(units, pending, given.device)
        log = Log(tell)
        doing = (log.begins, log.fails, log.ends)
        outcome = schedule.train(place, tasks, given.cores, Deadline(end), cache_root(), *doing)
    for line in log.summary(outcome, len(tasks), given, time.monotonic() - started):
        tell(line)
    return BLOCKED if outcome.failures else PASS


def surroundings(given: argparse.Namespace) -> None:
    """What worker processes must know as well goes into the environment."""
    import os

    if given.data is not None:
        os.environ["LTHBENCH_DATA"] = str(given.data.resolve())
    if given.deterministic:
        os.environ["LTHBENCH_DETERMINISTIC"] = "1"


class Log:
    """Says what begins, and remembers what was trained, for how long."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.begun: dict[str, float] = {}  # by unit
        self.ended: list[tuple[Unit, float]] = []  # and its share of the seconds of its stack

    def begins(self, task: "Task") -> None:
        """A task is begun."""
        self.begun |= dict.fromkeys((unit.key for unit in task.units), time.monotonic())
        self.tell(f"training {task.name} ({task.networks} networks)")

    def ends(self, task: "Task") -> None:
        """It is finished."""
        spent = time.monotonic() - self.begun[task.units[0].key]
        self.ended += [(unit, spent * unit.networks / task.networks) for unit in task.units]

    def fails(self, experiment: str, why: str) -> None:
        """An experiment cannot be trained."""
        self.tell(f"{experiment} is left out: {why}")

    def summary(self, outcome: "Outcome", asked: int, given: argparse.Namespace, seconds: float) -> list[str]:
        """What was done, how fast, what is left, and what to do next."""
        rates: dict[tuple[str, int], list[float]] = {}
        for unit, spent in self.ended:
            rate = rates.setdefault((unit.experiment.id, unit.networks), [0, 0, 0])
            rate[:] = [rate[0] + 1, rate[1] + unit.iterations, rate[2] + spent]
        lines = [
            f"{name}: {units:.0f} units of {networks} networks, {iterations:,.0f} network iterations"
            + (f", {1000 * spent / iterations:.3g} ms each" if iterations else "")
            for (name, networks), (units, iterations, spent) in sorted(rates.items())
        ]
        under_way = len(self.begun) - len(self.ended)
        saved = f", {under_way} of them saved under way" if under_way and not outcome.failures else ""
        lines.append(f"{len(self.ended)} units trained, {outcome.left} left{saved}; took {clock(seconds)}")
        if outcome.left:
            lines.append("the same command goes on")
        return [*lines, f"where the plan was made: lthbench merge OUT {quote(str(given.out))}"]


if __name__ == "__main__":
    sys.exit(main())
