"""The published suite: every decision recomputed with scipy, and what may not be tested."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lthbench.claims.load import load
from lthbench.judging.judge import judge
from lthbench.judging.lines import sides_of
from lthbench.judging.table import Table
from lthbench.published.adapters import DATA, published, sources
from lthbench.results.format import check_table, text_table

REGISTRY = load()
TABLE = check_table(text_table(published().to_csv(index=False), DATA), "published").table
VERDICTS = judge(REGISTRY, "published", 0, TABLE)
BY_ID = {claim.id: claim for claim in VERDICTS.claims}
RENDA = pd.read_csv(DATA / "renda2020/summary.csv").set_index(["network", "structure", "mode", "arm", "density"])


def cell(network, mode, arm, density, structure="unstructured"):
    line = RENDA.loc[(network, structure, mode, arm, density)]
    return line["mean_top1_pct"], line["sd_top1_pp"], line["n"]


def p(first, second, shift, side):
    """Welch's one-sided p for "first - second lies on that side of shift", by scipy."""
    shifted = (first[0] - shift, *first[1:])
    return stats.ttest_ind_from_stats(*shifted, *second, equal_var=False, alternative=side).pvalue


def by_scipy(line, first, second) -> float:
    """P of what PASS must show."""
    if line.test == "superiority":
        return p(first, second, 0, "greater")
    above = p(first, second, -line.delta, "greater")
    return above if line.test == "non-inferiority" else max(above, p(first, second, line.delta, "less"))


def test_every_claim_asked_for_has_a_verdict_and_a_reading_by_hand() -> None:
    asked = {"ST-1", "ST-1t", "ST-2", "FC-8", "FC-8r", "FC-13", "GA-1", "GA-2", "LI-1", "LIU-1", "LIU-3", "RE-3"}
    assert set(BY_ID) == asked
    for claim in BY_ID.values():
        assert claim.verdict in ("PASS", "FAIL", "INCONCLUSIVE", "NOT DECIDABLE")
        assert all(gate.passed for gate in claim.gates)
        registration = REGISTRY.claims[claim.id].suites["published"]
        assert len(registration.by_hand) > 200
        assert registration.caveats


def test_every_line_follows_from_welch_by_scipy() -> None:
    table = Table(TABLE)
    looked = 0
    for claim, registration in REGISTRY.registrations("published"):
        verdict = BY_ID[claim.id]
        for line, result in zip(registration.lines(), verdict.hypotheses + verdict.beside, strict=True):
            if result.evidence is None:
                continue
            if result.groups is None:
                continue  # pairs: below
            sides = sides_of(table, line, registration.experiment, 0)
            first, second = [(side.group.mean, side.group.sd, side.group.n) for side in sides]
            passes = by_scipy(line, first, second)
            enough = line.test != "superiority" or first[0] - second[0] >= line.delta
            assert result.evidence["p_pass"] == pytest.approx(passes, rel=1e-5, abs=1e-12)
            assert (result.decision == "PASS") == (passes <= result.pass_level and enough)
            looked += 1
    assert looked > 60


def test_fc8_from_the_released_numbers() -> None:
    iterative = cell("resnet20", "iterative", "weights_late", 0.1074)
    once = cell("resnet20", "one-shot", "weights_late", 0.1074)
    assert BY_ID["FC-8"].hypotheses[0].evidence["mean"] == pytest.approx(iterative[0] - once[0])
    assert BY_ID["FC-8"].p_pass == pytest.approx(p(iterative, once, 0, "greater"))
    assert BY_ID["FC-8"].pass_level == 0.025  # the share of one of two primary claims
    assert REGISTRY.primaries("published") == ["ST-2", "FC-8"]


def test_gale_runs_are_not_paired() -> None:
    line = BY_ID["ST-1"].hypotheses[0]
    tickets = pd.read_csv(DATA / "gale2019/rn50_lottery_ticket.csv").query("sparsity == 0.8")["accuracy"]
    scratch = pd.read_csv(DATA / "gale2019/rn50_scratch.csv").iloc[8]
    assert (scratch["sparsity"], scratch["time multiplier"], scratch["init method"]) == (0.8, 1, "baseline")
    fresh = scratch.filter(like="Run").astype(float)
    assert line.d == []
    assert [g.n for g in line.groups] == [9, 9]
    welch = stats.ttest_ind(100 * tickets, 100 * fresh, equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert (line.evidence["low"], line.evidence["high"]) == pytest.approx((interval.low, interval.high))


TRANSFORMER = {"ticket": "lottery_ticket", "reinit": "scratche", "reinit-double": "scratchb",
               "reinit-rescaled": "scratche_augmented_init"}  # fmt: skip


def transformer(arm):
    """BLEU (7 sparsities, 5 masks, 5 runs) and the sparsities as released."""
    released = pd.read_csv(DATA / f"gale2019/transformer_{TRANSFORMER[arm]}.csv")
    return (released[column].to_numpy().reshape(7, 5, 5) for column in ("MOSES BLEU", "Sparsity"))


@pytest.mark.parametrize("arm", TRANSFORMER)
def test_five_runs_of_the_transformer_share_a_mask(arm) -> None:
    _, sparsity = transformer(arm)
    assert (np.ptp(sparsity, axis=2) == 0).all()  # no mask's sparsity changes between its five runs
    assert (np.ptp(sparsity, axis=1) > 0).sum() > 4 * 5 - 1  # and at four sparsities it differs between masks
    _, tickets = transformer("ticket")
    assert (sparsity == tickets).all()


def test_a_mask_of_the_transformer_is_one_replicate() -> None:
    (tickets, _), (fresh, _) = transformer("ticket"), transformer("reinit")
    for line, ours, theirs in zip(BY_ID["ST-1t"].hypotheses, tickets, fresh, strict=True):
        assert [group.n for group in line.groups] == [5, 5]
        welch = stats.ttest_ind(ours.mean(axis=1), theirs.mean(axis=1), equal_var=False)
        interval = welch.confidence_interval(0.95)
        assert (line.evidence["low"], line.evidence["high"]) == pytest.approx((interval.low, interval.high))
    means = [line.evidence["mean"] for line in BY_ID["ST-1t"].hypotheses]
    assert means == pytest.approx([-0.58, -1.42, 0.10, 1.67, 1.10, 0.95, 0.12], abs=0.006)
    assert [line.unit for line in BY_ID["ST-1t"].hypotheses] == ["BLEU"] * 7


def test_sparse_transformers_contradict_st1() -> None:
    claim = BY_ID["ST-1t"]
    assert claim.verdict == "FAIL"
    assert [line.id for line in claim.hypotheses if line.decision == "FAIL"] == ["H5", "H6"]
    assert all(line.evidence["mean"] > line.delta for line in claim.hypotheses if line.decision == "FAIL")


def test_runs_that_translate_nothing_are_named_and_stay_in_their_arm() -> None:
    rows = TABLE[TABLE["experiment"] == "gale2019-transformer"]
    gone = rows[rows["value"] == 0]
    assert [(row.arm, row.density, row.replicate) for row in gone.itertuples()] == [
        ("reinit", pytest.approx(0.2), "reinit-mask-2"),
        ("reinit-rescaled", pytest.approx(0.2), "reinit-rescaled-mask-1"),
        ("reinit-rescaled", pytest.approx(0.02), "reinit-rescaled-mask-1"),
    ]
    assert rows.groupby("arm").size().to_dict() == {
        "dense": 5, "ticket": 175, "reinit": 175, "reinit-trained": 174,
        "reinit-double": 175, "reinit-rescaled": 175, "reinit-rescaled-trained": 173,
    }  # fmt: skip
    (without,) = [line for line in BY_ID["ST-1t"].beside if line.id == "without-20"]
    (with_it,) = [line for line in BY_ID["ST-1t"].hypotheses if line.id == "H4"]
    assert (with_it.decision, without.decision) == ("INCONCLUSIVE", "FAIL")
    assert without.evidence["mean"] == pytest.approx(0.766, abs=0.001)


def test_released_paired_differences_by_scipy() -> None:
    (line,), (early, dense) = BY_ID["FC-8r"].hypotheses, BY_ID["FC-8r"].beside
    assert stats.t.sf(1.56 / (0.3866522985836248 / 5**0.5), 4) == pytest.approx(0.00042, abs=5e-6)
    assert (line.decision, line.evidence["p_pass"], line.evidence["n"]) == ("PASS", 1 / 32, 5)
    half = stats.t.ppf(0.975, 4) * 0.3866522985836248 / 5**0.5
    assert (line.evidence["low"], line.evidence["high"]) == pytest.approx((1.56 - half, 1.56 + half))
    assert early.evidence["mean"] == pytest.approx(2.446)
    assert dense.d == pytest.approx([0.91, 1.17, 1.40, 1.36, 1.25])  # by seed
    assert dense.evidence["p_pass"] == 1 / 32


def test_the_last_row_of_figure_9_is_epoch_4_of_figure_5() -> None:
    rows = TABLE[TABLE["experiment"] == "frankle2019-resnet50"].set_index(["arm", "density"])["value"]
    assert rows["one-shot-pruned-at-90"].to_dict() == rows["one-shot-epoch-4"].to_dict()


def test_maxima_of_single_runs_and_tables_without_n_are_never_tested() -> None:
    for claim in BY_ID.values():
        for line in claim.hypotheses + claim.beside:
            if any(word in line.contrast for word in ("-best@", "-same@", "frankle2019", "li2017")):
                assert line.decision == "NOT DECIDABLE"
                assert line.evidence is None
    assert BY_ID["GA-1"].verdict == BY_ID["LI-1"].verdict == "NOT DECIDABLE"
    assert "single run" in BY_ID["GA-1"].why
    assert "not stated" in BY_ID["LI-1"].why


def test_dense_networks_are_counted_once() -> None:
    dense = TABLE[(TABLE["arm"] == "dense") & TABLE["experiment"].str.startswith("renda")].set_index("experiment")[
        "n"
    ]
    assert dense["renda2020-resnet20"] == 123
    assert dense["renda2020-resnet50"] == 90


def test_no_raw_data_without_a_licence() -> None:
    assert [entry["file"] for entry in sources() if "renda" in entry["file"]] == ["renda2020/summary.csv"]
    assert not [path for path in DATA.rglob("*") if path.suffix in (".pkl", ".pickle", ".npy")]
    for folder in ("gale2019", "shrinkbench", "posterior-modes"):
        assert list((DATA / folder).glob("LICENSE-*.txt"))


def test_published_margins_are_swept() -> None:
    for claim in BY_ID.values():
        for line in claim.hypotheses:
            if line.evidence is not None:
                assert len(line.sweep) >= 3
