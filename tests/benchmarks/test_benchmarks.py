"""The benchmarks measure what they say: a baseline that really trains, floors below times, ratios in the JSON."""

import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from sklearn.datasets import load_digits

from lthbench.errors import UserError
from lthbench.training import loop
from tools.benchmarks import cases, floors, setting, table
from tools.benchmarks.__main__ import main
from tools.benchmarks.baseline import Baseline, Images, Lenet, evaluate
from tools.benchmarks.cases import CASES, available
from tools.benchmarks.measure import Measured, Times, measure, ratio, summary
from tools.benchmarks.setting import FULL, LENET, MEAN, STD, TINY, Setting

CPU = torch.device("cpu")
HERE = [case for case in CASES if available(case, CPU)]
LONG = ("resnet-20", "conv-4", "judge-quick", "prune-vgg-16", "quick-")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def marked(chosen):
    slow = pytest.mark.slow
    return [pytest.param(c, id=c.name, marks=[slow] if c.name.startswith(LONG) else []) for c in chosen]


@pytest.mark.parametrize("case", marked(HERE))
def test_case(benchmark, case):
    prepared = case.make(Setting(CPU, TINY))
    benchmark.extra_info["unit"] = case.unit
    benchmark.pedantic(prepared.run, rounds=2, warmup_rounds=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet", "evaluation", "prune-lenet", "plan"])
def test_case_at_full_size(benchmark, name):
    case = next(case for case in HERE if case.name == name)
    benchmark.pedantic(case.make(Setting(CPU, FULL)).run, rounds=5, warmup_rounds=1)


def test_names_are_unique_and_comparisons_stay_in_their_group():
    groups = {case.name: case.group for case in CASES}
    assert len(groups) == len(CASES)
    assert all(groups[case.against] == case.group for case in CASES if case.against)


def test_floors_are_positive_and_below_the_time():
    (one,) = measure([case for case in HERE if case.name == "lenet"], Setting(CPU, TINY), rounds=5)
    assert 0 < min(one.floor.wall) < min(one.times.wall)


def test_the_floor_multiplies_what_the_network_multiplies():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(16, 5))
    x = torch.randn(2, 3, 4, 4)
    met = floors.layers(module, x)
    assert [tuple(layer.x.shape) for layer in met] == [(2, 3, 4, 4), (2, 16)]
    conv, linear = floors.forward(module, x)()
    torch.testing.assert_close(conv, module[0](x) - module[0].bias[:, None, None])
    torch.testing.assert_close(linear, module[2](met[1].x) - module[2].bias)


def test_the_baseline_learns_what_our_loop_learns():
    bunch = load_digits()
    x, y = (bunch.images[:, None] * 15).astype(np.uint8), bunch.target.astype(np.int64)
    experiment = replace(LENET, data=replace(LENET.data, validation=300))
    data = setting.folds(experiment, x, y, 300, 1, CPU)
    wanted = setting.task(experiment, data, 300, 100)
    ours = loop.train(wanted, data)

    torch.manual_seed(0)
    sets = [Images(x[rows[0].numpy()], y[rows[0].numpy()], MEAN, STD) for rows in (data.train, data.validation)]
    baseline = Baseline.begin(Lenet(wanted.states[0], wanted.masks[0]), *sets, 1.2e-3, 60, 100, CPU)
    before = evaluate(baseline.module, baseline.validation, CPU)
    baseline.advance(300)
    loss, accuracy = baseline.curve[-1]
    assert len(baseline.curve) == 3
    assert before[1] < 40 < 90 < accuracy
    assert accuracy == pytest.approx(ours.validation_accuracy[-1, 0], abs=3)
    assert loss == pytest.approx(ours.validation_loss[-1, 0], abs=0.1)


def test_the_baseline_starts_where_our_loop_starts_and_wears_the_mask():
    x, y = setting.random_images(60, (1, 28, 28))
    data = setting.folds(LENET, x, y, 20, 1, CPU)
    wanted = setting.task(LENET, data, 2, 2)
    mask = {name: np.arange(m.size).reshape(m.shape) % 3 > 0 for name, m in wanted.masks[0].items()}
    module = Lenet(wanted.states[0], mask)
    course = loop.begin(replace(wanted, masks=[mask]), data)
    rows = data.validation[0]
    with torch.no_grad():
        ours = course.engine.logits(course.state.net, data.examples.inputs(rows)[:, None])[:, 0]
    images = Images(x, y, MEAN, STD)
    theirs = module(torch.stack([images[int(row)][0] for row in rows]))
    torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=1e-4)


def test_ratios_are_taken_round_by_round():
    assert ratio([2, 20, 6], [1, 10, 2]) == 2
    case = HERE[0]
    fast, slow = (Measured(case, None) for _ in range(2))
    fast.times, slow.times, fast.floor = Times([1, 10], [1, 1]), Times([3, 50], [4, 4]), Times([1, 1], [1, 1])
    found = summary(fast, {case.against: slow})
    assert (found["ratio"], found["cpu_ratio"], found["ms"]) == (4, 4, 5.5)


def test_the_command_writes_table_and_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "QUICK", TINY)
    out = Console(record=True, width=160)
    table.bench("cpu", "lenet-stack", True, tmp_path / "numbers.json", out)
    content = json.loads((tmp_path / "numbers.json").read_text())
    named = {row["case"]: row for row in content["cases"]}
    assert named["lenet-stack-4"]["compared_with"] == "lenet-dataloader"
    assert named["lenet-stack-4"]["ratio"] > 0
    assert named["lenet-stack-4"]["floor_ms"] > 0
    assert named["lenet-dataloader"]["ratio"] is None
    assert content["machine"]["torch"] == torch.__version__
    assert "lenet-dataloader" in out.export_text()


def test_a_name_that_no_case_has():
    with pytest.raises(UserError, match="there are: lenet,"):
        table.chosen("nothing", CPU)


def test_a_case_without_its_committed_table_says_so_in_one_line(monkeypatch):
    monkeypatch.setattr(cases, "TABLE", cases.ROOT / "reports/absent.csv.gz")
    (line,) = table.left_out("", CPU)
    assert line.startswith("judge-quick is not measured: it needs the committed table reports/absent.csv.gz;")
    assert "judge-quick" not in [case.name for case in table.chosen("", CPU)]
    with pytest.raises(UserError, match="judge-quick is not measured: it needs the committed table"):
        table.chosen("judge-quick", CPU)


def test_a_case_of_a_gpu_says_so_on_a_cpu():
    name = next(case.name for case in CASES if case.needs == "cuda")
    with pytest.raises(UserError, match="needs a CUDA device"):
        table.chosen(name, CPU)


def test_the_program_hands_its_options_over_and_says_an_error_in_a_line(monkeypatch, capsys, tmp_path):
    given = []
    monkeypatch.setattr(table, "bench", lambda *options: given.append(options[:4]) or 0)
    assert main(["--only", "lenet", "--quick", "--json", str(tmp_path / "n.json")]) == 0
    assert given == [("cpu", "lenet", True, tmp_path / "n.json")]
    monkeypatch.undo()
    assert main(["--only", "nothing"]) == 2
    assert "no benchmark is called 'nothing'" in capsys.readouterr().err


def test_a_floor_is_launched_at_once_on_a_gpu(monkeypatch):
    """Else the floor is the host's launches, and a recorded step falls below it."""
    done, replays = [], []
    stream = type("Stream", (), {"__init__": lambda *_: None, "wait_stream": lambda *_: None})
    graph = type("Graph", (), {"replay": lambda _: replays.append(1)})
    stand_ins = {"Stream": stream, "current_stream": stream, "CUDAGraph": graph, "stream": nullcontext}
    for name, value in (stand_ins | {"graph": lambda graph, stream: nullcontext()}).items():
        monkeypatch.setattr(torch.cuda, name, value)
    run = floors.launched_at_once(lambda: done.append(1), torch.device("cuda"))
    assert (len(done), len(replays)) == (2, 0)  # once to warm up, once to be recorded
    run()
    run()
    assert (len(done), len(replays)) == (2, 2)
    seen, launch = [], floors.launched_at_once
    monkeypatch.setattr(floors, "launched_at_once", lambda run, device: seen.append(device) or launch(run, device))
    module = torch.nn.Linear(4, 3)
    assert len(floors.step(module, torch.zeros(2, 4))()) == 2
    assert len(floors.forward(module, torch.zeros(2, 4))()) == 1
    assert seen == [torch.device("cpu")] * 2
