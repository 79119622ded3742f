"""Snakemake profiles for four kinds of place to run: files beside this one, filled in for a machine."""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

from lthbench.drive import dag
from lthbench.drive.devices import visible
from lthbench.errors import UserError
from lthbench.files import read_text, write_text
from lthbench.words import choices

KINDS = ("laptop", "gpu", "slurm", "kubernetes")
HERE = Path(__file__).parent
FILE = "config.yaml"  # as Snakemake calls it


def write(kind: str, folder: Path, device: str = "", jobs_per_gpu: int = 1) -> Path:
    """Write the profile of a kind into a folder. Raises UserError for another kind, or where one is there."""
    if kind not in KINDS:
        raise UserError(f"unknown profile '{kind}'; {choices(kind, KINDS)}")
    file = folder / FILE
    if file.exists():
        raise UserError(f"{file}: there is one already; edit it, or name another folder with --to")
    filled = text(kind, device or ("cuda" if kind == "gpu" else "cpu"), jobs_per_gpu)
    for script in HERE.glob(f"{kind}-*.sh"):
        write_text(folder / script.name.removeprefix(f"{kind}-"), script.read_text(encoding="utf-8"))
    write_text(file, filled.replace("@FOLDER@", str(folder.resolve())))
    return file


def text(kind: str, device: str, jobs_per_gpu: int) -> str:
    """The profile, filled in with what is known of this machine."""
    slots = max(1, len(visible())) * jobs_per_gpu
    said = (HERE / f"{kind}.yaml").read_text(encoding="utf-8")
    for name, value in {
        "SNAKEFILE": dag.snakefile(),
        "CORES": max(os.cpu_count() or 1, slots if kind == "gpu" else 1),
        "SLOTS": slots,
        "DEVICE": device,
        "STATUS": status_command(),
    }.items():
        said = said.replace(f"@{name}@", str(value))
    return said


def status_command() -> str:
    """What tells Snakemake how Slurm's jobs are: sacct, but without accounting it would wait for ever."""
    if not shutil.which("scontrol"):
        return "sacct"
    said = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=False).stdout
    return "squeue" if "accounting_storage/none" in said else "sacct"


def device_of(profile: Path) -> str:
    """The device that a profile names; auto where it names none. Raises UserError where there is no profile."""
    file = profile / FILE
    if not file.is_file():
        raise UserError(f"{profile}: no profile ({FILE}) there; `lthbench profile slurm` writes one")
    try:
        settings = yaml.safe_load(read_text(file, 10**5, UserError, "mend it")) or {}
        given = [str(entry) for entry in settings.get("config", [])]
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise UserError(f"{file}: not a profile ({str(error).splitlines()[0]}); mend it") from None
    return next((entry.removeprefix("device=") for entry in given if entry.startswith("device=")), "auto")
