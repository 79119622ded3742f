"""The processes that an implementation runs in: one thread each, and one of them is killed on purpose."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from lthbench.drive.execute import die_with_parent, told_in_a_line
from lthbench.drive.workers import SPAWN, workers
from lthbench.errors import BLOCKED, UserError
from lthbench.plan.own_code import read as code_read
from lthbench.results.returned import Arm
from lthbench.tickets.implementation import Question

Failure = tuple[str, int]
LONGEST = 600.0  # seconds that a run may take to write its first file


def train(questions: Sequence[Question], cores: int, tell: Callable[[Question], None]) -> None:
    """Ask for all replicates, `cores` at a time, or in this process where that is 0 (nothing is imported again).

    Raises UserError with what went wrong first, when all have ended.
    """
    failures: list[Failure] = []
    if not cores:
        for question in questions:
            failure = replicate(question)
            if failure is not None:
                failures.append(failure)
                break
            tell(question)
        questions = []
    if questions:
        failures += [failure for failure in in_pool(min(cores, len(questions)), questions, tell) if failure]
    if failures:
        message, code = failures[0]
        raise UserError(f"{message}\nfinished arms are kept, the same command goes on", code)


def in_pool(
    cores: int, questions: Sequence[Question], tell: Callable[[Question], None]
) -> Iterator[Failure | None]:
    """What becomes of each replicate; nothing new is begun after one that failed."""
    try:
        with workers(cores, die_with_parent) as pool:
            waiting = {pool.submit(replicate, question): question for question in questions}
            for done in as_completed(waiting):
                failure = done.result()
                yield failure
                if failure is not None:
                    return
                tell(waiting[done])
    except BrokenProcessPool:
        yield ("a process of the implementation died (out of memory, or killed)", BLOCKED)


def replicate(question: Question) -> Failure | None:
    """All arms of one replicate, in this process; what went wrong, in words."""
    import torch

    from lthbench.tickets.command import Command
    from lthbench.tickets.implementation import answers, function

    torch.set_num_threads(1)
    code_read.clear()
    try:
        with told_in_a_line():
            answers(question, Command(question.run) if " " in question.run else function(question.run))
    except UserError as error:
        return str(error), error.code
    return None


def interrupted(question: Question, arm: Arm, pause: float = 0.02) -> bool:
    """Kill a run of one arm soon after it wrote its first file, and let it go on; False where it was faster."""
    alone = replace(question, arms=(arm,))
    process = SPAWN.Process(target=replicate, args=(alone,), daemon=True)
    process.start()
    folder, deadline = alone.folder_of(arm), time.monotonic() + LONGEST
    while process.is_alive() and not wrote(folder) and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(pause)
    killed = process.is_alive()
    process.kill()
    process.join()
    train([alone], 1, lambda _: None)
    return killed


def wrote(folder: "os.PathLike[str]") -> bool:
    """Whether a folder holds anything."""
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except FileNotFoundError:
        return False
