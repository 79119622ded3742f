"""Tables as people bring them: what is odd is said, copies block, and hiding information never helps."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthbench.claims.load import load
from lthbench.drive.check import Answer, Question, answer
from lthbench.errors import UserError
from lthbench.results.format import check_table, text_table

REGISTRY = load()
EXPERIMENT, METRIC = "mnist1d-mlp", "final_test_accuracy"
DENSE = np.array([63.96, 64.41, 63.58, 63.87, 64.52, 63.29, 63.74, 64.13])
CELLS = {"dense@0": 0.0, "ticket@9": 1.5, "one-shot@9": -1.8}


def rows(n: int = 8, cells: dict[str, float] = CELLS) -> pd.DataFrame:
    """n paired replicates s0, s1, ... of a ticket that matches dense and beats one-shot."""
    rng = np.random.default_rng(1)
    base = np.resize(DENSE, n) + np.round(rng.normal(0, 0.2, n), 2)
    found = [
        {"experiment": EXPERIMENT, "arm": cell.split("@")[0], "level": int(cell.split("@")[1]),
         "replicate": f"s{i}", "metric": METRIC, "value": round(base[i] + shift + rng.normal(0, 0.3), 2)}
        for cell, shift in cells.items() for i in range(n)
    ]  # fmt: skip
    return pd.DataFrame(found)


def asked(frame: pd.DataFrame, *claims: str, unit: str | None = None, suite: str | None = None) -> Answer:
    """The table as `lthbench check` reads it from a file."""
    results = check_table(text_table(frame.to_csv(index=False), Path("table.csv")), "table.csv", unit)
    return answer(REGISTRY, Question(Path("table.csv"), claims, suite), results)


def verdicts(frame: pd.DataFrame) -> dict[str, str]:
    return {claim.id: claim.verdict for claim in asked(frame, suite="quick").verdicts.claims}


def said(frame: pd.DataFrame) -> str:
    return "\n".join(asked(frame).lines)


def test_an_ordinary_table_is_judged_without_a_suspicion() -> None:
    assert verdicts(rows()) == {"FC-1": "PASS", "FC-8": "PASS"}
    assert "suspicious" not in said(rows())
    assert "no claim reads" not in said(rows())


def test_every_run_twice_under_other_labels_blocks() -> None:
    frame = rows()
    twice = pd.concat([frame, frame.assign(replicate=frame["replicate"] + "b")])
    assert set(verdicts(twice).values()) == {"BLOCKED"}
    assert (
        "replicates agree in all their values under other labels (s0 = s0b; s1 = s1b; s2 = s2b; and 5 more)"
        in (said(twice))
    )


def test_one_run_twice_is_said_and_judged() -> None:
    frame = rows(10)
    frame.loc[frame["replicate"] == "s9", "value"] = frame.loc[frame["replicate"] == "s3", "value"].to_numpy()
    assert "(s3 = s9)" in said(frame)
    assert verdicts(frame)["FC-1"] == "PASS"


def test_accuracies_that_agree_because_they_lie_on_a_grid_are_no_copies() -> None:
    """Eight pairs of a noise of 0.1 pp on a grid of 0.01: now and then two replicates agree in both cells."""
    from lthbench.judging.gates.own_runs import twins

    rng, alarms, alike = np.random.default_rng(0), 0, 0
    for _ in range(100):
        frame = rows(8, {"dense@0": 0.0, "ticket@9": 0.0}).assign(density=np.nan, draw=0, iteration=np.nan)
        frame["value"] = np.round(rng.normal(98, 0.1, len(frame)), 2)
        alike += frame.pivot(index="replicate", columns="arm", values="value").duplicated().any()
        alarms += bool(twins(frame))
    assert alike >= 1
    assert alarms == 0


def test_seeds_without_an_effect_block() -> None:
    frame = rows()
    frame["value"] = frame["arm"].map({"dense": 63.8, "ticket": 65.0, "one-shot": 61.8})
    assert set(verdicts(frame).values()) == {"BLOCKED"}
    assert "the seed had no effect" in asked(frame).verdicts.claims[0].why
    assert "did the seed have an effect?" in said(frame)


def test_one_arm_without_spread_is_said() -> None:
    frame = rows()
    frame.loc[frame["arm"] == "dense", "value"] = 63.8
    assert "all replicates have one value (dense@0 final_test_accuracy 63.8)" in said(frame)
    assert verdicts(frame)["FC-1"] == "PASS"


def test_unequal_draws_are_said() -> None:
    frame = rows().assign(draw=0)
    one_shot = frame[frame["arm"] == "one-shot"].head(1)
    more = pd.concat([frame, one_shot.assign(draw=1, value=61.0)])
    assert "one-shot has 1 to 2 draws per replicate" in said(more)


@pytest.mark.parametrize("digit", [0, 3, 7])
def test_one_last_digit_everywhere_is_said(digit) -> None:
    frame = rows()
    frame["value"] = (frame["value"] * 10).round() / 10 + digit / 100
    assert f"have {digit} as second decimal" in said(frame.assign(value=frame["value"].round(2)))


def test_last_digits_of_honest_measurements_are_not() -> None:
    """Twenty-four accuracies of 20,000 examples, five hundred times."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(500):
        frame = rows()
        frame["value"] = np.round(rng.normal(64, 0.6, len(frame)) * 200) / 200
        alarms += "decimal" in said_digits(frame)
    assert alarms <= 1  # the bound is 1e-4 each


def said_digits(frame: pd.DataFrame) -> str:
    from lthbench.judging.suspicious import digit_words

    columns = frame.assign(density=np.nan, draw=0, iteration=np.nan)
    return " ".join(digit_words(REGISTRY, EXPERIMENT, columns))


def test_the_number_of_replicates_is_held_against_the_registered_looks() -> None:
    assert "n = 8 given" not in said(rows(8))  # the first look's
    assert "FC-1: n = 11 given, 20 registered" in said(rows(11))
    assert "errs more often" in said(rows(11))
    assert "n = 20 given" not in said(rows(20))


def test_forty_five_pairs_are_judged() -> None:
    assert verdicts(rows(45)) == {"FC-1": "PASS", "FC-8": "PASS"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arm": {"dense": "Dense", "ticket": "LTH"}}, ["no claim reads arm 'Dense' (dense?), 'LTH'", "reinit"]),
        ({"metric": {METRIC: "test_acc"}}, ["no claim reads metric 'test_acc'; there are: final_test_accuracy"]),
        (
            {"level": {0: 9, 9: 0}},
            ["arm 'dense' is there at level 9; claims read dense@0", "claims read ticket@9"],
        ),
    ],
)
def test_unknown_names_are_named_beside_those_of_the_tables_own_experiment(change, words) -> None:
    with pytest.raises(UserError) as caught:
        asked(rows().replace(change))
    message = str(caught.value)
    assert "of suite quick, which lacks mnist1d-mlp:" in message
    for word in words:
        assert word in message


def test_an_unknown_arm_beside_known_ones_is_said() -> None:
    frame = rows()
    assert "no claim reads arm 'mine'" in said(pd.concat([frame, frame[:8].assign(arm="mine")]))


def test_number_labels_have_one_form() -> None:
    """A table that was half written by a tool that makes numbers of labels: 1, 01 and 1.0 are one replicate."""
    frame = rows()
    numbers = frame["replicate"].str.removeprefix("s")
    mixed = np.where(
        frame["arm"] == "ticket", numbers + ".0", np.where(frame["arm"] == "dense", "0" + numbers, numbers)
    )
    assert (
        asked(frame.assign(replicate=mixed)).verdicts.claims
        == asked(frame.assign(replicate=numbers)).verdicts.claims
    )
    named = np.where(frame["arm"] == "ticket", "v" + numbers + ".0", "v" + numbers)  # a name keeps its form
    assert "no replicate label is in both arms" in said(frame.assign(replicate=named))
    with pytest.raises(UserError, match="measure the same thing"):
        asked(pd.concat([frame.assign(replicate=numbers), frame.assign(replicate=numbers + ".0")]))


def test_rows_without_a_partner_are_left_out_by_name() -> None:
    frame = rows(9)
    extra = asked(frame.drop(index=frame.index[(frame["arm"] == "ticket") & (frame["replicate"] == "s8")]))
    assert {c.id: c.verdict for c in extra.verdicts.claims}["FC-1"] == "PASS"
    assert any("left out, without a partner: dense@0 s8" in line for line in extra.lines)


# Units and derived endpoints


def gaps(derived: bool, factor: float) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    found = []
    for arm, level, test in (("dense", 0, 98.0), ("ticket", 9, 98.3)):
        for i in range(8):
            value = test + round(rng.normal(0, 0.05), 2)
            measured = {METRIC: value, "final_train_accuracy": 100.0}
            measured |= {} if derived else {"generalisation_gap": 100 - value}
            found += [("mnist-lenet", arm, level, f"s{i}", metric, v * factor) for metric, v in measured.items()]
    return pd.DataFrame(found, columns=["experiment", "arm", "level", "replicate", "metric", "value"])


@pytest.mark.parametrize("derived", [True, False])
def test_a_gap_is_the_same_in_percent_in_fractions_and_derived(derived) -> None:
    percent = asked(gaps(False, 1.0), "FC-5", unit="percent").verdicts.claims[0]
    other = asked(gaps(derived, 0.01), "FC-5", unit="fraction").verdicts.claims[0]
    assert other.verdict == percent.verdict
    for mine, theirs in zip(other.hypotheses, percent.hypotheses, strict=True):
        assert mine.evidence["mean"] == pytest.approx(theirs.evidence["mean"])


# Hiding never helps

ORDER = {"PASS": 1, "FAIL": 1, "INCONCLUSIVE": 0, "NOT DECIDABLE": 0}


def hidden(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """The same runs with labels shuffled among the replicates, other labels in every arm, and as summaries."""
    rng = np.random.default_rng(5)
    shuffled = frame.copy()
    for arm in frame["arm"].unique():
        own = frame["arm"] == arm
        shuffled.loc[own, "replicate"] = rng.permutation([f"{arm}-{i}" for i in range(own.sum())])
    keys = ["experiment", "arm", "level", "metric"]
    summary = frame.groupby(keys, sort=False)["value"].agg(value="mean", sd="std", n="size").reset_index()
    return [frame.assign(replicate=frame["arm"] + frame["replicate"]), shuffled, summary.assign(replicate="")]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(3, 8), st.floats(-4, 4), st.floats(-6, 4), st.sampled_from([0.05, 0.3, 1.0]),
    st.sampled_from([-0.9, 0.0, 0.9]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_hiding_labels_or_runs_never_makes_a_verdict(n, ticket, one_shot, sd, correlation, seed) -> None:
    """Up to the first look's eight pairs, so that every form of the table is judged with all of its runs."""
    rng = np.random.default_rng(seed)
    frame = rows(n)
    shared = rng.normal(0, 1, n)
    for arm, mean in (("dense", 0.0), ("ticket", ticket), ("one-shot", one_shot)):
        own = rng.normal(0, 1, n)
        noise = shared if arm == "dense" else correlation * shared + np.sqrt(1 - correlation**2) * own
        frame.loc[frame["arm"] == arm, "value"] = np.round(64 + mean + sd * noise, 2)
    whole = verdicts(frame)
    for less in hidden(frame):
        for claim, verdict in verdicts(less).items():
            assert verdict == whole[claim] or (ORDER[verdict] == 0 and whole[claim] != "BLOCKED")


def test_five_paired_seeds_of_another_group() -> None:
    """Clear as they are, five pairs cannot go below 2^-5, and no way of hiding the pairing gets below it."""
    frame = rows(5)
    assert verdicts(frame) == {"FC-1": "INCONCLUSIVE", "FC-8": "INCONCLUSIVE"}
    for less in hidden(frame):
        assert verdicts(less) == {"FC-1": "INCONCLUSIVE", "FC-8": "INCONCLUSIVE"}


@pytest.mark.parametrize("n", [2, 3])
def test_few_runs_without_labels_show_nothing(n) -> None:
    for less in hidden(rows(n)):
        assert set(verdicts(less).values()) == {"INCONCLUSIVE"}
