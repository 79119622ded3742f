"""claims/ is read strictly: whatever is wrong is one line that names the file and the field."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import yaml

from lthbench.claims import load as loading
from lthbench.claims.load import ClaimFileError, cells, default_folder, load, registered_power
from lthbench.plan.suite import plan_suite
from lthbench.pruning.counts import density, ladder
from lthbench.recipe.experiment import Experiment
from lthbench.stats.multiplicity import fixed_level
from lthbench.stats.power import floor_n

SHIPPED = load()
TRAINED = [name for name, suite in SHIPPED.suites.items() if suite.trains]
SUITE = SHIPPED.suites["quick"]
PRIMARY = SHIPPED.primaries("quick")[0]
SECONDARY = next(claim.id for claim, _ in SHIPPED.registrations("quick") if claim.kind == "secondary")
EXPERIMENT = SHIPPED.claims[PRIMARY].suites["quick"].experiment
FIRST_LEVEL = fixed_level(len(SHIPPED.primaries("quick")), SUITE.alpha)


@pytest.fixture
def folder(tmp_path) -> Path:
    copied = tmp_path / "claims"
    shutil.copytree(default_folder(), copied)
    return copied


def edit(path: Path, change) -> Path:
    """Let `change` edit the content of a YAML file in place."""
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def refused(folder: Path, file: Path, *says: str) -> str:
    with pytest.raises(ClaimFileError) as error:
        load(folder)
    message = str(error.value)
    assert message.startswith(str(file)), message
    assert "\n" not in message
    for words in says:
        assert words in message, message
    return message


def quick(content) -> dict:
    return content["suites"]["quick"]


def hypothesis(content) -> dict:
    return quick(content)["hypotheses"][0]


def claim_file(folder: Path, claim: str = PRIMARY) -> Path:
    return folder / f"{claim}.yaml"


# What is shipped


def test_the_shipped_claims_load() -> None:
    files = {path.stem for path in default_folder().glob("*.yaml")} - {"popular", "questions"}
    assert files == set(SHIPPED.claims)
    assert set(SUITE.claims) <= files
    assert len(SHIPPED.primaries("quick")) >= 1
    assert {cell.experiment for _, r in SHIPPED.registrations("quick") for cell in cells(r)} <= set(
        SHIPPED.experiments
    )


def test_a_copied_folder_is_the_same_registry(folder) -> None:
    copied = load(folder)
    placed = {name: anywhere(experiment) for name, experiment in copied.experiments.items()}
    assert placed == {name: anywhere(experiment) for name, experiment in SHIPPED.experiments.items()}
    assert dataclasses.replace(copied, experiments=SHIPPED.experiments, folder=SHIPPED.folder) == SHIPPED


def anywhere(experiment: Experiment) -> Experiment:
    """The experiment without the folder that its data were looked for in."""
    path = experiment.data.path
    return dataclasses.replace(
        experiment, data=dataclasses.replace(experiment.data, path=path and Path(path).name)
    )


@pytest.mark.parametrize("suite", TRAINED)
def test_every_primary_reaches_its_level_and_power(suite) -> None:
    first = fixed_level(max(1, len(SHIPPED.primaries(suite))), SHIPPED.suites[suite].alpha)
    for claim, registration in SHIPPED.registrations(suite):
        level = first if claim.kind == "primary" else SHIPPED.suites[suite].alpha
        assert registration.replicates >= floor_n(level)
        assert registration.power == pytest.approx(registered_power(registration, level), abs=0.02)
        if claim.kind == "primary":
            assert registration.replicates >= 8
            assert registered_power(registration, level) >= 0.9
        assert registration.tuning is None or registration.tuning.master_seed >= 1000


def test_the_paper_scale_suite_decides_the_headline_claims() -> None:
    registrations = {claim.id: r for claim, r in SHIPPED.registrations("full-core")}
    assert set(registrations) == set(SHIPPED.primaries("quick")) == set(SHIPPED.primaries("full-core"))
    assert not any(registration.reduced_scale for registration in registrations.values())
    chunks = plan_suite(SHIPPED, "full-core", 0)
    assert len(chunks) == 6  # three experiments, two blocks
    assert sum(chunk.iterations for chunk in chunks) == 20_880_000


@pytest.mark.parametrize("suite", ["cpu-paper", "cpu-long"])
def test_every_registered_cell_is_planned_with_what_it_is_made_from(suite) -> None:
    units = [unit for chunk in plan_suite(SHIPPED, suite, 0) for unit in chunk.units]
    planned = {(u.experiment.id, u.arm, u.level, r) for u in units for r in u.replicates}
    for _, registration in SHIPPED.registrations(suite):
        for cell in cells(registration):
            for replicate in range(registration.replicates):
                assert (cell.experiment, cell.arm, cell.level, replicate) in planned
    for chunk in plan_suite(SHIPPED, suite, 0):  # independent of every other chunk, parents first
        seen: set[str] = set()
        for unit in chunk.units:
            assert set(unit.parents.values()) <= seen
            seen.add(unit.key)


def test_the_cpu_suites_say_what_scale_they_are() -> None:
    assert not any(registration.reduced_scale for _, registration in SHIPPED.registrations("cpu-paper"))
    assert all(registration.reduced_scale for _, registration in SHIPPED.registrations("cpu-long"))
    assert SHIPPED.suites["cpu-paper"].block == 4
    assert SHIPPED.primaries("cpu-long") == ["FC-6", "ZH-2", "PAI-2", "ST-2"]


def test_transfer_goes_both_ways_in_chunks_of_two_experiments() -> None:
    chunks = [c for c in plan_suite(SHIPPED, "cpu-long", 0, ["MO-1"]) if len(c.experiments) > 1]
    assert [c.id for c in chunks] == [f"fashion-lenet-10k.b{i}" for i in range(3)]
    keys = {(u.experiment.id, u.arm, u.level): u.key for u in chunks[0].units}
    for here, there in (("mnist-lenet-10k", "fashion-lenet-10k"), ("fashion-lenet-10k", "mnist-lenet-10k")):
        unit = next(u for u in chunks[0].units if (u.experiment.id, u.arm) == (here, "transferred"))
        assert dict(unit.parents) == {(f"{there}:ticket", 9): keys[there, "ticket", 9]}


@pytest.mark.parametrize(
    ("one", "other"),
    [  # (hidden, rates, rounds): equal weights by construction, up to rounding and the claim files' words
        (("mnist-lenet-10k", 16, 7650), ("mnist-lenet-10k-rate59", 4, 7650)),
        (("mnist-lenet-10k", 16, 7650), ("mnist-lenet-10k-rate36", 8, 7649)),
        (("mnist-lenet-10k", 16, 7650), ("mnist-lenet-10k-narrow", 12, 7692)),
    ],
)
def test_tickets_that_are_compared_at_equal_weights_have_equal_weights(one, other) -> None:
    for name, level, wanted in (one, other):
        recipe = SHIPPED.experiments[name]
        first, second = recipe.network.hidden
        sizes = {"fc1.weight": 784 * first, "fc2.weight": first * second, "out.weight": second * 10}
        assert sum(sizes.values()) == recipe.weights
        assert sum(ladder(sizes, recipe.pruning, level).values()) == wanted


@pytest.mark.parametrize(
    ("experiment", "sizes", "printed"),
    [  # sizes by hand from 1803.03635, Figure 2; the ladders are its printed P_m
        ("mnist-lenet", {"fc1": 784 * 300, "fc2": 300 * 100, "out": 1000}, {7: 21.1, 9: 13.5, 10: 10.8, 15: 3.6}),
        (
            "cifar10-conv4",
            {
                "conv1": 1728,
                "conv2": 36864,
                "conv3": 73728,
                "conv4": 147456,
                "fc1": 2097152,
                "fc2": 65536,
                "out": 2560,
            },
            {11: 11.1},
        ),
        *(
            (
                name,
                {"fc1": 784 * 300, "fc2": 300 * 100, "out": 1000},
                {7: 21.1, 9: 13.5, 12: 7.0, 13: 5.6, 15: 3.6, 20: 1.2},
            )
            for name in ("mnist-lenet-short", "fashion-lenet-short")
        ),
        ("cifar10-resnet20", {"stages": 267696, "stage2.0.downsample.conv": 2560, "out": 640}, {3: 51.8, 4: 41.7}),
    ],
)
def test_the_paper_scale_networks_have_the_printed_densities(experiment, sizes, printed) -> None:
    recipe = SHIPPED.experiments[experiment]
    weights = {f"{name}.weight": size for name, size in sizes.items()}
    assert sum(weights.values()) == recipe.weights
    for level, percent in printed.items():
        assert round(100 * density(weights, recipe.pruning, level), 1) == percent


def test_experiments_hold_exactly_what_their_files_say() -> None:
    """M12: no default overrides a number that is written down."""
    for name, experiment in SHIPPED.experiments.items():
        written = yaml.safe_load((default_folder() / "experiments" / f"{name}.yaml").read_text())
        assert written["id"] == name
        for part in ("network", "data", "training", "pruning"):
            held = dataclasses.asdict(getattr(anywhere(experiment), part))
            for key, value in written[part].items():
                assert held[key] == (tuple(value) if isinstance(value, list) else value), (name, part, key)


# Keys


@pytest.mark.parametrize(
    ("where", "field"),
    [
        (lambda c: c, "registered_by"),
        (quick, "suites.quick.registered_by"),
        (hypothesis, "suites.quick.hypotheses.0.registered_by"),
        (lambda c: hypothesis(c)["expected"], "suites.quick.hypotheses.0.expected.registered_by"),
        (lambda c: hypothesis(c)["contrast"], "suites.quick.hypotheses.0.contrast.registered_by"),
        (lambda c: c["sources"][0], "sources.0.registered_by"),
    ],
)
def test_unknown_keys_of_a_claim(folder, where, field) -> None:
    file = edit(claim_file(folder), lambda c: where(c).update(registered_by="me"))
    refused(folder, file, f"{field}: unknown key")


@pytest.mark.parametrize("part", [None, "network", "data", "training", "pruning"])
def test_unknown_keys_of_an_experiment(folder, part) -> None:
    def change(content):
        (content if part is None else content[part])["learnig_rate"] = 0.1

    file = edit(folder / "experiments" / f"{EXPERIMENT}.yaml", change)
    refused(folder, file, f"{part + '.' if part else ''}learnig_rate: unknown key")


def test_unknown_keys_of_a_suite(folder) -> None:
    file = edit(folder / "suites" / "quick.yaml", lambda c: c.update(beta=0.1))
    refused(folder, file, "beta: unknown key")


def test_a_misspelt_field_is_named(folder) -> None:
    file = edit(claim_file(folder), lambda c: hypothesis(c).update(detla=hypothesis(c).pop("delta")))
    message = refused(folder, file)
    assert "detla: unknown key" in message or "delta: missing" in message
    assert "(and 1 more)" in message


@pytest.mark.parametrize("field", ["sentence", "kind", "sources", "conditions", "suites"])
def test_missing_fields_of_a_claim(folder, field) -> None:
    refused(folder, edit(claim_file(folder), lambda c: c.pop(field)), f"{field}: missing; add it")


@pytest.mark.parametrize("field", ["replicates", "power", "hypotheses", "experiment"])
def test_missing_fields_of_a_registration(folder, field) -> None:
    file = edit(claim_file(folder), lambda c: quick(c).pop(field))
    assert f"{field}: missing; add it" in refused(folder, file, "suites.quick")


def test_missing_fields_of_an_experiment(folder) -> None:
    file = edit(folder / "experiments" / f"{EXPERIMENT}.yaml", lambda c: c["training"].pop("learning_rate"))
    refused(folder, file, "training.learning_rate: missing; add it")


# Planned without a tuning study


def test_numbers_that_were_neither_tuned_nor_published(folder) -> None:
    file = edit(claim_file(folder), lambda c: quick(c).pop("tuning"))
    refused(folder, file, "suites.quick: tuning: missing; add it, or say in H1.expected what it is planned_from")


def test_numbers_that_were_both_tuned_and_published(folder) -> None:
    origin = {"planned_from": "a paper", "verified": "paper"}
    file = edit(claim_file(folder), lambda c: hypothesis(c)["expected"].update(origin))
    refused(folder, file, "H1.expected.planned_from", "remove one")


@pytest.mark.parametrize("part", [{"planned_from": "a paper"}, {"verified": "paper"}])
def test_an_origin_says_how_sure_it_is(folder, part) -> None:
    file = edit(claim_file(folder), lambda c: hypothesis(c)["expected"].update(part))
    refused(folder, file, "expected: planned_from and verified belong together")


def test_what_n_rests_on_is_said() -> None:
    assert SHIPPED.claims[PRIMARY].suites["quick"].planned_from == "tuning seed 1000, 24 replicates"
    assert (
        SHIPPED.claims["FC-1"].suites["full-core"].planned_from == "no tuning; publications (secondary, assumed)"
    )
    assert SHIPPED.claims["FC-9"].suites["cpu"].planned_from == "no tuning study; assumed, as each hypothesis says"


# Results that are given


def released(content) -> dict:
    return content["suites"]["published"]


def test_what_has_a_meaning_only_where_networks_are_trained(folder) -> None:
    for key, value in {"power": 0.9, "replicates": 8, "reduced_scale": True, "kind": "counter"}.items():
        file = edit(claim_file(folder, "GA-1"), lambda c, key=key, value=value: released(c).update({key: value}))
        refused(folder, file, f"suites.published: {key}: has no meaning where nothing is trained")
        edit(file, lambda c, key=key: released(c).pop(key))
    expected = {"effect": 1, "sd": 1}
    file = edit(claim_file(folder, "GA-1"), lambda c: released(c)["hypotheses"][0].update(expected=expected))
    refused(folder, file, "H1.expected: has no meaning where nothing is trained")


def test_what_has_a_meaning_only_where_results_are_given(folder) -> None:
    file = edit(claim_file(folder), lambda c: quick(c).update(caveats=["one"]))
    refused(folder, file, "suites.quick: caveats: has no meaning where networks are trained")
    edit(file, lambda c: (quick(c).pop("caveats"), hypothesis(c).update(sweep=[1.0])))
    refused(folder, file, "suites.quick: H1.sweep: has no meaning")


@pytest.mark.parametrize("caveats", [None, []])
def test_given_results_have_caveats(folder, caveats) -> None:
    def change(content):
        released(content).pop("caveats") if caveats is None else released(content).update(caveats=caveats)

    refused(folder, edit(claim_file(folder, "GA-1"), change), "suites.published: caveats: missing; add it")


def test_a_registration_fits_its_suite(folder) -> None:
    file = edit(claim_file(folder, "FC-8"), lambda c: c["suites"].update(published=quick(c)))
    refused(folder, file, "suites.published: the suite trains nothing")
    edit(file, lambda c: c["suites"].update(quick=yaml.safe_load(RELEASED), published=yaml.safe_load(RELEASED)))
    refused(folder, file, "suites.quick: the suite trains")


RELEASED = (default_folder() / "FC-8.yaml").read_text().partition("\n  published:\n")[2]


@pytest.mark.parametrize("key", ["block", "chance", "dense_bands"])
def test_a_suite_that_trains_says_how(folder, key) -> None:
    refused(folder, edit(folder / "suites/quick.yaml", lambda c: c.pop(key)), f"{key}: missing; add it")
    file = edit(folder / "suites/published.yaml", lambda c: c.update({key: {} if key == "dense_bands" else 1}))
    shutil.copy(default_folder() / "suites/quick.yaml", folder / "suites/quick.yaml")
    refused(folder, file, f"{key}: has no meaning in a suite of given results")


def test_a_suite_of_given_results_describes_their_experiments(folder) -> None:
    file = edit(folder / "suites/published.yaml", lambda c: c.pop("experiments"))
    refused(folder, file, "experiments: missing; add it")


@pytest.mark.parametrize(("cell", "says"), [
    ("nobody2020:ticket@20%", "describes no experiment 'nobody2020'"), ("tickets@20%", "unknown arm 'tickets'"),
])  # fmt: skip
def test_a_cell_that_nobody_released(folder, cell, says) -> None:
    def change(content):
        released(content)["hypotheses"][0]["contrast"]["minuend"] = cell

    refused(folder, edit(claim_file(folder, "ST-1"), change), "suites.published: H1: ", says)


def test_networks_are_trained_at_a_level(folder) -> None:
    file = edit(claim_file(folder), lambda c: hypothesis(c)["contrast"].update(minuend="ticket@20%"))
    refused(folder, file, "suites.quick: 'ticket@20%': networks are trained at a level")


# Values


@pytest.mark.parametrize("delta", [0, -1, "one", float("nan")])
def test_delta_is_a_positive_number(folder, delta) -> None:
    file = edit(claim_file(folder), lambda c: hypothesis(c).update(delta=delta))
    refused(folder, file, "suites.quick.hypotheses.0.delta: ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda c: c.update(kind="main"), "kind"),
        (lambda c: hypothesis(c).update(test="superior"), "suites.quick.hypotheses.0.test"),
        (lambda c: hypothesis(c).update(endpoint="best_test_accuracy"), "suites.quick.hypotheses.0.endpoint"),
        (lambda c: quick(c).update(hypotheses=[]), "suites.quick.hypotheses"),
        (lambda c: quick(c)["tuning"].update(master_seed=0), "suites.quick.tuning.master_seed"),
        (lambda c: quick(c)["tuning"].update(replicates=7), "suites.quick.tuning.replicates"),
        (lambda c: hypothesis(c)["expected"].update(sd=0), "suites.quick.hypotheses.0.expected.sd"),
        (lambda c: c.update(id="fc one"), "id"),
    ],
)
def test_values_outside_their_vocabulary(folder, change, field) -> None:
    refused(folder, edit(claim_file(folder), change), f"{field}: ", "found")


@pytest.mark.parametrize("cell", ["ticket", "ticket@x", "ticket@-1", "Ticket@3", "a:b:ticket@3", "", "ticket@3 "])
def test_a_bad_cell(folder, cell) -> None:
    file = edit(claim_file(folder), lambda c: hypothesis(c)["contrast"].update(minuend=cell))
    refused(folder, file, f"'{cell}' is not a cell; write arm@level")


def test_a_contrast_of_two_numbers(folder) -> None:
    file = edit(claim_file(folder), lambda c: hypothesis(c).update(contrast={"minuend": 1, "subtrahend": 2}))
    refused(folder, file, "contrast", "at least one cell")


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("tickets@3", "unknown arm 'tickets'; the arms are dense"),
        ("dense@3", "arm 'dense' at level 3: dense arms have level 0"),
        ("ticket@0", "arm 'ticket' at level 0"),
        ("no-such:ticket@3", "there is no experiment 'no-such'; known are "),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_a_cell_that_cannot_exist(folder, cell, says, beside) -> None:
    def change(content):
        line = dict(hypothesis(content))
        line["contrast"] = {"minuend": cell, "subtrahend": "dense@0"}
        if beside:
            line = {k: v for k, v in line.items() if k not in ("expected", "margin_from", "margin_rule")} | {
                "id": "extra"
            }
            quick(content)["beside"] = [line]
        else:
            quick(content)["hypotheses"][0] = line

    file = edit(claim_file(folder), change)
    refused(folder, file, "suites.quick: ", says)


@pytest.mark.parametrize(
    ("endpoint", "needs"),
    [
        ("final_train_accuracy", "train"),
        ("generalisation_gap", "train"),
        ("early_stop_test_accuracy", "early-stop"),
    ],
)
def test_an_endpoint_that_the_experiment_does_not_measure(folder, endpoint, needs) -> None:
    def measures(*what):
        edit(folder / "experiments" / f"{EXPERIMENT}.yaml", lambda c: c["training"].update(measure=list(what)))

    file = edit(claim_file(folder), lambda c: hypothesis(c).update(endpoint=endpoint))
    measures()
    refused(folder, file, "suites.quick: ", endpoint, f"'{EXPERIMENT}'", f"add {needs}")
    measures(needs)
    load(folder)


def test_an_unknown_experiment(folder) -> None:
    file = edit(claim_file(folder), lambda c: quick(c).update(experiment="mnist2d"))
    refused(folder, file, "suites.quick: experiment: ", "'mnist2d'", EXPERIMENT)


def test_an_experiment_without_a_band(folder) -> None:
    edit(folder / "suites" / "quick.yaml", lambda c: c["dense_bands"].pop(EXPERIMENT))
    with pytest.raises(ClaimFileError, match=f"no dense_bands entry for '{EXPERIMENT}'"):
        load(folder)


def test_a_band_that_could_notice_nothing(folder) -> None:
    def change(content):
        band = content["dense_bands"][EXPERIMENT]
        band["shuffled_labels"] = (band["low"] + band["high"]) / 2

    file = edit(folder / "suites" / "quick.yaml", change)
    refused(folder, file, f"dense_bands.{EXPERIMENT}", "shuffled_labels lies inside the band")


@pytest.mark.parametrize("name", ["tenfold_smaller_rate", "shuffled_labels"])
def test_a_band_says_why_a_mistake_was_not_measured(folder, name) -> None:
    file = edit(folder / "suites" / "quick.yaml", lambda c: c["dense_bands"][EXPERIMENT].pop(name))
    refused(folder, file, f"{name}: missing; add it, or say in not_measured why")
    edit(file, lambda c: c["dense_bands"][EXPERIMENT].update(not_measured="it takes a month"))
    assert load(folder).suites["quick"].dense_bands[EXPERIMENT].not_measured == "it takes a month"


def test_a_band_for_no_experiment(folder) -> None:
    def change(content):
        content["dense_bands"]["mnist2d"] = dict(content["dense_bands"][EXPERIMENT])

    refused(folder, edit(folder / "suites" / "quick.yaml", change), "dense_bands: ", "'mnist2d'")


def test_two_lines_of_one_id(folder) -> None:
    def change(content):
        quick(content)["hypotheses"].append(dict(hypothesis(content)))

    refused(folder, edit(claim_file(folder), change), "share an id")


def test_a_published_number_of_no_hypothesis(folder) -> None:
    def change(content):
        content["published"] = [{"quantity": "q", "value": 1, "unit": "pp", "where": "w", "verified": "paper",
                                 "hypothesis": "H99"}]  # fmt: skip

    refused(folder, edit(claim_file(folder), change), "no hypothesis is called 'H99'")


# n and power


def one_look(folder: Path) -> None:
    """All of alpha at the end: these rules are about a suite without a first look."""
    edit(folder / "suites" / "quick.yaml", lambda c: c.pop("first_look"))


@pytest.mark.parametrize(("claim", "least"), [(PRIMARY, max(8, floor_n(FIRST_LEVEL))), (SECONDARY, 5)])
def test_too_few_replicates_for_the_sign_flip_test(folder, claim, least) -> None:
    one_look(folder)
    file = edit(claim_file(folder, claim), lambda c: quick(c).update(replicates=least - 1))
    refused(folder, file, f"suites.quick: replicates: {least - 1} cannot decide", f"at least {least}")


@pytest.mark.parametrize("claim", [PRIMARY, SECONDARY])
def test_power_must_follow_from_n_and_the_expected_effects(folder, claim) -> None:
    def change(content):
        power = quick(content)["power"]
        quick(content)["power"] = power - 0.05 if power > 0.5 else power + 0.05

    refused(folder, edit(claim_file(folder, claim), change), "suites.quick: power: registered", "give")


def test_a_primary_claim_needs_power(folder) -> None:
    """The registered power is honest, but too small."""
    registration = SHIPPED.claims[PRIMARY].suites["quick"]
    for factor in range(1, 200):
        weak = registration.model_copy(
            update={
                "hypotheses": [
                    h.model_copy(update={"expected": h.expected.model_copy(update={"sd": h.expected.sd * factor})})
                    for h in registration.hypotheses
                ]
            }
        )
        power = registered_power(weak, FIRST_LEVEL)
        if power < 0.85:
            break

    def change(content):
        quick(content)["power"] = power
        for written, line in zip(quick(content)["hypotheses"], weak.hypotheses, strict=True):
            written["expected"]["sd"] = line.expected.sd

    one_look(folder)
    refused(folder, edit(claim_file(folder), change), f"suites.quick: power: {power:.3f} is below 0.9")


def test_a_primary_claim_needs_sixteen_tuning_replicates(folder) -> None:
    file = edit(claim_file(folder), lambda c: quick(c)["tuning"].update(replicates=15))
    refused(folder, file, "suites.quick: tuning.replicates: a primary claim needs 16 or more")


def test_a_claim_may_be_of_another_kind_in_one_suite(folder) -> None:
    """FC-7 is secondary, and joins the primary claims of a suite that says so."""
    assert SHIPPED.claims["FC-7"].kind == "secondary"
    assert "FC-7" in SHIPPED.primaries("cpu")
    assert "FC-7" not in SHIPPED.primaries("quick")
    assert {claim.id: claim.kind for claim, _ in SHIPPED.registrations("cpu")}["FC-7"] == "primary"
    edit(claim_file(folder, "FC-7"), lambda c: c["suites"]["cpu"].pop("kind"))
    assert "FC-7" not in load(folder).primaries("cpu")


def test_the_cpu_suite_is_an_hour_on_two_cores() -> None:
    """1.75 ms per network and iteration on one core, evaluation included, and four equal chunks in pairs."""
    assert SHIPPED.primaries("cpu") == ["FC-1", "FC-4", "FC-6", "FC-7", "FC-8"]
    chunks = plan_suite(SHIPPED, "cpu", 0)
    assert sum(chunk.iterations for chunk in chunks) == 2_484_000  # 72 minutes on one core
    assert [chunk.iterations for chunk in chunks] == [918_000] * 2 + [324_000] * 2


def test_a_secondary_claim_may_have_less(folder) -> None:
    edit(claim_file(folder, SECONDARY), lambda c: c.update(kind="counter"))
    assert load(folder).claims[SECONDARY].kind == "counter"


# Files


def test_the_id_is_the_name_of_the_file(folder) -> None:
    file = claim_file(folder).rename(folder / "ZZ-1.yaml")
    refused(folder, file, f"id is '{PRIMARY}'; it must equal the file's name")


def test_a_suite_lists_claims_that_exist(folder) -> None:
    file = edit(folder / "suites" / "quick.yaml", lambda c: c["claims"].append("ZZ-9"))
    refused(folder, file, "claims: there is no claim 'ZZ-9'")


def test_a_suite_lists_claims_that_register_it(folder) -> None:
    file = edit(claim_file(folder), lambda c: c["suites"].pop("quick"))
    refused(folder, file, "suites: 'quick' lists this claim")


def test_a_claim_registers_suites_that_exist(folder) -> None:
    file = edit(claim_file(folder), lambda c: c["suites"].update(quik=c["suites"].pop("quick")))
    refused(folder, file, "suites: there is no suite 'quik'; did you mean 'quick'?")


def test_a_claim_that_no_list_names_follows_the_others(folder) -> None:
    """A new claim is one file: the list of its suite is an order, not a gate."""
    before = load(folder).suites["quick"].claims
    file = edit(folder / "suites" / "quick.yaml", lambda c: c["claims"].remove(PRIMARY))
    registry, listed = load(folder), yaml.safe_load(file.read_text())["claims"]
    assert registry.suites["quick"].claims == [*listed, *sorted(set(before) - set(listed))]
    assert PRIMARY in registry.primaries("quick")


def test_a_suite_without_a_claim(folder) -> None:
    suite = (folder / "suites" / "quick.yaml").read_text().replace("id: quick", "id: nothing")
    file = folder / "suites" / "nothing.yaml"
    file.write_text(suite)
    edit(file, lambda c: c.update(claims=[]))
    refused(folder, file, "no claim registers it; add an entry 'nothing' under suites of a claim")


def test_a_key_written_twice(folder) -> None:
    file = claim_file(folder)
    file.write_text(file.read_text() + "title: another\n")
    refused(folder, file, "not valid YAML", "'title' is written twice")


def test_a_nested_key_written_twice(folder) -> None:
    file = folder / "experiments" / f"{EXPERIMENT}.yaml"
    text = file.read_text()
    assert "{kind: mlp, " in text
    file.write_text(text.replace("{kind: mlp, ", "{kind: mlp, kind: mlp, "))
    refused(folder, file, ", line ", "'kind' is written twice")


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['true']",
        "!!python/object:pathlib.Path {}",
        "!!python/name:os.system",
        "!Claim {}",
    ],
)
def test_python_objects_are_refused(folder, tag) -> None:
    file = claim_file(folder)
    file.write_text(file.read_text() + f"extra: {tag}\n")
    refused(folder, file, ", line ", "not valid YAML", "plain values only")


@pytest.mark.parametrize("text", ["{", "a: [1, 2", "\tid: x", "a: b: c"])
def test_no_yaml(folder, text) -> None:
    file = claim_file(folder)
    file.write_text(text)
    refused(folder, file, "not valid YAML")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n", "3\n"])
def test_no_mapping(folder, text) -> None:
    file = claim_file(folder)
    file.write_text(text)
    refused(folder, file, "expected keys and values at top level")


def test_no_text(folder) -> None:
    file = claim_file(folder)
    file.write_bytes(b"\xff\xfe\x00 id: x")
    refused(folder, file, "not valid YAML")


def test_an_oversized_file(folder) -> None:
    file = claim_file(folder)
    file.write_text(file.read_text() + "# " + "x" * loading.LARGEST_FILE + "\n")
    refused(folder, file, f"larger than {loading.LARGEST_FILE} bytes")


def test_a_folder_that_is_not_there(tmp_path) -> None:
    refused(tmp_path / "nothing", tmp_path / "nothing", "no such folder")


def test_the_environment_can_name_the_folder(folder, monkeypatch) -> None:
    monkeypatch.setenv("LTHBENCH_CLAIMS", str(folder))
    edit(claim_file(folder), lambda c: c.update(title="Mine"))
    assert load().claims[PRIMARY].title == "Mine"


# Mistakes that would come out after hours of training, or never


def test_draws_of_an_unknown_arm(folder) -> None:
    file = edit(folder / "experiments" / f"{EXPERIMENT}.yaml", lambda c: c.update(draws={"renit": 3}))
    refused(folder, file, "draws")


def test_no_draws_at_all(folder) -> None:
    file = edit(folder / "experiments" / f"{EXPERIMENT}.yaml", lambda c: c.update(draws={"reinit": 0}))
    refused(folder, file, "draws")


@pytest.mark.parametrize("rewind", [-1, 10**6])
def test_a_rewind_point_outside_the_training(folder, rewind) -> None:
    file = edit(folder / "experiments" / f"{EXPERIMENT}.yaml", lambda c: c["pruning"].update(rewind=rewind))
    refused(folder, file, "rewind")


def test_a_barrier_of_an_arm_without_one(folder) -> None:
    file = edit(claim_file(folder), lambda c: hypothesis(c).update(endpoint="barrier"))
    refused(folder, file, "barrier")


def test_an_infinite_delta_beside_a_verdict(folder) -> None:
    def change(content):
        line = {
            k: v for k, v in hypothesis(content).items() if k not in ("expected", "margin_from", "margin_rule")
        }
        quick(content)["beside"] = [line | {"id": "extra", "delta": float("inf")}]

    refused(folder, edit(claim_file(folder), change), "delta")
