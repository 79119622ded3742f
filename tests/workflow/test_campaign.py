"""Campaigns: the most valuable units first, in time, and to be gone on with."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lthbench.claims.load import Registry, load
from lthbench.data.errors import DataError
from lthbench.drive import budget as budgets
from lthbench.drive import campaign, cost, schedule
from lthbench.drive import rates as measuring
from lthbench.drive.cost import Rate
from lthbench.drive.pool import Deadline, Start, Task
from lthbench.errors import UserError
from lthbench.plan.run import Run
from lthbench.plan.suite import plan_suite
from lthbench.plan.unit import Unit
from lthbench.recipe.data import DataSpec
from lthbench.results import store


def scope(out: Path) -> Path:
    return out / "results" / "tiny" / "seed-0" / "scopes" / "all"


def records(out: Path) -> dict[str, int]:
    return {str(p.relative_to(out)): p.stat().st_mtime_ns for p in (out / "results").rglob("units/**/*.json")}


# Budgets


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("25m", 1500), ("6h", 21600), ("1h30m", 5400), (" 1m5s ", 65)]
)
def test_a_budget(text: str, seconds: float) -> None:
    assert budgets.parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "25", "m", "1.5h", "-5m", "5m1h", "forever"])
def test_no_budget(text: str) -> None:
    with pytest.raises(UserError, match="90s, 25m, 6h or 1h30m"):
        budgets.parse_budget(text)


@pytest.mark.parametrize(("budget", "training"), [(6, 3), (20, 15), (100, 85), (1500, 1440)])
def test_time_is_kept_for_saving_and_the_report(budget: float, training: float) -> None:
    assert budgets.training_time(budget) == training


def test_a_deadline_passes_by_time_or_by_signal() -> None:
    now = time.monotonic()
    assert Deadline(now).passed()
    deadline = Deadline(now + 1000)
    assert not now >= deadline
    with schedule.stopping(deadline, []):
        assert not deadline.passed()
        os.kill(os.getpid(), signal.SIGTERM)
        assert deadline.passed()
        assert now >= deadline  # as the training asks
        with pytest.raises(KeyboardInterrupt):  # a second one means it
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


# Order


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load()


def order(registry: Registry, suite: str, price=lambda unit: float(unit.iterations)) -> list[Unit]:
    units = [unit for chunk in plan_suite(registry, suite, 0) for unit in chunk.units]
    found = campaign.order(registry, suite, units, units, price)
    assert sorted(unit.key for unit in found) == sorted(unit.key for unit in units)
    return found


@pytest.mark.parametrize("suite", ["quick", "full-core", "cpu-long"])
def test_parents_come_before_children(registry: Registry, suite: str) -> None:
    seen: set[str] = set()
    for unit in order(registry, suite):
        assert set(unit.parents.values()) <= seen
        seen.add(unit.key)


def test_one_claim_asks_for_nothing_of_the_others(registry: Registry) -> None:
    """MO-1 of the same suite wears masks of an experiment that ZH-2 does not have."""
    units = [unit for chunk in plan_suite(registry, "cpu-long", 0, ("ZH-2",)) for unit in chunk.units]
    found = campaign.order(registry, "cpu-long", units, units, lambda unit: 1.0, ("ZH-2",))
    assert sorted(unit.key for unit in found) == sorted(unit.key for unit in units)


def test_n_grows_evenly_over_the_claims(registry: Registry) -> None:
    found = order(registry, "full-core")
    assert [unit.block for unit in found] == sorted(unit.block for unit in found)


def test_primary_claims_come_first(registry: Registry) -> None:
    found = order(registry, "quick")
    last_reinit = max(i for i, unit in enumerate(found) if unit.arm == "reinit" and unit.level == 9)
    first_copy = min(i for i, unit in enumerate(found) if unit.arm in ("dense-copy", "random-mask"))
    assert last_reinit < first_copy


def test_the_cheapest_replicates_come_first(registry: Registry) -> None:
    """The LeNet's claims first where it is quick, ResNet-20 first where that is."""
    units = [unit for chunk in plan_suite(registry, "full-core", 0) for unit in chunk.units]
    for ms, first in (((0.1, 1.0, 3.0), "mnist-lenet"), ((3.0, 3.0, 0.1), "cifar10-resnet20")):
        names = ("mnist-lenet", "cifar10-conv4", "cifar10-resnet20")
        rates = {(n, "A"): Rate(n, "A", m, 5, "now") for n, m in zip(names, ms, strict=True)}
        found = order(registry, "full-core", campaign.cost_of(rates, "A", units))
        assert {unit.experiment.id for unit in found[:7]} == {first}
    # Not measured on B: iterations stand in, nothing is guessed.
    assert campaign.cost_of(rates, "B", units)(units[0]) == units[0].iterations


# Running


def test_a_campaign_stops_in_time_goes_on_and_ends_as_a_run(
    lthbench, plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "campaign"
    started = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(budgets, "training_time", lambda budget: 0.0)
        done = lthbench("campaign", "tiny", "--budget", "1s", "--cores", "1", "--out", out)
    assert time.monotonic() - started < 60
    assert done.returncode == 4, done.stdout + done.stderr
    assert "10 units to do" in done.stdout
    assert "FC-6 NOT RUN" in done.stdout
    assert "0 of 8 replicates are complete, missing 0-7" in done.stdout
    assert (out / "reports" / "tiny" / "index.html").stat().st_size > 200

    done = lthbench("campaign", "tiny", "--budget", "10m", "--cores", "1", "--out", out)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    assert "nothing is left to do" in done.stdout
    for name in ("tidy.csv", "verdicts.json"):
        assert (scope(out) / name).read_bytes() == (scope(plain_run) / name).read_bytes()
    before = records(out)
    again = lthbench("campaign", "tiny", "--budget", "10m", "--cores", "1", "--out", out)
    assert "10 finished before, 0 to do" in again.stdout
    assert records(out) == before


@pytest.mark.slow
def test_two_workers_end_as_one_process_does(lthbench, plain_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    done = lthbench("campaign", "tiny", "--budget", "10m", "--cores", 2, "--out", out)
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    assert "nothing is left to do" in done.stdout
    assert (scope(out) / "tidy.csv").read_bytes() == (scope(plain_run) / "tidy.csv").read_bytes()


def test_a_campaign_trains_on_every_core_as_a_run_does(
    lthbench, plain_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores: list[int] = []
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(campaign, "conduct", lambda *given: bool(cores.append(given[-1])))
    assert lthbench("campaign", "tiny", "--budget", "1m", "--out", plain_run).returncode in (0, 1, 3)
    assert cores == [3]


def test_a_unit_waits_for_its_parents_and_for_nothing_else(claims_dir: Path) -> None:
    units = Run(load(claims_dir), "tiny").units()
    dense = [unit for unit in units if unit.arm == "dense"]
    waiting, working = campaign.tasks(units, units, "cpu"), []
    for unit in dense:  # of both blocks: they wait for nothing
        task = schedule.first_ready(waiting, working, ())
        assert task == Task((unit,))
        waiting.remove(task)
        working.append(task)
    assert schedule.first_ready(waiting, working, ()) is None
    child = schedule.first_ready(waiting, working[1:], ())
    assert child is not None
    assert child.above == (dense[0],)
    assert schedule.first_ready(waiting, [], {"tiny"}) is None


@pytest.mark.parametrize("cores", [1, 2])
def test_what_is_made_from_a_failed_unit_does_not_try_it_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    run = Run(registry, "cpu-long")
    units = {unit.key: unit for unit in run.units()}
    pairs = ((units[key], unit) for unit in units.values() for key in unit.parents.values())
    parent, child = next(pair for pair in pairs if pair[0].experiment.id != pair[1].experiment.id)
    begun: list[Task] = []

    @contextmanager
    def all_but_the_parent(*_: object) -> Iterator[Start]:
        def start(task: Task) -> Future[None]:
            begun.append(task)
            done: Future[None] = Future()
            if parent in (*task.above, *task.units):
                done.set_exception(UserError("it fails"))
            else:
                done.set_result(None)
            return done

        yield start

    monkeypatch.setattr(schedule, "pool", all_but_the_parent)
    tasks = campaign.tasks(list(units.values()), list(units.values()), "cpu")
    outcome = schedule.train(run, tasks, cores, Deadline(math.inf), None)
    assert list(outcome.failures) == [parent.experiment.id]
    assert [task.units[-1] for task in begun if parent in (*task.above, *task.units)] == [parent]
    trained = {unit.key for task in begun for unit in task.units}
    assert {unit.arm for unit in units.values() if unit.experiment == child.experiment} > {child.arm}
    missed = [u for u in units.values() if u.experiment == child.experiment and u.key not in trained]
    assert child in missed
    assert {u.arm for u in missed} <= {"transferred", "transferred-reinit"}


def test_a_worker_that_is_killed_is_said(tmp_path: Path, claims_dir: Path, environment) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "lthbench", "campaign", "tiny", "--budget", "10m", "--cores", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(out), "--claims-dir", str(claims_dir)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (out.exists() and records(out)) and process.poll() is None:
        time.sleep(0.005)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(int(workers[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 4
    assert "a worker was killed from outside" in said
    assert "Traceback" not in said
    assert records(out)


def test_the_arithmetic_of_a_network_stands_in_for_hours(claims_dir: Path) -> None:
    units = Run(load(claims_dir), "tiny").units()
    price = campaign.arithmetic(units, None)
    assert price(units[0]) == units[0].iterations * 40 * (64 * 24 + 24 * 16 + 16 * 10)
    nowhere = [replace(u, experiment=replace(u.experiment, data=DataSpec("npz", path="gone.npz"))) for u in units]
    assert campaign.arithmetic(nowhere, None)(nowhere[0]) == float("inf")


def test_an_experiment_without_its_data_is_left_out_and_the_others_go_on(
    tmp_path: Path, claims_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(load(claims_dir), "tiny", out=tmp_path / "out", device="cpu")
    units, trained, said = run.units(), [], []
    other = [replace(unit, experiment=replace(unit.experiment, id="other")) for unit in units[:2]]

    def run_units(block, *_) -> None:
        if block[-1].experiment.id == "tiny":
            raise DataError("tiny: no such data")
        trained.append(block[-1].name)

    monkeypatch.setattr("lthbench.drive.pool.run_units", run_units)
    later = Deadline(time.monotonic() + 1000)
    queue = [units[0], other[0], units[1]]
    outcome = schedule.train(
        run,
        campaign.tasks([*units, *other], queue, "cpu"),
        1,
        later,
        None,
        fails=lambda *words: said.append(words),
    )
    assert outcome.left == 2
    assert outcome.failures == {"tiny": "tiny: no such data"}
    assert trained == [other[0].name]
    assert said == [("tiny", "tiny: no such data")]


def test_a_unit_under_way_is_saved_and_gone_on_with(
    plain_run: Path, tmp_path: Path, claims_dir: Path, environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline comes in the middle of the first unit; what comes of it later is what an unbroken run has."""
    monkeypatch.setenv("LTHBENCH_CACHE", environment["LTHBENCH_CACHE"])
    run = Run(load(claims_dir), "tiny", out=tmp_path / "out", device="cpu")
    units = run.units()
    deadline = Deadline(time.monotonic() + 1000)
    tasks = campaign.tasks(units, units[:2], "cpu")
    assert schedule.train(run, tasks, 1, deadline, None, begins=deadline.stop).left == 2
    assert records(run.out) == {}
    saved = list(run.results.rglob("*.partial"))
    assert [path.name.split(".")[0] for path in saved] == [units[0].name.partition("/")[2]]

    later = Deadline(time.monotonic() + 1000)
    assert schedule.train(run, tasks, 1, later, None).left == 0
    assert not list(run.results.rglob("*.partial"))
    unbroken = Run(run.registry, "tiny", out=plain_run)
    for unit in units[:2]:
        ours, theirs = (store.read(store.path_of(r.results, unit)) for r in (run, unbroken))
        assert (ours.rows, ours.tensors) == (theirs.rows, theirs.tensors)


@pytest.mark.parametrize("cores", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_signal_ends_a_campaign_as_its_deadline_does(
    lthbench, tmp_path: Path, claims_dir: Path, environment, cores: int
) -> None:
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "lthbench", "campaign", "tiny", "--budget", "10m"]
    command += ["--cores", "1", "--out", str(out)]
    command += ["--cores", str(cores)]
    process = subprocess.Popen(
        [*command, "--claims-dir", str(claims_dir)], env=environment, stdout=subprocess.PIPE, text=True
    )
    while not (out.exists() and records(out)) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=120)
    assert process.returncode in (0, 1, 3, 4), text
    assert "Report: " in text
    survived = records(out)
    assert lthbench("campaign", "tiny", "--budget", "10m", "--cores", "1", "--out", out).returncode in (0, 1, 3)
    after = records(out)
    assert all(after[name] == changed for name, changed in survived.items())


def test_fewer_replicates_than_registered_decide_nothing(
    lthbench, plain_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block 1 is gone: what is left would be a clear result, and is shown beside, but no verdict."""
    for path in (plain_run / "results").rglob("units/**/b1-*"):
        path.unlink()
    monkeypatch.setattr(budgets, "training_time", lambda budget: 0.0)
    done = lthbench("campaign", "tiny", "--budget", "1s", "--cores", "1", "--out", plain_run)
    assert done.returncode == 4
    assert "FC-6 NOT RUN" in done.stdout
    assert "4 of 8 replicates are complete, missing 4-7" in done.stdout
    assert "So far, deciding nothing: H1 +" in done.stdout
    assert "over 4 replicates" in done.stdout
    report = (plain_run / "reports" / "tiny" / "report.md").read_text()
    assert "4 of 8 replicates" in report
    assert "was not run in full" in report


# Costs


def test_plan_says_what_is_not_measured(lthbench, tmp_path: Path) -> None:
    text = lthbench("plan", "tiny", "--out", tmp_path, "--budget", "1h").stdout
    assert "not measured" in text
    assert "10 units would be left" in text


def test_plan_knows_rates_from_finished_units(lthbench, plain_run: Path) -> None:
    for path in (plain_run / "results").rglob("units/**/b1-*"):
        path.unlink()
    text = lthbench("plan", "tiny", "--out", plain_run, "--budget", "1h").stdout
    assert "5 units of this folder" in text
    assert "not measured" not in text
    assert "/b1-reinit-2-" in text
    assert "0 units would be left" in text


def test_measuring_prints_the_line_to_commit_and_remembers_it(
    lthbench, tmp_path: Path, environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(environment, "LTHBENCH_CACHE", str(tmp_path / "cache"))
    text = lthbench("plan", "tiny", "--out", tmp_path, "--measure").stdout
    rates = cost.read_rates(tmp_path / "cache" / "rates.yaml")
    assert [rate.experiment for rate in rates] == ["tiny"]
    assert 0 < rates[0].ms < 1000
    assert rates[0].networks == 4
    assert cost.to_yaml(rates).strip() in text
    assert "not measured" not in text
    assert not (tmp_path / "results").exists()


def test_the_nearest_rate_wins_and_nothing_is_guessed(tmp_path: Path, claims_dir: Path) -> None:
    run = Run(load(claims_dir), "tiny", out=tmp_path)
    units = run.units()
    old, new = Rate("tiny", "A", 2.0, 4, "then"), Rate("tiny", "A", 1.0, 4, "now")
    cost.remember([old, Rate("other", "A", 9.0, 4, "then")], tmp_path / "rates.yaml")
    cost.remember([new], tmp_path / "rates.yaml")
    rates = cost.known_rates(tmp_path, units, tmp_path)
    assert rates["tiny", "A"] == new
    rows = cost.cost_rows(units, {units[0].key}, rates | {("else", "B"): old})
    assert [(row.device, row.to_do, row.seconds) for row in rows] == [("A", 3080, 3.08)]
    assert cost.total(cost.cost_rows(units, set(), {})) is None
    assert cost.total(cost.cost_rows(units, {unit.key for unit in units}, {})) == 0


def test_a_wide_stack_is_priced_as_such(tmp_path: Path, claims_dir: Path) -> None:
    """On a GPU 60 networks may take little longer than 5: the rate of the narrow stack would be far too high."""
    units = Run(load(claims_dir), "tiny", out=tmp_path).units()
    unit = units[0]
    rate = Rate("tiny", "GPU", 0.02, 60, "now", {5: 0.03, 15: 0.012, 60: 0.006})
    assert [rate.of(n) for n in (5, 15, 60)] == [0.03, 0.012, 0.006]
    assert rate.of(10) == pytest.approx((5 * 0.03 + 15 * 0.012) / 2 / 10)
    assert [rate.of(n) for n in (1, 200)] == [0.03, 0.006]  # beyond what was measured: as at the nearest
    assert Rate("tiny", "GPU", 0.02, 5, "now").of(60) == 0.02
    wide = replace(unit, draws=15)
    assert wide.networks == 15 * len(unit.replicates)
    assert rate.seconds(wide) == pytest.approx(wide.iterations * rate.of(wide.networks) / 1000)
    row = cost.cost_rows([unit, wide], set(), {("tiny", "GPU"): rate})[0]
    assert row.seconds == pytest.approx(rate.seconds(unit) + rate.seconds(wide))
    cost.remember([rate], tmp_path / "rates.yaml")
    assert cost.read_rates(tmp_path / "rates.yaml") == [rate]


def test_finished_units_tell_the_rate_of_each_width(plain_run: Path, claims_dir: Path) -> None:
    units = Run(load(claims_dir), "tiny", out=plain_run).units()
    (rate,) = cost.from_records(plain_run / "results/tiny/seed-0", units)
    assert sorted(rate.widths) == sorted({unit.networks for unit in units})
    assert len(rate.widths) > 1
    assert min(rate.widths.values()) <= rate.ms <= max(rate.widths.values())


def test_a_unit_that_slept_with_its_machine_does_not_make_the_others_dear(
    tmp_path: Path, claims_dir: Path
) -> None:
    units = [unit for unit in Run(load(claims_dir), "tiny", out=tmp_path).units() if unit.iterations]
    awake = [(0.002 * unit.iterations, unit) for unit in units]
    asleep = [(seconds + 8 * 3600 * (number == 1), unit) for number, (seconds, unit) in enumerate(awake)]
    assert cost.median_ms(awake) == pytest.approx(2)
    assert cost.median_ms(asleep) == pytest.approx(2)
    assert cost.median_ms(awake[:1]) == pytest.approx(2)


def test_a_gpu_is_measured_at_the_narrowest_and_widest_stack(
    tmp_path: Path, claims_dir: Path, monkeypatch
) -> None:
    asked: list[list[int]] = []

    def measure(experiment, widths, device, cache):
        asked.append(list(widths))
        return Rate(experiment.id, device, 1.0, max(widths), "now")

    monkeypatch.setattr(cost, "measure", measure)
    monkeypatch.setenv("LTHBENCH_CACHE", str(tmp_path))
    run = Run(load(claims_dir), "tiny", out=tmp_path)
    widest = max(unit.networks for unit in run.units())
    for gpu, widths in ((False, [4]), (True, [4, widest])):
        monkeypatch.setattr(measuring, "on_gpu", lambda device, gpu=gpu: gpu)
        assert list(measuring.measured(run))
        assert asked.pop() == widths
    assert widest > 4


def test_nothing_is_said_to_be_kept_where_no_data_were_there(
    tmp_path: Path, claims_dir: Path, monkeypatch
) -> None:
    def measure(*_):
        raise DataError("no file")

    monkeypatch.setattr(cost, "measure", measure)
    monkeypatch.setenv("LTHBENCH_CACHE", str(tmp_path))
    lines = list(measuring.measured(Run(load(claims_dir), "tiny", out=tmp_path)))
    assert lines
    assert all("not measured: no file" in line for line in lines)
    assert not (tmp_path / "rates.yaml").exists()


def test_a_file_that_holds_no_rates(tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text("- {experiment: x}")
    with pytest.raises(UserError, match=r"rates.yaml: not a list of rates"):
        cost.read_rates(tmp_path / "rates.yaml")


def test_the_shipped_rates_can_be_read() -> None:
    assert all(rate.ms > 0 and rate.measured for rate in cost.read_rates(cost.SHIPPED))
