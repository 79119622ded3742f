"""Synthetic tables with a known answer, and what judge() says about them."""

import dataclasses

import judging_lab as lab
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthbench.claims.schema import Cell
from lthbench.judging.judge import exit_code, judge
from lthbench.judging.table import Table
from lthbench.judging.verdict import EXIT_CODES, from_json, to_json
from lthbench.stats.decision import Evidence, Rule, combine, decide, weigh

BEATS = lab.line("ticket@2", "reinit@2")
MATCHES = lab.line("ticket@2", "dense@0", "non-inferiority")
SAME = lab.line("one-shot@2", "dense@0", "equivalence")
P1, P2 = lab.claim("P-1", BEATS), lab.claim("P-2", MATCHES)
CLEAR = lab.spread(sd=0.3)


def verdicts(found, accuracies=None, change=None, n=lab.N, only=()):
    return judge(found, "toys", 0, lab.table(found, accuracies, change, n), only)


def verdict(found, accuracies=None, change=None, **more) -> str:
    """Of the first claim."""
    return verdicts(found, accuracies, change, **more).claims[0].verdict


def shift_for(p: float, rule: Rule, side: str) -> np.ndarray:
    """Differences whose p value of `side` lies just below p."""
    for shift in np.linspace(-3, 3, 1201) * (1 if side == "p_pass" else -1):
        d = lab.spread() + shift
        if getattr(weigh(d, rule), side) <= p:
            return d
    raise AssertionError("no shift is enough")


# The three outcomes


@pytest.mark.parametrize(
    ("line", "ticket", "wanted"),
    [
        (BEATS, 3.0, "PASS"),
        (BEATS, 0.0, "FAIL"),
        (BEATS, 0.5, "FAIL"),  # real, but shown to be smaller than delta
        (BEATS, -3.0, "FAIL"),
        (MATCHES, 0.0, "PASS"),
        (MATCHES, 3.0, "PASS"),
        (MATCHES, -3.0, "FAIL"),
        (lab.line("ticket@2", "dense@0", "equivalence"), 0.0, "PASS"),
        (lab.line("ticket@2", "dense@0", "equivalence"), 3.0, "FAIL"),
        (lab.line("ticket@2", "dense@0", "equivalence"), -3.0, "FAIL"),
    ],
)
def test_clear_effects_are_decided(line, ticket, wanted) -> None:
    found = lab.registry(lab.claim("P-1", line))
    result = verdicts(found, {"ticket@2": lab.BASE + ticket + CLEAR}).claims[0]
    assert result.verdict == wanted
    assert result.hypotheses[0].decision == wanted
    assert result.hypotheses[0].evidence["mean"] == pytest.approx(ticket, abs=1e-6)
    assert result.why.startswith("H1 (as it says): mean ")
    assert all(gate.passed for gate in result.gates)
    assert len(result.gates) >= 4


@pytest.mark.parametrize("line", [BEATS, MATCHES])
@pytest.mark.parametrize("effect", [4.0, 20.0])
def test_far_more_than_claimed_is_a_pass(line, effect) -> None:
    """M15: "more than x" is one-sided."""
    found = lab.registry(lab.claim("P-1", line, expected_size := lab.line("ticket@2", "dense@0")))
    assert expected_size["delta"] == 1
    accuracies = {"ticket@2": lab.BASE + effect + CLEAR}
    assert verdict(found, accuracies) == "PASS"


@pytest.mark.parametrize(("line", "effect"), [(BEATS, 1.5), (BEATS, 0.9), (MATCHES, -0.5), (SAME, 0.5)])
def test_noise_is_inconclusive_and_says_what_would_settle_it(line, effect) -> None:
    found = lab.registry(lab.claim("P-1", line))
    result = verdicts(found, {line["contrast"]["minuend"]: lab.BASE + effect + lab.spread(sd=4)}).claims[0]
    assert result.verdict == "INCONCLUSIVE"
    assert result.settle.startswith("H1: ")
    assert EXIT_CODES[result.verdict] == 3


def test_a_pass_needs_the_mean_to_reach_delta() -> None:
    """Shown above 0, not shown below delta, mean below delta."""
    d = 0.9 + lab.spread(sd=0.4)
    evidence = weigh(d, Rule("superiority", 1.0))
    assert evidence.p_pass < 0.001
    assert evidence.p_fail > 0.05
    assert verdict(lab.registry(P1), {"ticket@2": lab.BASE + d}) == "INCONCLUSIVE"
    assert verdict(lab.registry(P1), {"ticket@2": lab.BASE + d + 0.1001}) == "PASS"


def test_fail_is_looked_at_before_pass() -> None:
    both = Evidence(8, 1.0, 1.0, p_pass=0.001, p_fail=0.001, reaches_delta=True, low=0, high=2, dz=1)
    assert decide(both, 0.05, 0.05) == "FAIL"
    assert combine(["PASS", "FAIL", "INCONCLUSIVE"]) == "FAIL"


def test_a_threshold_may_take_the_place_of_a_cell() -> None:
    stable = lab.line(0, "dense-copy@0", "non-inferiority", delta=2, endpoint="barrier")
    found = lab.registry(lab.claim("P-1", stable))
    for barrier, wanted in ((0.5, "PASS"), (5.0, "FAIL")):
        result = verdicts(found, {"dense-copy@0": lab.BASE + barrier + CLEAR}).claims[0]
        assert result.verdict == wanted
        assert result.hypotheses[0].d == pytest.approx(-(barrier + CLEAR).astype(float))


def test_the_area_under_the_curve_is_the_mean_of_the_validation_accuracies() -> None:
    area = lab.line("ticket@2", 50, endpoint="validation_curve_area")
    result = verdicts(lab.registry(lab.claim("P-1", area)), {"ticket@2": lab.BASE + CLEAR}).claims[0]
    assert result.hypotheses[0].minuend == pytest.approx(lab.BASE + CLEAR - 4)


CURVES = {  # validation accuracy at iterations 10, 20, 30, per draw
    0: [[50, 60, 70]],
    1: [[60, 59, 61], [40, 59.9, 60]],  # the first time counts; exactly there counts; draws averaged as logarithms
    2: [[50, 55, 59.99]],  # never
    3: [[90, 90, 90], [50, 50, None]],  # a draw that never gets there is not averaged away
}


def curves() -> pd.DataFrame:
    rows = [
        ("toy", "ticket", 2, "validation_accuracy", replicate, draw, iteration, value)
        for replicate, draws in CURVES.items()
        for draw, curve in enumerate(draws)
        for iteration, value in zip((10, 20, 30), curve, strict=True)
    ]
    names = ["experiment", "arm", "level", "metric", "replicate", "draw", "iteration", "value"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.astype({"iteration": "Int64", "value": float}).sample(frac=1, random_state=1)


def test_iterations_to_an_accuracy_are_those_of_the_first_evaluation_that_has_it() -> None:
    table, cell = Table(curves()), Cell("toy", "ticket", 2)
    found = table.values(cell, "log_iterations_to_60%", 4)
    wanted = [np.log(20), (np.log(10) + np.log(30)) / 2, np.nan, np.nan]
    np.testing.assert_allclose(found, wanted)
    np.testing.assert_allclose(table.values(cell, "log_iterations_to_59.95%", 4)[2], np.log(30))
    assert table.values(cell, "log_iterations_to_60%", 5) is None
    assert table.values(Cell("toy", "dense", 0), "log_iterations_to_60%", 4) is None


def test_a_ticket_twice_as_fast() -> None:
    faster = lab.line("dense@0", "ticket@2", delta=0.223, endpoint="log_iterations_to_55%")
    # Evaluations lie 8 and 4 below the end: dense passes 55 % at iteration 20, a ticket of 64 % or more at 10.
    for accuracy, ratio, wanted in ((64, 2, "PASS"), (60, 1, "FAIL")):
        result = verdicts(lab.registry(lab.claim("P-1", faster)), {"ticket@2": accuracy + np.abs(CLEAR)}).claims[0]
        assert result.hypotheses[0].d == pytest.approx([np.log(ratio)] * lab.N)
        assert result.hypotheses[0].unit == "ln units"
        assert result.verdict == wanted


def test_the_generalisation_gap_is_training_minus_test_accuracy_at_the_end() -> None:
    found = lab.registry(lab.claim("P-1", lab.line("dense@0", "ticket@2", endpoint="generalisation_gap")))

    def trained(frame):  # every network ends at 90 % on its training data
        rows = frame[frame["metric"] == "final_test_accuracy"]
        return pd.concat([frame, rows.assign(metric="final_train_accuracy", value=90.0)], ignore_index=True)

    result = verdicts(found, {"ticket@2": lab.BASE + 2 + CLEAR}, trained).claims[0]
    assert result.verdict == "PASS"
    assert result.hypotheses[0].minuend == pytest.approx([90 - lab.BASE] * lab.N)
    assert result.hypotheses[0].d == pytest.approx((2 + CLEAR).astype(float))
    beside = lab.line("ticket@2", 90, "equivalence", endpoint="final_train_accuracy")
    assert verdicts(lab.registry(lab.claim("P-1", beside)), {}, trained).claims[0].verdict == "PASS"


# Pairs, draws, rows


def test_replicates_are_paired() -> None:
    """Noise that both arms share does not matter."""
    shared = lab.spread(sd=4)
    moved = {"ticket@2": lab.BASE + 2 + shared + CLEAR, "reinit@2": lab.BASE + shared}
    assert verdict(lab.registry(P1), moved) == "PASS"
    assert verdict(lab.registry(P1), moved | {"reinit@2": lab.BASE + shared[::-1]}) == "INCONCLUSIVE"


def test_draws_are_averaged_inside_the_replicate() -> None:
    accuracies = {"ticket@2": lab.BASE + 2 + CLEAR}
    table = lab.table(lab.registry(P1), accuracies)
    rows = table[lab.where(table, "reinit@2", "final_test_accuracy")]
    assert rows.groupby("replicate")["value"].agg(np.ptp).min() == 4  # draws differ by 4 pp
    result = verdicts(lab.registry(P1), accuracies).claims[0]
    assert len(result.hypotheses[0].d) == lab.N == result.hypotheses[0].evidence["n"]
    assert result.hypotheses[0].subtrahend == pytest.approx([lab.BASE] * lab.N)
    assert result.hypotheses[0].evidence["sd"] == pytest.approx(0.3)
    assert result.verdict == "PASS"


def test_replicates_beyond_the_registered_ones_are_ignored() -> None:
    extra = np.concatenate([lab.BASE + 3 + CLEAR, [20.0, 99, 0, 12]])
    found = lab.registry(P1, P2)
    more = verdicts(found, {"ticket@2": extra}, n=lab.N + 4)
    assert to_json(more) == to_json(verdicts(found, {"ticket@2": lab.BASE + 3 + CLEAR}))


@pytest.mark.parametrize("scope", ["layer-wise", "global"])
def test_the_order_of_the_rows_is_irrelevant_to_gates(scope) -> None:
    random_worse = lab.claim("P-3", lab.line("ticket@2", "random-mask@2"))
    found = lab.registry(P1, P2, random_worse, scope=scope)
    accuracies = {"ticket@2": lab.BASE + 3 + CLEAR}
    text = to_json(verdicts(found, accuracies))
    for seed in range(3):
        shuffled = verdicts(found, accuracies, lambda f, s=seed: f.sample(frac=1, random_state=s))
        assert to_json(shuffled) == text


def test_the_order_of_the_rows_is_irrelevant_to_decisions() -> None:
    """Claims whose arms have no mask gate."""
    found = lab.registry(P2, lab.claim("P-3", SAME))
    accuracies = {"ticket@2": lab.BASE + 3 + CLEAR, "one-shot@2": lab.BASE + lab.spread(sd=4)}
    text = to_json(verdicts(found, accuracies))
    for seed in range(3):
        shuffled = verdicts(found, accuracies, lambda f, s=seed: f.sample(frac=1, random_state=s))
        assert to_json(shuffled) == text


def test_verdicts_survive_their_file() -> None:
    found = lab.registry(P1, P2, lab.claim("S-1", SAME, kind="secondary", lines=(lab.beside(MATCHES, "extra"),)))
    for change in (
        None,
        lab.without("one-shot@2"),
        lab.setting("ticket@2", "final_test_accuracy", None, replicate=1),
    ):
        result = verdicts(found, {"ticket@2": lab.BASE + 3 + CLEAR}, change)
        text = to_json(result)
        assert from_json(text) == result
        assert to_json(from_json(text)) == text


# Several hypotheses


@pytest.mark.parametrize(("second", "wanted"), [(3.0, "PASS"), ("noise", "INCONCLUSIVE"), (-3.0, "FAIL")])
@pytest.mark.parametrize("first", [True, False])
def test_all_hypotheses_must_pass_and_any_that_fails_fails(second, wanted, first) -> None:
    other = lab.line("one-shot@2", "dense@0")
    found = lab.registry(lab.claim("P-1", *((BEATS, other) if first else (other, BEATS))))
    d = 1.5 + lab.spread(sd=4) if second == "noise" else second + CLEAR
    result = verdicts(found, {"ticket@2": lab.BASE + 3 + CLEAR, "one-shot@2": lab.BASE + d}).claims[0]
    assert result.verdict == wanted
    decisions = {h.contrast: h.decision for h in result.hypotheses}
    assert decisions["ticket@2 - reinit@2"] == "PASS"
    assert decisions["one-shot@2 - dense@0"] == wanted


def test_the_p_of_a_claim_is_the_largest_of_its_hypotheses() -> None:
    other = lab.line("one-shot@2", "dense@0")
    d = shift_for(0.03, Rule("superiority", 0.1), "p_pass") + 1e-9
    strict = [h | {"delta": 0.1} for h in (BEATS, other)]
    result = verdicts(
        lab.registry(lab.claim("P-1", *strict)), {"ticket@2": lab.BASE + 3 + CLEAR, "one-shot@2": lab.BASE + d}
    ).claims[0]
    p = [h.evidence["p_pass"] for h in result.hypotheses]
    assert result.p_pass == max(p) > 10 * min(p)
    assert result.verdict == "PASS"  # no correction inside: 0.03 is judged at 0.05


def test_failing_by_one_of_two_hypotheses_costs_half_the_level() -> None:
    rule, other = Rule("non-inferiority", 1.0), lab.line("one-shot@2", "dense@0", "non-inferiority")
    weak = shift_for(0.04, rule, "p_fail")
    alone = lab.registry(lab.claim("P-1", other))
    assert verdict(alone, {"one-shot@2": lab.BASE + weak}) == "FAIL"
    both = lab.registry(lab.claim("P-1", other, MATCHES))
    result = verdicts(both, {"one-shot@2": lab.BASE + weak}).claims[0]
    assert result.verdict == "INCONCLUSIVE"
    assert result.p_fail == pytest.approx(2 * weigh(weak, rule).p_fail)
    strong = shift_for(0.024, rule, "p_fail")
    assert verdict(both, {"one-shot@2": lab.BASE + strong}) == "FAIL"


def test_lines_beside_a_claim_never_decide() -> None:
    for effect in (3.0, -3.0):
        found = lab.registry(lab.claim("P-1", BEATS, lines=(lab.beside(lab.line("one-shot@2", "dense@0"), "x"),)))
        accuracies = {"ticket@2": lab.BASE + 3 + CLEAR, "one-shot@2": lab.BASE + effect + CLEAR}
        result = verdicts(found, accuracies).claims[0]
        assert result.verdict == "PASS"
        assert [b.decision for b in result.beside] == ["PASS" if effect > 0 else "FAIL"]


# Levels


def test_no_primary_claim_lends_another_its_level() -> None:
    rule = Rule("non-inferiority", 1.0)
    d = shift_for(0.04, rule, "p_pass")
    weak = lab.claim("P-1", lab.line("one-shot@2", "dense@0", "non-inferiority"))
    accuracies = {"one-shot@2": lab.BASE + d, "ticket@2": lab.BASE + 3 + CLEAR}
    assert verdict(lab.registry(weak), accuracies) == "PASS"
    together = verdicts(lab.registry(weak, P2), accuracies)
    assert [c.verdict for c in together.claims] == ["INCONCLUSIVE", "PASS"]
    assert [c.pass_level for c in together.claims] == [0.025, 0.025]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.floats(-2.5, 2.5), st.floats(-2.5, 2.5), st.sampled_from([0.3, 1.0, 3.0]))
def test_a_verdict_does_not_depend_on_other_claims(effect, other, sd) -> None:
    found = lab.registry(lab.claim("P-1", MATCHES), lab.claim("P-2", lab.line("one-shot@2", "dense@0")))

    def first(one_shot, **how):
        names = {"ticket@2": lab.BASE + effect + lab.spread(sd=sd), "one-shot@2": lab.BASE + one_shot}
        return verdicts(found, names, **how).claims[0]

    clear, wanted = lab.spread(sd=0.1), first(other + lab.spread(sd=sd))
    assert first(9 + clear) == first(clear - 9) == first(clear - 9, only=["P-1"]) == wanted


def test_a_claim_that_was_not_run_keeps_its_share_of_the_level() -> None:
    d = shift_for(0.04, Rule("non-inferiority", 1.0), "p_pass")
    weak = lab.claim("P-1", lab.line("one-shot@2", "dense@0", "non-inferiority"))
    accuracies = {"one-shot@2": lab.BASE + d, "ticket@2": lab.BASE + 3 + CLEAR}
    result = verdicts(lab.registry(weak, P2), accuracies, lab.without("ticket@2"))
    assert [c.verdict for c in result.claims] == ["INCONCLUSIVE", "NOT RUN"]
    assert result.exit_code == 4
    # ... and asking for one claim alone does not give it more.
    alone = verdicts(lab.registry(weak, P2), accuracies, lab.without("ticket@2"), only=["P-1"])
    assert [c.verdict for c in alone.claims] == ["INCONCLUSIVE"]
    assert alone.exit_code == 3


def test_secondary_claims_are_no_part_of_the_family() -> None:
    d = shift_for(0.04, Rule("non-inferiority", 1.0), "p_pass")
    one_shot = lab.line("one-shot@2", "dense@0", "non-inferiority")
    accuracies = {"one-shot@2": lab.BASE + d, "ticket@2": lab.BASE + lab.spread(sd=9)}
    for kind in ("secondary", "counter", "popular"):
        result = verdicts(lab.registry(P2, lab.claim("S-1", one_shot, kind=kind)), accuracies)
        assert [c.verdict for c in result.claims] == ["INCONCLUSIVE", "PASS"]
        assert [c.pass_level for c in result.claims] == [0.05, 0.05]


# Not run


@pytest.mark.parametrize("cell", ["ticket@2", "reinit@2"])
def test_a_missing_cell_is_not_run(cell) -> None:
    result = verdicts(lab.registry(P1), {"ticket@2": lab.BASE + 3 + CLEAR}, lab.without(cell))
    assert result.claims[0].verdict == "NOT RUN"
    assert result.claims[0].p_pass is None
    assert result.exit_code == 4


def test_a_missing_replicate_is_not_run() -> None:
    result = verdicts(lab.registry(P1), change=lambda f: f[(f["arm"] != "reinit") | (f["replicate"] != 4)])
    assert result.claims[0].verdict == "NOT RUN"


def test_an_empty_table_is_not_run() -> None:
    assert verdict(lab.registry(P1), change=lambda f: f.iloc[:0]) == "NOT RUN"


@pytest.mark.parametrize("scope", ["layer-wise", "global"])
@pytest.mark.parametrize("cell", ["ticket@1", "dense@0"])
def test_a_missing_parent_is_not_run(cell, scope) -> None:
    """The record of a cell is there, that of a cell it was made from is gone: gates have nothing to look at."""
    assert verdict(lab.registry(P1, scope=scope), change=lab.without(cell)) == "NOT RUN"


# Exit codes


def results_of(*kinds_and_verdicts):
    base = verdicts(lab.registry(P1)).claims[0]
    return [dataclasses.replace(base, kind=kind, verdict=found) for kind, found in kinds_and_verdicts]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (["PASS"], 0),
        (["PASS", "INCONCLUSIVE"], 3),
        (["INCONCLUSIVE", "FAIL", "PASS"], 1),
        (["FAIL", "BLOCKED", "INCONCLUSIVE"], 4),
        (["PASS", "NOT RUN", "FAIL"], 4),
    ],
)
def test_the_worst_primary_decides_the_exit_code(found, code) -> None:
    assert exit_code(results_of(*(("primary", v) for v in found))) == code
    assert exit_code(results_of(*(("primary", v) for v in reversed(found)))) == code


@pytest.mark.parametrize("kind", ["secondary", "counter", "popular"])
@pytest.mark.parametrize("found", ["FAIL", "BLOCKED", "INCONCLUSIVE", "NOT RUN"])
def test_only_primaries_decide_the_exit_code(kind, found) -> None:
    assert exit_code(results_of(("primary", "PASS"), (kind, found))) == 0


def test_the_exit_code_of_real_verdicts() -> None:
    failing = lab.claim("S-1", lab.line("one-shot@2", "dense@0"), kind="secondary")
    found = lab.registry(P1, failing)
    result = verdicts(found, {"ticket@2": lab.BASE + 3 + CLEAR, "one-shot@2": lab.BASE - 3 + CLEAR})
    assert [c.verdict for c in result.claims] == ["PASS", "FAIL"]
    assert result.exit_code == 0
    assert verdicts(found, {"ticket@2": lab.BASE - 3 + CLEAR}).exit_code == 1
    assert verdicts(found, {"ticket@2": lab.BASE + 1.5 + lab.spread(sd=4)}).exit_code == 3


# Announcements


FAMILY = [lab.claim(f"P-{i}", MATCHES, on=f"toy{i}") for i in range(3)]
FAMILY_REGISTRY = lab.registry(*FAMILY, lab.claim("S-1", MATCHES, on="toy3", kind="secondary"))
EFFECTS = st.tuples(st.floats(-2.5, 1.0), st.sampled_from([0.2, 0.6, 1.2]))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(EFFECTS, min_size=4, max_size=4), st.sets(st.integers(0, 3), min_size=1, max_size=3))
def test_what_is_announced_early_never_changes(effects, finished) -> None:
    accuracies = {
        f"toy{i}:ticket@2": lab.BASE + effect + lab.spread(sd=sd) for i, (effect, sd) in enumerate(effects)
    }
    table = lab.table(FAMILY_REGISTRY, accuracies)
    partial = table[table["experiment"].isin([f"toy{i}" for i in finished])]
    early = {c.id: c for c in judge(FAMILY_REGISTRY, "toys", 0, partial).claims if c.verdict != "NOT RUN"}
    final = {c.id: c for c in judge(FAMILY_REGISTRY, "toys", 0, table).claims}
    assert early == {claim: final[claim] for claim in early}
    assert set(early) == {final_id for i, final_id in enumerate(final) if i in finished}
