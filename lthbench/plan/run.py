"""A run of a suite: what is asked for, where its files go, and what has to be trained."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote

from lthbench.claims.load import Registry
from lthbench.plan.suite import Chunk, first_chunks, plan_suite, second_chunks
from lthbench.plan.unit import Unit
from lthbench.recipe.experiment import digest

FIRST_LOOK = "first-look.json"  # in the scope's folder: which claims go on to the second look


def claims_of(scope: str) -> tuple[str, ...]:
    """The claims of a scope; empty means all."""
    return () if scope == "all" else tuple(scope.split("+"))


@dataclass(frozen=True)
class Run:
    """One run of a suite: what is asked for and where its files go.

    `scope` is `all`, or ids of claims joined by `+`. `replicates` overrides the registered number, for
    tuning seeds only.
    """

    registry: Registry
    suite: str
    seed: int = 0
    scope: str = "all"
    out: Path = Path(".")
    device: str = "auto"
    replicates: int | None = None
    claims_dir: Path | None = None

    def command(self, name: str, claims: bool = False) -> str:
        """A command of lthbench that means this run, as one types it: with its seed, folders and claims."""
        words = [f"lthbench {name} {self.suite}"]
        words += [f"--claim {','.join(self.claims)}"] if claims and self.claims else []
        words += [f"--seed {self.seed}"] if self.seed else []
        words += [f"--replicates {self.replicates}"] if self.replicates else []
        words += [f"--out {quote(str(self.out))}"] if self.out != Path(".") else []
        return " ".join([*words, *([f"--claims-dir {quote(str(self.claims_dir))}"] if self.claims_dir else [])])

    @property
    def given(self) -> bool:
        """Whether the suite judges results that are there, without training."""
        return not self.registry.suites[self.suite].trains

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims of the scope; empty means all."""
        return claims_of(self.scope)

    @property
    def results(self) -> Path:
        """Folder of the unit records, shared by all scopes of the suite and seed."""
        return self.out / "results" / self.suite / f"seed-{self.seed}"

    @property
    def scope_folder(self) -> Path:
        """Folder of the scope's tables and verdicts."""
        return self.results / "scopes" / self.scope

    @property
    def report(self) -> Path:
        """Folder of the report; master seed 0 is the suite's report proper."""
        suite = self.suite if self.seed == 0 else f"{self.suite}-seed-{self.seed}"
        folder = self.out / "reports" / suite
        return folder if self.scope == "all" else folder / self.scope

    @property
    def looks_twice(self) -> bool:
        """Whether a first look decides what is trained after it; tuning runs have none."""
        return self.registry.suites[self.suite].first_look is not None and not self.replicates

    def first_chunks(self) -> list[Chunk]:
        """What is trained in any case."""
        return list(self._first)

    @cached_property
    def _first(self) -> list[Chunk]:  # planned once: a suite may have thousands of units
        return first_chunks(self.registry, self.suite, self.seed, self.claims, self.replicates)

    @cached_property
    def whole_plan(self) -> list[Unit]:
        """The units of all claims and looks, whatever the scope: a record that is not among them is stale."""
        asked = (self.registry, self.suite, self.seed, (), self.replicates)
        first = self._first if self.scope == "all" else first_chunks(*asked)
        both = (first, plan_suite(*asked)) if self.looks_twice else (first,)
        return [unit for chunks in both for chunk in chunks for unit in chunk.units]

    def second_chunks(self) -> list[Chunk]:
        """What the first look left to be trained; nothing before it was taken."""
        if not self.looks_twice:
            return []
        return second_chunks(self.registry, self.suite, self.seed, self.left_open() or [])

    def chunks(self) -> list[Chunk]:
        """What has to be trained, as far as it is known."""
        return self.first_chunks() + self.second_chunks()

    def left_open(self) -> list[str] | None:
        """The claims that the first look left inconclusive, as the stage of that name wrote them.

        None where it was not taken, or at other registrations, recipes or code than now.
        """
        try:
            look = json.loads((self.scope_folder / FIRST_LOOK).read_text(encoding="utf-8"))
            return list(look["left_open"]) if look["of"] == self.first_look_key() else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # not taken, or damaged
            return None

    def first_look_key(self) -> str:
        """Changes with all that the first look depends on: what it was trained by, and how it is decided."""
        suite = self.registry.suites[self.suite]
        registered = self.registry.registrations(self.suite)
        rules = [[claim.kind, rule.model_dump(mode="json")] for claim, rule in registered]
        keys = [unit.key for chunk in self.first_chunks() for unit in chunk.units]
        return digest([keys, suite.model_dump(mode="json"), rules])

    def units(self) -> list[Unit]:
        """All units of all chunks."""
        return [unit for chunk in self.chunks() for unit in chunk.units]
