"""Tickets as files: what is in them is what was trained from, and a program that has only torch can use it."""

import dataclasses
import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from test_errors import complains

from lthbench.cli.app import app
from lthbench.drive.execute import run_chunk
from lthbench.errors import UserError
from lthbench.models import registry
from lthbench.models.mlp import MlpModule, mlp
from lthbench.plan.unit import plan_experiment
from lthbench.recipe.data import DataSpec
from lthbench.recipe.experiment import Experiment, Network, Pruning, Training, canonical
from lthbench.results import store
from lthbench.tickets import export
from lthbench.training import loop
from lthbench.training.reference import module_of
from lthbench.training.stack import unstack

DOCS = Path(__file__).parents[2] / "docs" / "tickets.md"
WEIGHTS = Pruning("layer-wise", 0.5, output_rate=0.25, rewind=5)
NETWORKS = {
    "plain": (Network("mlp", (24, 16)), WEIGHTS),
    "batch-norm": (Network("mlp", (24, 16), batch_norm=True), WEIGHTS),
    "module": (Network("mlp", (24, 16), batch_norm=True, activation="tanh"), WEIGHTS),
    "filters": (Network("mlp", (24, 16), batch_norm=True), Pruning("layer-wise", 0.5, rewind=5, unit="filter")),
}
LEARNED = {("edge-popup", 2), ("supermask", 1)}
CELLS = {
    ("dense", 0), ("ticket", 2), ("rewound", 2), ("fine-tuned", 1), ("lr-rewound", 2), ("one-shot", 2),
    ("pruned-at-init", 2), ("reinit", 2), ("reinit-rescaled", 2), ("shuffled", 2), ("random-mask", 2),
    ("untrained", 2), ("untrained-constant", 2), ("dense-copy", 0), ("frozen", 2), *LEARNED,
}  # fmt: skip


@dataclasses.dataclass
class Ran:
    experiment: Experiment
    root: Path
    units: list
    starts: dict

    @property
    def arms(self) -> list[str]:
        return sorted({unit.arm for unit in self.units})

    def unit(self, arm: str):
        return [u for u in self.units if u.arm == arm][-1]

    def ticket(self, arm: str, replicate: int = 0, **options) -> export.Ticket:
        return export.ticket(self.unit(arm), self.units, self.root, None, replicate, **options)


@pytest.fixture(scope="module", params=NETWORKS)
def ran(request, tmp_path_factory) -> Ran:
    """Every arm of one network, with what each training really started from."""
    training = Training("adam", 0.002, batch=40, iterations=20, evaluate_every=10)
    network, pruning = NETWORKS[request.param]
    data = DataSpec("digits", test=400, validation=100)
    draws = {"reinit": 2, "shuffled": 2}
    experiment = Experiment("tiny", "", network, data, training, pruning, draws, barrier_points=3)
    cells = CELLS - LEARNED - {("frozen", 2)} if pruning.unit == "filter" else CELLS
    root, units = tmp_path_factory.mktemp(request.param), plan_experiment(experiment, cells, 2, 2, 0)
    starts: dict = {}
    train, step = loop.train, loop.train_step
    seen: list = []

    def watched_train(task, folds, checkpoint=None):
        seen.append((False, task.states))
        return train(task, folds, checkpoint)

    def watched_step(engine, net, *others):
        stepped, states = seen[-1]
        if not stepped:
            seen[-1] = True, unstack(net, len(states))
        return step(engine, net, *others)

    with patch.object(loop, "train", watched_train), patch.object(loop, "train_step", watched_step):
        run_chunk(units, root, None, "cpu", lambda unit, how: starts.__setitem__(unit.key, seen[-1][1]))
    return Ran(experiment, root, units, starts)


def part(ticket: export.Ticket, prefix: str) -> dict[str, torch.Tensor]:
    return {n.removeprefix(f"{prefix}/"): t for n, t in ticket.tensors.items() if n.startswith(f"{prefix}/")}


def test_the_start_is_what_training_started_from_bit_for_bit(ran) -> None:
    model = registry.model(ran.experiment.network, (64,), 10)
    for arm in set(ran.arms) - {"edge-popup", "supermask"}:
        unit = ran.unit(arm)
        for s, started in enumerate(ran.starts[unit.key]):
            start = part(ran.ticket(arm, s // unit.draws, draw=s % unit.draws), "start")
            wanted = module_of(model, started).state_dict()
            assert start.keys() == wanted.keys()
            for name, tensor in wanted.items():
                assert torch.equal(start[name], tensor), (arm, name)
                assert start[name].dtype == tensor.dtype


def test_arms_do_differ(ran) -> None:
    first = {arm: part(ran.ticket(arm), "start")["fc1.weight"].numpy().tobytes() for arm in ran.arms}
    same = [{"dense", "dense-copy", "frozen"} & set(ran.arms), {"ticket", "untrained"}]
    for arm, content in first.items():
        twins = {other for other in first if first[other] == content}
        assert twins == next((pair for pair in same if arm in pair), {arm})


def test_a_learned_mask_lies_on_the_initial_weights(ran) -> None:
    dense = part(ran.ticket("dense"), "start")
    for arm in {"edge-popup", "supermask"}.intersection(ran.arms):
        found = ran.ticket(arm, final=True)
        for name, mask in part(found, "mask").items():
            assert torch.equal(part(found, "start")[name], dense[name] * mask)
            assert torch.equal(part(found, "final")[name], dense[name] * mask)
        assert found.facts["density"] == pytest.approx(
            sum(int(m.sum()) for m in part(found, "mask").values()) / 2080, rel=1e-9
        )


def test_it_loads_into_the_users_module_strictly_and_final_is_as_accurate_as_measured(ran) -> None:
    from lthbench.tickets import folds as block_data

    folds = block_data.load(ran.experiment, 0, (1,), None, torch.device("cpu"))
    x, y = folds.held_out.inputs(folds.test[0]), folds.held_out.labels(folds.test[0])
    for arm in {"dense", "ticket", "rewound", "edge-popup", "supermask"}.intersection(ran.arms):
        found = ran.ticket(arm, 1, final=True)
        if ran.experiment.network.activation == "relu":
            module = MlpModule(mlp(ran.experiment.network, 64, 10))
        else:
            module = registry.build(ran.experiment.network, (64,), 10)
        for prefix in ("start", "final"):
            module.load_state_dict(part(found, prefix), strict=True)
            for name, mask in part(found, "mask").items():
                assert not module.state_dict()[name][~mask].any()
        with torch.no_grad():
            accuracy = 100 * (module.eval()(x).argmax(1) == y).float().mean().item()
        assert accuracy == pytest.approx(found.facts["final_test_accuracy"], abs=1e-4)


def test_facts_say_where_it_comes_from(ran) -> None:
    found = ran.ticket("rewound", 1)
    mask, unit = part(found, "mask"), ran.unit("rewound")
    assert canonical(found.facts["recipe"]) == canonical(ran.experiment.recipe())
    assert found.facts["unit"] == unit.key
    assert found.facts["start_iteration"] == 5
    assert (found.facts["cell"], found.facts["replicate"], found.facts["master_seed"]) == ("rewound@2", 1, 0)
    record = store.read(store.path_of(ran.root, unit))
    assert found.facts["data_sha256"] == record.provenance["data_sha256"][1]
    weights = {"fc1.weight": (24, 64), "fc2.weight": (16, 24), "out.weight": (10, 16)}
    assert found.facts["weights_remaining"] == sum(int(mask[name].sum()) for name in weights)
    assert {name: tuple(mask[name].shape) for name in weights} == weights
    assert (mask.keys() > weights.keys()) == (ran.experiment.pruning.unit == "filter")
    assert all(m.dtype == torch.bool for m in mask.values())


def test_the_same_ticket_is_the_same_file_and_nothing_else_is_left(ran, tmp_path) -> None:
    found = ran.ticket("ticket")
    for name in ("a.safetensors", "b.safetensors"):
        found.write(tmp_path / name)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    with safe_open(tmp_path / "a.safetensors", "np") as file:
        assert file.metadata()["lthbench"] == canonical(found.facts)


def test_draws_final_weights_and_data_are_checked(ran, monkeypatch) -> None:
    with pytest.raises(UserError, match="draws 0 to 1"):
        ran.ticket("reinit", draw=2)
    with pytest.raises(UserError, match="not stored"):
        ran.ticket("reinit", final=True)
    arrays = export.block_data.replicate_arrays

    def others(experiment, master, replicate, cache):
        return arrays(experiment, master, replicate + 1, cache)

    monkeypatch.setattr(export.block_data, "replicate_arrays", others)
    with pytest.raises(UserError, match="data are others"):
        ran.ticket("ticket")


# The command line


def test_the_loader_of_the_docs(lthbench, plain_run: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = lthbench("export", "tiny", "ticket@2", "--replicate", 5, "--out", plain_run, "--to", "ticket")
    assert done.returncode == 0, done.stderr
    assert "ticket.safetensors: ticket@2" in done.stdout
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    assert len(blocks) == 3
    space: dict = {}
    exec("\n".join(blocks[:2]), space)  # the documented code, as a reader would run it
    facts, mask, model = space["facts"], space["mask"], space["model"]
    kept = sum(int(m.sum()) for m in mask.values())
    assert facts["density"] == pytest.approx(kept / 2080)
    assert kept == facts["weights_remaining"] < 0.3 * 2080
    wanted = load_file(tmp_path / "ticket.safetensors")
    assert wanted.keys() == space["tensors"].keys()
    assert all(torch.equal(wanted[name], tensor) for name, tensor in space["tensors"].items())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    exec(blocks[2], space)
    for name, weight in model.state_dict().items():
        moved = (weight != before[name]).numpy()
        assert moved.any()
        if name in mask:
            assert np.count_nonzero(weight.numpy()[~mask[name].numpy()]) == 0


def test_a_file_is_named_by_its_ticket(lthbench, plain_run: Path, tmp_path: Path) -> None:
    done = lthbench(
        "export", "tiny", "tiny:reinit@2", "--replicate", 1, "--draw", 2, "--out", plain_run, "--to", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tiny-reinit-2-seed-0-replicate-1-draw-2.safetensors").exists()


@pytest.mark.parametrize(
    ("cell", "options", "words"),
    [
        ("ticket", (), ("'ticket' is not a cell", "ticket@7")),
        ("tickets@2", (), ("trains no tickets@2", "did you mean", "tiny:ticket@2", "lthbench plan tiny")),
        ("ticket@2", ("--replicate", 8), ("--replicate 8", "replicates 0 to 7")),
        ("ticket@2", ("--experiment", "other"), ("trains no ticket@2",)),
        ("ticket@2", ("--seed", 3), ("not there", "lthbench run tiny --seed 3")),
        ("reinit@2", ("--draw", 3), ("--draw 3", "draws 0 to 2")),
        ("reinit@2", ("--final",), ("--final", "not stored")),
    ],
)
def test_errors_say_the_way_out(
    finished_run: Path, claims_dir: Path, tmp_path: Path, monkeypatch, cell, options, words
) -> None:
    monkeypatch.setenv("LTHBENCH_CACHE", str(tmp_path / "cache"))
    asked = ["export", "tiny", cell, "--out", finished_run, "--to", tmp_path / "file", "--claims-dir", claims_dir]
    replicate = () if "--replicate" in options else ("--replicate", 0)
    with pytest.raises(UserError) as caught:
        app([*map(str, (*asked, *replicate, *options))], standalone_mode=False)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "file.safetensors").exists()


def test_a_ticket_that_was_not_trained_names_the_command(lthbench, tmp_path: Path) -> None:
    done = lthbench("export", "tiny", "ticket@2", "--replicate", 0, "--out", tmp_path)
    complains(done, 2, "not there", f"lthbench run tiny --seed 0 --out {tmp_path}")
