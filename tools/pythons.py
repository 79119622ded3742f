"""`python -m tools.pythons`: run the tests in every supported Python that is here, with the newest libraries.

For each version a virtual environment is made and the last commit installed there, without constraints.txt; the
tests run in a copy of it. Torch comes first, from PyTorch's own index, and is then held: a range asked for
elsewhere may bring the CUDA build, which is gigabytes. A version that is not here is named in the answer.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13")
TORCH = ("torch", "torchvision")
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
SHOWN = ("torch", "torchvision", "timm", "numpy", "scipy", "pandas", "pydantic", "snakemake", "pytest")
LISTED = "import importlib.metadata as m; print(*(f'{n}%s{m.version(n)}' for n in %r), sep=', ')"
PLACES = (".pyenv/versions", ".local/share/uv/python", "miniconda3/envs", "miniforge3/envs")  # in the home folder


@dataclass(frozen=True)
class Answer:
    """What came of one version: how far it got, and whether the tests passed."""

    version: str
    said: str
    passed: bool = False


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser(prog="python -m tools.pythons", description=__doc__)
    options.add_argument("--python", metavar="VERSION", action="append", help=f"one of {', '.join(VERSIONS)}")
    options.add_argument("--torch-index", metavar="URL", default=CPU_BUILDS, help=f"default: {CPU_BUILDS}")
    options.add_argument("--torch", metavar="X.Y.Z", help="this torch; default: the newest of the index")
    options.add_argument("--folder", metavar="FOLDER", type=Path, help="keep the environments here, and use them")
    options.add_argument("tests", nargs="*", metavar="-- PYTEST", help="what to give to pytest; else all tests")
    return options


def interpreter(version: str) -> Path | None:
    """The interpreter of a version: on the path, or where pyenv, uv and conda put theirs."""
    on_path = shutil.which(f"python{version}")
    places = [place for name in PLACES for place in sorted(Path.home().glob(f"{name}/*/bin/python{version}"))]
    candidates = [*([Path(on_path)] if on_path else []), *reversed(places)]
    return next((path for path in candidates if works(path, version)), None)


def works(path: Path, version: str) -> bool:
    """Whether an interpreter starts, is of the version, and can make environments (a shim may do neither)."""
    asked = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([path, "-c", asked], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version


def copy_of_commit(folder: Path) -> Path:
    """The last commit in a folder of its own, so that nobody's edits are tested half made."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        ["git", "-c", "advice.detachedHead=false", "clone", "-q", "--no-hardlinks", ROOT, folder], check=True
    )
    return folder


def environment(python: Path, folder: Path, torch: str, torch_index: str, log: Path) -> Path:
    """A virtual environment with `torch` (a requirement), its interpreter. One that is there is used again."""
    inside = folder / "bin" / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    wanted = [torch, *TORCH[1:]]
    if run([inside, "-m", "pip", "install", "--upgrade", *wanted, "--index-url", torch_index], log, ROOT):
        say(f"  {torch_index} gave no {torch}; taking pip's own, which may be the CUDA build")
        needed(run([inside, "-m", "pip", "install", "--upgrade", *wanted], log, ROOT), torch, log)
    return inside


def everything_else(inside: Path, log: Path, source: Path) -> None:
    """Install the copy and the newest of what it needs. Torch stays: upgraded, it would be another index's."""
    held = listed(inside, TORCH, "==")
    newest = ("--upgrade", "--upgrade-strategy", "eager")
    needed(run([inside, "-m", "pip", "install", *newest, *held, "-e", ".[dev]"], log, source), "lthbench", log)


def listed(inside: Path, packages: Sequence[str], between: str = " ") -> list[str]:
    """Packages of an environment, each with its version. Raises RuntimeError where one is not installed."""
    asked: list[str | Path] = [inside, "-c", LISTED % (between, tuple(packages))]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip().split(", ")


def needed(code: int, name: str, log: Path) -> None:
    """Raise RuntimeError where an installation failed."""
    if code:
        raise RuntimeError(f"installing {name} failed; see {log}")


def run(command: Sequence[str | Path], log: Path, folder: Path) -> int:
    """Run a command, its words going to a log."""
    alone = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PIP_CONSTRAINT")}
    with log.open("a") as file:
        done = subprocess.run(list(command), cwd=folder, env=alone, stdout=file, stderr=file, check=False)
    return done.returncode


def tried(version: str, folder: Path, torch: str, torch_index: str, tests: Sequence[str]) -> Answer:
    """Install and test with one version."""
    python = interpreter(version)
    if python is None:
        return Answer(version, "NOT RUN: no such Python here (pyenv or uv can install one)")
    log = folder / f"{version}.log"
    log.write_text("")
    say(f"{version}: {python}, log in {log}")
    try:
        source = copy_of_commit(folder / f"source-{version}")
        inside = environment(python, folder / f"env-{version}", torch, torch_index, log)
        everything_else(inside, log, source)
        say(f"  {', '.join(listed(inside, SHOWN))}")
    except (RuntimeError, subprocess.CalledProcessError) as error:
        return Answer(version, f"NOT RUN: {error}")
    code = run([inside, "-m", "pytest", *tests], log, source)
    return Answer(version, f"{last_line(log)} (exit code {code}; {log})", passed=code == 0)


def last_line(log: Path) -> str:
    """How pytest summed up."""
    lines = log.read_text(errors="replace").splitlines()
    sums = [line.strip("= ") for line in lines if re.search(r"\d+ (passed|failed)", line)]
    return sums[-1] if sums else "no test ended"


def say(line: str) -> None:
    """A line at once."""
    print(line, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; 1 where tests failed, 2 where a version was not run."""
    given = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lthbench-pythons-") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        torch = f"torch=={given.torch}" if given.torch else "torch"
        versions = given.python or VERSIONS
        answers = [tried(version, folder, torch, given.torch_index, given.tests) for version in versions]
        for answer in answers:
            say(f"Python {answer.version}: {answer.said}")
    if all(answer.passed for answer in answers):
        return 0
    return 2 if any(answer.said.startswith("NOT RUN") for answer in answers) else 1


if __name__ == "__main__":
    sys.exit(main())
