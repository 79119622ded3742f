"""A run without Snakemake: processes of ours train everything, then tables, verdicts and report are made."""

import math
import signal
from collections.abc import Callable, Sequence

from lthbench.data.cache import cache_root
from lthbench.drive import stages
from lthbench.drive.execute import missing
from lthbench.drive.pool import Deadline, Place, Task, Tick
from lthbench.drive.schedule import train
from lthbench.errors import BLOCKED, Terminated, UserError
from lthbench.plan.run import Run
from lthbench.plan.suite import Chunk


def run_here(run: Run, cores: int, tick: Tick) -> None:
    """The whole line."""
    train_here(run, cores, tick)
    for stage in (stages.tidy, stages.judge, stages.report):
        stage(run)


def train_here(run: Run, cores: int, tick: Tick) -> None:
    """Train what a run asks for; what the first look leaves open as well."""
    train_chunks(run, run.first_chunks(), cores, tick)
    if run.looks_twice:
        stages.first_look(run)
        train_chunks(run, run.second_chunks(), cores, tick)


def train_chunks(run: Run, chunks: Sequence[Chunk], cores: int, tick: Tick) -> None:
    """A campaign without a deadline, chunk by chunk: the longest first, so that they end together."""
    if not chunks:
        return
    queue = list[tuple[Chunk, Task]]()
    for chunk in chunks:
        stages.manifest(run, chunk).unlink(missing_ok=True)  # a run that is killed leaves none
        pending = missing(chunk.units, run.results)
        if pending:
            queue.append((chunk, Task(tuple(pending), tuple(unit for unit in chunk.units if unit not in pending))))
        else:
            stages.write_manifest(run, chunk)
    queue.sort(key=lambda pair: -sum(unit.iterations for unit in pair[1].units))
    chunk_of = {task.units[-1].key: chunk for chunk, task in queue}

    def ends(task: Task) -> None:
        stages.write_manifest(run, chunk_of[task.units[-1].key])

    train_all(run, [task for _, task in queue], cores, tick, ends)


def train_all(
    place: Place, tasks: Sequence[Task], cores: int, tick: Tick, ends: Callable[[Task], None] = lambda task: None
) -> None:
    """Train tasks without a deadline; `ends` is told of each.

    Raises UserError where one failed, KeyboardInterrupt or Terminated after a signal, when all is saved.
    """
    outcome = train(place, tasks, cores, Deadline(math.inf), cache_root(), ends=ends, tick=tick)
    tick()
    if outcome.signals:
        raise Terminated if outcome.signals[0] == signal.SIGTERM else KeyboardInterrupt
    if outcome.failures:
        why, *others = outcome.failures.values()
        more = f" (and {len(others)} more)" if others else ""
        raise UserError(f"a job failed: {why}{more}\nfinished units are kept, the same command goes on", BLOCKED)
