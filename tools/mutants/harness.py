"""Inject each mutant into a copy of the source and see what notices it: tests, and gates and verdicts alone."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lthbench.errors import BLOCKED, UserError
from tools.mutants import compare, unit_tests
from tools.mutants.copy import PatchError, apply, checkout, copy_of, environment
from tools.mutants.mutant import Mutant
from tools.mutants.outcome import Outcome

SUITE, MASTER = "quick", 0
REFERENCE = f"reports/reference/{SUITE}/seed-{MASTER}/tidy.csv.gz"


@dataclass(frozen=True)
class Result:
    """What noticed one mutant. `test` is None when none did, `outcome` None when no claims were run.

    `signature` holds mean and SD of every contrast, `sound` the same of the source as it is.
    """

    id: str
    says: str
    tested: bool = False
    test: str | None = None
    test_seconds: float = 0.0
    claims: tuple[str, ...] = ()
    outcome: list[str] | None = None
    outcome_seconds: float = 0.0
    signature: dict[str, list[float]] = field(default_factory=dict)
    sound: dict[str, list[float]] = field(default_factory=dict)

    @property
    def noticed(self) -> bool:
        """Whether anything that was run noticed it."""
        return self.test is not None or bool(self.outcome)


@dataclass(frozen=True)
class Harness:
    """How mutants are tried: tests, outcomes or both; outcomes with the least replicates or as registered."""

    tests: bool = True
    outcomes: bool = True
    full: bool = False
    sound: dict[tuple[str, ...], Outcome] = field(default_factory=dict)  # of the source as it is, by claims

    @cached_property
    def root(self) -> Path:
        """The source tree that mutants are copies of."""
        return checkout()

    @cached_property
    def replicates(self) -> int | None:
        """Replicates of an outcome."""
        from lthbench.claims.load import load
        from tools.mutants.reduced import least_replicates

        return None if self.full else least_replicates(load(self.root / "claims"), SUITE)

    def try_all(self, mutants: Sequence[Mutant], jobs: int, tell: Callable[[Result], None]) -> list[Result]:
        """Try mutants, `jobs` at a time; `tell` hears of each as it is done."""

        def try_and_tell(mutant: Mutant) -> Result:
            result = self.attempt(mutant)
            tell(result)
            return result

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(try_and_tell, mutants))

    def attempt(self, mutant: Mutant) -> Result:
        """Inject one mutant and see what notices it."""
        with tempfile.TemporaryDirectory(prefix="lthbench-mutant-") as folder:
            copy = copy_of(self.root, Path(folder) / "source")
            try:
                apply(mutant, copy)
            except PatchError as error:
                raise UserError(str(error), BLOCKED) from None
            surroundings = environment(copy, mutant.patches)
            observed: dict[str, Any] = {}
            if self.tests:
                observed |= tested(mutant, copy, surroundings)
            if self.outcomes and mutant.claims:
                observed |= self.judged(mutant, copy, surroundings, Path(folder))
            return Result(mutant.id, mutant.says, claims=mutant.claims, **observed)

    def judged(self, mutant: Mutant, copy: Path, surroundings: Mapping[str, str], folder: Path) -> dict[str, Any]:
        """Gates and verdicts of the mutant beside those of the sound source."""
        table = self.root / REFERENCE
        stored = str(table) if table.is_file() else ""
        started = time.perf_counter()
        mutated = self.ask(mutant, "" if mutant.trains else stored, copy, surroundings, folder / "results")
        seconds = time.perf_counter() - started
        if mutant.claims not in self.sound:
            own = environment(self.root, ())
            self.sound[mutant.claims] = self.ask(mutant, stored, self.root, own, folder / "sound")
        sound = self.sound[mutant.claims]
        return {
            "outcome": compare.noticed(sound, mutated),
            "outcome_seconds": seconds,
            "signature": compare.signature(mutated),
            "sound": compare.signature(sound),
        }

    def ask(
        self, mutant: Mutant, table: str, source: Path, surroundings: Mapping[str, str], results: Path
    ) -> Outcome:
        """The outcome of a source tree, from a process of its own."""
        results.mkdir()
        answer = results / "outcome.json"
        request = {
            "suite": SUITE, "claims": list(mutant.claims), "replicates": self.replicates, "master": MASTER,
            "root": str(results), "table": table, "answer": str(answer),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tools.mutants.outcome"],
            input=json.dumps(request), cwd=source, env=dict(surroundings), capture_output=True, text=True,
        )  # fmt: skip
        if not answer.is_file():  # it did not even get as far as training
            return {"stopped": unit_tests.last_line(done), "claims": {}}
        return json.loads(answer.read_text())


def tested(mutant: Mutant, copy: Path, surroundings: Mapping[str, str]) -> dict[str, Any]:
    """Which unit test notices the mutant."""
    started = time.perf_counter()
    noticed = unit_tests.run(mutant.tests, copy, surroundings)
    return {"tested": True, "test": noticed.test, "test_seconds": time.perf_counter() - started}
