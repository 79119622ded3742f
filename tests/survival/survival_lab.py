"""Kill a command at random moments, take it up with the same command, compare with a run that nobody killed.

`python tests/survival/survival_lab.py --rounds 40` prints what docs/survival.md says; the tests call the same
functions. Everything random comes from the seed of a round, which is printed: a round can be repeated (its
moments, not the machine's mood).
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/workflow")]

from tiny_suite import PATIENCE, write_claims  # noqa: E402

from lthbench.results import store  # noqa: E402

STAGES = (
    "Python starts",
    "start",
    "planning",
    "data and first units",
    "training",
    "tidy",
    "judge",
    "report",
    "end",
    "after the end",
)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ENDS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 143, signal.SIGINT: 130}
SAID = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupted"}
VERDICT_CODES = (0, 1, 3, 4)

# A campaign that saves its training all the time, where a real one does every five minutes.
SAVING = """
import functools, sys
from lthbench.tickets import unit
unit.Checkpoint = functools.partial(unit.Checkpoint, every=0.02)
from lthbench.__main__ import main
main()
"""
PYTHON = [sys.executable, "-m", "lthbench"]
RUNS = {
    "run": [*PYTHON, "run", "tiny", "--cores", "2"],
    "run --no-snakemake": [*PYTHON, "run", "tiny", "--no-snakemake", "--cores", "2"],
    "campaign": [sys.executable, "-c", SAVING, "campaign", "tiny", "--budget", "10m", "--cores", "1"],
}
REPEATS = {"judge": [*PYTHON, "judge", "tiny"], "report": [*PYTHON, "report", "tiny"]}
COMMANDS = RUNS | REPEATS
# After a stage is reached, as a share of what the run that nobody killed took: about what a stage takes.
LONGEST_DELAY = {"run": 0.3, "run --no-snakemake": 0.15, "campaign": 0.1, "judge": 0.12, "report": 0.3}
TURNS = ["run", "run --no-snakemake", "campaign", "judge", "run", "run --no-snakemake", "campaign", "report"]


@dataclass(frozen=True)
class Lab:
    """A folder with claim files and the run (without Snakemake) that nobody killed, and how long it took."""

    folder: Path
    seconds: float = 0.0

    @property
    def reference(self) -> Path:
        """What `--out` was of the run that nobody killed."""
        return self.folder / "reference"

    def command(self, name: str, out: Path) -> list[str]:
        """What is typed."""
        return [*COMMANDS[name], "--out", str(out), "--claims-dir", str(self.folder / "claims")]

    @property
    def environment(self) -> dict[str, str]:
        """A user's, with a data cache of its own."""
        ours = {"LTHBENCH_CACHE": str(self.folder / "cache"), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        return os.environ | ours


@dataclass(frozen=True)
class Kill:
    """One signal: where the command was by what it had left, and how it ended."""

    stage: str
    number: signal.Signals
    group: bool
    moment: float
    code: int

    def __str__(self) -> str:
        to = "group" if self.group else "main"
        return f"{self.number.name} to {to} at {self.moment:.2f} s ({self.stage}): exit {self.code}"


@dataclass
class Round:
    """What was done in one round, and everything that was not as it must be."""

    seed: int
    command: str
    kills: list[Kill] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    leftovers: int = 0

    @property
    def wrong(self) -> list[str]:
        """Everything that is wrong."""
        return self.losses + self.differences + self.complaints

    def __str__(self) -> str:
        lines = [f"round {self.seed}: {self.command}", *(f"  {kill}" for kill in self.kills)]
        return "\n".join(lines + [f"  WRONG: {line}" for line in self.wrong])


def prepare(folder: Path, iterations: int = 160) -> Lab:
    """Write the claim files and run them once, undisturbed."""
    claims = write_claims(folder / "claims")
    experiment = claims / "experiments/tiny.yaml"
    text = experiment.read_text().replace("iterations: 60,", f"iterations: {iterations},")
    experiment.write_text(text)
    lab, started = Lab(folder), time.monotonic()
    done = subprocess.run(
        lab.command("run --no-snakemake", lab.reference), env=lab.environment, capture_output=True, text=True,
        timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode in VERDICT_CODES, done.stdout + done.stderr
    return replace(lab, seconds=time.monotonic() - started)


def scope(out: Path) -> Path:
    """The folder of tables and verdicts."""
    return out / "results/tiny/seed-0/scopes/all"


def records(out: Path) -> dict[str, int]:
    """Every whole unit record with its time of change; a partial one raises RecordError."""
    found = {}
    for path in sorted(out.rglob("units/*/*.json")):
        store.read_tensors(path, store.read(path))
        found[path.name] = path.stat().st_mtime_ns
    return found


def answers(pid: int) -> bool:
    """Whether a process catches SIGTERM: from then on lthbench answers signals, and no longer Python alone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True  # not Linux, or gone
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1)


def stage_of(pid: int, name: str, out: Path, said: str, before: int) -> str:
    """Where a command is, by what it said and left; `before` counts the records it began with."""
    if not answers(pid):
        return STAGES[0]
    if name in REPEATS:
        return name
    if not said:
        return "start"
    if " units" not in said:
        return "planning"
    files, tables = sorted(out.rglob("units/*/*.json")), scope(out)
    if len(files) < 10:
        return "training" if len(files) > before else "data and first units"
    for name, file in (("tidy", "tidy.csv"), ("judge", "verdicts.json")):
        if not (tables / file).exists():
            return name
    return "report" if not (out / "reports/tiny/index.html").exists() else "end"


def processes_in(folder: Path) -> list[int]:
    """Processes that work in a folder."""
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if Path(os.readlink(link)).is_relative_to(folder):
                found.append(int(link.parent.name))
        except OSError:  # gone meanwhile
            continue
    return found


def kill_once(lab: Lab, name: str, out: Path, done: Round, chance: random.Random) -> None:
    """Start the command, kill it a random moment after it reached a random stage, and look at what is left.

    Stages and not seconds alone: on a busy machine seconds say little, and the short stages would never be hit.
    """
    number, group = chance.choice(SIGNALS), chance.random() < 0.5
    wanted = STAGES.index(name if name in REPEATS else chance.choice(STAGES[:-1]))
    delay = chance.random() ** 3 * LONGEST_DELAY[name] * lab.seconds  # mostly soon: some stages are short
    pause = chance.choice((0.0, 1.0))
    before = records(out)
    said, errors = lab.folder / "stdout.txt", lab.folder / "stderr.txt"
    with said.open("w") as stdout, errors.open("w") as stderr:
        process = subprocess.Popen(
            lab.command(name, out), env=lab.environment | {"PYTHONUNBUFFERED": "1"}, stdout=stdout, stderr=stderr,
            start_new_session=True,
        )  # fmt: skip
        begun = time.monotonic()
        while (
            process.poll() is None
            and STAGES.index(stage_of(process.pid, name, out, said.read_text(), len(before))) < wanted
        ):
            time.sleep(0.005)
        reached = time.monotonic()
        while process.poll() is None and time.monotonic() - reached < delay:
            time.sleep(0.002)
        moment = time.monotonic() - begun
        stage = (
            STAGES[-1]
            if process.poll() is not None
            else stage_of(process.pid, name, out, said.read_text(), len(before))
        )
        if process.poll() is None:  # not waited for, so its number is still its own
            (os.killpg if group else os.kill)(process.pid, number)
        code = process.wait(timeout=PATIENCE)
    done.kills.append(Kill(stage, number, group, moment, code))
    judge_end(done, done.kills[-1], errors.read_text())
    try:
        after = records(out)
    except store.RecordError as error:
        done.losses.append(f"a partial record: {error}")
        return
    done.losses += [f"{lost} was lost" for lost in before if after.get(lost) != before[lost]]
    time.sleep(pause)
    deadline = time.monotonic() + 30
    while pause and processes_in(out) and time.monotonic() < deadline:
        time.sleep(0.05)
    if pause and processes_in(out):
        done.complaints.append(f"orphans went on: {processes_in(out)}")


def judge_end(done: Round, kill: Kill, errors: str) -> None:
    """The exit code and what was said are as promised."""
    may = (
        {ENDS[kill.number], *VERDICT_CODES}
        if kill.stage in ("report", "end", "after the end")
        else {ENDS[kill.number]}
    )
    if done.command == "campaign" and kill.number != signal.SIGKILL:
        may |= set(VERDICT_CODES)  # it stops as at its deadline
    if done.command in REPEATS:
        may |= set(VERDICT_CODES)
    if kill.stage == STAGES[0]:
        may.add(-kill.number)
    elif "Traceback" in errors:
        done.complaints.append(f"a traceback after {kill}: {errors[-600:]}")
    if kill.code not in may:
        done.complaints.append(f"exit code after {kill}: {errors[-300:]}")
    if kill.code in (130, 143) and SAID[kill.number] not in errors:
        done.complaints.append(f"nothing said after {kill}: {errors[-300:]}")


def one_round(lab: Lab, name: str, seed: int) -> Round:
    """Kill a command up to three times in a row, finish it, compare."""
    chance, done = random.Random(seed), Round(seed, name)
    out = lab.folder / f"round-{seed}"
    if name in REPEATS:
        shutil.copytree(lab.reference, out)
        (scope(out) / "verdicts.json").unlink()
        shutil.rmtree(out / "reports")
    for _ in range(chance.choice((1, 1, 2, 3))):
        kill_once(lab, name, out, done, chance)
    if done.losses:
        return done
    kept = records(out)
    last = subprocess.run(
        lab.command(name, out), env=lab.environment, capture_output=True, text=True, timeout=PATIENCE
    )
    if (
        last.returncode not in VERDICT_CODES
        or "Traceback" in last.stderr
        or not (scope(out) / "verdicts.json").exists()
    ):
        done.complaints.append(f"not finished: exit {last.returncode}: {last.stderr[-600:]}")
        return done
    after = records(out)
    done.losses += [f"{lost} was trained again" for lost in kept if after.get(lost) != kept[lost]]
    done.differences += different(name, out, lab.reference)
    if list(out.rglob("*.partial")):
        done.complaints.append("a checkpoint was left")
    done.leftovers = len(list(out.rglob(".*.tmp")))
    shutil.rmtree(out)
    return done


def different(name: str, out: Path, reference: Path) -> list[str]:
    """Files that are not, byte for byte, what the run that nobody killed left."""
    files = [scope(Path()) / "tidy.csv", scope(Path()) / "verdicts.json"]
    if name != "judge":
        files += [Path("reports/tiny/verdicts.json"), Path("reports/tiny/junit.xml")]
    return [
        str(f) for f in files if not (out / f).exists() or (out / f).read_bytes() != (reference / f).read_bytes()
    ]


def many(lab: Lab, rounds: int, seed: int, command: str | None = None) -> list[Round]:
    """Rounds of every command in turn, printed as they come, with the counts at the end."""
    names, found = [command] if command else TURNS, list[Round]()
    for i in range(rounds):
        found.append(one_round(lab, names[i % len(names)], seed + i))
        print(found[-1], flush=True)
    print(counts(found), flush=True)
    return found


def counts(rounds: list[Round]) -> str:
    """What docs/survival.md says: kills by stage and signal, and what was wrong."""
    kills = [kill for done in rounds for kill in done.kills]
    hits = Counter((kill.stage, kill.number) for kill in kills)
    lines = ["| stage | SIGKILL | SIGTERM | SIGINT |", "|---|---|---|---|"]
    lines += [f"| {stage} | " + " | ".join(str(hits[stage, n]) for n in SIGNALS) + " |" for stage in STAGES]
    by_command = Counter(done.command for done in rounds)
    lines.append("rounds: " + ", ".join(f"{n} of `{name}`" for name, n in sorted(by_command.items())))
    group = sum(kill.group for kill in kills)
    lines.append(
        f"{len(kills)} kills ({group} to the process group), {sum(len(done.kills) > 1 for done in rounds)} "
        f"rounds with several in a row, {sum(done.leftovers for done in rounds)} temporary files left"
    )
    lines.append(
        f"losses {sum(len(done.losses) for done in rounds)}, differences "
        f"{sum(len(done.differences) for done in rounds)}, other complaints "
        f"{sum(len(done.complaints) for done in rounds)}"
    )
    return "\n".join(lines)


def main() -> None:
    """Rounds of every command in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", choices=COMMANDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lab = prepare(Path(folder))
        print(f"a run that nobody kills takes {lab.seconds:.1f} s", flush=True)
        many(lab, asked.rounds, asked.seed, asked.command)


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as tests/conftest.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
