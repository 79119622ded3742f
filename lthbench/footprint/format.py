"""The shape of footprint.json. Torch-free: the report reads it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from lthbench.claims.schema import Strict
from lthbench.errors import UserError
from lthbench.files import read_bytes
from lthbench.words import shown

FILE = "footprint.json"
LARGEST_FILE = 5_000_000
SAYS = {
    "dense": ("dense", "every weight as float32, zeros included"),
    "bitmask": ("bitmask", "one bit per weight says which remain, and their values as float32"),
    "csr32": (
        "CSR-32",
        "compressed sparse rows, values as float32, a 32-bit column for each, 32-bit row pointers",
    ),
    "csr16": ("CSR-16", "the same with 16-bit columns"),
}
NETWORKS = {
    "dense": "dense",
    "masked": "masked (zeros)",
    "csr": "torch sparse CSR",
    "smaller": "really smaller",
}


Format = Annotated[str, Field(pattern="^(dense|bitmask|csr32|csr16)$")]


class Sizes(Strict):
    """Bytes of one format: by arithmetic, as a safetensors file, and that file in a zip."""

    arithmetic: int
    file: int
    zipped: int


class Latency(Strict):
    """Microseconds per call of one network at one batch size: median and quartiles."""

    batch: int
    network: Annotated[str, Field(pattern="^(dense|masked|csr|smaller)$")]
    median: Annotated[float, Field(gt=0)]
    low: float
    high: float


class Rung(Strict):
    """One ticket; `latency` at some levels only."""

    level: int
    density: float
    sizes: dict[Format, Sizes]
    latency: tuple[Latency, ...] = ()

    @model_validator(mode="after")
    def _beside_dense(self) -> "Rung":
        timed = {entry.batch for entry in self.latency}
        if "dense" not in self.sizes or timed != {e.batch for e in self.latency if e.network == "dense"}:
            raise ValueError(
                "sizes and latency: the dense network is missing, so there is nothing to compare with"
            )
        return self


class Measured(Strict):
    """The tickets of one experiment, those of replicate 0."""

    experiment: str
    arm: str
    weights: int
    break_even: dict[Format, float]
    rungs: Annotated[list[Rung], Field(min_length=1)]


class Footprint(Strict):
    """What footprint.json holds."""

    format: int = 1
    machine: str
    torch: str
    threads: int
    repetitions: int
    experiments: list[Measured]


def read(path: Path) -> Footprint | None:
    """The numbers of a footprint.json; None where there is none. Raises UserError where it is something else."""
    if not path.is_file():
        return None
    content = read_bytes(path, LARGEST_FILE, UserError, "remove it, or measure again")
    try:
        return Footprint.model_validate_json(content)
    except (ValidationError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not what lthbench footprint wrote ({shown(error, 80)}); remove it") from None
