"""Gates on what networks were given before their first step, and known cases: each known mistake blocks."""

from dataclasses import replace

import judging_lab as lab
import numpy as np
import pytest
from test_judging_gates import blocked, judged

from lthbench.claims.load import load
from lthbench.judging import lines
from lthbench.judging.gates import known_cases as known
from lthbench.judging.gates import known_draws
from lthbench.judging.gates.accuracy import recipe_gate
from lthbench.judging.gates.masks import count
from lthbench.judging.gates.starts import rate_total
from lthbench.judging.judge import judge
from lthbench.judging.judge import judged as judged_pairs
from lthbench.pruning.counts import ladder
from lthbench.recipe.experiment import Pruning, Training, digest
from lthbench.recipe.streams import stream
from lthbench.stats.rule import ROWS
from lthbench.training.schedule import last_rate, learning_rates

TICKET = lab.line("ticket@2", "reinit@2")
ONE_SHOT = lab.line("ticket@2", "one-shot@2")
REWOUND = lab.line("ticket@2", "rewound@2")
SHUFFLED = lab.line("ticket@2", "shuffled@2")
STARTS = ("start_", "rate_total", "wrongly_pruned", "rewind_validation_loss")


@pytest.mark.parametrize("cell", ["ticket@2", "ticket@1", "dense@0"])
def test_statistics_that_survive_the_rewind(cell) -> None:
    """M4: one buffer of one network."""
    change = lab.setting(cell, "start_moved:others", 1, replicate=4)
    blocked(TICKET, change, "toy: start of every network", f"1 of 10 of {cell} (biases, norms")


@pytest.mark.parametrize(("line", "cell"), [(TICKET, "ticket@1"), (REWOUND, "rewound@2")])
def test_weights_that_are_not_rewound(line, cell) -> None:
    """M3."""
    blocked(line, lab.setting(cell, "start_moved:weights", 1, replicate=9), f"1 of 10 of {cell} (weights)")


def test_a_control_that_shares_the_tickets_weights() -> None:
    """P3."""
    change = lab.setting("reinit@2", "start_moved:weights", 0)
    blocked(TICKET, change, "20 of 20 of reinit@2 (weights, all new)")


@pytest.mark.parametrize("cell", ["rewound-signs@2", "rewound-trained-signs@2"])
def test_signs_that_are_not_those_that_the_arm_says(cell) -> None:
    line = lab.line("ticket@2", cell)
    assert judged(line, lambda _: None).claims[0].verdict == "PASS"
    blocked(
        line,
        lab.setting(cell, "start_signs_other", 1, replicate=4),
        "toy: signs at the start",
        f"1 of 10 of {cell}",
    )


@pytest.mark.parametrize(
    ("cell", "metric", "value", "words"),
    [
        ("rewound-signs@2", "start_moved:weights", 0, "10 of 10 of rewound-signs@2 (weights, all new)"),
        ("rewound-signs@2", "start_moved:others", 1, "rewound-signs@2 (biases"),
        ("rewound-signs@2", "rate_total", 0.3, "rewound-signs@2"),
        ("continued-permuted@2", "mask_crc32", 2000.0, "mask of continued-permuted@2: A random mask equals"),
        ("continued-permuted@2", "nonzero:out.weight", 9.0, "toy: weights remaining"),
        ("dense-reinit@0", "start_moved:weights", 0, "of dense-reinit@0 (weights, all new)"),
    ],
)
def test_controls_that_are_not_what_they_are_called(cell, metric, value, words) -> None:
    line = lab.line("ticket@2", cell)
    assert judged(line, lambda _: None).claims[0].verdict == "PASS"
    blocked(line, lab.setting(cell, metric, value), words)


def test_shuffled_weights_may_move_but_their_biases_not() -> None:
    assert judged(SHUFFLED, lambda _: None).claims[0].verdict == "PASS"
    blocked(SHUFFLED, lab.setting("shuffled@2", "start_moved:others", 3, replicate=0), "of shuffled@2 (biases")


@pytest.mark.parametrize("factor", [0.5, 1.8])
def test_fresh_weights_of_another_spread(factor) -> None:
    """P4; 100 survivors of 20 runs show a factor of 1.8, not one of 1.02."""
    blocked(
        TICKET, lab.setting("reinit@2", "start_rms:out.weight", 0.1 * factor),
        "toy: spread of fresh weights of reinit@2", f"out.weight {factor:g} times",
    )  # fmt: skip
    near = judged(TICKET, lab.setting("reinit@2", "start_rms:out.weight", 0.102))
    assert near.claims[0].verdict == "PASS"


def test_a_mask_moved_with_a_look_at_fresh_weights_takes_larger_ones_of_a_sound_draw() -> None:
    larger = lab.setting("continued-permuted@2", "start_rms:out.weight", 0.2)
    assert judged(lab.line("ticket@2", "continued-permuted@2"), larger).claims[0].verdict == "PASS"
    blocked(
        lab.line("ticket@2", "dense-reinit@0"), lab.setting("dense-reinit@0", "start_rms:out.weight", 0.2),
        "toy: spread of fresh weights of dense-reinit",
    )  # fmt: skip


@pytest.mark.parametrize("cell", ["one-shot@2", "ticket@1"])
def test_masks_that_did_not_take_the_smallest(cell) -> None:
    """P9, P11."""
    change = lab.setting(cell, "wrongly_pruned", 5, replicate=2)
    blocked(ONE_SHOT, change, "toy: the smallest weights were pruned", f"1 of 10 of {cell}")


@pytest.mark.parametrize("cell", ["dense@0", "rewound@1"])
def test_other_learning_rates(cell) -> None:
    """M13, P1."""
    blocked(
        REWOUND, lab.setting(cell, "rate_total", 0.21, replicate=0), "toy: learning rates", f"1 of 10 of {cell}"
    )


def test_a_rewind_point_of_another_iteration() -> None:
    """P10."""
    change = lab.setting("dense@0", "rewind_validation_loss", 1.801, replicate=1)
    blocked(REWOUND, change, "toy: rewind point", "1 of 10 of rewind points are not the dense network after 10")


def without_starts(frame):
    return frame[~frame["metric"].str.startswith(STARTS)].reset_index(drop=True)


def test_older_results_are_judged_and_say_what_nobody_looked_at() -> None:
    claim = judged(TICKET, without_starts).claims[0]
    assert claim.verdict == "PASS"
    assert claim.not_tested[-1].startswith("toy: where networks started")
    assert not any("start" in gate.name or "rates" in gate.name for gate in claim.gates)
    assert not any("toy" in text for text in judged(TICKET, lambda _: None).claims[0].not_tested)


def test_results_of_two_versions_do_not_mix() -> None:
    def change(frame):
        old = frame["metric"].str.startswith(STARTS) & (frame["arm"] == "ticket") & (frame["level"] == 1)
        return frame[~old].reset_index(drop=True)

    blocked(TICKET, change, "toy: start of every network", "ticket@1: no start_moved:weights")


def test_a_fact_that_is_missing_is_not_a_pass() -> None:
    blocked(TICKET, lab.without("ticket@2", "wrongly_pruned"), "the smallest weights were pruned", "ticket@2")


def test_cells_of_other_matrices_fail_the_ladder() -> None:
    def change(frame):
        frame.loc[lab.where(frame, "ticket@1", "nonzero:fc1.weight"), "metric"] = "nonzero:fc9.weight"

    blocked(TICKET, change, "weights remaining", "ticket@1 does not have the dense network's matrices: fc1.weight")
    blocked(
        TICKET, lambda frame: frame[~lab.where(frame, "ticket@1", "nonzero:fc1.weight", replicate=3)],
        "ticket@1 has counts of some matrices for some runs only",
    )  # fmt: skip


LINES = {"dense-copy@0": ("dense@0", "dense-copy@0"), "ticket-line@2": ("ticket@1", "ticket-line@2")}  # their ends


def on_the_line(line: str, **network):
    """A claim about barriers and its table: ends with the networks' own errors, moved by `moved`."""
    found = lab.registry(lab.claim("P-1", lab.line(line, "dense@0", "non-inferiority")))
    recipe = found.experiments["toy"]
    object.__setattr__(recipe, "network", type(recipe.network)("mlp", (4,), **network))

    def verdict(moved):
        def change(frame):
            arm, level = line.split("@")
            rows = [
                frame[lab.where(frame, end, "final_test_accuracy")].assign(
                    arm=arm, level=int(level), metric=metric, value=lambda f: 100 - f["value"] + moved
                )
                for end, metric in zip(LINES[line], ("line_error:0", "line_error:1"), strict=True)
            ]
            import pandas as pd

            return pd.concat([frame, *rows], ignore_index=True)

        return judge(found, "toys", 0, lab.table(found, {"dense": lab.BASE + lab.spread()}, change)).claims[0]

    return verdict


@pytest.mark.parametrize("line", LINES)
def test_stale_statistics_on_the_line(line: str) -> None:
    """P5: an end of the line has the network's own error, to the last example, in every replicate."""
    verdict = on_the_line(line, batch_norm=True)
    one = np.zeros(lab.N)
    one[3] = 0.005
    assert verdict(one).verdict == "PASS"
    stale = verdict(0.0)
    assert stale.verdict == "BLOCKED"
    assert f"{LINES[line][0].removesuffix('@0')} at its end of the line" in stale.why
    assert "were not recomputed" in stale.why


@pytest.mark.parametrize("line", LINES)
def test_ends_of_the_line_that_are_not_the_networks(line: str) -> None:
    verdict = on_the_line(line)
    assert verdict(0.0).verdict == "PASS"
    one = np.zeros(lab.N)
    one[3] = 1.0
    assert "1 of 10 errors are not the network's own" in verdict(one).why


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.29, 0.5])
@pytest.mark.parametrize("scope", ["layer-wise", "global"])
def test_two_ways_to_the_ladder_agree(rate, scope) -> None:
    """The gate's own arithmetic and that of pruning, on odd sizes, kept weights and rates of their own."""
    sizes = {"conv1.weight": 1729, "fc1.weight": 235_201, "fc2.weight": 30_005, "out.weight": 1_015}
    more = {"output_rate": rate / 2, "layer_rates": {"conv*": 0.15}} if scope == "layer-wise" else {}
    pruning = Pruning(scope, rate, keep=("fc2.*",), **more)
    for level in range(25):
        assert count(sizes, pruning, level, {}) == ladder(sizes, pruning, level), level


def test_two_ways_to_the_ladder_of_filters_agree() -> None:
    sizes, filters = {"conv1.weight": 64 * 27, "out.weight": 640}, {"conv1.weight": 64}
    for level in range(8):
        pruning = Pruning("layer-wise", 0.3, unit="filter")
        assert count(sizes, pruning, level, filters) == ladder(sizes, pruning, level, filters), level


@pytest.mark.parametrize("training", [
    Training("sgd", 0.3, 32, 1500, 75, momentum=0.9, milestones=(750, 1125)),
    Training("sgd", 0.03, 128, 300, 10, warmup=200, milestones=(100, 250), decay=0.2),
    Training("adam", 0.0012, 100, 1500, 50),
])  # fmt: skip
def test_two_ways_to_the_learning_rates_agree(training) -> None:
    recipe = lab.experiment()
    object.__setattr__(recipe, "training", training)
    start = recipe.pruning.rewind
    assert rate_total(recipe, "dense") == pytest.approx(learning_rates(training).sum(), rel=1e-12)
    assert rate_total(recipe, "rewound") == pytest.approx(learning_rates(training)[start:].sum(), rel=1e-12)
    assert rate_total(recipe, "fine-tuned") == pytest.approx(last_rate(training).sum(), rel=1e-12)
    assert rate_total(recipe, "untrained") == 0


def cases_fail() -> str:
    found = known.known_cases.__wrapped__(judged_pairs)
    return found[0].detail if found else ""


def test_known_cases_come_out_right() -> None:
    assert cases_fail() == ""


@pytest.mark.parametrize(("where", "name", "wrong", "says"), [
    ("lthbench.stats.rule", "ROWS", ROWS | {"non-inferiority": ROWS["equivalence"]}, "is no worse"),  # M15
    ("lthbench.judging.judge", "fixed_level", lambda m, alpha: alpha, "first of two"),  # P13
    ("lthbench.judging.judge", "fixed_level", lambda m, alpha: alpha / (m + 1), "enough alone"),
    ("lthbench.judging.lines", "pairs_of", lambda *a: swapped(*a), "clear gain"),  # P7
    ("lthbench.judging.table", "averaged", lambda runs: best(runs), "draws are averaged"),  # P12
])  # fmt: skip
def test_a_judge_that_is_wrong_blocks_everything(monkeypatch, where, name, wrong, says) -> None:
    monkeypatch.setattr(f"{where}.{name}", wrong)
    assert says in cases_fail()
    known.known_cases.cache_clear()
    try:
        claims = judged(TICKET, lambda _: None).claims
    finally:
        known.known_cases.cache_clear()
    assert [claim.verdict for claim in claims] == ["BLOCKED", "BLOCKED"]
    assert "the judge decides known cases" in claims[0].why


in_order = lines.pairs_of


def swapped(labels, first, second):
    return in_order(labels, second, first)


def best(runs):
    return {label: max(value for (other, _), value in runs.items() if other == label) for label, _ in runs}


def keeps_rows(mask, generator):
    return {name: generator.permutation(kept) for name, kept in mask.items()}


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        ("stream", lambda master, scope, replicate, name: stream(0, scope, replicate, name), "another master"),
        ("stream", lambda master, scope, replicate, name: stream(master, scope, 0, name), "another replicate"),
        ("stream", lambda *_, **__: np.random.default_rng(), "the second time"),
        ("train_validation_split", lambda n, v, _: (np.arange(n), np.arange(v)), "trained on"),
        ("train_validation_split", lambda n, v, _: (np.arange(v, n - 1), np.arange(v)), "loses"),
        ("random_like", keeps_rows, "whole rows"),
        ("random_like", lambda mask, generator: dict(mask), "the same"),
        ("random_like", lambda mask, generator: {n: np.ones_like(m) for n, m in mask.items()}, "another number"),
    ],
)
def test_draws_that_are_not_what_they_are_called_block(monkeypatch, name, wrong, says) -> None:
    monkeypatch.setattr(known_draws, name, wrong)
    failed = known_draws.known_draws.__wrapped__()
    assert [gate.passed for gate in failed] == [False]
    assert says in " ".join([*known_draws.streams(), *known_draws.random_masks(), *known_draws.splits()])


def test_known_draws_are_as_known() -> None:
    assert known_draws.known_draws.__wrapped__() == ()


def test_a_recipe_that_is_not_the_registered_one_blocks() -> None:
    found = load()
    suite, experiment = found.suites["quick"], found.experiments["mnist1d-mlp"]
    band = suite.dense_bands["mnist1d-mlp"]
    assert recipe_gate(experiment, band) == recipe_gate(experiment, None) == []
    drifted = replace(experiment, training=replace(experiment.training, optimizer="sgd", learning_rate=0.1))
    (gate,) = recipe_gate(drifted, band)
    assert (gate.name, gate.passed) == ("mnist1d-mlp: recipe as registered", False)
    assert band.recipe in gate.detail
    assert recipe_gate(replace(experiment, title="other words", draws={}), band) == []


@pytest.mark.parametrize("suite", ["quick", "cpu", "cpu-long", "cpu-paper", "full-core"])
def test_every_band_names_the_recipe_that_it_was_registered_with(suite: str) -> None:
    found = load()
    for name, band in found.suites[suite].dense_bands.items():
        assert band.recipe == digest(found.experiments[name].recipe()), name


# Tickets of a user's method

AS_GOOD = lab.line("found@2", "ticket@2", "non-inferiority")
NEEDS_ITS_START = lab.line("found@2", "found-reinit@2")


def of_method(line, change=None, **recipe):
    """The verdict on a line about a method, whose masks are not the ticket's."""
    claimed = lab.registry(lab.claim("P-1", line))
    toy = replace(claimed.experiments["toy"], method="mine:find", **recipe)
    claimed = replace(claimed, experiments={"toy": toy})

    def changed(frame):
        of_it = frame["arm"].str.startswith("found") & frame["metric"].eq("mask_crc32")
        frame.loc[of_it, "value"] += 500_000
        frame.loc[lab.where(frame, "found@2", "start_moved:weights"), "value"] = 0
        return change(frame) if change else frame

    # Two weights of the one matrix may lie in the other: layers are the method's choice.
    return judge(claimed, "toys", 0, lab.table(claimed, {"found@2": 64 + lab.spread()}, changed)).claims[0]


def moved(cell, to=2.0):
    """So many weights more in the one matrix, as many fewer in the other."""

    def change(frame):
        frame.loc[lab.where(frame, cell, "nonzero:fc1.weight"), "value"] += to
        frame.loc[lab.where(frame, cell, "nonzero:out.weight"), "value"] -= 2.0
        return frame

    return change


def test_a_method_divides_its_weights_among_layers_as_it_likes() -> None:
    sound = of_method(AS_GOOD, moved("found@2"))
    assert sound.verdict == "PASS", sound.why
    assert "toy: weights of what the method found" in [gate.name for gate in sound.gates]


@pytest.mark.parametrize(("line", "change", "words"), [
    (AS_GOOD, moved("found@2", 4.0), "weights of what the method found"),
    (AS_GOOD, lab.setting("found@2", "start_moved:weights", 1, replicate=2), "1 of 10 of found@2 (weights)"),
    (AS_GOOD, lab.setting("found@2", "start_moved:others", 1, replicate=2), "1 of 10 of found@2 (biases"),
    (AS_GOOD, lab.setting("found@2", "mask_crc32", 7.0), "10 replicates have 1 different masks"),
    (NEEDS_ITS_START, lab.setting("found-reinit@2", "mask_crc32", 7.0), "mask of found-reinit@2"),
    (lab.line("found@2", "found-random-mask@2"), moved("found-random-mask@2"), "is not as dense as the ticket's"),
])  # fmt: skip
def test_a_method_that_is_not_what_it_says_is_blocked(line, change, words) -> None:
    result = of_method(line, change)
    assert result.verdict == "BLOCKED"
    assert words in result.why


def test_a_start_of_its_own_has_to_be_declared() -> None:
    change = lab.setting("found@2", "start_moved:weights", 9)
    assert of_method(AS_GOOD, change).verdict == "BLOCKED"
    assert of_method(AS_GOOD, change, own_start=True).verdict == "PASS"
