"""A suite as a variant: made from the suite's own files, with a name, folders and verdicts of its own."""

import json

import pytest
from command_line import typed
from tiny_suite import EXPERIMENT, PLAIN

from lthbench.claims.load import load
from lthbench.claims.variants import of_name, with_variant
from lthbench.drive import ask, dag
from lthbench.errors import UserError
from lthbench.plan.planfile import Plan, read, write
from lthbench.recipe.variants import variant_of


def test_a_variant_is_run_judged_and_reported_apart_from_its_suite(lthbench, plain_run, environment) -> None:
    files = [path for path in plain_run.rglob("*") if path.is_file() and ".lock" not in path.name]
    before = {path: path.read_bytes() for path in files}
    done = lthbench("run", "tiny", "--variant", "bf16", *PLAIN, "--out", plain_run)
    assert "tiny FC-6 (bf16 variant)" in done.stdout, done.stdout + done.stderr
    assert "nothing was registered for its bf16 variant" in done.stdout
    assert "PASS" not in done.stdout
    assert all(path.read_bytes() == content for path, content in before.items())
    folder = plain_run / "results/tiny-bf16/seed-0/scopes/all"
    verdicts = json.loads((folder / "verdicts.json").read_text())
    assert verdicts["exploratory"]
    assert [claim["experiment"] for claim in verdicts["claims"]] == ["tiny-bf16", "tiny-bf16"]
    assert all(claim["registered_title"].endswith("(bf16 variant)") for claim in verdicts["claims"])
    first = (plain_run / "results/tiny/seed-0/scopes/all/tidy.csv").read_text()
    second = (folder / "tidy.csv").read_text()
    assert first.replace("tiny,", "tiny-bf16,") != second
    assert second.count("tiny-bf16,") == first.count("tiny,") > 100
    page = (plain_run / "reports/tiny-bf16/report.md").read_text()
    assert "Variant: bf16: products and convolutions of training take and give bfloat16" in page
    for command in ("judge", "report"):  # by its name
        assert lthbench(command, "tiny-bf16", "--out", plain_run).returncode in (0, 1, 3)
    refused = typed(["diff", "tiny", "tiny-bf16", "--out", plain_run], environment)
    assert (refused.returncode, "different questions" in refused.stderr) == (2, True)


def test_plan_and_explain_say_what_it_is(lthbench, tmp_path) -> None:
    plan = lthbench("plan", "tiny", "--variant", "bf16", "--out", tmp_path)
    assert plan.stdout.startswith("plan of tiny-bf16, master seed 0\nbf16 variant: products and convolutions")
    assert lthbench("plan", "tiny", "--out", tmp_path).stdout.count("variant") == 0
    said = " ".join(lthbench("explain", "FC-6", "--suite", "tiny-bf16", "--out", tmp_path).stdout.split())
    assert "tiny FC-6 (bf16 variant)" in said
    assert "- variant bf16: products and convolutions" in said
    assert "tiny-bf16" in lthbench("list", "tiny-bf16").stdout


@pytest.mark.parametrize(
    ("suite", "variant", "words"),
    [
        ("tiny", "bf8", "--variant bf8: unknown; there are: bf16, channels-last"),
        (
            "tiny",
            "channels-last",
            "'tiny' has nothing to train as channels-last: its networks see no images",
        ),
    ],
)
def test_what_cannot_be_is_said(claims_dir, suite, variant, words) -> None:
    with pytest.raises(UserError) as error:
        ask.run_of(suite, claims_dir=claims_dir, variant=variant)
    assert words in str(error.value)


def test_a_suite_that_trains_nothing_has_none() -> None:
    with pytest.raises(UserError, match="trains nothing"):
        ask.run_of("published", variant="bf16")


def test_every_experiment_of_a_suite_is_the_variant_and_no_key_is_shared() -> None:
    plain, run = ask.run_of("full-core"), ask.run_of("full-core", variant="bf16")
    assert (run.suite, run.claims_dir) == ("full-core-bf16", None)
    assert run.registry.suites[run.suite].claims == plain.registry.suites["full-core"].claims
    assert {variant_of(unit.experiment.training) for unit in run.units()} == {"bf16"}
    assert len(run.units()) == len(plain.units())
    assert not {unit.key for unit in run.units()} & {unit.key for unit in plain.units()}
    laid = ask.run_of("full-core", variant="bf16-channels-last")
    kinds = {unit.experiment.network.kind for unit in laid.units()}
    assert "mlp" not in kinds
    assert kinds
    assert laid.registry.suites[laid.suite].dense_bands == {}


def test_masks_of_another_experiment_are_the_variants_own() -> None:
    run = ask.run_of("cpu-long", variant="bf16")
    worn = {unit.experiment.mask_from for unit in run.units()} - {""}
    assert worn
    assert all(name.endswith("-bf16") and name in run.registry.experiments for name in worn)


def test_a_recipe_of_ones_own_that_names_a_precision_says_so_in_its_titles(claims_dir) -> None:
    text = EXPERIMENT.replace("evaluate_every: 20}", "evaluate_every: 20, precision: bf16}")
    (claims_dir / "experiments/tiny.yaml").write_text(text)
    registered = load(claims_dir).claims["FC-6"].suites["tiny"]
    assert registered.title == "tiny FC-6 (bf16 variant)"


def test_a_suite_of_that_name_in_the_files_is_itself(claims_dir) -> None:
    registry = load(claims_dir)
    assert of_name(registry, "tiny-bf16") == ("tiny", "bf16")
    there = registry.suites | {"tiny-bf16": registry.suites["tiny"]}
    registry.suites.update(there)
    assert of_name(registry, "tiny-bf16") == ("tiny-bf16", "")
    assert with_variant(registry, "tiny-bf16") is registry


def test_snakemake_finds_chunks_and_files_of_a_variant(claims_dir) -> None:
    folder = str(claims_dir)
    chunks = dag.chunks("tiny-bf16", 0, "all", 0, folder)
    assert list(chunks) == ["tiny-bf16.b0", "tiny-bf16.b1"]
    assert dag.claim_files("tiny-bf16", folder)[0].endswith("suites/tiny.yaml")
    assert not dag.looks_twice("tiny-bf16", 0, folder)


def test_a_plan_file_keeps_it(claims_dir, tmp_path) -> None:
    run = ask.run_of("tiny", claims_dir=claims_dir, variant="bf16")
    write(tmp_path / "plan.json", Plan(run.suite, 0, tuple(run.units())))
    plan = read(tmp_path / "plan.json")
    assert plan.suite == "tiny-bf16"
    assert [unit.key for unit in plan.units] == [unit.key for unit in run.units()]
    assert {unit.experiment.training.precision for unit in plan.units} == {"bf16"}
