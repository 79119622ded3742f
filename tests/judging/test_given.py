"""Given results through the judge: what may not matter does not, and the form of the numbers picks the test."""

from pathlib import Path

import judging_lab as lab
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthbench.errors import UserError
from lthbench.judging.judge import judge
from lthbench.judging.verdict import from_json, to_json
from lthbench.results.format import check_table, text_table
from lthbench.stats.power import power
from lthbench.stats.rule import Rule

TESTS = ("superiority", "non-inferiority", "equivalence")
# Secondary: judged alone at 5 %, so that a sign flip meets the same level on both sides.
CLAIMS = {test: lab.claim("P-1", lab.line("ticket@2", "reinit@2", test), kind="secondary") for test in TESTS}
DIFFERENCES = st.lists(st.floats(-4, 4).map(lambda v: round(v, 2)), min_size=5, max_size=12)


def rows(d, labels=None, base=60.0, paired=True):
    """Ticket and reinit whose differences are d."""
    labels = labels or [f"s{i}" for i in range(len(d))]
    noise = np.linspace(-1, 1, len(d))
    found = [
        ("toy", "ticket", 2, x, "final_test_accuracy", base + n + v)
        for x, n, v in zip(labels, noise, d, strict=True)
    ]
    other = labels if paired else [f"r{x}" for x in labels]
    found += [("toy", "reinit", 2, x, "final_test_accuracy", base + n) for x, n in zip(other, noise, strict=True)]
    return pd.DataFrame(found, columns=["experiment", "arm", "level", "replicate", "metric", "value"])


def checked(frame) -> pd.DataFrame:
    """A table as it would come out of a file."""
    return check_table(text_table(frame.to_csv(index=False), Path("table.csv")), "table").table


def judge_given(registry, table):
    return judge(registry, "toys", 0, table, origin="given")


def result(frame, test="superiority"):
    return judge_given(lab.registry(CLAIMS[test]), checked(frame)).claims[0]


@settings(max_examples=40)
@given(DIFFERENCES, st.sampled_from(TESTS), st.booleans(), st.randoms(use_true_random=False))
def test_order_names_and_other_cells_do_not_matter(d, test, paired, random) -> None:
    wanted = result(rows(d, paired=paired), test)
    names = random.sample([f"run {i}" for i in range(50)], len(d))
    other = rows(d, names, paired=paired)
    irrelevant = pd.concat([
        rows([9.0] * len(d)).assign(arm=lambda table: table["arm"] + "-x"), rows(d).assign(experiment="elsewhere"),
        rows(d).assign(level=5), rows(d).assign(metric="final_train_accuracy"),
    ])  # fmt: skip
    mixed = pd.concat([other, irrelevant]).sample(frac=1, random_state=random.randrange(2**31))
    found = result(mixed, test)
    assert found.verdict == wanted.verdict
    assert found.hypotheses[0].evidence == wanted.hypotheses[0].evidence
    assert [gate.passed for gate in found.gates] == [gate.passed for gate in wanted.gates]


@settings(max_examples=60)
@given(DIFFERENCES, st.booleans())
def test_the_other_sign_turns_pass_into_fail(d, paired) -> None:
    if result(rows(d, paired=paired)).verdict == "PASS":
        swapped = rows(d, paired=paired)
        swapped["arm"] = swapped["arm"].map({"ticket": "reinit", "reinit": "ticket"})
        assert result(swapped).verdict == "FAIL"


def test_the_sign_property_is_not_empty() -> None:
    assert {
        result(rows(np.array([2.0, 2.5, 3, 2.2, 2.9, 3.1]) * s, paired=p)).verdict for s in (1,) for p in (0, 1)
    } == {"PASS"}


@settings(max_examples=60)
@given(DIFFERENCES, st.sampled_from(TESTS), st.floats(1, 8))
def test_more_noise_never_makes_a_pass(d, test, factor) -> None:
    d = np.array(d)
    quiet, loud = (result(rows(d.mean() + k * (d - d.mean())), test).verdict for k in (1, factor))
    assert loud != "PASS" or quiet == "PASS"


def test_paired_results_are_judged_as_our_own_are() -> None:
    found = lab.registry(lab.claim("P-1", lab.line("ticket@2", "reinit@2")))
    own = lab.table(found, {"ticket@2": lab.BASE + 2 + lab.spread()})
    given_ = judge_given(found, checked(own)).claims[0]
    trained = judge(found, "toys", 0, own).claims[0]
    assert given_.verdict == trained.verdict == "PASS"
    assert given_.hypotheses[0].evidence == trained.hypotheses[0].evidence
    assert given_.gates == trained.gates  # the table holds masks and counts: all structural gates are looked at


DERIVED = ("validation_curve_area", "early_stop_log_iteration", "log_iterations_to_58%", "generalisation_gap")


@pytest.mark.parametrize("endpoint", DERIVED)
def test_a_strangers_table_derives_what_our_own_does(endpoint) -> None:
    found = lab.registry(lab.claim("P-1", lab.line("ticket@2", "reinit@2", "equivalence", 5, endpoint=endpoint)))
    own = lab.table(found, {"ticket@2": lab.BASE + 2 + lab.spread()}, with_training_accuracy)
    columns = [endpoint.replace("_log", "")] if endpoint.startswith("early") else [
        "validation_accuracy", "final_train_accuracy", "final_test_accuracy"]  # fmt: skip
    bare = own[own["metric"].isin(columns) & own["arm"].isin(["ticket", "reinit"])]
    trained = judge(found, "toys", 0, own).claims[0]
    for given_ in (judge_given(found, checked(own)).claims[0], judge_given(found, checked(bare)).claims[0]):
        assert given_.verdict == trained.verdict == "PASS"
        assert given_.hypotheses[0].d == trained.hypotheses[0].d
        assert given_.hypotheses[0].evidence == trained.hypotheses[0].evidence


def with_training_accuracy(own):
    end = own[own["metric"] == "final_test_accuracy"]
    extra = end.assign(metric="final_train_accuracy", value=end["value"] + 1 + end["replicate"] / 7)
    return pd.concat([own, extra], ignore_index=True)


@pytest.mark.parametrize(("endpoint", "curve"), [
    ("validation_curve_area", "validation_accuracy"), ("log_iterations_to_58%", "validation_accuracy"),
    ("early_stop_log_iteration", "early_stop_iteration"), ("generalisation_gap", "final_train_accuracy"),
])  # fmt: skip
def test_nothing_is_derived_from_means_of_several_runs(endpoint, curve) -> None:
    found = lab.registry(lab.claim("P-1", lab.line("ticket@2", "reinit@2", endpoint=endpoint)))
    means = [summary(60, 1, 5, arm) | {"metric": m, "iteration": 10}
             for arm in ("ticket", "reinit") for m in (curve, "final_test_accuracy")]  # fmt: skip
    verdict = judge_given(found, checked(pd.DataFrame(means))).claims[0]
    assert verdict.verdict == "NOT RUN"
    assert f"toy:ticket@2 ({endpoint})" in verdict.why


def test_an_evaluation_that_does_not_say_when_reaches_nothing() -> None:
    found = lab.registry(lab.claim("P-1", lab.line("ticket@2", "reinit@2", endpoint="log_iterations_to_58%")))
    own = lab.table(found).assign(iteration=None)
    bare = own[own["metric"] == "validation_accuracy"].drop_duplicates(["arm", "level", "replicate", "draw"])
    assert judge_given(found, checked(bare)).claims[0].verdict == "NOT RUN"


def test_a_stranger_that_never_reaches_the_threshold_is_blocked_by_its_gate() -> None:
    found = lab.registry(lab.claim("P-1", lab.line("ticket@2", "reinit@2", endpoint="log_iterations_to_58%")))
    own = lab.table(found, {"ticket@2": 57.0})
    verdict = judge_given(found, checked(own[own["metric"] == "validation_accuracy"])).claims[0]
    assert verdict.verdict == "BLOCKED"
    assert [g.name for g in verdict.gates if not g.passed] == ["H1: threshold reached"]


@pytest.mark.parametrize(("stop", "verdict"), [(20.0, "PASS"), (30.0, "BLOCKED")])
def test_a_strangers_early_stop_must_not_be_censored(stop, verdict) -> None:
    line = lab.line("ticket@2", "reinit@2", "equivalence", 1, endpoint="early_stop_log_iteration")
    found = lab.registry(lab.claim("P-1", line))
    own = lab.table(found)
    stops = own[own["metric"] == "early_stop_iteration"].assign(value=stop)
    given_ = judge_given(found, checked(stops)).claims[0]
    assert given_.verdict == verdict
    assert ("early stop not censored", verdict == "PASS") in [(g.name, g.passed) for g in given_.gates]
    alone = stops.assign(metric="early_stop_log_iteration", value=np.log(stop))
    blind = judge_given(found, checked(alone)).claims[0]
    assert blind.verdict == "PASS"
    assert any("the table has no early_stop_iteration" in said for said in blind.not_tested)


def test_replicates_come_in_the_order_of_their_numbers() -> None:
    d = np.linspace(1, 2, 12).round(2)
    assert result(rows(d, [str(i) for i in range(12)])).hypotheses[0].d == pytest.approx(list(d))


def test_a_diverged_pair_is_shown_and_blocks() -> None:
    frame = rows([2.0] * 6)
    frame.loc[2, "value"] = np.nan
    line = result(frame).hypotheses[0]
    assert line.how == "a run diverged"
    assert line.d.count(None) == 1


def test_labels_that_differ_are_unpaired_and_say_so() -> None:
    apart, some = result(rows([2.0] * 6, paired=False)), result(rows([2.0, 2.2, 2.1, 1.9, 2.0, 2.3]).drop(index=3))
    assert "no replicate label is in both arms" in apart.hypotheses[0].how
    assert "least favourable pairing" in apart.hypotheses[0].how
    assert apart.hypotheses[0].d == []
    assert [g.n for g in apart.hypotheses[0].groups] == [6, 6]
    # One replicate without a partner is left out by name, and the others stay pairs.
    assert some.hypotheses[0].how.endswith("left out, without a partner: reinit@2 s3")
    assert some.hypotheses[0].d == pytest.approx([2.0, 2.2, 2.1, 2.0, 2.3])


def test_one_common_label_pairs_nothing() -> None:
    frame = rows([2.0, 2.2, 2.1], ["a", "b", "c"], paired=False)
    frame.loc[frame["replicate"] == "ra", "replicate"] = "a"
    assert "only replicate 'a' is in both arms" in result(frame).hypotheses[0].how


def summary(value, sd, n, arm):
    return {
        "experiment": "toy",
        "arm": arm,
        "level": 2,
        "metric": "final_test_accuracy",
        "value": value,
        "sd": sd,
        "n": n,
    }


def difference(value, sd, n, arm="ticket", level=2, minus="reinit@2"):
    return summary(value, sd, n, arm) | {"level": level, "minus": minus}


def stated(*rows):
    """The first hypothesis, from a table of summaries and paired differences."""
    return result(pd.DataFrame(rows).assign(unit="percent")).hypotheses[0]


def test_paired_differences_far_from_the_bound_have_the_exact_floor() -> None:
    # t = 3 / (0.4 / 3) = 22.5 standard errors, more than n - 1 = 8: every difference is positive.
    line = stated(difference(3.0, 0.4, 9))
    assert line.evidence["p_pass"] == 2**-9
    assert (line.decision, line.groups, line.d) == ("PASS", None, [])
    half = 2.306004 * 0.4 / 3  # the 97.5 % point of t with 8 degrees of freedom, from a table
    assert (line.evidence["low"], line.evidence["high"]) == pytest.approx((3 - half, 3 + half), abs=1e-6)
    assert "paired differences" in line.how


def test_paired_differences_nearer_have_the_larger_of_t_and_the_bound() -> None:
    # t = 1.5 / (1 / sqrt 9) = 4.5: t test's p 0.0010; exp(-9 * 20.25 / (2 * (8 + 20.25))) = exp(-3.2257) = 0.0397.
    assert stated(difference(1.5, 1.0, 9)).evidence["p_pass"] == pytest.approx(0.03973, abs=1e-5)


def test_paired_differences_are_never_worth_more_than_their_runs() -> None:
    far, near, skewed = [2, 2.4, 1.7, 2.9, 2.2, 2.1], [0.3, -0.2, 0.9, 1.4, 0.1, 0.8], [1, 1, 4, -0.5, 2, 3, 1.1]
    for d in (far, near, skewed):
        runs = result(rows(d, [f"r{i}" for i in range(len(d))])).hypotheses[0].evidence
        said = stated(difference(float(np.mean(d)), float(np.std(d, ddof=1)), len(d))).evidence
        assert said["p_pass"] >= runs["p_pass"] * (1 - 1e-9)
        assert [said[name] for name in ("mean", "sd", "low", "high")] == pytest.approx(
            [runs[name] for name in ("mean", "sd", "low", "high")]
        )


def test_paired_differences_either_way_round_and_by_either_address() -> None:
    forward = stated(difference(1.5, 1.0, 9))
    assert stated(difference(-1.5, 1.0, 9, "reinit", 2, "ticket@2")).evidence == forward.evidence
    assert stated(difference(1.5, 1.0, 9, minus="toy:reinit@2")).evidence == forward.evidence
    both = difference(1.5, 1.0, 9), difference(-1.5, 1.0, 9, "reinit", 2, "ticket@2")
    with pytest.raises(UserError, match="keep one"):
        stated(*both)


def test_runs_of_both_cells_decide_before_stated_differences() -> None:
    frame = rows([2.0, 2.2, 2.1, 2.3], ["a", "b", "c", "d"])
    more = pd.DataFrame([difference(-9.0, 0.1, 9)])
    measured = pd.concat([frame, more], ignore_index=True).assign(unit="percent")
    assert result(measured).hypotheses[0].evidence["mean"] == pytest.approx(2.15)
    arms = summary(60, 0.4, 9, "ticket"), summary(60, 0.4, 9, "reinit")
    assert stated(*arms, difference(3.0, 0.4, 9)).evidence["mean"] == 3  # summaries of the arms say less


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (difference(3.0, None, 9), "their differences: no SD is stated"),
        (difference(3.0, 0.4, None), "their differences: the number of runs is not stated"),
        (difference(3.0, 0.4, 1), "a single run"),
    ],
)
def test_paired_differences_that_allow_no_test(row, says) -> None:
    line = stated(row)
    assert (line.decision, line.evidence) == ("NOT DECIDABLE", None)
    assert says in line.undecidable


@pytest.mark.parametrize(
    ("more", "words"),
    [({"minus": "reinit"}, "is no cell; write arm@level"), ({"replicate": "a"}, "differences are a summary")],
)
def test_rows_of_differences_that_are_refused(more, words) -> None:
    with pytest.raises(UserError, match=words):
        stated(difference(3.0, None, None) | more)


@pytest.mark.parametrize(
    ("ticket", "reinit", "verdict", "says"),
    [
        ((63, 0.3, 5), (60, 0.4, 6), "PASS", "mean +3.00 pp"),
        ((60, 0.3, 5), (63, 0.4, 6), "FAIL", "mean −3.00 pp"),
        ((63, 0.3, 5), (60, 0.4, 4), "INCONCLUSIVE", "n = 5 and 4"),  # four runs cannot go below 2^-4
        ((61.0, 2.0, 3), (60, 2.0, 3), "INCONCLUSIVE", "n = 3 and 3"),
        ((63, None, 1), (60, 0.4, 3), "NOT DECIDABLE", "ticket@2: a single run"),
        ((63, 0.3, None), (60, 0.4, None), "NOT DECIDABLE", "both arms: the number of runs is not stated"),
        ((12, 0.3, 5), (60, 0.4, 3), "BLOCKED", "chance"),
    ],
)
def test_summaries(ticket, reinit, verdict, says) -> None:
    found = result(pd.DataFrame([summary(*ticket, "ticket"), summary(*reinit, "reinit")]))
    assert found.verdict == verdict
    assert says in found.why


def test_a_diverged_run_blocks() -> None:
    frame = rows([2.0] * 6)
    frame.loc[2, "value"] = np.nan
    found = result(frame)
    assert found.verdict == "BLOCKED"
    assert "not finite" in found.why


def test_too_few_pairs_say_how_many_would_do() -> None:
    found = result(rows([3.0, 3.1, 2.9, 3.05]))
    assert found.verdict == "INCONCLUSIVE"
    assert "noise normal, n = 5 replicates would settle it with about 90 % power." in found.settle


def test_what_would_settle_it_is_never_merely_the_floor() -> None:
    """Four pairs whose mean is one SD above 0: 2^-5 is below 5 %, but five pairs would rarely do."""
    found = result(rows([1.2, 2.2, 0.2, 1.4]))
    assert found.verdict == "INCONCLUSIVE"
    n = int(found.settle.split("n = ")[1].split()[0])
    evidence = found.hypotheses[0].evidence
    rule = Rule("superiority", found.hypotheses[0].delta)
    assert n > 5
    assert power(rule, evidence["mean"], evidence["sd"], n, 0.05) >= 0.9
    assert power(rule, evidence["mean"], evidence["sd"], n - 1, 0.05) < 0.9


def test_missing_cells_are_named() -> None:
    found = result(rows([2.0] * 6).query("arm == 'ticket'"))
    assert found.verdict == "NOT RUN"
    assert "toy:reinit@2 (final_test_accuracy)" in found.why


def test_more_pairs_than_the_exact_test_takes() -> None:
    clear, none = result(rows(np.linspace(1, 2, 45))), result(rows(np.linspace(-1, 1.1, 45)))
    assert (clear.verdict, clear.replicates) == ("PASS", 45)
    assert "normal limit of the sign-flip test" in clear.hypotheses[0].how
    assert none.verdict == "FAIL"  # smaller than the margin
    assert none.hypotheses[0].evidence["p_pass"] > 0.05


def test_draws_are_averaged_inside_a_replicate() -> None:
    frame = rows([2.0, 2.2, 2.1, 1.9, 2.3])
    reinit = frame["arm"] == "reinit"
    twice = [frame[~reinit].assign(draw=0)] + [
        frame[reinit].assign(draw=k, value=frame.loc[reinit, "value"] + s) for k, s in ((0, 5.0), (1, -5.0))
    ]
    assert result(pd.concat(twice)).hypotheses[0].d == pytest.approx([2.0, 2.2, 2.1, 1.9, 2.3])


def test_verdicts_survive_their_file() -> None:
    verdicts = judge_given(lab.registry(CLAIMS["superiority"]), checked(rows([2.0] * 6, paired=False)))
    assert from_json(to_json(verdicts)) == verdicts
    assert verdicts.origin == "given"
