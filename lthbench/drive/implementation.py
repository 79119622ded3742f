"""An implementation of the user's in the dock: train its arms and the reference's, judge the one by the other.

    claims -> arms -> their records + reference records -> two tables -> invariants, claims, reference points

Their code runs in processes of its own. Everything is kept below `out`: records by the hash of recipe and code, so
that an interrupted run goes on and an edited implementation starts anew.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lthbench.claims.load import Registry
from lthbench.claims.schema import Cell
from lthbench.data.cache import cache_root
from lthbench.drive import check
from lthbench.drive.execute import missing
from lthbench.drive.here import train_chunks
from lthbench.drive.implementation_work import interrupted, train
from lthbench.errors import UserError
from lthbench.files import write_text
from lthbench.judging.dock.invariants import Invariant, Returned, invariants
from lthbench.judging.dock.reference_points import points
from lthbench.judging.dock.standing import Standing
from lthbench.judging.table import Table
from lthbench.plan.own_code import code_behind
from lthbench.plan.run import Run
from lthbench.plan.suite import Chunk
from lthbench.plan.unit import Unit, plan_experiment
from lthbench.recipe.arms import ARMS
from lthbench.recipe.engine import engine
from lthbench.recipe.experiment import FUNCTION, Experiment, digest
from lthbench.report.standing import markdown
from lthbench.results.format import read_results
from lthbench.results.returned import Record, Result, stored
from lthbench.results.tidy import collect, to_csv
from lthbench.tickets.command import Command
from lthbench.tickets.implementation import Question, arms_of, folds_of, function, problem_of
from lthbench.words import as_registered, choices

FEWEST = 8
TINY = 20  # iterations of the trial
TRAINED = (
    "ones",
    "iterative",
    "one-shot",
    "at-init",
    "ticket",
    "random",
)  # masks that can be asked for
THEIRS, REFERENCE = "their-results.csv", "reference-results.csv"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What an implementation is asked to stand: claims of a suite, with so many replicates.

    `run` is `package.module:function`, or a command (it has a space in it). `reference` is where the reference's
    runs are kept; several implementations may share it. `cores` 0: in this process.
    """

    run: str
    suite: str = "quick"
    claims: tuple[str, ...] = ()
    replicates: int = FEWEST
    seed: int = 0
    out: Path = Path("dock")
    reference: Path | None = None
    cores: int = 1

    @property
    def command(self) -> bool:
        """Whether it is a command."""
        return " " in self.run


@dataclass(frozen=True)
class Plan:
    """The claims that are asked about, the cells that they name by experiment, and where records go."""

    asked: Asked
    registry: Registry
    claims: tuple[str, ...]
    cells: Mapping[str, frozenset[tuple[str, int]]]
    code: str

    def experiment(self, name: str) -> Experiment:
        """An experiment."""
        return self.registry.experiments[name]

    def questions(self, name: str) -> list[Question]:
        """One for each replicate of an experiment."""
        experiment, asked = self.experiment(name), self.asked
        key = digest([self.code, experiment.recipe(), asked.seed])
        arms = arms_of(set(self.cells[name]), experiment.draws)
        folder = asked.out / "implementation" / f"{name}-{key}"
        return [
            Question(asked.run, experiment, arms, asked.seed, number, folder, cache_root())
            for number in range(asked.replicates)
        ]


def tested(asked: Asked, registry: Registry, tell: Tell) -> Standing:
    """Train, compare and judge. Raises UserError for what cannot be asked or used."""
    plan = planned(asked, registry)
    beside = tried(plan, tell)
    for name in plan.cells:
        questions = plan.questions(name)
        arms = ", ".join(dict.fromkeys(f"{arm.name}@{arm.level}" for arm in questions[0].arms))
        tell(f"{name}: {arms}; {len(questions)} replicates.")
        train(questions, asked.cores, lambda q: tell(f"replicate {q.replicate} is done"))
        beside.append(resumed(questions[0]))
    reference = reference_table(plan, tell)
    return judged(plan, reference, beside)


def planned(asked: Asked, registry: Registry) -> Plan:
    """What is asked for. Raises UserError where it cannot be."""
    if asked.suite not in registry.suites or not registry.suites[asked.suite].trains:
        trained = [name for name, suite in registry.suites.items() if suite.trains]
        raise UserError(f"suite '{asked.suite}' trains nothing here; {choices(asked.suite, trained)}")
    if asked.replicates < 2:
        raise UserError("--replicates: two or more; one run shows nothing about the next")
    if asked.command:
        Command(asked.run)
        code = asked.run
    elif FUNCTION.match(asked.run):
        function(asked.run)
        code = code_behind(asked.run, "--implementation")
    else:
        raise UserError(f"implementation '{asked.run}' is no function; write package.module:function")
    claims = claims_of(asked, registry)
    cells = {name: frozenset(own) for name, own in cells_of(asked.suite, registry, claims).items()}
    return Plan(asked, registry, claims, cells, code)


def claims_of(asked: Asked, registry: Registry) -> tuple[str, ...]:
    """The claims that were named, or those about the experiment of the suite's first that can be asked."""
    known = registry.suites[asked.suite].claims
    names = [as_registered(name, known) for name in asked.claims]
    for name in names:
        if name not in known:
            raise UserError(f"suite {asked.suite} has no claim '{name}'; {choices(name, known)}")
        odd = strange(registry, asked.suite, name)
        if odd:
            raise UserError(f"{name}: {odd} cannot be asked of an implementation; leave the claim out")
    if names:
        return tuple(dict.fromkeys(names))
    first = registry.claims[known[0]].suites[asked.suite].experiment
    fits = [name for name in known if not strange(registry, asked.suite, name)
            and set(cells_of(asked.suite, registry, [name])) == {first}]  # fmt: skip
    if not fits:
        raise UserError(f"suite {asked.suite} has no claim that an implementation can be asked about; name some")
    return tuple(fits)


def strange(registry: Registry, suite: str, name: str) -> str:
    """An arm or endpoint of a claim that `run(problem, arm)` has no words for; empty where there is none."""
    registration = registry.claims[name].suites[suite]
    arms = [cell.arm for line in registration.hypotheses for cell in line.contrast.cells(registration.experiment)]
    odd = [arm for arm in arms if ARMS[arm].mask not in TRAINED or ARMS[arm].of == "source" or ARMS[arm].line_from]
    return next(iter(odd), "")


def cells_of(suite: str, registry: Registry, claims: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
    """The cells that the hypotheses of claims compare, by experiment, and the dense networks."""
    cells: dict[str, set[tuple[str, int]]] = {}
    for name in claims:
        registration = registry.claims[name].suites[suite]
        for line in registration.hypotheses:
            for cell in line.contrast.cells(registration.experiment):
                cells.setdefault(cell.experiment, {("dense", 0)}).add((cell.arm, cell.level))
    return cells


def tried(plan: Plan, tell: Tell) -> list[Invariant]:
    """All arms once with a recipe of few iterations, so that mistakes cost seconds; the first arms twice.

    Raises UserError with the place in the user's code where that fails.
    """
    same = []
    for name in plan.cells:
        whole = plan.questions(name)[0]
        tiny = replace(whole, experiment=few(whole.experiment), folder=whole.folder / "trial")
        first, again = (replace(tiny, folder=tiny.folder / each) for each in ("first", "again"))
        if any(stored(first.folder_of(arm)) is None for arm in first.arms):
            tell(f"{name}: a trial of {TINY} iterations")
        second = replace(again, arms=again.arms[:2])
        train([first, second], plan.asked.cores, lambda _: None)
        same.append(alike("same-twice", "One seed gives the same network twice.", first, second, ("M9",)))
    return same


def few(experiment: Experiment) -> Experiment:
    """The experiment with few iterations."""
    old = experiment.training
    training = replace(old, iterations=TINY, evaluate_every=TINY // 2, warmup=min(old.warmup, TINY))
    pruning = replace(experiment.pruning, rewind=min(experiment.pruning.rewind, 1))
    return replace(experiment, training=training, pruning=pruning)


def resumed(question: Question) -> Invariant:
    """Whether a run that was killed and went on is the run that was not: of the first arm, if it leaves files."""
    name, says = "resumes", "A run that is killed and goes on gives what it gives uninterrupted."
    arm = question.arms[0]
    record = stored(question.folder_of(arm))
    if " " in question.run or record is None:
        return Invariant(name, says, "not looked at", "A command is not interrupted.")
    if not record.measured["files"]:
        return Invariant(name, says, "holds", "It keeps no files while it trains: it starts again, from its seed.")
    again = replace(question, folder=question.folder / "interrupted", arms=(arm,))
    shutil.rmtree(again.folder, ignore_errors=True)
    if not interrupted(again, arm):
        return Invariant(name, says, "not looked at", "It was done before it could be interrupted.")
    return alike(name, says, question, again, ("M14",))


def alike(name: str, says: str, first: Question, second: Question, bugs: tuple[str, ...]) -> Invariant:
    """Whether two runs of the same arms returned the same numbers and weights, bit for bit."""
    differ = []
    for arm in second.arms:
        a, b = (stored(question.folder_of(arm)) for question in (first, second))
        if a is None or b is None or not same(a.result, b.result):
            differ.append(f"{arm.name}@{arm.level}")
    if differ:
        return Invariant(name, says, "broken", f"{', '.join(differ)} of replicate 0 came out different.", bugs)
    return Invariant(name, says, "holds", f"{len(second.arms)} arms, bit for bit.", bugs)


def same(first: Result, second: Result) -> bool:
    """Equal accuracies and, where there are any, equal weights."""
    if first.weights is not None and second.weights is not None:
        weights = second.weights
        return all(
            name in weights and np.array_equal(value, weights[name]) for name, value in first.weights.items()
        )
    return first.final_test_accuracy == second.final_test_accuracy


def reference_table(plan: Plan, tell: Tell) -> pd.DataFrame:
    """The reference's runs at the same settings; trained where they are not there."""
    asked = plan.asked
    run = Run(plan.registry, asked.suite, asked.seed, out=asked.reference or asked.out / "reference", device="cpu")
    units: list[Unit] = []
    chunks: list[Chunk] = []
    for name, cells in plan.cells.items():
        block = plan.registry.suites[asked.suite].block
        own = plan_experiment(plan.experiment(name), set(cells), asked.replicates, block, asked.seed)
        chunks += [Chunk(name, n, tuple(u for u in own if u.block == n)) for n in sorted({u.block for u in own})]
        units += own
    if missing(units, run.results):
        tell(f"the reference implementation: {sum(unit.networks for unit in units)} networks at the same settings")
        train_chunks(run, chunks, max(1, asked.cores), lambda: None)
    table, _ = collect(run.results, units)
    return table


def judged(plan: Plan, reference: pd.DataFrame, beside: Sequence[Invariant]) -> Standing:
    """Everything that is there, judged; the tables and the verdict are written."""
    asked = plan.asked
    records = {name: records_of(plan.questions(name)) for name in plan.cells}
    theirs = pd.concat([table_of(plan.experiment(name), own) for name, own in records.items()])
    write_text(asked.out / THEIRS, to_csv(theirs))
    write_text(asked.out / REFERENCE, to_csv(reference[theirs.columns]))
    own, ours = (read_results(asked.out / name, "percent") for name in (THEIRS, REFERENCE))
    by_claims, by_reference = (
        check.answer(plan.registry, check.Question(asked.out / name, plan.claims, asked.suite), results)
        for name, results in ((THEIRS, own), (REFERENCE, ours))
    )
    every = [Cell(name, arm, level) for name, cells in plan.cells.items() for arm, level in sorted(cells)]
    looked = [
        invariant
        for name, each in records.items()
        for invariant in invariants(Returned(plan.experiment(name), prunable(plan.questions(name)[0]), each))
    ]
    standing = Standing(
        invariants=[*looked, *beside],
        points=points(Table(own.table), Table(ours.table), every),
        verdicts=by_claims.verdicts,
        reference=by_reference.verdicts,
    )
    write_text(asked.out / "standing.json", to_json(standing, asked))
    write_text(asked.out / "standing.md", markdown(asked.run, standing))
    return standing


def prunable(question: Question) -> dict[str, tuple[int, ...]]:
    """The weights that are pruned, as an ordinary module's lie."""
    return dict(problem_of(question, question.arms[0], folds_of(question), {}).prunable)


def records_of(questions: Sequence[Question]) -> list[dict[tuple[str, int, int], Record]]:
    """What was returned, by replicate and arm."""
    return [
        {arm.cell: record for arm in question.arms if (record := stored(question.folder_of(arm))) is not None}
        for question in questions
    ]


def table_of(experiment: Experiment, records: Sequence[Mapping[tuple[str, int, int], Record]]) -> pd.DataFrame:
    """What was returned as a table in the public format."""
    rows: list[tuple[Any, ...]] = []
    for number, arms in enumerate(records):
        for (arm, level, draw), record in arms.items():
            result, place = record.result, (experiment.id, arm, level, number, draw)
            last = experiment.training.iterations
            rows.append((*place, last, "final_test_accuracy", result.final_test_accuracy))
            for name in ("early_stop_test_accuracy", "early_stop_iteration", "final_train_accuracy"):
                value = getattr(result, name)
                rows += [] if value is None else [(*place, None, name, value)]
            for name in ("validation_accuracy", "validation_loss"):
                rows += [(*place, at, name, value) for at, value in (getattr(result, name) or {}).items()]
    names = ("experiment", "arm", "level", "replicate", "draw", "iteration", "metric", "value")
    table = pd.DataFrame(rows, columns=list(names))
    return table.assign(iteration=table["iteration"].astype("Int64"))


def to_json(standing: Standing, asked: Asked) -> str:
    """All that a verdict rests on, for other programs."""
    content = {
        "implementation": asked.run,
        "suite": asked.suite,
        "engine": engine(),
        "words": standing.words(),
        "diagnosis": standing.diagnosis(),
        "resembles": standing.resembles(),
        "exit_code": standing.exit_code,
        "invariants": [asdict(each) for each in standing.invariants],
        "reference_points": [finite(asdict(each)) for each in standing.points],
        "claims": {claim.id: claim.verdict for claim in standing.verdicts.claims},
        "claims_of_reference": {claim.id: claim.verdict for claim in standing.reference.claims},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def finite(value: object) -> object:
    """The same with None for what is not a finite number: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
