"""What the Snakefile needs to know: targets, chunks, and what each job depends on. Torch-free and quick.

A *scope* is what one target asks for: a whole suite (`all`) or claims of it. Scopes share the unit records, so
a claim decided alone reuses what the suite has trained and the other way round.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

from lthbench.claims.load import Registry, load
from lthbench.claims.variants import of_name, with_variant
from lthbench.plan.run import claims_of
from lthbench.plan.suite import Chunk, first_chunks, second_chunks
from lthbench.recipe.experiment import digest

PACKAGE = Path(__file__).parents[1]
RULES = Path(__file__).parent / "rules"
SCHEMA = str(Path(__file__).parent / "config.schema.yaml")


def snakefile() -> Path:
    """The root Snakefile of the checkout, or the copy inside the installed package."""
    checkout = PACKAGE.parent / "Snakefile"
    return checkout if (PACKAGE.parent / "pyproject.toml").is_file() else PACKAGE / "_bundled" / "Snakefile"


@cache
def registry(folder: str = "") -> Registry:
    """The claims, read once per process."""
    return load(Path(folder) if folder else None)


@cache
def registry_of(suite: str, folder: str = "") -> Registry:
    """The claims and the suite, which may be a variant's."""
    return with_variant(registry(folder), suite)


@cache
def chunks(suite: str, seed: int, scope: str, replicates: int = 0, folder: str = "") -> dict[str, Chunk]:
    """The chunks of a scope that are trained in any case, by id."""
    asked = (registry_of(suite, folder), suite, seed, claims_of(scope), replicates or None)
    return {c.id: c for c in first_chunks(*asked)}


def looks_twice(suite: str, replicates: int = 0, folder: str = "") -> bool:
    """Whether what is trained depends on a first look."""
    return registry_of(suite, folder).suites[suite].first_look is not None and not replicates


def more_chunks(suite: str, seed: int, looked: str, folder: str = "") -> dict[str, Chunk]:
    """The chunks that a first look (its file) asks for, by id; none before it was taken."""
    if not Path(looked).is_file():
        return {}
    left_open = json.loads(Path(looked).read_text(encoding="utf-8"))["left_open"]
    return second(suite, seed, tuple(left_open), folder)


@cache
def second(suite: str, seed: int, left_open: tuple[str, ...], folder: str) -> dict[str, Chunk]:
    """The chunks that claims which were left open need, by id; planned once for the jobs that ask."""
    return {c.id: c for c in second_chunks(registry_of(suite, folder), suite, seed, left_open)}


def chunk_key(chunk: Chunk) -> str:
    """Changes when a recipe, the training code or the plan of the chunk changes; nothing else."""
    return digest([unit.key for unit in chunk.units])


@cache
def source() -> str:
    """A hash of the package's source. Tables, verdicts and reports take seconds: they follow any change."""
    hashed = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            hashed.update(file.read_bytes())
    return hashed.hexdigest()[:12]


def popular(folder: str = "") -> str:
    """Changes when the sentences of popular accounts do, which reports answer."""
    accounts = registry(folder).popular
    return digest(accounts.model_dump()) if accounts else ""


def claim_files(suite: str, folder: str = "") -> list[str]:
    """The files a suite's verdicts are judged by."""
    from lthbench.claims.load import default_folder

    root = Path(folder) if folder else default_folder()
    claims = [root / f"{claim}.yaml" for claim in registry_of(suite, folder).suites[suite].claims]
    file, _ = of_name(registry(folder), suite)
    return [str(path) for path in (root / "suites" / f"{file}.yaml", *claims)]
