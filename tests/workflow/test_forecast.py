"""The time left of a run: simulated schedules of the real plans, whose end is known."""

import heapq
import os
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthbench.claims.load import load
from lthbench.cli import run as commands
from lthbench.data import cifar10, registry
from lthbench.drive import devices, forecast, probe, speed
from lthbench.drive.cost import Rate, remember
from lthbench.drive.forecast import AFTER, BEFORE, JOB, Forecast
from lthbench.drive.speed import Speeds, kind
from lthbench.errors import UserError
from lthbench.plan.run import Run
from lthbench.plan.suite import Chunk
from lthbench.plan.unit import Unit
from lthbench.recipe.data import DataSpec

REGISTRY = load()
PLANS = {suite: Run(REGISTRY, suite).first_chunks() for suite in ("quick", "cpu", "cpu-long")}
START = 2.0  # seconds of a process
WITHIN = 1.5


def units_of(chunks: list[Chunk]) -> list[Unit]:
    return [unit for chunk in chunks for unit in chunk.units]


def true_ms(suite: str, seed: int) -> dict[str, float]:
    """Kinds that differ in cost up to hundreds of times, as perceptrons and convolutions do."""
    draw = random.Random(seed)
    usual = {"mlp": 2.0, "resnet-20": 250.0, "vgg-11": 60.0}
    kinds = {kind(unit.experiment): unit.experiment.network.kind for unit in units_of(PLANS[suite])}
    return {name: usual[network] * draw.uniform(0.4, 2.0) for name, network in sorted(kinds.items())}


def trained(
    chunks: list[Chunk], ms: dict[str, float], processes: int, seed: int
) -> tuple[list[tuple[float, Unit, float]], float]:
    """When each unit is finished and what it took, units varying by a tenth; and when the run ends."""
    draw, free = random.Random(seed), [BEFORE * START] * processes
    events: list[tuple[float, Unit, float]] = []
    for chunk in sorted(chunks, key=lambda chunk: -chunk.iterations):
        now = heapq.heappop(free) + JOB * START
        for unit in chunk.units:
            took = unit.iterations * ms[kind(unit.experiment)] / 1000 * draw.uniform(0.9, 1.1)
            now += took
            events.append((now, unit, took))
        heapq.heappush(free, now)
    return sorted(events, key=lambda event: event[0]), max(free) + AFTER * START


def followed(
    suite: str, expected: dict[str, float], ms: dict[str, float], processes: int, seed: int, looks: int = 200
) -> Iterator[tuple[float, float | None, float]]:
    """A run as a forecast sees it: at evenly spaced times, seconds foreseen and seconds really left."""
    chunks = PLANS[suite]
    events, end = trained(chunks, ms, processes, seed)
    seen = Forecast(processes, Speeds(dict(expected), 1000 * START))
    seen.add(chunks, [], 0.0)
    for look in range(looks):
        now = end * look / looks
        while events and events[0][0] <= now:
            at, unit, took = events.pop(0)
            seen.finished({unit.key: took}, at)
        yield now, seen.left(now), end - now


def wrong_by(foreseen: float | None, really: float) -> float:
    assert foreseen is not None
    return max(foreseen / really, really / foreseen)


@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("suite", PLANS)
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_the_first_word_is_true_where_speeds_are_known(suite: str, processes: int, seed: int) -> None:
    ms = true_ms(suite, seed)
    for number, (_, foreseen, really) in enumerate(followed(suite, ms, ms, processes, seed)):
        if number < 180:  # of 200: of the last twentieth, seconds count and no factor
            assert wrong_by(foreseen, really) < WITHIN


@pytest.mark.parametrize("factor", [0.25, 0.6, 1.7, 5.0])
@pytest.mark.parametrize("suite", PLANS)
@settings(max_examples=5)
@given(seed=st.integers(0, 10**6), processes=st.integers(1, 4))
def test_a_machine_that_is_slower_or_faster_than_expected_is_seen(
    suite: str, factor: float, seed: int, processes: int
) -> None:
    ms = true_ms(suite, seed)
    expected = {name: factor * value for name, value in ms.items()}
    _, end = trained(PLANS[suite], ms, processes, seed)
    late = [look for look in followed(suite, expected, ms, processes, seed) if end / 10 < look[0] < 0.9 * end]
    assert len(late) > 100
    assert all(wrong_by(foreseen, really) < WITHIN for _, foreseen, really in late)


@pytest.mark.parametrize("suite", PLANS)
def test_without_any_speed_nothing_is_foreseen_until_a_unit_is_finished(suite: str) -> None:
    ms = true_ms(suite, 1)
    looks = [foreseen for _, foreseen, _ in followed(suite, {}, ms, 2, 1, looks=2000)]
    first = next(number for number, foreseen in enumerate(looks) if foreseen is not None)
    assert first > 0
    assert all(foreseen is not None for foreseen in looks[first:])


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), processes=st.integers(1, 6), waited=st.floats(0, 1e5), more=st.floats(0, 1e4))
def test_time_left_never_grows_while_nothing_happens_and_grows_with_the_cost(
    seed: int, processes: int, waited: float, more: float
) -> None:
    ms = true_ms("cpu-long", seed)

    def left(speeds: dict[str, float], now: float) -> float:
        seen = Forecast(processes, Speeds(speeds, 1000 * START))
        seen.add(PLANS["cpu-long"], [], 0.0)
        foreseen = seen.left(now)
        assert foreseen is not None
        return foreseen

    assert 0 < left(ms, waited + more) <= left(ms, waited)
    assert left({name: 2 * value for name, value in ms.items()}, 0.0) > left(ms, 0.0)


def test_what_was_there_before_takes_no_time_and_teaches_no_speed() -> None:
    chunks = PLANS["quick"]
    speeds = Speeds(true_ms("quick", 0), 1000 * START)
    half = units_of(chunks[::2])
    seen = Forecast(1, speeds)
    seen.add(chunks, half, 0.0)
    whole, rest = forecast.alone(chunks, [], 1, speeds), seen.left(0.0)
    assert whole is not None
    assert rest is not None
    taken = sum(speeds.of(unit) or 0 for unit in half) + len(chunks[::2]) * JOB * START
    assert whole - rest == pytest.approx(taken)
    assert not seen.speeds.seconds
    assert forecast.alone(chunks, units_of(chunks), 1, speeds) == 0


@settings(max_examples=50)
@given(
    waiting=st.lists(st.floats(0.1, 100), min_size=1, max_size=12),
    working=st.lists(st.floats(0.1, 100), max_size=3),
    processes=st.integers(3, 5),
)
def test_the_end_lies_between_work_shared_evenly_and_one_task_after_it(
    waiting: list[float], working: list[float], processes: int
) -> None:
    end = forecast.last_end(working, waiting, processes)
    even = (sum(waiting) + sum(working)) / processes
    assert max(even, *waiting, *working) - 1e-9 <= end <= even + max(*waiting, *working, 0) + 1e-9


def test_another_order_than_expected_is_followed() -> None:
    """Snakemake may start the short chunks first: who finishes units works, whatever was guessed."""
    chunks = sorted(PLANS["quick"], key=lambda chunk: chunk.iterations)
    seen = Forecast(2, Speeds(true_ms("quick", 0), 1000 * START))
    seen.add(chunks, [], 0.0)
    ones = [chunk for chunk in chunks if len(chunk.units) > 1][:2]
    for chunk in ones:
        seen.finished({chunk.units[0].key: 1.0}, 30.0)
    assert set(seen.began) == {chunk.id for chunk in ones}


# Speeds on this machine


def test_speeds_are_kept_by_machine_and_engine_and_a_damaged_file_stops_nothing(tmp_path: Path) -> None:
    units = units_of(PLANS["quick"])
    seen = Speeds()
    seen.saw(units[0], 12.0)
    speed.keep(seen, 2, "cpu", tmp_path)
    (ms,) = speed.known(units, 2, "cpu", tmp_path).expected.values()
    assert ms == pytest.approx(12_000 / units[0].iterations, rel=0.01)
    assert not speed.known(units, 3, "cpu", tmp_path).expected
    strange = Rate(kind(units[0].experiment), speed.machine(2, "cpu"), -1.0, 0, "")
    remember([strange], tmp_path / speed.FILE)
    assert not speed.known(units, 2, "cpu", tmp_path).expected
    (tmp_path / speed.FILE).write_text("{[")
    assert not speed.known(units, 2, "cpu", tmp_path).expected
    speed.keep(seen, 2, "cpu", tmp_path)  # does not raise
    speed.keep(seen, 2, "cpu", tmp_path / speed.FILE)  # a folder that cannot be


def test_each_gpu_gets_one_process_and_a_cpu_one_per_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = os.cpu_count() or 1
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "DEVICES", tmp_path)
    monkeypatch.setattr(devices, "version", lambda _: "2.11.0")
    assert speed.processes(None, "auto") == cores
    assert speed.processes(None, "cuda") == 1
    (tmp_path / "nvidia0").touch()
    assert speed.processes(None, "auto") == 1
    assert speed.processes(3, "auto") == 3
    (tmp_path / "nvidia1").touch()
    assert speed.processes(None, "auto") == 2
    assert speed.processes(None, "cpu") == cores
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert speed.processes(None, "auto") == cores
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(devices, "version", lambda _: "2.11.0+cpu")  # such a PyTorch trains on the CPU
    assert speed.processes(None, "auto") == cores


def test_run_starts_one_process_on_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[int] = []

    def stop(run: object, cores: int, *_: object) -> NoReturn:
        asked.append(cores)
        raise UserError("far enough")

    monkeypatch.setattr(speed, "on_gpu", lambda device: True)
    monkeypatch.setattr("lthbench.drive.here.run_here", stop)
    with pytest.raises(UserError, match="far enough"):
        commands.run("quick", out=tmp_path, snakemake=False)
    assert asked == [1]


def test_experiments_of_one_cost_are_one_kind() -> None:
    deep, mlp = (REGISTRY.experiments[f"mnist1d-{name}"] for name in ("deep-bn", "mlp"))
    slower = replace(deep, id="slower", training=replace(deep.training, learning_rate=0.01))
    assert kind(deep) == kind(slower) != kind(mlp)


def test_a_measurement_gives_every_kind_and_is_believed_for_one_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = PLANS["quick"]
    units = units_of(chunks)
    speeds = speed.measured(units, 1, "cpu", tmp_path)
    assert set(speeds.expected) == {kind(unit.experiment) for unit in units}
    assert all(0.01 < ms < 1000 for ms in speeds.expected.values())
    assert speeds.start != speed.USUAL_START
    assert not speed.known(units, 1, "cpu", tmp_path).expected  # the machine may have been busy
    for unit in units:
        speeds.saw(unit, unit.iterations / 100)
    speed.keep(speeds, 1, "cpu", tmp_path)
    monkeypatch.setattr(speed, "measure", None)  # would fail when it is called
    again = speed.measured(units, 1, "cpu", tmp_path).expected
    assert again == pytest.approx(dict.fromkeys(speeds.expected, 10.0))  # ms: what a run saw
    assert not speed.measured(units[:1], 2, "cpu", tmp_path).expected  # too short to be worth it


def test_a_cache_that_cannot_be_written_costs_a_measurement_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    units = units_of(PLANS["quick"])
    found = {kind(unit.experiment): 2.0 for unit in units}
    monkeypatch.setattr(speed, "measure", lambda *_: {speed.START: 700.0, **found})
    speeds = speed.measured(units, 2, "cpu", tmp_path / "file")
    assert (speeds.expected, speeds.start) == (found, 700.0)


def test_where_no_process_can_be_started_there_is_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(ProcessPoolExecutor):
        def submit(self, *_: object, **__: object) -> NoReturn:
            raise BlockingIOError

    monkeypatch.setattr("lthbench.drive.workers.ProcessPoolExecutor", Refused)
    assert speed.measure({}, 1, "cpu", 1.0) == {}


def test_noise_has_the_shape_of_the_data() -> None:
    for name, (shape, train, test) in probe.SETS.items():
        if name in ("mnist1d", "digits"):
            arrays = registry.load(DataSpec(name=name, validation=10), 0, None)
            assert (arrays.x_train.shape[1:], len(arrays.x_train), len(arrays.x_test)) == (shape, train, test)
    assert probe.SETS["cifar10"][0] == cifar10.SHAPE
    asked = {unit.experiment.data.name for chunks in PLANS.values() for unit in units_of(chunks)}
    assert asked <= set(probe.SETS)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "10 seconds"), (52, "50 seconds"), (170, "3 minutes"), (3000, "50 minutes"), (9000, "2 hours"),
     (100_000, "28 hours"), (431_000, "5 days")],
)  # fmt: skip
def test_a_promise_is_round(seconds: float, words: str) -> None:
    assert forecast.roughly(seconds) == words


def test_plan_and_run_say_how_long_it_takes_here(
    lthbench, claims_dir: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (unit, *_) = Run(load(claims_dir), "tiny").units()
    cores = os.cpu_count() or 1
    for processes in {1, cores}:  # as if a run on so many processes had been finished in this cache
        seen = speed.Speeds()
        seen.saw(unit, unit.iterations / 1000)  # 1 ms for each
        speed.keep(seen, processes, "auto", Path(environment["LTHBENCH_CACHE"]))
    plan = lthbench("plan", "tiny", "--out", tmp_path).stdout
    seconds = 20 if cores == 1 else 10  # mostly starts of processes
    source = "by earlier runs or a short reading"
    assert f"about {seconds} seconds on this machine with {cores} processes ({source})" in plan
    alone = ("run", "tiny", "--no-snakemake", "--cores", "1", "--out", tmp_path)
    assert "about 20 seconds on this machine" in lthbench(*alone).stdout
    assert "on this machine" not in lthbench(*alone).stdout  # nothing is to do
