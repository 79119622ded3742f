"""A ticket that is there already, through the claims: what its run is made of, and what its verdicts speak of."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from command_line import typed
from hypothesis import given
from hypothesis import strategies as st
from ticket_files import as_pt

import lthbench
from lthbench.claims.load import load
from lthbench.drive import dock
from lthbench.drive import ticket as ticket_dock
from lthbench.drive.dock import Question
from lthbench.drive.execute import run_chunk
from lthbench.drive.ticket import pruned_to
from lthbench.errors import UserError
from lthbench.plan.unit import plan_experiment
from lthbench.pruning.counts import ladder
from lthbench.recipe.experiment import Network, Pruning
from lthbench.results.tidy import read
from lthbench.tickets import export
from lthbench.tickets.imports import import_ticket
from lthbench.tickets.ticket_file import Ticket

ON = {"network": Network("mlp", (100, 50)), "data": "digits", "iterations": 200}
TYPED = ("--network", "mlp", "--hidden", "100,50", "--data", "digits", "--iterations", 200, "--cores", 1)
LEVEL = 9


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A ticket of ours on digits, as four files: whole, without its pruned weights, its mask, a random mask."""
    folder = tmp_path_factory.mktemp("ours")
    experiment, _ = dock.experiment_of(load(), Question("a:b", **ON), "FC-1")
    units = plan_experiment(replace(experiment, id="source", method=""), {("ticket", LEVEL)}, 1, 1, 0)
    run_chunk(units, folder, None, "cpu", lambda *_: None)
    whole = export.ticket(units[-1], units, folder, None, 0, dense=True)
    tickets = {"whole": whole, "gone": export.ticket(units[-1], units, folder, None, 0)}
    tickets["mask"] = Ticket({n: t for n, t in whole.tensors.items() if n.startswith("mask/")}, {})
    tickets["random"] = shuffled(whole)
    for name, made in tickets.items():
        made.write(folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in tickets}


def shuffled(whole: Ticket) -> Ticket:
    """A random mask with the layer densities of a ticket, on the same initial weights."""
    generator, tensors = torch.Generator().manual_seed(0), dict(whole.tensors)
    for name, kept in whole.part("mask").items():
        mask = kept.view(-1)[torch.randperm(kept.numel(), generator=generator)].view(kept.shape)
        tensors |= {f"mask/{name}": mask, f"start/{name}": tensors[f"dense/{name}"] * mask}
    return Ticket(tensors, {})


def question(file: Path, **more) -> Question:
    return Question("", ticket=str(file), **(ON | more))


# The reference's density is the ticket's


@given(
    sizes=st.lists(st.integers(40, 5000), min_size=1, max_size=5),
    share=st.floats(0.02, 0.95),
    scope=st.sampled_from(["layer-wise", "global"]),
)
def test_iterative_pruning_ends_where_the_ticket_is(sizes, share, scope) -> None:
    named = {f"fc{i}.weight": size for i, size in enumerate(sizes[1:])} | {"out.weight": sizes[0]}
    left = max(1, int(share * sum(sizes)))
    recipe = Pruning(scope, 0.2, output_rate=0.1 if scope == "layer-wise" else None)
    pruning, level = pruned_to(left, named, recipe)
    assert abs(sum(ladder(named, pruning, level).values()) - left) <= max(0.01 * left, len(sizes) + 1)
    assert pruning.scope == scope


@given(level=st.integers(1, 20))
def test_a_density_of_the_recipes_own_leaves_the_recipe_as_it_is(level) -> None:
    sizes = {"fc1.weight": 12_000, "fc2.weight": 30_000, "out.weight": 1000}
    recipe = Pruning("layer-wise", 0.2, output_rate=0.1)
    left = sum(ladder(sizes, recipe, level).values())
    pruning, found = pruned_to(left, sizes, recipe)
    assert sum(ladder(sizes, pruning, found).values()) == left
    assert pruning == recipe or found != level  # the output layer's share may make another level nearer


# What a run is made of


def claims_in(out: Path) -> dict[str, dict]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((out / "claims").glob("*.yaml"))}


@pytest.mark.parametrize("kind", ["whole", "gone"])
def test_a_ticket_with_a_start_is_put_to_four_claims_which_speak_of_it_alone(files, tmp_path, kind) -> None:
    run = ticket_dock.prepared(question(files[kind]), 0, tmp_path)
    claims = claims_in(tmp_path)
    assert claims.keys() == {"FC-1", "FC-6", "FC-7", "IMP-1"}
    for claim in claims.values():
        assert claim["conditions"][0].startswith("The verdicts speak of this ticket only, conditional")
        entry = claim["suites"]["dock"]
        assert "other initialisations" in entry["not_tested"][0]
        assert f"({kind}.safetensors, " in entry["title"]
        assert all("this ticket" in line["says"] for line in entry["hypotheses"] if "ticket" in line["says"])
        assert not any("found ticket" in line["says"] for line in (*entry["hypotheses"], *entry["beside"]))
    assert "speak of this ticket only" in run.registry.suites["dock"].says
    experiment = run.units()[0].experiment
    assert experiment.own_start == (kind == "gone")
    assert ("newly initialised" in claims["FC-1"]["suites"]["dock"]["hypotheses"][0]["says"]) == (kind == "gone")
    assert Path(experiment.ticket) == tmp_path / "tickets" / f"{kind}.safetensors"
    said = "\n".join(ticket_dock.says(run, question(files[kind])))
    assert "speak of this ticket only, conditional on its initialisation" in said
    assert "pruned: " in said


def test_a_mask_alone_is_asked_only_what_a_mask_can_answer(files, tmp_path) -> None:
    run = ticket_dock.prepared(question(files["mask"]), 0, tmp_path)
    assert claims_in(tmp_path).keys() == {"FC-1", "FC-7", "IMP-1"}
    assert not {"found-reinit", "found-shuffled"} & {unit.arm for unit in run.units()}
    assert "speak of this mask only" in "\n".join(ticket_dock.says(run, question(files["mask"])))
    for claim in claims_in(tmp_path).values():
        assert "winning ticket" in claim["suites"]["dock"]["not_tested"][0]
    with pytest.raises(UserError, match=r"FC-6: is about a ticket's start weights, and mask.safetensors has none"):
        ticket_dock.prepared(question(files["mask"], claims=("FC-6",)), 0, tmp_path)


def test_a_file_of_pytorchs_own_is_imported_on_the_way(files, tmp_path) -> None:
    masks = {"fc1.weight": torch.eye(100, 64), "out.weight": torch.eye(10, 50)}
    run = ticket_dock.prepared(question(as_pt(masks, tmp_path)), 0, tmp_path / "out")
    weights = run.units()[0].experiment.weights
    assert weights == 64 * 100 + 100 * 50 + 50 * 10
    assert run.registry.suites["dock"].title.startswith("theirs.pt on ")


def test_what_cannot_be_tested_is_said_before_anything_is_written(files, tmp_path) -> None:
    out = tmp_path / "out"
    for asked, words in (
        (question(tmp_path / "none.pt"), "no such file"),
        (
            question(files["whole"], network=Network("mlp", (101, 50))),
            r"fc1.weight is \(100, 64\), in the network",
        ),
        (
            question(files["whole"], network=Network("mlp", (100, 50), batch_norm=True)),
            "which the network does not",
        ),
        (question(files["whole"], suite="quik"), "unknown suite"),
        (question(files["whole"], claims=("FC-8",)), "says nothing about a method"),
    ):
        with pytest.raises(UserError, match=words):
            ticket_dock.prepared(asked, 0, out)
        assert not (out / "claims").exists()
    dense = as_pt({"fc1.weight": torch.rand(100, 64) - 0.5}, tmp_path)
    with pytest.raises(UserError, match=r"dense: .*\n`lthbench import .*theirs.pt --out ticket.safetensors`"):
        ticket_dock.prepared(question(dense), 0, out)
    for more in ({"method": "a:b"}, {"density": 0.5}, {"own_start": True}):
        with pytest.raises(UserError, match=r"say what is tested|says its density and start"):
            Question(**({"method": "", "ticket": "x.pt"} | more))


def test_a_start_of_another_scale_is_said(files, tmp_path) -> None:
    whole = import_ticket(files["whole"]).ticket
    tensors = {n: t * 3 if n.partition("/")[0] in ("start", "dense") else t for n, t in whole.tensors.items()}
    Ticket(tensors, {"start_iteration": 7}).write(tmp_path / "large.safetensors")
    run = ticket_dock.prepared(question(tmp_path / "large.safetensors"), 0, tmp_path / "out")
    said = "\n".join(ticket_dock.says(run, question(tmp_path / "large.safetensors")))
    assert re.search(r"fc1.weight: the file starts it (2\.[6-9]|3)\S* times as large", said), said
    assert "after 7 iterations" in said


# What comes out


def differences(out: Path, minuend: str, subtrahend: str) -> np.ndarray:
    """Final test accuracies, arm minus arm, by replicate."""
    table = read(out / "results/dock/seed-0/scopes/all/tidy.csv")
    final = table[table["metric"] == "final_test_accuracy"].groupby(["arm", "replicate"])["value"].mean()
    return (final[minuend] - final[subtrahend]).to_numpy()


def test_a_ticket_of_ours_beats_random_masks_and_a_random_mask_does_not(files, tmp_path) -> None:
    verdicts = {}
    for kind in ("whole", "random"):
        done = typed(["test", "--ticket", files[kind], *TYPED, "--claim", "FC-7", "--out", tmp_path / kind])
        assert "speak of this ticket only, conditional on its initialisation" in done.stdout, done.stderr
        assert "BLOCKED" not in done.stdout
        verdicts[kind] = "SUPPORTED HERE FC-7" in done.stdout and "NOT SUPPORTED HERE FC-7" not in done.stdout
    assert verdicts == {"whole": True, "random": False}
    won = differences(tmp_path / "whole", "found", "found-random-mask").mean()
    assert won > 3 > abs(differences(tmp_path / "random", "found", "found-random-mask").mean())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "gone", "mask", "random"])
def test_every_claim_on_every_kind_of_ticket(files, tmp_path, kind) -> None:
    done = typed(["test", "--ticket", files[kind], *TYPED, "--out", tmp_path])
    assert "BLOCKED" not in done.stdout, done.stdout
    assert done.returncode in (0, 1, 3), done.stderr
    supported = {c for c in ("FC-1", "FC-6", "FC-7", "IMP-1") if f"  ✓ SUPPORTED HERE {c}" in done.stdout}
    if kind == "random":
        assert not supported
    if kind in ("whole", "gone"):
        assert {"FC-6", "FC-7"} <= supported
    page = (tmp_path / "reports/dock/report.md").read_text()
    assert "dock: found@" not in page.partition("What a ticket costs")[2]  # nothing was searched
    assert ("speak of this mask only" if kind == "mask" else "speak of this ticket only") in page


@pytest.mark.slow
def test_from_python_the_verdicts_are_the_commands(files, tmp_path) -> None:
    more = {"claims": "FC-7", "quiet": True, "out": tmp_path} | ON
    answer = lthbench.test(ticket=files["whole"], **more)
    assert [claim.verdict for claim in answer.verdicts.claims] == ["PASS"]
    assert any("speak of this ticket only" in line for line in answer.notes)
