"""Simulated suites: verdicts as the judge decides them, rates as theory has them, the same numbers every time."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lthbench.calibration import noise, reading, store, table
from lthbench.calibration.design import Column, Design, Truth, design_of, measured, planned
from lthbench.calibration.looks import looked
from lthbench.calibration.pvalues import p_fail, p_pass
from lthbench.calibration.shift import shift_to
from lthbench.calibration.simulate import World, deviations, rates
from lthbench.calibration.study import shapes_of, study
from lthbench.calibration.verdicts import PValues, settle
from lthbench.claims.load import Registry, load
from lthbench.cli.app import app
from lthbench.errors import UserError
from lthbench.results.tidy import read
from lthbench.stats.decision import Rule, combine, decide, weigh
from lthbench.stats.multiplicity import fixed_level
from lthbench.stats.power import power

COLUMNS = (
    Column("A", "H1", Rule("superiority", 0.5), 9),
    Column("B", "H1", Rule("non-inferiority", 0.5), 9),
    Column("B", "H2", Rule("superiority", 0.3), 9),
    Column("C", "H1", Rule("equivalence", 0.8), 9),
    Column("D", "H1", Rule("equivalence", 0.8), 9),
)
KINDS = {"A": "primary", "B": "primary", "C": "primary", "D": "secondary"}
TOY = Design("toys", 0.05, KINDS, COLUMNS)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load()


def world(effect: float = 1.0, sd: float = 0.6, shape: str = "normal", simulations: int = 2000, **more) -> World:
    k = len(COLUMNS)
    effects = np.array([effect, effect, effect, 0.0, 0.0])
    return World(TOY, Truth("true", effects, np.full(k, sd), np.eye(k)), shape, simulations, 0, **more)


CLIPPED = replace(TOY, columns=tuple(replace(c, rule=replace(c.rule, clip=1.5)) for c in COLUMNS))


@pytest.mark.parametrize("design", [TOY, CLIPPED], ids=["plain", "clipped"])
def test_simulated_suites_are_decided_as_the_judge_decides_them(design: Design) -> None:
    rng = np.random.default_rng(5)
    d = rng.standard_normal((400, 9, 5)) * 0.6 + rng.uniform(-1.2, 1.2, (400, 1, 5))
    p = PValues(
        *(
            np.stack([f(d[:, :, i], c.rule, 0.05) for i, c in enumerate(design.columns)], 1)
            for f in (p_pass, p_fail)
        )
    )
    found = settle([p], [0.05], design)
    seen = set()
    for s in range(400):
        for claim, kind in KINDS.items():
            level = fixed_level(3) if kind == "primary" else 0.05
            evidence = [weigh(d[s, :, i], design.columns[i].rule) for i in design.of(claim)]
            verdict = combine([decide(e, level, level / len(evidence)) for e in evidence])
            assert (verdict == "PASS", verdict == "FAIL") == tuple(side[s] for side in found[claim])
            seen.add((claim, verdict))
    assert len(seen) == 12  # every verdict of every claim was met


def test_an_earlier_look_is_final_and_no_claim_moves_another() -> None:
    shows, nothing = np.full((1, 5), 0.001), np.ones((1, 5))
    looks = [PValues(shows, nothing), PValues(nothing, shows)]
    assert all(passed and not failed for passed, failed in settle(looks, [0.02, 0.03], TOY).values())
    looks = [PValues(nothing, shows), PValues(shows, nothing)]
    assert all(failed and not passed for passed, failed in settle(looks, [0.02, 0.03], TOY).values())
    p = PValues(np.full((1, 5), 0.03), nothing)
    found = settle([p], [0.05], TOY)
    assert found["D"][0].all()  # secondary: at alpha
    assert not found["A"][0].any()  # one of three primary claims, at 0.05 / 3
    others_pass = p.replaced({i: (np.zeros(1), np.ones(1)) for i in (1, 2, 3)})
    assert not settle([others_pass], [0.05], TOY)["A"][0].any()


@pytest.mark.parametrize("shape", noise.SHAPES)
def test_noise_has_mean_zero_and_the_sd_it_says(shape: str) -> None:
    x = deviations(world(sd=2.0, shape=shape, simulations=40_000))
    wanted = 2 * np.sqrt(0.95 + 0.05 * 25) if shape == "outlier seeds" else 2.0
    assert x.mean() == pytest.approx(0, abs=0.03)
    assert x.std() == pytest.approx(wanted, rel=0.05)  # t with 3 degrees of freedom: slow to converge


def test_collapses_are_as_many_and_as_far_as_they_say() -> None:
    for name, (rate, side) in noise.COLLAPSES.items():
        if not rate:
            continue
        x = deviations(world(sd=1.0, shape=name, simulations=4000))
        far = side * x > noise.FAR / 2
        assert far.mean() == pytest.approx(rate, rel=0.2)
        assert np.array_equal(far.any(axis=2), far.all(axis=2))  # in every hypothesis
        assert side * x[far].mean() == pytest.approx(noise.FAR, abs=0.5)
    assert set(noise.COLLAPSED) == set(noise.COLLAPSES) - {"none collapses"}


def test_runs_collapse_in_the_worlds_of_a_suite_that_clips() -> None:
    truth = world().truth
    assert set(shapes_of(CLIPPED, truth)) - set(shapes_of(TOY, truth)) == set(noise.COLLAPSED)
    assert not TOY.clips


@pytest.mark.parametrize("clip", [None, 1.5])
@pytest.mark.parametrize("bound", [-0.8, 0.0, 0.8])
def test_noise_is_shifted_until_the_mean_that_counts_is_on_the_boundary(clip: float | None, bound: float) -> None:
    rule = Rule("equivalence", 0.8, clip)
    x = np.random.default_rng(7).lognormal(size=(5000, 8))
    assert rule.clipped(x + shift_to(x, rule, bound)).mean() == pytest.approx(bound, abs=1e-8)


def test_power_is_what_the_exact_theory_says() -> None:
    # Far above the sign-flip floor, where the theory's bound on that test does not matter.
    one = Design("one", 0.05, {"A": "primary"}, (Column("A", "H1", Rule("non-inferiority", 1.0), 16),))
    truth = Truth("true", np.zeros(1), np.array([1.5]), np.eye(1))
    found = rates(World(one, truth, "normal", 8000, 0))
    wanted = power(Rule("non-inferiority", 1.0), 0.0, 1.5, 16, 0.05)
    assert found["claims"]["A"]["power"] == pytest.approx(wanted, abs=0.02)
    assert found["claims"]["A"]["false_pass_at_boundary"] == pytest.approx(0.045, abs=0.01)
    assert found["all_primaries_pass"] == found["claims"]["A"]["power"]


def test_with_normal_noise_no_error_rate_exceeds_alpha() -> None:
    found = rates(world(simulations=8000))
    limit = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 8000)
    assert found["any_false_pass"] <= limit
    for claim in found["claims"].values():
        assert max(rate for name, rate in claim.items() if "boundary" in name) <= limit


def test_more_noise_never_gives_more_power_and_more_replicates_never_less() -> None:
    by_noise = [rates(world(sd=sd))["all_primaries_pass"] for sd in (0.2, 0.5, 0.8, 1.5)]
    assert by_noise == sorted(by_noise, reverse=True)
    assert by_noise[0] > 0.99 > 0.1 > by_noise[-1]
    by_n = [
        rates(world(sd=0.7, other_looks=TOY.looking((n,), (0.05,))))["all_primaries_pass"] for n in (7, 9, 12, 20)
    ]
    assert by_n == sorted(by_n)


def test_a_second_look_spends_alpha_and_saves_replicates() -> None:
    two = {"other_looks": TOY.looking((9, 14), (0.025, 0.025))}
    easy = looked(world(sd=0.15, **two))
    assert easy["mean_n_per_claim"] == 9
    hard = looked(world(sd=0.8, simulations=6000, **two))
    assert 9 < hard["mean_n_per_claim"] <= hard["mean_n_whole_suite"] <= 14
    first = looked(world(sd=0.8, simulations=6000, other_looks=TOY.looking((9,), (0.025,))))
    assert hard["all_primaries_pass"] >= first["all_primaries_pass"]
    assert max(hard["any_false_pass"], hard["false_pass_at_boundary"]) <= 0.05 + 0.01


def test_shared_arms_are_correlated(registry: Registry) -> None:
    truth, design = planned(registry, "full-core"), design_of(registry, "full-core")
    places = {(c.claim, c.hypothesis): i for i, c in enumerate(design.columns)}
    between = truth.root @ truth.root.T
    assert np.diag(between) == pytest.approx(1)
    gain, match, loss = (places["ST-2", f"H{i}"] for i in (1, 2, 3))
    # rewound - ticket, rewound - dense, dense - ticket
    assert (between[gain, match], between[gain, loss], between[match, loss]) == pytest.approx((0.5, 0.5, -0.5))
    assert between[places["FC-8", "H1"], gain] == 0


REFERENCE = store.reference_tables("quick")


def test_measured_noise_is_that_of_the_committed_runs(registry: Registry) -> None:
    truth = measured(registry, "quick", [read(path) for path in REFERENCE])
    assert truth.pool is not None
    assert truth.pool.shape == (8 * len(REFERENCE), 11)  # replicates of the first look
    assert truth.root @ truth.root.T == pytest.approx(np.corrcoef(truth.pool, rowvar=False), abs=1e-9)
    design = design_of(registry, "quick")
    gain, match, loss = design.of("ST-2")
    assert truth.effects[gain] == pytest.approx(truth.effects[match] + truth.effects[loss])
    x = deviations(World(design, truth, noise.RESAMPLED, 5000, 0))
    assert x.std(axis=(0, 1)) == pytest.approx(truth.sds, rel=0.03)
    assert x[:, :, gain] == pytest.approx(x[:, :, match] + x[:, :, loss], abs=1e-6)  # whole replicates


def test_a_suite_without_expectations_is_refused(registry: Registry) -> None:
    claim = registry.claims["FC-7"]
    bare = claim.suites["quick"].hypotheses[0].model_copy(update={"expected": None})
    changed = claim.model_copy(
        update={"suites": {"quick": claim.suites["quick"].model_copy(update={"hypotheses": [bare]})}}
    )
    with pytest.raises(UserError, match="expected"):
        planned(replace(registry, claims=registry.claims | {"FC-7": changed}), "quick")


@pytest.fixture(scope="module")
def small(registry: Registry) -> dict:
    return study(registry, "full-core", simulations=200)


def test_a_study_comes_out_the_same_again_and_survives_json(registry: Registry, small: dict) -> None:
    text = store.to_json(small)
    assert store.to_json(study(registry, "full-core", simulations=200)) == text
    assert json.loads(text) == json.loads(json.dumps(small))
    assert max(len(line) for line in text.splitlines()) < 400
    assert "\n".join(table.lines(small)).count("FC-1") > 2
    assert study(registry, "full-core", simulations=200, seed=1)["worlds"] != small["worlds"]


def changed(registry: Registry, claim: str, **update) -> Registry:
    old = registry.claims[claim]
    new = old.model_copy(update={"suites": old.suites | {"quick": old.suites["quick"].model_copy(update=update)}})
    return replace(registry, claims=registry.claims | {claim: new})


def test_the_key_changes_with_the_rules_and_not_with_the_words(registry: Registry) -> None:
    key = store.registration_key(registry, "quick")
    assert store.registration_key(changed(registry, "FC-1", title="Other words"), "quick") == key
    assert store.registration_key(changed(registry, "FC-1", replicates=13), "quick") != key
    hypothesis = registry.claims["FC-1"].suites["quick"].hypotheses[0].model_copy(update={"delta": 1.4})
    assert store.registration_key(changed(registry, "FC-1", hypotheses=[hypothesis]), "quick") != key
    assert store.registration_key(registry, "full-core") != key


def test_the_committed_calibration_belongs_to_the_registration(registry: Registry) -> None:
    found = store.find(registry, "quick")
    assert found is not None
    assert found["simulations"] >= 20_000
    assert set(found["claims"]) == set(registry.suites["quick"].claims)
    assert found["worlds"]["planned, normal"]["all_primaries_pass"] >= reading.LEAST_TOGETHER
    assert store.find(changed(registry, "FC-1", replicates=13), "quick") is None
    assert store.find(registry, "full-core") is None


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    out = tmp_path / "calibration.json"
    done = CliRunner().invoke(app, ["calibrate", "full-core", "--simulations", "100", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "P(all primary claims pass | the code is correct)" in done.output
    assert json.loads(out.read_text())["simulations"] == 100


def test_released_results_have_no_design_to_simulate() -> None:
    done = CliRunner().invoke(app, ["calibrate", "published"])
    assert isinstance(done.exception, UserError)
