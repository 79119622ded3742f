"""What was registered, and when: `frozen.json` beside the claim files, which `lthbench freeze` writes.

The registration of a claim in a suite is all that decides it: the claim's file with its entry for that suite, the
suite's file, its primary claims (they share the level), and the files of the experiments compared. Its hash is the
sha256 of that content as JSON with sorted keys and no spaces, so that comments and layout do not count.
"""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from lthbench.claims.load import ClaimFileError, Registry, cells, first_error, read_yaml
from lthbench.claims.schema import Strict
from lthbench.errors import UserError
from lthbench.files import read_bytes, write_text
from lthbench.recipe.experiment import digest

FILE = "frozen.json"
LARGEST_FILE = 10_000_000
SHOWN = 12  # hex digits of a hash, where people read it
AS_FROZEN, CHANGED, NOT_FROZEN = "as frozen", "changed", "not frozen"
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


class Freeze(Strict):
    """The registrations of a suite at one time; `why` says what changed since the freeze before."""

    suite: str
    at: Time
    commit: str | None = Field(None, description="of the repository around it; + for uncommitted changes")
    why: str = ""
    claims: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]


@dataclass(frozen=True)
class Registered:
    """The registration of a claim as it is now, and the freezes of its suite, oldest first."""

    claim: str
    hash: str
    freezes: tuple[Freeze, ...]

    @property
    def frozen(self) -> str:
        """The hash at the last freeze; empty where the claim was not there."""
        return self.freezes[-1].claims.get(self.claim, "") if self.freezes else ""

    @property
    def status(self) -> str:
        """Whether it is what was frozen last."""
        if not self.frozen:
            return NOT_FROZEN
        return AS_FROZEN if self.frozen == self.hash else CHANGED

    @property
    def changes(self) -> list[Freeze]:
        """The later freezes, at which this claim's registration was another than before."""
        pairs = zip(self.freezes, self.freezes[1:], strict=False)
        return [now for before, now in pairs if before.claims.get(self.claim) != now.claims.get(self.claim)]


def content(folder: Path, registry: Registry, suite: str, claim: str) -> dict[str, Any]:
    """What decides a claim in a suite, as its files say it."""
    files = {"claim": folder / f"{claim}.yaml", "suite": folder / "suites" / f"{suite}.yaml"}
    said = {name: read_yaml(path) for name, path in files.items()}
    names = [cell.experiment for cell in cells(registry.claims[claim].suites[suite])]
    for name in names:  # grows: a mask may be another experiment's
        source = registry.experiments[name].mask_from if name in registry.experiments else ""
        names += [source] if source and source not in names else []
    own = sorted(set(names) & set(registry.experiments))  # a suite of given results describes its own
    return {
        "claim": said["claim"] | {"suites": {suite: said["claim"]["suites"][suite]}},
        "suite": {key: value for key, value in said["suite"].items() if key != "claims"},
        "primary claims": registry.primaries(suite),
        "experiments": {name: read_yaml(folder / "experiments" / f"{name}.yaml") for name in own},
    }


def hash_of(folder: Path, registry: Registry, suite: str, claim: str) -> str:
    """The hash of a registration, 64 hex digits."""
    return digest(content(folder, registry, suite, claim), 64)


def freezes(folder: Path) -> list[Freeze]:
    """All freezes, oldest first; none where there is no such file."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        text = read_bytes(path, LARGEST_FILE, ClaimFileError, "restore it from version control")
        return TypeAdapter(list[Freeze]).validate_json(text)
    except ValidationError as error:
        raise ClaimFileError(f"{path}: {first_error(error)}; restore it from version control") from None


def registered(registry: Registry, suite: str, claim: str) -> Registered | None:
    """A claim's registration and its freezes; None where its folder has no frozen.json, or not of this suite."""
    if registry.folder is None:
        return None
    of_suite = tuple(freeze for freeze in freezes(registry.folder) if freeze.suite == suite)
    return Registered(claim, hash_of(registry.folder, registry, suite, claim), of_suite) if of_suite else None


def freeze(registry: Registry, suite: str, why: str) -> Freeze:
    """Add a freeze of a suite to frozen.json. UserError where nothing changed, or a change has no reason."""
    folder = registry.folder
    if folder is None or suite not in registry.suites:
        raise UserError(f"unknown suite '{suite}'; there are: {', '.join(registry.suites)}")
    claims = {claim: hash_of(folder, registry, suite, claim) for claim in registry.suites[suite].claims}
    before = freezes(folder)
    last = next((old for old in reversed(before) if old.suite == suite), None)
    if last is not None and last.claims == claims:
        raise UserError(f"suite {suite} is frozen as it is, since {last.at}; nothing was written")
    if last is not None and not why:
        changed = [claim for claim in {**last.claims, **claims} if last.claims.get(claim) != claims.get(claim)]
        raise UserError(
            f"suite {suite} was frozen {last.at}, and {', '.join(changed)} changed since; undo the edit, or say "
            "what it was for: --why TEXT (the freeze before stays in the file, and verdicts name both)"
        )
    now = Freeze(suite=suite, at=utc(time.time()), commit=commit_of(folder), why=why, claims=claims)
    rows = [entry.model_dump(mode="json") for entry in (*before, now)]
    write_text(folder / FILE, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    return now


def utc(seconds: float) -> str:
    """A time as it is stored: UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def commit_of(folder: Path) -> str | None:
    """The git commit of the repository around a folder, with + for uncommitted changes; None outside of one."""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
